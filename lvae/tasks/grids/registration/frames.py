"""Moving images without labels, as a matcher gets them, and their points."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Real, UInt8

from lvae.data.image_folder import read_png
from lvae.errors import UserError
from lvae.tasks.grids.registration.detection import detect_points

SUFFIX = "_mov.png"


class Frame(NamedTuple):
    """A moving image, its points (x, y in px) and where they are from: "file" or "image"."""

    image: UInt8[np.ndarray, "height width"]
    points: Real[np.ndarray, "points 2"]
    source: str


def image_paths(folder: Path) -> list[Path]:
    """The moving images of a folder in the order of their ids, numbers as numbers.

    Raises:
      UserError: there is no such folder, or nothing in it.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; --data names one with moving images in it")
    images = [path for path in folder.glob(f"*{SUFFIX}") if not path.name.startswith(".")]
    if not images:
        raise UserError(f"{folder}: no moving images in it; expected files named {{id}}{SUFFIX}")
    return sorted(images, key=lambda path: natural_order(path.name))


def frame_id(path: Path) -> str:
    """What a moving image's file is named by."""
    return path.name.removesuffix(SUFFIX)


def read_frame(path: Path, size: tuple[int, int] | None) -> Frame:
    """One moving image and its points: those of `{id}.json`, or where there is no such file, the
    ones found in the image. size: width and height that it must have; None: any.

    Raises:
      UserError: the image cannot be read or has another size (width, height) than `size`; the
        file beside it holds no points of such a frame.
    """
    image = read_png(path)
    width, height = size or image.shape[::-1]
    if image.shape != (height, width):
        raise UserError(
            f"{path}: {image.shape[1]} x {image.shape[0]} px; this matcher was trained on frames of "
            f"{width} x {height}"
        )
    beside = path.with_name(f"{frame_id(path)}.json")
    if not beside.exists():
        return Frame(image, detect_points(image), "image")
    return Frame(image, read_points(beside, (width, height)), "file")


def natural_order(name: str) -> list[tuple[int, int | str]]:
    parts = re.split(r"(\d+)", name)
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts]


def read_points(path: Path, size: tuple[int, int]) -> Real[np.ndarray, "points 2"]:
    """From a list of [x, y] or from a labelled frame."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: not readable as JSON ({error}); export it again") from error
    points = list(content.values()) if isinstance(content, dict) else content
    if not isinstance(points, list):
        raise UserError(f"{path}: holds {type(points).__name__}; expected a list of [x, y]")
    for point in points:
        if not _is_point(point, size):
            raise UserError(
                f"{path}: {json.dumps(point)[:60]} is no point [x, y] in a frame of "
                f"{size[0]} x {size[1]} px"
            )
    return np.asarray(points).reshape(-1, 2)


def _is_point(point: Any, size: tuple[int, int]) -> bool:
    if not isinstance(point, list) or len(point) != 2:
        return False
    numbers = all(isinstance(value, int | float) for value in point)
    return numbers and all(0 <= value < end for value, end in zip(point, size))
