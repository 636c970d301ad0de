"""What a trained matcher does with moving images: sample.py --mode=match."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from lvae import atomic
from lvae.errors import UserError
from lvae.metrics.matching import UNMATCHED, distinct_rays
from lvae.tasks._export import Export
from lvae.tasks.interface import Run, SamplingOptions
from lvae.tasks.registration import network
from lvae.tasks.registration.detection import detect_points
from lvae.tasks.registration.settings import Settings, settings_of

SUFFIX = "_mov.png"


class Frame(NamedTuple):
    """One input: its id, the moving image (8 bit), its points (x, y, px), where they are from."""

    id: str
    image: np.ndarray
    points: np.ndarray
    source: str


def match(run: Run, options: SamplingOptions) -> None:
    """Names the ray of every point of the moving images in --data.

    Reads `{id}_mov.png` and the points in `{id}.json`: a list of [x, y], or an object of a labelled
    frame, whose labels are not looked at. Without that file the points are found in the image.
    Writes `{id}.json`, labelled, and `{id}_match.png`, the image with neighbouring rays joined.

    Raises:
      UserError: no --data, no moving images in it, or a file that is not what it should be.
    """
    from lvae.figures import registration as pictures

    if options.format != "files":
        raise UserError(f"--format={options.format}: matches are written as files")
    if options.data is None:
        raise UserError("--data: --mode=match needs a folder of moving images, {id}_mov.png")
    settings = settings_of(run.config)
    images = _moving_images(options.data)
    if options.num_samples is not None:
        images = images[: options.num_samples]
    with Export(run, options, {"count": len(images)}) as export:
        mine = export.mine(len(images))
        for start in range(0, len(mine), network.BATCH):
            frames = [
                _read(images[index], settings) for index in mine[start : start + network.BATCH]
            ]
            for frame, labels in zip(frames, _labels(run, settings, frames)):
                pixels = frame.points.tolist()
                named = {
                    str(label): pixels[row]
                    for label, row in sorted(zip(labels.tolist(), range(len(labels))))
                    if label != UNMATCHED
                }
                atomic.write_text(options.out / f"{frame.id}.json", json.dumps(named))
                sheet = pictures.overlay(frame.image, _grid(named, settings))
                with atomic.replacing(options.out / f"{frame.id}_match.png") as temporary:
                    sheet.save(temporary)
                export.note(
                    {
                        "id": frame.id,
                        "points": len(labels),
                        "matched": len(named),
                        "points_from": frame.source,
                    }
                )


MODES = {"match": match}


def _labels(run: Run, settings: Settings, frames: list[Frame]) -> list[np.ndarray]:
    """A ray for every point of every frame."""
    side, pool = settings.model.size, settings.pool
    pooled = np.stack([frame.image for frame in frames]).astype(np.float32) / 255
    pooled = pooled.reshape(-1, side, pool, side, pool).mean(axis=(2, 4))
    rays = settings.rays().reshape(-1, 2)
    most = max(len(rays), *(len(frame.points) for frame in frames))
    filled = np.zeros((len(frames), most, 2), np.float32)
    for row, frame in enumerate(frames):
        filled[row, : len(frame.points)] = frame.points
    warped = network.warp_points(settings, run.variables, pooled, filled)
    return [distinct_rays(moved[: len(frame.points)], rays) for moved, frame in zip(warped, frames)]


def _grid(named: dict[str, Any], settings: Settings) -> np.ndarray:
    """(rows, columns, 2), NaN where no point has that label."""
    grid = np.full((settings.data.rows * settings.data.columns, 2), np.nan)
    for label, point in named.items():
        grid[int(label)] = point
    return grid.reshape(settings.data.rows, settings.data.columns, 2)


def _moving_images(folder: Path) -> list[Path]:
    """In the order of their ids, numbers as numbers."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; --data names one with moving images in it")
    images = [path for path in folder.glob(f"*{SUFFIX}") if not path.name.startswith(".")]
    if not images:
        raise UserError(f"{folder}: no moving images in it; expected files named {{id}}{SUFFIX}")
    return sorted(images, key=lambda path: _natural(path.name))


def _natural(name: str) -> list[tuple[int, int | str]]:
    parts = re.split(r"(\d+)", name)
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts]


def _read(path: Path, settings: Settings) -> Frame:
    """One moving image and its points."""
    width, height = settings.frame_size
    try:
        with Image.open(path) as opened:
            image = np.asarray(opened.convert("L"))
    except (OSError, UnidentifiedImageError) as error:
        raise UserError(f"{path}: cannot be read as an image ({error}); export it again") from error
    if image.shape != (height, width):
        raise UserError(
            f"{path}: {image.shape[1]} x {image.shape[0]} px; this matcher was trained on frames of "
            f"{width} x {height}"
        )
    name = path.name.removesuffix(SUFFIX)
    beside = path.with_name(f"{name}.json")
    if not beside.exists():
        return Frame(name, image, detect_points(image), "image")
    return Frame(name, image, _read_points(beside, settings), "file")


def _read_points(path: Path, settings: Settings) -> np.ndarray:
    """(points, 2) from a list of [x, y] or from a labelled frame."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not readable as JSON ({error}); export it again") from error
    points = list(content.values()) if isinstance(content, dict) else content
    if not isinstance(points, list):
        raise UserError(f"{path}: holds {type(points).__name__}; expected a list of [x, y]")
    size = settings.frame_size
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
