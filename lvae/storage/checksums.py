"""Checksums of the files in a folder: what has been altered since is found out.

The arrays in a checkpoint carry none; a flipped bit would go unnoticed into a model.
"""

import json
import zlib
from pathlib import Path

from lvae import atomic

NAME = "checksums.json"
_PIECE = 1 << 20  # bytes


def write(folder: Path) -> None:
    """Writes `folder/checksums.json`, of every other file under it."""
    atomic.write_text(folder / NAME, json.dumps(_of_files(folder), indent=2) + "\n")


def altered(folder: Path) -> str | None:
    """The first file that is not as it was, or None; None, too, where no checksums were written.

    Raises:
      OSError: a file cannot be read.
      ValueError: the checksums themselves are damaged.
    """
    try:
        expected = json.loads((folder / NAME).read_bytes())
    except FileNotFoundError:  # killed between the checkpoint and these
        return None
    found = _of_files(folder)
    if not isinstance(expected, dict):
        return NAME
    names = sorted(set(expected) | set(found))
    return next((name for name in names if expected.get(name) != found.get(name)), None)


def _of_files(folder: Path) -> dict[str, int]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): _checksum(path)
        for path in files
        if path.name != NAME and atomic.MARK not in path.name
    }


def _checksum(path: Path) -> int:
    value = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            value = zlib.crc32(piece, value)
    return value
