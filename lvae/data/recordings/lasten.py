"""The LASTEN layout: one JSON per frame, `{id}.json`: {"k": [x, y], ...}.

k = row * columns + column, x and y pixels (fractions are kept), x to the right and y down. Row 0 is
the bottom row of the image. A point that the camera did not see has no key; [0, 0] and [NaN, NaN]
say the same. `recording_length` consecutive ids are one recording, in which neighbouring frames are
nearly the same.
"""

import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, SupportsInt

import numpy as np
from jaxtyping import Bool, Float

from lvae import atomic
from lvae.data.problems import Problems, refused
from lvae.data.recordings.frames import Frames, GridGeometry

# JSON that lies beside frames and is none.
OTHER_FILES = re.compile(
    r"fix\.json|croissant\.json|manifest.*\.json|(camera|laser)_calibration\.json|\..*"
)
_ID = re.compile(r"[0-9]{1,18}")
_KEY = re.compile(r"0|[1-9][0-9]*")


def read_folder(
    folder: Path, geometry: GridGeometry, found: Problems, *, recording: str | None = None
) -> Frames | None:
    """All frames that lie in the folder itself, by id; None where a problem was found.

    recording: the name of the one recording that the folder is; None: every `recording_length`
    consecutive ids are one, and one that lacks frames is named in a warning.

    Problems: a file is not JSON, is no object, is not named by an id, has a key outside the grid, a
    coordinate that is not two finite numbers or lies outside the frame, or has too few points.
    """
    files = frame_files(folder, found)
    ids = np.array(sorted(files), dtype=np.int64)
    points = np.zeros((len(ids), geometry.rows * geometry.columns, 2), dtype=np.float32)
    visible = np.zeros(points.shape[:2], dtype=bool)
    for index, number in enumerate(ids.tolist()):
        with found.skipping():
            keys, coordinates = _read_frame(files[number], geometry)
            points[index, keys] = np.reshape(coordinates, (-1, 2))
            visible[index, keys] = True
    if found.errors:
        return None
    numbers = np.zeros_like(ids) if recording is not None else ids // geometry.recording_length
    present, labels = np.unique(numbers, return_inverse=True)
    if recording is None:
        _warn_of_incomplete_recordings(ids, numbers, folder, geometry.recording_length, found)
        names = tuple(_name(number, geometry.recording_length) for number in present.tolist())
    else:
        names = (recording,)
    grid = (len(ids), geometry.rows, geometry.columns)
    return Frames(
        ids, points.reshape(*grid, 2), visible.reshape(grid), labels.astype(np.int32), names
    )


def write_frames(
    folder: str | Path,
    ids: Iterable[SupportsInt],
    points: Float[np.ndarray, "frames rows columns 2"],
    visible: Bool[np.ndarray, "frames rows columns"],
    *,
    decimals: int = 0,
) -> None:
    """Writes `{id}.json` for every frame; the inverse of reading. Coordinates are rounded to whole
    pixels, or to so many decimals.

    Raises:
      UserError: the folder cannot be written.
    """
    for number, grid, seen in zip(ids, points, visible):
        rounded = np.floor(grid.reshape(-1, 2).astype(np.float64) * 10**decimals + 0.5)
        pixels = (rounded / 10**decimals if decimals else rounded.astype(int)).tolist()
        shown = np.flatnonzero(seen).tolist()
        text = json.dumps({str(key): pixels[key] for key in shown})
        atomic.write_text(Path(folder) / f"{int(number)}.json", text)


def regular_grid(
    rows: int = 18,
    columns: int = 18,
    first: tuple[int | float, int | float] = (112, 656),
    pitch: int | float = 32,
) -> Float[np.ndarray, "rows columns 2"]:
    """The fixed image's grid: the point of row 0 and column 0 at `first`, x growing along the row,
    y falling along the column. The defaults are LASTEN's fix.json."""
    x = first[0] + pitch * np.arange(columns, dtype=np.float32)
    y = first[1] - pitch * np.arange(rows, dtype=np.float32)
    return np.stack(np.broadcast_arrays(x[np.newaxis, :], y[:, np.newaxis]), axis=-1)


