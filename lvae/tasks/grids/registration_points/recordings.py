"""What --mode=match reads: a folder of frames, with images or points alone, the pages of a file, or a
video."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from lvae.data import video
from lvae.data.gray import read_pages
from lvae.data.recordings.lasten import OTHER_FILES
from lvae.errors import UserError
from lvae.grids.rendering import render
from lvae.tasks.grids.registration.detection import detect_points
from lvae.tasks.grids.registration.frames import (
    SUFFIX,
    Frame,
    frame_id,
    natural_order,
    read_frame,
    read_points,
)
from lvae.tasks.numbered import Numbered

_BORDER = 20  # px around points that come without an image
_LARGEST = 2**15  # px; x or y of a point that comes without an image


class Recording(NamedTuple):
    """Frames in their order. names: of the results. read: one frame by its place. labels: the rays
    that the file beside it gives to its points, None where it gives none."""

    names: Sequence[str]
    read: Callable[[int], Frame]
    labels: Callable[[int], Int[np.ndarray, " points"] | None] = lambda place: None


def open_recording(data: Path, size: tuple[int, int]) -> Recording:
    """A folder of `{id}_mov.png` and `{id}.json`, of which each frame has one or both, or an image
    file of several pages or a video, whose pages are the frames. Images may be of any size.

    Args:
      data: the folder or file.
      size: width and height, px, of a frame that comes without an image, at least.

    Raises:
      UserError: there is nothing of that kind.
    """
    if data.is_file():
        if data.suffix.lower() in video.SUFFIXES:
            film = video.open_video(data)
            return Recording(_pages(data, film.frames), lambda page: _from_image(film.read(page)))
        pages = read_pages(data)
        return Recording(_pages(data, len(pages)), lambda page: _from_image(pages[page]))
    if not data.is_dir():
        raise UserError(
            f"{data}: no such folder or file; --data names a folder of frames, {{id}}{SUFFIX} or "
            "{id}.json, or an image file of several pages, or a video"
        )
    found = _frames_in(data)
    if not found:
        raise UserError(
            f"{data}: no frames in it; expected moving images {{id}}{SUFFIX}, or points {{id}}.json"
        )
    paths = list(found.values())
    return Recording(
        list(found),
        lambda place: _read(paths[place], size),
        lambda place: _labels(data / f"{list(found)[place]}.json"),
    )


def _pages(data: Path, count: int) -> Numbered:
    return Numbered(count, prefix=f"{data.stem}_", digits=1)


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
    image = render(points[None], np.ones((1, len(points)), bool), (int(least[0]), int(least[1])))
    return Frame(image, points, "file")


def _labels(path: Path) -> Int[np.ndarray, " points"] | None:
    """The rays of a labelled frame, whose points `read_points` has found to be right."""
    content = json.loads(path.read_bytes()) if path.exists() else None
    if not isinstance(content, dict):
        return None
    if not all(label.isdecimal() for label in content):
        raise UserError(f"{path}: labels are not numbers of rays; export it again")
    return np.array([int(label) for label in content], int)


def _from_image(image: np.ndarray) -> Frame:
    return Frame(image, detect_points(image), "image")
