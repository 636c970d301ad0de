"""Recordings in the LASTEN layout: one JSON a frame, `{id}.json`: {"k": [x, y], ...}.

k = row * columns + column, x and y pixels, x to the right and y down. Row 0 is the bottom row of
the image. A point that the camera did not see has no key. `recording_length` consecutive ids are
one recording, in which neighbouring frames are nearly the same: splits are made of whole
recordings.
"""

import dataclasses
import json
import logging
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, SupportsInt

import numpy as np
from jaxtyping import Bool, Float, Int

from lvae import atomic
from lvae.errors import UserError

logger = logging.getLogger(__name__)

SPLITS = ("train", "validation", "test")
_OTHER_FILES = re.compile(r"fix\.json|manifest.*\.json|\..*")  # beside the frames, and no frames
_KEY = re.compile(r"0|[1-9][0-9]*")


@dataclasses.dataclass(frozen=True)
class GridGeometry:
    """What every frame of a data set has in common.

    rows, columns: of the laser grid. width, height: of a frame, in pixels. recording_length:
    consecutive ids that are one recording. minimum_visible: a frame with fewer points is an error,
    not data.
    """

    rows: int = 18
    columns: int = 18
    width: int = 768
    height: int = 768
    recording_length: int = 20
    minimum_visible: int = 100

    def __post_init__(self) -> None:
        for name in ("rows", "columns", "width", "height", "recording_length"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not 0 <= self.minimum_visible <= self.rows * self.columns:
            raise ValueError(
                f"minimum_visible is {self.minimum_visible}; a grid of {self.rows} x "
                f"{self.columns} has 0 to {self.rows * self.columns} points"
            )


@dataclasses.dataclass(frozen=True)
class Frames:
    """Frames in the order of their ids.

    ids: as in the files' names. points: x, y in pixels, (0, 0) where missing. visible: which points
    were seen. recording: which recording a frame belongs to, counted from 0 within these frames.
    """

    ids: Int[np.ndarray, " frames"]
    points: Float[np.ndarray, "frames rows columns 2"]
    visible: Bool[np.ndarray, "frames rows columns"]
    recording: Int[np.ndarray, " frames"]

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, chosen: np.ndarray) -> "Frames":
        """The frames at these indices or under this mask; recordings are counted anew."""
        recording = np.unique(self.recording[chosen], return_inverse=True)[1].astype(np.int32)
        return Frames(self.ids[chosen], self.points[chosen], self.visible[chosen], recording)


def read_data_set(path: str | Path, geometry: GridGeometry) -> dict[str, Frames]:
    """Splits of a data set: "train" and, where there is data for them, "validation" and "test".

    A folder that holds `train/` (and `validation/`, `test/`) is read as it is split. A folder that
    holds the frames themselves is split by whole recordings in the order of their ids: the last
    sixth is the test split, the sixth before it validation, at least one recording each where there
    are three; of two the second is validation; one is all training. LASTEN's 12 become 8 + 2 + 2.

    Raises:
      UserError: see `read_frames`; or there is no `train/`.
    """
    path = _existing(path)
    folders = [name for name in SPLITS if (path / name).is_dir()]
    if not folders:
        return _split_by_recordings(read_frames(path, geometry), path)
    if "train" not in folders:
        raise UserError(
            f"{path}: holds {folders[0]}/ but no train/; move the training frames to train/ in it"
        )
    if _frame_files(path):
        logger.warning("%s: holds train/ and frames beside it; only the folders are read", path)
    splits = {name: read_frames(path / name, geometry) for name in folders}
    _warn_of_shared_recordings(splits, path, geometry.recording_length)
    return splits


def read_frames(folder: str | Path, geometry: GridGeometry) -> Frames:
    """All frames of one folder, checked. Files that are no frames (fix.json, manifest*.json,
    images) are passed over; a recording that lacks frames is named in a warning.

    Raises:
      UserError: the folder is missing or has no frames; a file is not JSON, is no object, is not
        named by an id, has a key outside the grid, a coordinate that is not two finite numbers or
        lies outside the frame, or has too few points.
    """
    folder = _existing(folder)
    files = _frame_files(folder)
    if not files:
        raise UserError(f"{folder}: no frames in it; expected files named ID.json, as 0.json")
    ids = np.array(sorted(files), dtype=np.int64)
    points = np.zeros((len(ids), geometry.rows * geometry.columns, 2), dtype=np.float32)
    visible = np.zeros(points.shape[:2], dtype=bool)
    for index, number in enumerate(ids.tolist()):
        keys, coordinates = _read_frame(files[number], geometry)
        points[index, keys] = coordinates
        visible[index, keys] = True
    recording = ids // geometry.recording_length
    _warn_of_incomplete_recordings(ids, recording, folder, geometry.recording_length)
    grid = (len(ids), geometry.rows, geometry.columns)
    labels = np.unique(recording, return_inverse=True)[1].astype(np.int32)
    return Frames(ids, points.reshape(*grid, 2), visible.reshape(grid), labels)


