"""Files appear whole or not at all."""

import errno

import pytest

from lvae import atomic
from lvae.errors import UserError


def test_interrupted_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    atomic.write_text(path, "old")
    with pytest.raises(KeyboardInterrupt), atomic.replacing(path) as temporary:  # noqa: PT012
        temporary.write_text("half")
        assert temporary.suffix == ".json"
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_full_disk_is_one_line_that_names_the_file(tmp_path):
    path = tmp_path / "deep" / "a.png"
    with pytest.raises(UserError, match=r"a.png: cannot be written .No space left") as error:  # noqa: SIM117
        with atomic.replacing(path):
            raise OSError(errno.ENOSPC, "No space left on device")
    assert "\n" not in str(error.value)
    assert not path.exists()
