"""Registration: from the moving image of a frame to the ray of every laser point in it.

A U-Net sees the moving image beside the fixed one, the regular grid, and says for every pixel how
far a point there has to move to reach its place in the fixed image. The nearest place names the ray.
The user of generated frames: they are worth what this network gains from them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from lvae.data.lasten import GridGeometry, read_frames
from lvae.errors import UserError
from lvae.metrics.matching import matching_measures
from lvae.tasks import laser_grid
from lvae.tasks.interface import Splits, Variables
from lvae.tasks.registration import network
from lvae.tasks.registration.augmentation import augment
from lvae.tasks.registration.modes import MODES
from lvae.tasks.registration.settings import Settings, settings_of

__all__ = ["MODES", "evaluate", "figures", "init", "load_data", "make_loss"]

ERROR_SIZE = 384  # px; errors are told at this frame size, whatever the network's


def load_data(config: Any) -> Splits:
    """Frames by split: points (px, (0, 0) where missing), visible, recording, id.

    The training split holds what config.training_set asks for: real frames, simulated ones
    (config.data.extra_recordings) and folders of generated ones. If simulated frames come first, they
    are in early_points and early_visible, and only the others in points and visible.

    Raises:
      UserError: bad data, or a training set that is empty.
    """
    settings = settings_of(config)
    splits = dict(laser_grid.load_data(config))
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


def init(config: Any, splits: Splits, key: Any) -> Variables:
    """Parameters, and the running statistics of the batch normalisation."""
    settings = settings_of(config)
    images = jnp.zeros((1, settings.model.size, settings.model.size, 2))
    variables = network.make_model(settings).init(key, images, train=False)
    return {
        "params": variables["params"],
        "buffers": {"batch_stats": variables["batch_stats"]},
    }


def make_loss(config: Any, splits: Splits) -> Callable:
    """Mean squared distance between warped points and their places, in units of the fixed pitch.

    Over visible points only: a point that was not seen has no place to be read at.
    """
    settings = settings_of(config)
    model = network.make_model(settings)
    early_steps = settings.training_set.early_share * config.training.steps
    rays = settings.rays()

    def loss(params: Any, buffers: Any, batch: dict[str, Array], key: Array, step: Array):
        points, visible = batch["points"], batch["visible"]
        if "early_points" in batch:
            points = jnp.where(step < early_steps, batch["early_points"], points)
            visible = jnp.where(step < early_steps, batch["early_visible"], visible)
        points, visible = augment(key, points, visible, settings.frame_size, settings.augmentation)
        images = network.moving_images(points, visible, settings)
        field, updated = model.apply(
            {"params": params, **buffers},
            network.inputs(images, settings),
            train=True,
            mutable=["batch_stats"],
        )
        flat = points.reshape(len(points), -1, 2)
        warped = flat + network.displacements(field, flat, settings)
        squared = jnp.sum((warped - rays.reshape(1, -1, 2)) ** 2, axis=-1)
        seen = visible.reshape(len(points), -1)
        error = jnp.sum(jnp.where(seen, squared, 0.0)) / jnp.maximum(jnp.sum(seen), 1)
        return error / settings.fixed.pitch**2, ({"squared_error_px2": error}, dict(updated))

    return loss


def evaluate(
    config: Any, variables: Variables, splits: Splits, *, thorough: bool = False
) -> dict[str, Any]:
    """Matching on whole recordings that the network never saw (else on the training frames).

    error_px (at 384 x 384), accuracy, repaired_accuracy and faultless_frames: means over recordings;
    worst_: of the worst recording; recordings: each one's. With `thorough` the test split too.
    """
    settings = settings_of(config)
    result = _measures(settings, variables, splits.get("validation", splits["train"]))
    if thorough and "test" in splits:
        test = _measures(settings, variables, splits["test"])
        result |= {f"test_{name}": value for name, value in test.items()}
    return result


def figures(config: Any, variables: Variables, splits: Splits, directory: Path) -> None:
    """One frame of every held-out recording with its matches, and the curves of the losses."""
    from lvae.figures import registration as pictures
    from lvae.training.records import read_metrics

    settings = settings_of(config)
    held_out = splits.get("validation", splits["train"])
    first = np.unique(held_out["recording"], return_index=True)[1][:12]
    points, visible = held_out["points"][first], held_out["visible"][first]
    pictures.write_matches(
        directory / "matches.png",
        points,
        visible,
        network.warp_frames(settings, variables, points, visible),
        settings.rays(),
        held_out["id"][first].tolist(),
        settings.frame_size,
    )
    pictures.write_losses(directory / "losses.png", read_metrics(directory.parent))


def _measures(settings: Settings, variables: Variables, split: dict[str, np.ndarray]):
    warped = network.warp_frames(settings, variables, split["points"], split["visible"])
    by_recording = matching_measures(
        warped,
        split["visible"].reshape(len(warped), -1),
        settings.rays().reshape(-1, 2),
        split["recording"],
        ERROR_SIZE / settings.data.width,
    )
    result: dict[str, Any] = {name: float(np.mean(rows)) for name, rows in by_recording.items()}
    result["worst_accuracy"] = min(by_recording["accuracy"])
    result["worst_repaired_accuracy"] = min(by_recording["repaired_accuracy"])
    result["recordings"] = by_recording
    return result


def _generated(folder: str, settings: Settings) -> dict[str, np.ndarray]:
    """Frames that a generator wrote: no recordings, and points may be few."""
    data = settings.data
    geometry = GridGeometry(data.rows, data.columns, data.width, data.height, 1, 1)
    frames = read_frames(folder, geometry)
    return {
        "points": frames.points.astype(np.float32),
        "visible": frames.visible,
        "recording": frames.recording.astype(np.int32),
        "id": frames.ids.astype(np.int64),
    }


def _chosen(split: dict[str, np.ndarray], rows: Any) -> dict[str, np.ndarray]:
    return {name: split[name][rows] for name in ("points", "visible", "recording", "id")}


def _joined(sources: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
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


def _one_after_another(
    early: dict[str, np.ndarray], late: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Rows that hold a frame of either; the shorter list is gone through again and again."""
    count = max(len(early["id"]), len(late["id"]))
    split = {name: array[np.arange(count) % len(array)] for name, array in late.items()}
    for name in ("points", "visible"):
        split[f"early_{name}"] = early[name][np.arange(count) % len(early[name])]
    return split
