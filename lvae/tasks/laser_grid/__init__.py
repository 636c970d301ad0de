"""The laser grid: recordings in, new feasible grids out.

Two designs, by config.model.design: `ordered` (configs/default.py) and `notebook`, the reference.
"""

import zlib
from pathlib import Path
from typing import Any

import numpy as np

from lvae import configuration
from lvae.data.filling import fill_missing
from lvae.data.lasten import Frames, read_data_set
from lvae.data.simulator import SimulatorSettings, simulate_recordings, simulate_splits
from lvae.errors import UserError
from lvae.tasks.interface import Run, Splits, Variables
from lvae.tasks.laser_grid import drawing, measures
from lvae.tasks.laser_grid.modes import MODES
from lvae.tasks.laser_grid.settings import DataSettings

__all__ = ["MODES", "evaluate", "figures", "init", "load_data", "make_loss"]


def load_data(config: Any) -> Splits:
    """Frames by split.

    Fields: points (px, (0, 0) where missing), filled (a place for missing points too), visible,
    recording, id, real (False for simulated recordings mixed into real training data).

    Raises:
      UserError: see `lvae.data.lasten`.
    """
    settings = configuration.section(DataSettings, config.data, "data")
    if settings.path:
        splits = {
            name: _fields(frames)
            for name, frames in read_data_set(settings.path, settings.geometry()).items()
        }
    else:
        splits = dict(_simulated_splits(settings))
    if settings.extra_recordings:
        extra = _extra_recordings(settings)
        extra["real"][:] = False
        extra["recording"] += 1 + splits["train"]["recording"].max()
        splits["train"] = {
            name: np.concatenate([splits["train"][name], extra[name]]) for name in extra
        }
    return splits


def init(config: Any, splits: Splits, key: Any) -> Variables:
    """Parameters and buffers of the design."""
    return drawing.design_of(config).init(config, splits, key)


def make_loss(config: Any, splits: Splits):
    """The design's loss."""
    return drawing.design_of(config).make_loss(config, splits)


def evaluate(
    config: Any, variables: Variables, splits: Splits, *, thorough: bool = False
) -> dict[str, Any]:
    """Reconstruction and visibility on the validation split (else on training), codes on training;
    with `thorough` the facts of drawn samples too."""
    run = Run(config, variables, Path())
    train = measures.real_frames(splits)
    result = measures.reconstruction_measures(run, splits.get("validation", train))
    result["train_reconstruction_px_mean"] = measures.reconstruction_measures(run, train)[
        "reconstruction_px_mean"
    ]
    result |= measures.code_measures(run, train)
    if thorough:
        if "test" in splits:
            result |= {
                f"test_{name}": value
                for name, value in measures.reconstruction_measures(run, splits["test"]).items()
            }
        result |= measures.sample_measures(run, splits)
    return result


def figures(config: Any, variables: Variables, splits: Splits, directory: Path) -> None:
    """Everything there is to look at after training."""
    from lvae.figures import laser_grid as pictures
    from lvae.training.records import read_metrics

    run = Run(config, variables, directory.parent)
    train = measures.real_frames(splits)
    held_out = splits.get("validation", train)
    for name, split in (("train", train), ("validation", held_out)):
        first = np.unique(split["recording"], return_index=True)[1]  # one frame a recording
        points, visible = split["points"][first], split["visible"][first]
        decoded = drawing.reconstruct(run, points, visible)
        pictures.write_reconstructions(
            directory / f"reconstructions_{name}.png",
            points,
            visible,
            decoded.points,
            decoded.visible,
            split["id"][first],
            (config.data.width, config.data.height),
        )
    codes = drawing.encode_frames(run, train["points"], train["visible"])
    pictures.write_code_map(directory / "codes_tsne.png", codes.mean, train["recording"])
    pictures.write_losses(directory / "losses.png", read_metrics(run.workdir))
    pictures.write_sliders(
        directory / "sliders.html",
        codes.mean[0],
        lambda changed: drawing.decode_means(run, changed),
        (config.data.width, config.data.height),
    )


def _fields(frames: Frames) -> dict[str, np.ndarray]:
    return {
        "points": frames.points.astype(np.float32),
        "filled": fill_missing(frames.points, frames.visible),
        "visible": frames.visible,
        "recording": frames.recording.astype(np.int32),
        "id": frames.ids.astype(np.int64),
        "real": np.ones(len(frames.ids), bool),
    }


def _simulated_splits(settings: DataSettings) -> Splits:
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


def _extra_recordings(settings: DataSettings) -> dict[str, np.ndarray]:
    """Simulated recordings to mix into the training split, of another stream than the built-in ones."""
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


def _simulator(settings: DataSettings, **changes: Any) -> SimulatorSettings:
    if settings.width != settings.height:
        raise UserError(
            f"config.data.width={settings.width}, config.data.height={settings.height}: simulated "
            "frames are square; make them equal, or name recordings with config.data.path and set "
            "config.data.extra_recordings=0"
        )
    shared = {
        "recording_length": settings.recording_length,
        "rows": settings.rows,
        "columns": settings.columns,
        "frame_size": settings.width,
    }
    try:
        return SimulatorSettings(**(shared | changes))
    except ValueError as error:
        raise UserError(f"config.data: {error}") from error


def _simulated_fields(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return _fields(Frames(arrays["id"], arrays["points"], arrays["visible"], arrays["recording"]))
