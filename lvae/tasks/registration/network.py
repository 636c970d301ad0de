"""The U-Net at work: frames to images, images to displacements, displacements to warped points."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from lvae.grids.rendering import render_images
from lvae.models.unet import UNet
from lvae.tasks.interface import Variables
from lvae.tasks.registration.settings import Settings

BATCH = 8  # frames that are warped together


def make_model(settings: Settings) -> UNet:
    """Two features: the displacement along x and y."""
    return UNet(settings.model.filters, settings.model.levels)


def moving_images(
    points: Float[Any, "frames rows columns 2"],
    visible: Bool[Any, "frames rows columns"],
    settings: Settings,
) -> Float[Any, "frames size size"]:
    """Drawn at the frame's size, averaged over the pixels of the network's, in [0, 1]."""
    return render_images(points, visible, settings.frame_size, pool=settings.pool)


@functools.lru_cache(maxsize=4)
def fixed_image(settings: Settings) -> Float[np.ndarray, "size size"]:
    """The regular grid, drawn as the moving images are."""
    rays = settings.rays()
    return moving_images(rays[None], np.ones((1, *rays.shape[:2]), bool), settings)[0]


def inputs(
    images: Float[Array, "frames size size"], settings: Settings
) -> Float[Array, "frames size size 2"]:
    """Moving and fixed image side by side, scaled to [-1, 1]."""
    fixed = jnp.broadcast_to(fixed_image(settings)[None], images.shape)
    return 2.0 * jnp.stack([images, fixed], axis=-1) - 1.0


def displacements(
    field: Float[Array, "frames size size 2"],
    points: Float[Array, "frames count 2"],
    settings: Settings,
) -> Float[Array, "frames count 2"]:
    """The field at each point's pixel, in px of the frame."""
    last = settings.model.size - 1
    pixel = jnp.clip((points / settings.pool).astype(jnp.int32), 0, last)
    frame = jnp.arange(len(points))[:, None]
    return field[frame, pixel[..., 1], pixel[..., 0]] * settings.model.unit


def warp_frames(
    settings: Settings, variables: Variables, points: np.ndarray, visible: np.ndarray
) -> Float[np.ndarray, "frames rays 2"]:
    """Where the points of drawn frames end up, px; meaningless where not visible."""
    images = _in_batches(functools.partial(_drawn, settings), points, visible)
    return warp_points(settings, variables, images, points.reshape(len(points), -1, 2))


def warp_points(
    settings: Settings,
    variables: Variables,
    images: Float[np.ndarray, "frames size size"],
    points: Float[np.ndarray, "frames count 2"],
) -> Float[np.ndarray, "frames count 2"]:
    """Where these points of these moving images end up, px."""
    return _in_batches(functools.partial(_warped, settings, variables), images, points)


@functools.partial(jax.jit, static_argnums=0)
def _drawn(settings: Settings, points: Array, visible: Array) -> Array:
    return moving_images(points, visible, settings)


@functools.partial(jax.jit, static_argnums=0)
def _warped(settings: Settings, variables: Variables, images: Array, points: Array) -> Array:
    collections = {"params": variables["params"], **variables["buffers"]}
    field: Any = make_model(settings).apply(collections, inputs(images, settings), train=False)
    return points + displacements(field, points, settings)


def _in_batches(function: Any, *arrays: np.ndarray) -> np.ndarray:
    """`function` on BATCH rows at a time, the last batch filled up: one compilation."""
    count = len(arrays[0])
    rows = np.minimum(np.arange(-(-count // BATCH) * BATCH), count - 1).reshape(-1, BATCH)
    parts = [np.asarray(function(*(array[chosen] for array in arrays))) for chosen in rows]
    return np.concatenate(parts)[:count]
