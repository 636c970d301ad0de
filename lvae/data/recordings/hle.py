"""The HLE layout: one file per recording.

`NAME/NAME.json` beside `NAME/NAME.avi`, one JSON object: "2DPoints" is frames x X x Y x 2, x and y
in pixels, NaN where not visible; "Offset" is x and y to be added to every point. The unpacked form
has `points2d/` with one `.npy` per frame, X x Y x 2 or flat, or one `.npy` of all frames. Which of X
and Y runs along the image's x, and from which corner, is read off the points of the whole set.
"""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lvae.data.problems import Problems, refused
from lvae.data.recordings.frame_size import avi_size
from lvae.data.recordings.frames import Frames, GridGeometry, joined
from lvae.data.recordings.lasten import OTHER_FILES, read_json_object
from lvae.data.recordings.orientation import (
    LEAST_ORDERED,
    Orientation,
    find_orientation,
    ordered_share,
    oriented,
)

POINTS = "2DPoints"
UNPACKED = "points2d"


class Source(NamedTuple):
    """name: of the recording. path: its JSON or .npy file, or its folder of .npy files."""

    name: str
    path: Path


def sources_in(folder: Path) -> list[Source]:
    """The recordings of this layout that lie in the folder itself."""
    files = sorted(folder.iterdir(), key=natural_order)
    found = [path for path in files if path.suffix == ".json" and _holds_points(path)]
    if not found and (folder / UNPACKED).is_dir():
        return [Source(folder.name, folder / UNPACKED)]
    found = found or [path for path in files if path.suffix == ".npy" and path.name[0] != "."]
    return [Source(folder.name if len(found) == 1 else path.stem, path) for path in found]


def read_recordings(
    sources: Sequence[Source], folder: Path, geometry: GridGeometry, found: Problems
) -> Frames | None:
    """All frames of these recordings, a frame's id its number in the recording (see `joined`); None
    where a problem was found. Points at (0, 0) and outside the frame are missing. Frames with fewer
    than `minimum_visible` points are left out, named in a warning.

    Problems: a file cannot be read or is of another form; its video has another size than
    `geometry`; the recordings have grids of different shapes, or other rows and columns than
    `geometry`; no orientation orders 99 % of the neighbours.
    """
    arrays: list[np.ndarray] = []
    geometry = _with_video_size(sources, folder, geometry, found)
    for source in sources:
        with found.skipping():
            arrays.append(read_points(source.path, geometry))
    if len(arrays) < len(sources):
        return None
    shapes = [array.shape[1:3] for array in arrays]
    for source, shape in zip(sources, shapes):
        if shape != shapes[0]:
            found.add(
                source.path,
                f"a grid of {shape[0]} x {shape[1]}, {sources[0].path.name} has one of "
                f"{shapes[0][0]} x {shapes[0][1]}",
                "read sets of different grids one by one",
            )
    if any(shape != shapes[0] for shape in shapes):
        return None
    seen = [_visible(array, geometry) for array in arrays]
    with found.skipping():
        orientation = _orientation_of(sources, arrays, seen, folder)
        arrays = [oriented(array, orientation) for array in arrays]
        seen = [oriented(mask, orientation, first=-2) for mask in seen]
        _check_grid(arrays[0].shape[1:3], folder, geometry)
    if found.errors:
        return None
    return _joined(sources, arrays, seen, geometry, found)


def read_points(path: Path, geometry: GridGeometry) -> Float[np.ndarray, "frames first second 2"]:
    """Points of one recording as its file orders them, the offset added, NaN where there is none.

    geometry: its rows and columns give flat arrays their two grid axes.

    Raises:
      UserError: see `read_recordings`.
    """
    if path.is_dir():
        files = sorted(
            (file for file in path.iterdir() if file.suffix == ".npy" and file.name[0] != "."),
            key=natural_order,
        )
        if not files:
            raise refused(path, "no frames in it", "expected one .npy file per frame")
        frames = [_read_array(file) for file in files]
        for file, frame in zip(files, frames):
            if frame.shape != frames[0].shape:
                raise refused(
                    file,
                    f"an array of {_times(frame.shape)}, {files[0].name} has {_times(frames[0].shape)}",
                    "export the frame again",
                )
        values, offset = np.stack(frames), np.zeros(2)
    elif path.suffix == ".npy":
        values, offset = _read_array(path), np.zeros(2)
    else:
        recording = read_json_object(path)
        values = _numbers(path, POINTS, recording.get(POINTS))
        offset = _numbers(path, "Offset", recording.get("Offset", [0, 0])).reshape(-1)
        if offset.shape != (2,) or not np.isfinite(offset).all():
            raise refused(
                path, f"Offset is {recording['Offset']}", "expected two finite numbers [x, y]"
            )
    points = _gridded(path, values, geometry)
    known = np.isfinite(points).all(-1) & (points != 0).any(-1)
    return np.where(known[..., np.newaxis], points + offset, np.nan)


