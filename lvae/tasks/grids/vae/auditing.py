"""What an audit must know of laser grids: distances between frames, and what the model says of them."""

import dataclasses
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from lvae.data.filling import fill_missing
from lvae.grids.encoding import rounded
from lvae.keys import stream
from lvae.metrics import grid_sets
from lvae.metrics.memorised import noisy_copies, rms_distances
from lvae.models.batching import in_batches
from lvae.models.gaussian import normal_kl, reparameterised
from lvae.tasks.auditor import Auditor, Examples
from lvae.tasks.grids.data import load_recordings, of_frame_size
from lvae.tasks.grids.scale import Scale, decimals_of, scale_of
from lvae.tasks.grids.settings import DataSettings
from lvae.tasks.grids.vae import drawing, notebook
from lvae.tasks.grids.vae.fidelity import simulated_frames
from lvae.tasks.grids.vae.fidelity import texture as texture_of
from lvae.tasks.grids.vae.ordered import bernoulli_loss, gaussian_loss
from lvae.tasks.grids.vae.settings import NotebookLossSettings, NotebookModelSettings, Settings
from lvae.tasks.task import Run, Splits, Variables

_COPIES_OFF = 0.5  # px of a 768 frame; deviation of the noise that is put on copies
_DRAWS = 4  # codes of a frame's posterior over which its evidence is averaged


def real(run: Run[Settings], split: Examples) -> Examples:
    """The frames of a split that no simulator made: points, visible, recording."""
    chosen = split["real"] if "real" in split else np.ones(len(split["points"]), bool)
    return {name: split[name][chosen] for name in ("points", "visible", "recording")}


def load(run: Run[Settings], path: Path) -> Splits:
    """The recordings of a folder, all of them, nothing simulated among them."""
    data = of_frame_size(run.settings.data, run.spec)
    data = dataclasses.replace(data, path=str(path), folds="")
    if isinstance(data, DataSettings):
        data = dataclasses.replace(data, extra_recordings=0)
    return load_recordings(data)


def parse(run: Run[Settings], sample: Mapping[str, Any]) -> Examples:
    """One drawn frame, of its label file or of its row.

    Raises:
      ValueError: it is no frame of the run's grid.
    """
    rows, columns = run.spec.fields["visible"].shape
    if "points" in sample:
        points = np.array(sample["points"], np.float32).reshape(rows, columns, 2)
        return {"points": points, "visible": np.array(sample["visible"]).reshape(rows, columns)}
    flat, seen = np.zeros((rows * columns, 2), np.float32), np.zeros(rows * columns, bool)
    for key, point in json.loads(sample[".json"]).items():
        if not key.isdecimal() or int(key) >= len(flat):
            raise ValueError(f"key {key!r} is outside the grid of {rows} x {columns}")
        flat[int(key)], seen[int(key)] = point, True
    return {"points": flat.reshape(rows, columns, 2), "visible": seen.reshape(rows, columns)}


def distances(run: Run[Settings], first: Examples, second: Examples) -> Float[np.ndarray, "n m"]:
    """Root mean square over common points, px, wherever the grids lie."""
    return rms_distances(first["points"], first["visible"], second["points"], second["visible"])


def vectors(run: Run[Settings], frames: Examples) -> Float[np.ndarray, "n numbers"]:
    """Places of all points about their mean; missing ones are filled in."""
    return grid_sets.features(fill_missing(frames["points"], frames["visible"]))


def examples(run: Run[Settings], numbers: Float[np.ndarray, "n numbers"]) -> Examples:
    """The inverse of `vectors`: whole grids in the middle of the frame."""
    rows, columns = run.spec.fields["visible"].shape
    points = numbers.reshape(-1, rows, columns, 2) * np.sqrt(rows * columns)
    points = points + np.array(scale_of(run.spec).frame) / 2
    places = rounded(points, decimals_of(run.spec))
    return {"points": places, "visible": np.ones(points.shape[:3], bool)}


