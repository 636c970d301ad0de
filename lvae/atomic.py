"""Files that appear whole or not at all: written beside their place, then renamed over it."""

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lvae.errors import UserError

MARK = ".tmp-"  # in the name of a file that is being written


@contextmanager
def replacing(path: str | Path, staging: Path | None = None) -> Iterator[Path]:
    """Yields a temporary path beside `path` (or in the folder `staging`, on the same disk); renames
    it over `path` if the block succeeds, and removes it otherwise.

    The temporary name begins with a dot and keeps the suffix, so that writers that look at the
    suffix (Pillow, NumPy, nibabel) work and globs for `*.json` or `*.png` never see it.

    Raises:
      UserError: the disk is full, the place is read-only or is not a folder.
    """
    path = Path(path)
    folder = staging or path.parent
    temporary = folder / f".{path.stem}{MARK}{os.getpid()}{''.join(path.suffixes[-2:])}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        _remove(temporary)
        reason = error.strerror or str(error)
        raise UserError(
            f"{path}: cannot be written ({reason}); free some space or choose another folder"
        ) from error
    except BaseException:
        _remove(temporary)
        raise


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # the first trouble is what is reported
        path.unlink(missing_ok=True)


def remove_unfinished(*folders: Path) -> None:
    """Removes what killed processes left in these folders; only where no other one is writing."""
    for folder in folders:
        for path in folder.glob(f".*{MARK}*"):
            _remove(path)


def make_folder(path: str | Path) -> None:
    """Makes a folder and those above it.

    Raises:
      UserError: the place is taken by a file, read-only or full.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be made a folder ({error.strerror}); choose another place"
        ) from error


def write_bytes(path: str | Path, content: bytes, staging: Path | None = None) -> None:
    """Writes `content` to `path`, complete or not at all."""
    with replacing(path, staging) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | Path, content: str) -> None:
    """Writes UTF-8 `content` to `path`, complete or not at all."""
    write_bytes(path, content.encode())
