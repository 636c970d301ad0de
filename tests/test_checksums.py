"""Checksums of a folder's files."""

import pytest

from lvae.storage import checksums


def folder_in(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "deep" / "b").write_bytes(b"x" * (3 << 20))
    checksums.write(tmp_path)
    return tmp_path


def test_an_untouched_folder_passes_also_when_it_is_moved(tmp_path):
    (tmp_path / "old").mkdir()
    folder = folder_in(tmp_path / "old").rename(tmp_path / "new")
    assert checksums.altered(folder) is None


def test_what_was_altered_is_named(tmp_path):
    folder = folder_in(tmp_path)
    content = bytearray((folder / "deep" / "b").read_bytes())
    content[2 << 20] ^= 1
    (folder / "deep" / "b").write_bytes(content)
    assert checksums.altered(folder) == "deep/b"
    (folder / "deep" / "b").unlink()
    assert checksums.altered(folder) == "deep/b"


def test_damaged_checksums_are_no_pass(tmp_path):
    folder = folder_in(tmp_path)
    (folder / checksums.NAME).write_text("[]")
    assert checksums.altered(folder) == checksums.NAME
    (folder / checksums.NAME).write_text("{")
    with pytest.raises(ValueError, match="property name"):
        checksums.altered(folder)


def test_a_folder_without_checksums_passes(tmp_path):
    assert checksums.altered(tmp_path) is None