def texture(run: Run[Settings], frames: Examples) -> Float[np.ndarray, "n features"]:
    """Local statistics, rounded as drawn frames are written."""
    return texture_of(run, frames["points"], frames["visible"])


def noisy(run: Run[Settings], frames: Examples, seed: int) -> Examples:
    """The frames with half a pixel of noise."""
    deviation = _COPIES_OFF * scale_of(run.spec).rendering
    copies, _ = noisy_copies(frames["points"], len(frames["points"]), deviation, seed)
    return {"points": copies, "visible": frames["visible"]}


def simulated(run: Run[Settings], count: int, seed: int) -> tuple[Examples, np.ndarray]:
    """Frames of simulated recordings."""
    made = simulated_frames(run, count, seed)
    return {"points": made.points, "visible": made.visible}, np.asarray(made.groups)


def scores(run: Run[Settings], frames: Examples) -> dict[str, Float[np.ndarray, " n"]]:
    """Minus the mean error of visible points, px, and the evidence lower bound of every frame."""
    points, visible = frames["points"].astype(np.float32), frames["visible"]
    rebuilt = drawing.reconstruct(run, points, visible).points
    errors = np.linalg.norm(rebuilt - points, axis=-1)
    error = np.where(visible, errors, 0).sum((1, 2)) / np.maximum(visible.sum((1, 2)), 1)
    function = functools.partial(_evidence, run.settings, scale_of(run.spec), run.variables)
    evidence = in_batches(
        lambda *batch: function(stream(0, "audit"), *batch), points, visible, size=drawing.BLOCK
    )
    return {"reconstruction": -error, "elbo": np.asarray(evidence)}


@functools.partial(jax.jit, static_argnums=(0, 1))
def _evidence(
    settings: Settings,
    scale: Scale,
    variables: Variables,
    key: Key[Array, ""],
    points: Float[Array, "frames rows columns 2"],
    visible: Bool[Array, "frames rows columns"],
) -> Float[Array, " frames"]:
    """The evidence lower bound of frames as they are, nats, without constants: what training
    raises, but for its weights and its varied frames. The notebook's is its own loss, negative."""
    design = drawing.design_of(settings)
    mean, log_variance = design.encode(settings, scale, variables, points, visible)

    def likelihood(draw_key: Key[Array, ""]) -> Float[Array, " frames"]:
        codes = reparameterised(draw_key, mean, log_variance)
        decoded, logits, noise = design.decode(settings, scale, variables, codes)
        if noise is None:
            return _notebook_likelihood(settings, decoded, points, visible)
        missed = gaussian_loss((points - decoded) / scale.point, visible, noise / scale.point)
        return -missed - bernoulli_loss(logits, visible)

    of_draws = jax.vmap(likelihood)(jax.random.split(key, _DRAWS))
    kl = normal_kl(mean, log_variance)
    if isinstance(settings.loss, NotebookLossSettings):
        return of_draws.mean(0) - settings.loss.coding_loss_factor * kl.mean(1)
    return of_draws.mean(0) - kl.sum(1)


def _notebook_likelihood(
    settings: Settings, decoded: Array, points: Array, visible: Array
) -> Float[Array, " frames"]:
    """Minus its weighted cross-entropy, over the grid without the ring round it."""
    assert isinstance(settings.model, NotebookModelSettings)
    assert isinstance(settings.loss, NotebookLossSettings)
    size = settings.model.coordinate_scale
    targets = notebook.to_input(points, visible, size)[:, 1:-1, 1:-1]
    shares = jnp.clip(decoded / size, 1e-6, 1 - 1e-6)
    logits = jnp.log(shares) - jnp.log1p(-shares)
    weight = settings.loss.reconstruction_weight
    return -weight * notebook.mean_cross_entropy(logits, targets)


AUDITOR = Auditor(
    group="recording",
    unit="recording",
    measure="px",
    real=real,
    load=load,
    kind=".json",
    parse=parse,
    distances=distances,
    vectors=vectors,
    examples=examples,
    texture=texture,
    scores=scores,
    noisy=noisy,
    simulated=simulated,
)
