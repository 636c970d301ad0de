"""Training sets of the matcher: real frames, simulated ones, and those that a generator wrote."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from lvae.data.lasten import GridGeometry, read_frames
from lvae.errors import UserError
from lvae.tasks.grids.calibrated import measured_endoscope
from lvae.tasks.grids.data import frame_size, load_recordings
from lvae.tasks.grids.registration.settings import TrainingSetSettings
from lvae.tasks.grids.scale import measured
from lvae.tasks.grids.settings import DataSettings
from lvae.tasks.task import Spec, Split, Splits, spec_of

FIELDS = ("points", "visible", "recording", "id")


@runtime_checkable
class SettingsLike(Protocol):
    """What the settings of every matcher hold."""

    @property
    def data(self) -> DataSettings: ...
    @property
    def training_set(self) -> TrainingSetSettings: ...


def load_data(settings: SettingsLike) -> Splits:
    """Frames by split: points (px, (0, 0) where missing), visible, recording, id.

    The training split holds what the group `training_set` asks for: real frames, simulated ones
    (data.extra_recordings) and folders of generated ones. If simulated frames come first, they are
    in early_points and early_visible, and only the others in points and visible.

    Raises:
      UserError: bad data, or a training set that is empty.
    """
    splits = dict(load_recordings(settings.data))
    train = splits.pop("train")
    real = train["real"]
    sources = [_chosen(train, real)] if settings.training_set.real else []
    sources += [_generated(folder, settings) for folder in settings.training_set.folders()]
    simulated = _chosen(train, ~real)
    late = {name: _chosen(split, slice(None)) for name, split in splits.items()}
    if settings.training_set.early_share:
        if not len(simulated["id"]) or not sources:
            raise UserError(
                "config.training_set.early_share: needs frames to start with and frames to go on "
                "with; set config.data.extra_recordings, and real or generated"
            )
        return {"train": _one_after_another(simulated, _joined(sources)), **late}
    sources.append(simulated)
    if not sum(len(source["id"]) for source in sources):
        raise UserError(
            "config.training_set: no frames to train on; set real, generated or "
            "config.data.extra_recordings"
        )
    return {"train": _joined(sources), **late}


def spec(settings: SettingsLike, splits: Splits) -> Spec:
    """Shapes of the frames, their number, and the units of all lengths."""
    data, train = settings.data, splits["train"]
    where = data.path or "simulated recordings"
    facts = measured(train, frame_size(data), where) | measured_endoscope(data, train)
    return spec_of(splits, **facts)


def _generated(folder: str, settings: SettingsLike) -> Split:
    """Frames that a generator wrote: no recordings, and points may be few."""
    data = settings.data
    geometry = GridGeometry(data.rows, data.columns, *frame_size(data), 1, 1)
    frames = read_frames(folder, geometry)
    return {
        "points": frames.points.astype(np.float32),
        "visible": frames.visible,
        "recording": frames.recording.astype(np.int32),
        "id": frames.ids.astype(np.int64),
    }


def _chosen(split: Split, rows: np.ndarray | slice) -> Split:
    return {name: split[name][rows] for name in FIELDS}


def _joined(sources: Sequence[Split]) -> dict[str, np.ndarray]:
    """All frames; recordings are counted through."""
    joined = {
        name: np.concatenate([source[name] for source in sources])
        for name in ("points", "visible", "id")
    }
    recording, start = [], 0
    for source in sources:
        recording.append(source["recording"] + start)
        start += 1 + source["recording"].max(initial=-1)
    return joined | {"recording": np.concatenate(recording).astype(np.int32)}


def _one_after_another(early: Split, late: Split) -> Split:
    """Rows that hold a frame of either; the shorter list is gone through again and again."""
    count = max(len(early["id"]), len(late["id"]))
    split = {name: array[np.arange(count) % len(array)] for name, array in late.items()}
    for name in ("points", "visible"):
        split[f"early_{name}"] = early[name][np.arange(count) % len(early[name])]
    return split