def frame_files(folder: Path, found: Problems) -> dict[int, Path]:
    """Frames by id. Problems: a JSON file that is not named by an id; two of the same id."""
    files: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix != ".json" or OTHER_FILES.fullmatch(path.name):
            continue
        if not _ID.fullmatch(path.stem):
            found.add(
                path,
                f"{path.stem!r} is no frame id",
                "name frames by a whole number, as 17.json, and keep other JSON elsewhere",
            )
            continue
        other = files.setdefault(int(path.stem), path)
        if other is not path:
            found.add(path, f"the same id as {other.name}", "remove one of them")
    return files


def has_frames(folder: Path) -> bool:
    """Whether a file named as a frame lies in the folder."""
    return any(path.suffix == ".json" and _ID.fullmatch(path.stem) for path in folder.iterdir())


def _read_frame(path: Path, geometry: GridGeometry) -> tuple[list[int], list[list[int | float]]]:
    """Keys and coordinates of one file, checked."""
    frame = read_json_object(path)
    cells = geometry.rows * geometry.columns
    keys: list[int] = []
    coordinates: list[list[int | float]] = []
    for key, point in frame.items():
        if not _KEY.fullmatch(key) or len(key) > 9 or int(key) >= cells:
            raise refused(
                path,
                f"key {_short(key)} is outside the grid of {geometry.rows} x {geometry.columns}, "
                f"keys 0 to {cells - 1}",
                "give --config.data.rows and --config.data.columns, or export the frame again",
            )
        if _is_missing(point):
            continue
        if not _is_point(point):
            raise refused(
                path, f"key {key} holds {_short(point)}", "expected two finite numbers [x, y]"
            )
        x, y = point
        if not (0 <= x < geometry.width and 0 <= y < geometry.height):
            raise refused(
                path,
                f"key {key} at [{x}, {y}] lies outside the frame of {geometry.width} x "
                f"{geometry.height}",
                "give --config.data.width and --config.data.height, or correct the point",
            )
        keys.append(int(key))
        coordinates.append(point)
    if len(keys) < geometry.minimum_visible:
        raise refused(
            path,
            f"{len(keys)} visible points, fewer than the minimum of {geometry.minimum_visible}",
            "remove the frame or lower data.minimum_visible",
        )
    return keys, coordinates


def read_json_object(path: Path) -> dict[str, Any]:
    """One JSON object (bare NaN allowed).

    Raises:
      UserError: the file cannot be read, is not JSON or no object.
    """
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise refused(path, f"cannot be read ({error.strerror})", "check its rights") from error
    except (ValueError, RecursionError) as error:
        raise refused(path, f"not valid JSON ({error})", "export it again") from error
    if not isinstance(value, dict):
        raise refused(
            path, f"holds a JSON {type(value).__name__}", 'expected an object {"key": value, ...}'
        )
    return value


def _is_missing(point: Any) -> bool:
    """[0, 0] or [NaN, NaN]."""
    if not _is_pair(point):
        return False
    return point == [0, 0] or all(isinstance(v, float) and math.isnan(v) for v in point)


def _is_point(point: Any) -> bool:
    return _is_pair(point) and all(isinstance(v, int) or math.isfinite(v) for v in point)


def _is_pair(point: Any) -> bool:
    return (
        isinstance(point, list)
        and len(point) == 2
        and all(isinstance(v, int | float) and not isinstance(v, bool) for v in point)
    )


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _name(number: int, length: int) -> str:
    return f"{number} (ids {number * length}-{(number + 1) * length - 1})"


def _warn_of_incomplete_recordings(
    ids: np.ndarray, recording: np.ndarray, folder: Path, length: int, found: Problems
) -> None:
    present = set(ids.tolist())
    for number, count in zip(*np.unique(recording, return_counts=True)):
        if count < length:
            first = int(number) * length
            absent = [number for number in range(first, first + length) if number not in present]
            found.warn(
                folder,
                f"recording {_name(int(number), length)} is incomplete: {len(absent)} of {length} "
                f"frames missing, the first {absent[0]}",
                "",
            )