def natural_order(path: Path) -> list[tuple[int, str]]:
    """Sorts by name, runs of digits as numbers: 2 before 10."""
    parts = re.findall(r"[0-9]+|[^0-9]+", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _holds_points(path: Path) -> bool:
    if OTHER_FILES.fullmatch(path.name):
        return False
    try:
        return f'"{POINTS}"'.encode() in path.read_bytes()
    except OSError:
        return False  # what reads it names the problem


def _read_array(path: Path) -> np.ndarray:
    try:
        values = np.load(path, allow_pickle=False)
        return values.astype(np.float64)
    except OSError as error:
        why = error.strerror or error
        raise refused(path, f"cannot be read ({why})", "check its rights") from error
    except (ValueError, TypeError, EOFError) as error:
        raise refused(path, f"not a NumPy array of numbers ({error})", "export it again") from error


def _numbers(path: Path, name: str, values: object) -> np.ndarray:
    try:
        return np.array(values, dtype=np.float64)  # null becomes NaN
    except (ValueError, TypeError, OverflowError) as error:
        raise refused(
            path, f"{name} is no array of numbers ({error})", "export the recording again"
        ) from error


def _gridded(path: Path, values: np.ndarray, geometry: GridGeometry) -> np.ndarray:
    """(frames, first, second, 2) of what may be flat: (frames, points, 2) or (frames, points * 2).

    Of a flat array the second index runs fastest; which of rows and columns that is, the order of
    the points tells.
    """
    if values.ndim == 4 and values.shape[-1] == 2 and values.size:
        return values
    rows, columns = geometry.rows, geometry.columns
    if values.ndim in (2, 3) and len(values) and values[0].size == rows * columns * 2:
        choices = [
            values.reshape(-1, *grid, 2)
            for grid in dict.fromkeys([(columns, rows), (rows, columns)])
        ]
        return max(choices, key=lambda v: find_orientation(v, np.isfinite(v).all(-1))[1])
    raise refused(
        path,
        f"points of shape {_times(values.shape)}",
        f"expected frames x X x Y x 2, or flat frames of {rows} x {columns} points (the config's "
        "rows and columns)",
    )


def _with_video_size(
    sources: Sequence[Source], folder: Path, geometry: GridGeometry, found: Problems
) -> GridGeometry:
    """The geometry with the size that all videos agree on, so that what else is wrong is found, too.

    Problems: the videos' size is not `geometry`'s, or not the same in all of them.
    """
    sizes: dict[Path, tuple[int, int]] = {}
    for source in sources:
        with found.skipping():
            path = _video_of(source)
            if path is not None:
                sizes[path] = avi_size(path)
    expected = (geometry.width, geometry.height)
    wrong = {path: size for path, size in sizes.items() if size != expected}
    if wrong and len(set(sizes.values())) == 1:
        width, height = next(iter(wrong.values()))
        geometry = dataclasses.replace(geometry, width=width, height=height)
        wrong = {folder: (width, height)} if len(wrong) > 1 else wrong
    for path, (width, height) in wrong.items():
        found.add(
            path,
            f"{'videos' if path == folder else 'frames'} of {width} x {height}, the config says "
            f"{expected[0]} x {expected[1]}",
            f"give --config.data.width={width} --config.data.height={height}",
        )
    return geometry


def _video_of(source: Source) -> Path | None:
    folder = source.path.parent
    names = dict.fromkeys([f"{source.path.stem}.avi", f"{source.name}.avi"])
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _visible(points: np.ndarray, geometry: GridGeometry) -> np.ndarray:
    """Which points are numbers inside the frame."""
    x, y = points[..., 0], points[..., 1]
    return (x >= 0) & (x < geometry.width) & (y >= 0) & (y < geometry.height)


def _orientation_of(
    sources: Sequence[Source],
    arrays: Sequence[np.ndarray],
    seen: Sequence[np.ndarray],
    folder: Path,
) -> Orientation:
    """The one orientation of all recordings."""
    orientation, share = find_orientation(np.concatenate(arrays), np.concatenate(seen))
    if share < LEAST_ORDERED:
        shares = [
            ordered_share(oriented(array, orientation), oriented(mask, orientation, first=-2))
            for array, mask in zip(arrays, seen)
        ]
        worst = int(np.argmin(shares))
        raise refused(
            folder,
            f"no transposition and flips of the arrays put {LEAST_ORDERED:.0%} of neighbouring "
            f"points in order (x growing along rows, y falling along columns): the best orders "
            f"{share:.1%}, of {sources[worst].name} {shares[worst]:.1%}",
            "check the labels, or remove the recordings that are out of order",
        )
    return orientation


def _check_grid(shape: tuple[int, ...], folder: Path, geometry: GridGeometry) -> None:
    rows, columns = shape
    if (rows, columns) != (geometry.rows, geometry.columns):
        raise refused(
            folder,
            f"a grid of {rows} rows and {columns} columns, the config says {geometry.rows} and "
            f"{geometry.columns}",
            f"give --config.data.rows={rows} --config.data.columns={columns}",
        )


def _joined(
    sources: Sequence[Source],
    arrays: Sequence[np.ndarray],
    seen: Sequence[np.ndarray],
    geometry: GridGeometry,
    found: Problems,
) -> Frames | None:
    parts: list[Frames] = []
    for source, points, visible in zip(sources, arrays, seen):
        kept = visible.sum((1, 2)) >= geometry.minimum_visible
        if not kept.all():
            found.warn(
                source.path,
                f"{int((~kept).sum())} of {len(kept)} frames have fewer than "
                f"{geometry.minimum_visible} visible points (the first: {int(np.argmin(kept))})",
                "they are left out; lower data.minimum_visible to keep them",
            )
        if kept.any():
            ids = np.flatnonzero(kept)
            grids = np.where(visible[..., np.newaxis], points, 0).astype(np.float32)[kept]
            recording = np.zeros(len(ids), np.int32)
            parts.append(Frames(ids, grids, visible[kept], recording, (source.name,)))
    if not parts:
        found.add(
            sources[0].path.parent,
            f"no frame has {geometry.minimum_visible} visible points",
            "lower data.minimum_visible",
        )
        return None
    return joined(parts)


def _times(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "a single number"
