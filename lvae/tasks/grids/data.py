"""Recordings of a laser grid as splits of frames, for every task that reads them."""

import dataclasses
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from lvae.data.filling import fill_missing
from lvae.data.recordings.frames import Frames
from lvae.data.recordings.pitch import pitch
from lvae.data.recordings.precision import decimals
from lvae.data.recordings.reading import measured_geometry, read_data_set, read_frames
from lvae.data.simulator import (
    SimulatorSettings,
    in_order,
    simulate_recordings,
    simulate_splits,
)
from lvae.errors import UserError
from lvae.tasks.grids.calibrated import calibration_of
from lvae.tasks.grids.scale import scale_of
from lvae.tasks.grids.settings import DataSettings, RecordingSettings
from lvae.tasks.task import Spec, Split, Splits

Kind = TypeVar("Kind", bound=RecordingSettings)
_SIMULATED = (768, 768)  # px; a frame where neither the config nor any data say a size


def load_recordings(settings: RecordingSettings) -> Splits:
    """Frames by split.

    Fields: points (px, (0, 0) where missing), filled (a place for missing points too), visible,
    recording, id, real (False for simulated recordings mixed into real training data).

    Raises:
      UserError: see `lvae.data.recordings.reading`; folds of simulated recordings.
    """
    splits: dict[str, Split]
    if settings.path:
        geometry = settings.geometry()
        found = read_data_set(settings.path, geometry, folds=settings.folds)
        splits = {name: _fields(frames) for name, frames in found.items()}
    elif settings.folds:
        raise UserError(
            f"config.data.folds={settings.folds}: simulated recordings have splits of their own; "
            "name recordings with config.data.path"
        )
    else:
        splits = _simulated_splits(settings)
    if isinstance(settings, DataSettings) and settings.extra_recordings:
        train = splits["train"]
        extra = dict(_extra_recordings(settings, train))
        extra["real"] = np.zeros_like(extra["real"])
        extra["recording"] = extra["recording"] + 1 + train["recording"].max()
        splits["train"] = {name: np.concatenate([train[name], extra[name]]) for name in extra}
    return splits


def real_frames(splits: Splits) -> Split:
    """The training split without the simulated recordings that may be mixed in."""
    train = splits["train"]
    return {name: array[train["real"]] for name, array in train.items()}


def frame_size(settings: RecordingSettings) -> tuple[int, int]:
    """Width and height of a frame, px: the config's, or that of the video or image beside the
    labels.

    Raises:
      UserError: neither is known.
    """
    if settings.width:
        return settings.width, settings.height
    if not settings.path:
        return _SIMULATED
    geometry = measured_geometry(settings.path, settings.geometry())
    return geometry.width, geometry.height


def of_frame_size(settings: Kind, spec: Spec) -> Kind:
    """The settings with the frame size that the run was trained on, where they say none."""
    width, height = scale_of(spec).frame
    return dataclasses.replace(settings, width=width, height=height)


def read_source(settings: RecordingSettings, path: Path | None) -> Split:
    """The frames that a mode starts from: those under `path` (of its train/, if it is split), or
    the real ones that the run was trained on.

    Raises:
      UserError: see `lvae.data.recordings.reading`.
    """
    if path is None:
        if isinstance(settings, DataSettings):
            # Simulating frames that are then left out takes long.
            settings = dataclasses.replace(settings, extra_recordings=0)
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
        simulator(
            settings,
            frame_size(settings),
            train_recordings=settings.training_recordings,
            validation_recordings=settings.validation_recordings,
            test_recordings=settings.test_recordings,
        ),
        settings.simulation_seed,
        calibration_of(settings),
    )
    return {name: _simulated_fields(split) for name, split in arrays.items()}


def _extra_recordings(settings: DataSettings, train: Split) -> Split:
    """Simulated recordings to mix into the training split, of another stream than the built-in
    ones; rounded as the labels of `train` are, and of its pitch unless a calibration says how large
    they are."""
    whole = decimals(train["points"], train["visible"]) == 0
    calibration = calibration_of(settings)
    fitted = bool(settings.path) and calibration is None
    chosen = simulator(
        settings,
        frame_size(settings),
        train_recordings=settings.extra_recordings,
        validation_recordings=0,
        test_recordings=0,
        recording_length=settings.extra_length,
        variety=settings.extra_variety,
        missing_runs=settings.extra_runs,
        whole_pixels=whole and not fitted,
    )
    seed = settings.simulation_seed + zlib.crc32(b"extra recordings")
    arrays = simulate_recordings(chosen, seed, calibration)
    return _simulated_fields(rescaled(arrays, train, whole) if fitted else arrays)


def rescaled(arrays: Mapping[str, np.ndarray], train: Split, whole: bool) -> dict[str, np.ndarray]:
    """Frames enlarged along x and along y to the pitch of `train` and moved to its middle, as sets
    with other lenses and frames need it. What leaves the frame by that stays visible: training moves
    grids anyway. whole: coordinates are rounded to whole pixels."""
    points, visible = arrays["points"].astype(np.float64), arrays["visible"]
    zoom = np.array(pitch(train["points"], train["visible"])) / np.array(pitch(points, visible))
    middle = train["points"][train["visible"]].mean(axis=0, dtype=np.float64)
    points = middle + zoom * (points - points[visible].mean(axis=0))
    points = np.rint(points) if whole else points
    visible = in_order(points, visible)
    points = np.where(visible[..., None], points, 0).astype(np.float32)
    return {**arrays, "points": points, "visible": visible}


def simulator(
    settings: RecordingSettings, frame: tuple[int, int], **changes: Any
) -> SimulatorSettings:
    """The simulator of frames as these settings have them; `changes` are fields of it."""
    width, height = frame
    shared: dict[str, Any] = {
        "recording_length": settings.recording_length,
        "rows": settings.rows,
        "columns": settings.columns,
        "width": width,
        "height": height,
    }
    try:
        return SimulatorSettings(**(shared | changes))
    except ValueError as error:
        raise UserError(f"config.data: {error}") from error


def _simulated_fields(arrays: Mapping[str, np.ndarray]) -> Split:
    return _fields(Frames(arrays["id"], arrays["points"], arrays["visible"], arrays["recording"]))
