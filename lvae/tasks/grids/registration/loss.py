"""What the matcher minimises: how far warped points are from their places in the fixed image."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree

from lvae.tasks.grids.registration.augmentation import augment
from lvae.tasks.grids.registration.canvas import canvas_of
from lvae.tasks.grids.registration.network import displacements, inputs, moving_images, network
from lvae.tasks.grids.registration.settings import Settings
from lvae.tasks.task import Batch, LossFunction, Spec


def loss(settings: Settings, spec: Spec) -> LossFunction:
    """Mean squared distance between warped points and their places, in units of the fixed pitch.

    Over visible points only: a point that was not seen has no place to be read at. If simulated
    frames come first (`training_set.early_share`), they take that share of all steps, whether the
    run counts steps or epochs.
    """
    module = network(settings, spec)
    early_steps = settings.training_set.early_share * settings.training.total_steps(spec.examples)
    canvas = canvas_of(settings, spec)
    rays = canvas.rays()

    def value(
        params: PyTree, buffers: PyTree, batch: Batch, key: Key[Array, ""], step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[dict[str, Array], PyTree]]:
        points, visible = batch["points"], batch["visible"]
        if "early_points" in batch:
            points = jnp.where(step < early_steps, batch["early_points"], points)
            visible = jnp.where(step < early_steps, batch["early_visible"], visible)
        points, visible = augment(key, points, visible, canvas.scale.frame, settings.augmentation)
        images = moving_images(points, visible, canvas)
        field, updated = module.apply(
            {"params": params, **buffers},
            inputs(images, canvas),
            train=True,
            mutable=["batch_stats"],
        )
        flat = points.reshape(len(points), -1, 2)
        warped = flat + displacements(field, flat, canvas)
        squared = jnp.sum((warped - rays.reshape(1, -1, 2)) ** 2, axis=-1)
        seen = visible.reshape(len(points), -1)
        error = jnp.sum(jnp.where(seen, squared, 0.0)) / jnp.maximum(jnp.sum(seen), 1)
        return error / canvas.fixed**2, ({"squared_error_px2": error}, dict(updated))

    return value
