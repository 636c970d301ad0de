"""What --mode=match reads: a folder of frames, with images or points alone, or the pages of a file."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lvae.data.gray import read_pages
from lvae.data.recordings.lasten import OTHER_FILES
from lvae.errors import UserError
from lvae.tasks.grids.registration.detection import detect_points
from lvae.tasks.grids.registration.frames import (
    SUFFIX,
    Frame,
    frame_id,
    natural_order,
    read_frame,
    read_points,
)

_BORDER = 20  # px around points that come without an image
_LARGEST = 2**15  # px; x or y of a point that comes without an image


class Recording(NamedTuple):
    """Frames in their order. names: of the results. read: one frame by its place."""

    names: Sequence[str]
    read: Callable[[int], Frame]


def open_recording(data: Path, size: tuple[int, int]) -> Recording:
    """A folder of `{id}_mov.png` and `{id}.json`, of which each frame has one or both, or an image
    file of several pages, which are the frames. Images may be of any size.

    Args:
      data: the folder or file.
      size: width and height, px, of a frame that comes without an image, at least.

    Raises:
      UserError: there is nothing of that kind.
    """
    if data.is_file():
        pages = read_pages(data)
        digits = len(str(len(pages) - 1))
        names = [f"{data.stem}_{page:0{digits}d}" for page in range(len(pages))]
        return Recording(names, lambda page: _from_image(pages[page]))
    if not data.is_dir():
        raise UserError(
            f"{data}: no such folder or file; --data names a folder of frames, {{id}}{SUFFIX} or "
            "{id}.json, or an image file of several pages"
        )
    found = _frames_in(data)
    if not found:
        raise UserError(
            f"{data}: no frames in it; expected moving images {{id}}{SUFFIX}, or points {{id}}.json"
        )
    return Recording(list(found), lambda place: _read(list(found.values())[place], size))


def _frames_in(folder: Path) -> dict[str, Path]:
    """A frame's image, or where it has none its points, by name, in natural order."""
    found: dict[str, Path] = {}
    for path in folder.iterdir():
        if OTHER_FILES.fullmatch(path.name):
            continue
        if path.name.endswith(SUFFIX):
            found[frame_id(path)] = path
        elif path.suffix == ".json":
            found.setdefault(path.stem, path)
    return dict(sorted(found.items(), key=lambda item: natural_order(item[0])))


def _read(path: Path, size: tuple[int, int]) -> Frame:
    if path.suffix != ".json":
        return read_frame(path, None)
    points = read_points(path, (_LARGEST, _LARGEST))
    least = np.array(size)
    if len(points):
        least = np.maximum(least, np.ceil(points.max(axis=0)).astype(int) + _BORDER)
    return Frame(np.zeros((least[1], least[0]), np.uint8), points, "file")


def _from_image(image: np.ndarray) -> Frame:
    return Frame(image, detect_points(image), "image")