def write_frames(
    folder: str | Path,
    ids: Iterable[SupportsInt],
    points: Float[np.ndarray, "frames rows columns 2"],
    visible: Bool[np.ndarray, "frames rows columns"],
) -> None:
    """Writes `{id}.json` for every frame, coordinates rounded to whole pixels; the inverse of
    `read_frames`.

    Raises:
      UserError: the folder cannot be written.
    """
    for number, grid, seen in zip(ids, points, visible):
        pixels = np.floor(grid.reshape(-1, 2).astype(np.float64) + 0.5).astype(int).tolist()
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


def _existing(folder: str | Path) -> Path:
    folder = Path(folder)
    if not folder.exists():
        raise UserError(f"{folder}: no such folder; give one that holds train/ or frames ID.json")
    if not folder.is_dir():
        raise UserError(f"{folder}: not a folder; give one that holds train/ or frames ID.json")
    return folder


def _frame_files(folder: Path) -> dict[int, Path]:
    """Frames by id."""
    found: dict[int, Path] = {}
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror}); check its rights") from error
    for name in names:
        if not name.endswith(".json") or _OTHER_FILES.fullmatch(name):
            continue
        path = folder / name
        if not re.fullmatch(r"[0-9]{1,18}", path.stem):
            raise UserError(
                f"{path}: {path.stem!r} is no frame id; name frames by a whole number, as "
                "17.json, and keep other JSON elsewhere"
            )
        other = found.setdefault(int(path.stem), path)
        if other is not path:
            raise UserError(f"{path}: the same id as {other.name}; remove one of them")
    return found


def _read_frame(path: Path, geometry: GridGeometry) -> tuple[list[int], list[list[int | float]]]:
    """Keys and coordinates of one file, checked."""
    try:
        frame = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check its rights") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON ({error}); export the frame again") from error
    if not isinstance(frame, dict):
        raise UserError(
            f'{path}: holds a JSON {type(frame).__name__}; expected an object {{"k": [x, y], ...}}'
        )
    cells = geometry.rows * geometry.columns
    keys: list[int] = []
    coordinates: list[list[int | float]] = []
    for key, point in frame.items():
        if not _KEY.fullmatch(key) or len(key) > 9 or int(key) >= cells:
            raise UserError(
                f"{path}: key {_short(key)} is outside the grid of {geometry.rows} x "
                f"{geometry.columns}, keys 0 to {cells - 1}; set the config's rows and columns, or "
                "export the frame again"
            )
        if not _is_point(point):
            raise UserError(
                f"{path}: key {key} holds {_short(point)}; expected two finite numbers [x, y]"
            )
        x, y = point
        if not (0 <= x < geometry.width and 0 <= y < geometry.height):
            raise UserError(
                f"{path}: key {key} at [{x}, {y}] lies outside the frame of {geometry.width} x "
                f"{geometry.height}; set the config's width and height, or correct the point"
            )
        keys.append(int(key))
        coordinates.append(point)
    if len(keys) < geometry.minimum_visible:
        raise UserError(
            f"{path}: {len(keys)} visible points, fewer than the minimum of "
            f"{geometry.minimum_visible}; remove the frame or lower minimum_visible"
        )
    return keys, coordinates


def _is_point(point: Any) -> bool:
    if not isinstance(point, list) or len(point) != 2:
        return False
    for value in point:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if isinstance(value, float) and not math.isfinite(value):
            return False
    return True


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _split_by_recordings(frames: Frames, path: Path) -> dict[str, Frames]:
    count = int(frames.recording.max()) + 1
    held_back = max(1, count // 6)
    test = held_back if count >= 3 else 0
    validation = held_back if count >= 2 else 0
    if count < 3:
        logger.warning(
            "%s: %d recording%s; too few for a training, a validation and a test split",
            *(path, count, "" if count == 1 else "s"),
        )
    ends = np.cumsum([count - validation - test, validation, test])
    splits, start = {}, 0
    for name, end in zip(SPLITS, ends.tolist()):
        chosen = (frames.recording >= start) & (frames.recording < end)
        if chosen.any():
            splits[name] = frames.take(chosen)
        start = end
    return splits


def _warn_of_incomplete_recordings(
    ids: np.ndarray, recording: np.ndarray, folder: Path, length: int
) -> None:
    present = set(ids.tolist())
    for number, count in zip(*np.unique(recording, return_counts=True)):
        if count < length:
            first = number * length
            absent = [number for number in range(first, first + length) if number not in present]
            logger.warning(
                "%s: recording %d (ids %d-%d) is incomplete: %d of %d frames missing, the first %d",
                *(folder, number, first, first + length - 1, len(absent), length, absent[0]),
            )


def _warn_of_shared_recordings(splits: dict[str, Frames], path: Path, length: int) -> None:
    """Frames of one recording in two splits make every held-out number look better than it is."""
    owner: dict[int, str] = {}
    for name, frames in splits.items():
        for number in np.unique(frames.ids // length).tolist():
            if number in owner:
                first, last = number * length, (number + 1) * length - 1
                logger.warning(
                    "%s: recording %d (ids %d-%d) is in %s/ and in %s/; keep it in one split",
                    *(path, number, first, last, owner[number], name),
                )
            owner.setdefault(number, name)
