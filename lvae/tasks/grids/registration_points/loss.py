"""What the matcher on points minimises: surprise at the true rows and columns, and at the true steps."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from lvae.models.point_network import REACH, Evidence
from lvae.tasks.grids.registration.augmentation import augment
from lvae.tasks.grids.registration_points.clutter import hide_runs, sink, with_strays
from lvae.tasks.grids.registration_points.network import network
from lvae.tasks.grids.registration_points.settings import Settings
from lvae.tasks.grids.scale import scale_of
from lvae.tasks.task import Batch, LossFunction, Spec

Seen = Bool[Array, "frames points"]


def loss(settings: Settings, spec: Spec) -> LossFunction:
    """The sum of four cross-entropies, nats: of a point's row and column, of whether it belongs to a
    ray, and of the steps, in rows and columns, to its neighbours of at most `REACH`.

    Frames get another pose, sunken points, lose runs of points and gain stray ones, anew every step. If simulated
    frames come first (`training_set.early_share`), they take that share of all steps.
    """
    module, scale = network(settings, spec), scale_of(spec)
    early_steps = settings.training_set.early_share * settings.training.total_steps(spec.examples)

    def value(
        params: PyTree, buffers: PyTree, batch: Batch, key: Key[Array, ""], step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[dict[str, Array], PyTree]]:
        points, visible = batch["points"], batch["visible"]
        if "early_points" in batch:
            points = jnp.where(step < early_steps, batch["early_points"], points)
            visible = jnp.where(step < early_steps, batch["early_visible"], visible)
        posed, runs, strays, deep = jax.random.split(key, 4)
        points, visible = augment(posed, points, visible, scale.frame, settings.augmentation)
        points, visible = sink(deep, points, visible, settings.augmentation)
        visible = hide_runs(runs, visible, settings.augmentation)
        frames, most = len(points), settings.augmentation.stray
        points, present = with_strays(
            strays, points.reshape(frames, -1, 2), visible.reshape(frames, -1), most
        )
        said = module.apply({"params": params}, points, present)
        assert isinstance(said, Evidence)
        parts = surprise(said, present, scale.rows, scale.columns)
        return sum(parts.values(), jnp.zeros(())), (parts, buffers)

    return value


def surprise(said: Evidence, present: Seen, rows: int, columns: int) -> dict[str, Array]:
    """Mean cross-entropies, nats, of frames whose points are those of all rays, in their order, and
    then strays."""
    rays = rows * columns
    number = jnp.arange(present.shape[1])
    of_ray = (number < rays)[None] & present
    row, column = number // columns, number % columns
    parts = {}
    for name, logits, truth in (("row", said.row, row), ("column", said.column, column)):
        truth = jnp.broadcast_to(jnp.minimum(truth, logits.shape[-1] - 1)[None], present.shape)
        nats = optax.softmax_cross_entropy_with_integer_labels(logits, truth)
        parts[f"{name}_nats"] = _mean(nats, of_ray)
    wanted = jnp.broadcast_to((number < rays)[None], present.shape).astype(said.belongs.dtype)
    parts["belongs_nats"] = _mean(optax.sigmoid_binary_cross_entropy(said.belongs, wanted), present)
    neighbour, linked = said.links
    both = linked & of_ray[..., None] & (neighbour < rays)
    for axis, (name, place) in enumerate((("row", row), ("column", column))):
        true_step = place[neighbour] - place[None, :, None]
        truth = jnp.clip(true_step + REACH, 0, 2 * REACH)
        nats = optax.softmax_cross_entropy_with_integer_labels(said.step[..., axis, :], truth)
        parts[f"{name}_step_nats"] = _mean(nats, both & (jnp.abs(true_step) <= REACH))
    return parts


def _mean(values: Array, counted: Array) -> Float[Array, ""]:
    return jnp.sum(jnp.where(counted, values, 0.0)) / jnp.maximum(jnp.sum(counted), 1)
