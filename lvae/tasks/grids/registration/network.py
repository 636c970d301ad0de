"""The U-Net at work: frames to images, images to displacements, displacements to warped points."""

import functools
from typing import TypeVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key, PyTree

from lvae.grids.rendering import render_images
from lvae.models.batching import in_batches
from lvae.models.unet import UNet
from lvae.tasks.grids.registration.canvas import Canvas, canvas_of
from lvae.tasks.grids.registration.settings import Settings
from lvae.tasks.task import Run, Spec, Variables

BATCH = 8  # frames that are warped together

AnyArray = TypeVar("AnyArray", Array, np.ndarray)


def network(settings: Settings, spec: Spec) -> UNet:
    """Two features: the displacement along x and y ([ronneberger2015])."""
    return UNet(settings.model.filters, settings.model.levels)


def init(settings: Settings, spec: Spec, key: Key[Array, ""]) -> Variables:
    """Parameters, and the running statistics of the batch normalisation."""
    images = jnp.zeros((1, *canvas_of(settings, spec).images, 2))
    variables = network(settings, spec).init(key, images, train=False)
    return {
        "params": variables["params"],
        "buffers": {"batch_stats": variables["batch_stats"]},
    }


def moving_images(
    points: Float[AnyArray, "frames rows columns 2"],
    visible: Bool[AnyArray, "frames rows columns"],
    canvas: Canvas,
) -> Float[AnyArray, "frames high wide"]:
    """Drawn on the canvas, averaged over the pixels of the network's, in [0, 1]."""
    return render_images(
        points * canvas.factor, visible, canvas.size, pool=canvas.pool, scale=canvas.rendering
    )


@functools.lru_cache(maxsize=4)
def fixed_image(canvas: Canvas) -> Float[np.ndarray, "high wide"]:
    """The regular grid, drawn as the moving images are."""
    rays = canvas.rays()
    return moving_images(rays[None], np.ones((1, *rays.shape[:2]), bool), canvas)[0]


def inputs(
    images: Float[Array, "frames high wide"], canvas: Canvas
) -> Float[Array, "frames high wide 2"]:
    """Moving and fixed image side by side, scaled to [-1, 1]."""
    fixed = jnp.broadcast_to(fixed_image(canvas)[None], images.shape)
    return 2.0 * jnp.stack([images, fixed], axis=-1) - 1.0


def displacements(
    field: Float[Array, "frames high wide 2"],
    points: Float[Array, "frames count 2"],
    canvas: Canvas,
) -> Float[Array, "frames count 2"]:
    """The field at each point's pixel, in px of the frame."""
    high, wide = canvas.images
    last = jnp.array([wide - 1, high - 1]).reshape(1, 1, 2)
    pixel = jnp.clip((points * canvas.factor / canvas.pool).astype(jnp.int32), 0, last)
    frame = jnp.arange(len(points))[:, None]
    return field[frame, pixel[..., 1], pixel[..., 0]] * (canvas.unit / canvas.factor)


def warp_frames(
    run: Run[Settings],
    points: Float[np.ndarray, "frames rows columns 2"],
    visible: Bool[np.ndarray, "frames rows columns"],
) -> Float[np.ndarray, "frames rays 2"]:
    """Where the points of drawn frames end up, px; meaningless where not visible."""
    draw = functools.partial(_drawn, canvas=canvas_of(run.settings, run.spec))
    images = in_batches(draw, points, visible, size=BATCH)
    return warp_points(run, images, points.reshape(len(points), -1, 2))


def warp_points(
    run: Run[Settings],
    images: Float[np.ndarray, "frames high wide"],
    points: Float[np.ndarray, "frames count 2"],
    together: int = BATCH,
) -> Float[np.ndarray, "frames count 2"]:
    """Where these points of these moving images end up, px. together: frames per call."""
    module = network(run.settings, run.spec)
    canvas = canvas_of(run.settings, run.spec)
    warp = functools.partial(_warped, module, canvas, dict(run.variables))
    return in_batches(warp, images, points, size=together)


@functools.partial(jax.jit, static_argnames="canvas")
def _drawn(
    points: Float[Array, "frames rows columns 2"],
    visible: Bool[Array, "frames rows columns"],
    canvas: Canvas,
) -> Float[Array, "frames high wide"]:
    return moving_images(points, visible, canvas)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _warped(
    module: nn.Module,
    canvas: Canvas,
    variables: dict[str, PyTree],
    images: Float[Array, "frames high wide"],
    points: Float[Array, "frames count 2"],
) -> Float[Array, "frames count 2"]:
    collections = {"params": variables["params"], **variables["buffers"]}
    field = module.apply(collections, inputs(images, canvas), train=False)
    assert isinstance(field, jax.Array)  # without `mutable` there is nothing but the output
    return points + displacements(field, points, canvas)
