"""Recordings of a laser grid as splits of frames, for every task that reads them."""

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lvae.data.filling import fill_missing
from lvae.data.lasten import Frames, read_data_set, read_frames
from lvae.data.simulator import SimulatorSettings, simulate_recordings, simulate_splits
from lvae.errors import UserError
from lvae.tasks.grids.settings import DataSettings, RecordingSettings
from lvae.tasks.task import Split, Splits


def load_recordings(settings: RecordingSettings) -> Splits:
    """Frames by split.

    Fields: points (px, (0, 0) where missing), filled (a place for missing points too), visible,
    recording, id, real (False for simulated recordings mixed into real training data).

    Raises:
      UserError: see `lvae.data.lasten`.
    """
    splits: dict[str, Split]
    if settings.path:
        found = read_data_set(settings.path, settings.geometry())
        splits = {name: _fields(frames) for name, frames in found.items()}
    else:
        splits = _simulated_splits(settings)
    if isinstance(settings, DataSettings) and settings.extra_recordings:
        train, extra = splits["train"], dict(_extra_recordings(settings))
        extra["real"] = np.zeros_like(extra["real"])
        extra["recording"] = extra["recording"] + 1 + train["recording"].max()
        splits["train"] = {name: np.concatenate([train[name], extra[name]]) for name in extra}
    return splits


def real_frames(splits: Splits) -> Split:
    """The training split without the simulated recordings that may be mixed in."""
    train = splits["train"]
    return {name: array[train["real"]] for name, array in train.items()}


def read_source(settings: RecordingSettings, path: Path | None) -> Split:
    """The frames that a mode starts from: those under `path` (of its train/, if it is split), or
    the real ones that the run was trained on.

    Raises:
      UserError: see `lvae.data.lasten`.
    """
    if path is None:
        return real_frames(load_recordings(settings))
    geometry = settings.geometry()
    if (path / "train").is_dir():
        return _fields(read_data_set(path, geometry)["train"])
    return _fields(read_frames(path, geometry))


def _fields(frames: Frames) -> Split:
    return {
        "points": frames.points.astype(np.float32),
        "filled": fill_missing(frames.points, frames.visible),
        "visible": frames.visible,
        "recording": frames.recording.astype(np.int32),
        "id": frames.ids.astype(np.int64),
        "real": np.ones(len(frames.ids), bool),
    }


def _simulated_splits(settings: RecordingSettings) -> dict[str, Split]:
    arrays = simulate_splits(
        _simulator(
            settings,
            train_recordings=settings.training_recordings,
            validation_recordings=settings.validation_recordings,
            test_recordings=settings.test_recordings,
        ),
        settings.simulation_seed,
    )
    return {name: _simulated_fields(split) for name, split in arrays.items()}


def _extra_recordings(settings: DataSettings) -> Split:
    """Simulated recordings to mix into the training split, of another stream than the built-in
    ones."""
    simulator = _simulator(
        settings,
        train_recordings=settings.extra_recordings,
        validation_recordings=0,
        test_recordings=0,
        recording_length=settings.extra_length,
        variety=settings.extra_variety,
    )
    seed = settings.simulation_seed + zlib.crc32(b"extra recordings")
    return _simulated_fields(simulate_recordings(simulator, seed))


def _simulator(settings: RecordingSettings, **changes: Any) -> SimulatorSettings:
    if settings.width != settings.height:
        raise UserError(
            f"config.data.width={settings.width}, config.data.height={settings.height}: simulated "
            "frames are square; make them equal, or name recordings with config.data.path and set "
            "config.data.extra_recordings=0"
        )
    shared: dict[str, Any] = {
        "recording_length": settings.recording_length,
        "rows": settings.rows,
        "columns": settings.columns,
        "frame_size": settings.width,
    }
    try:
        return SimulatorSettings(**(shared | changes))
    except ValueError as error:
        raise UserError(f"config.data: {error}") from error


def _simulated_fields(arrays: Mapping[str, np.ndarray]) -> Split:
    return _fields(Frames(arrays["id"], arrays["points"], arrays["visible"], arrays["recording"]))
