"""The U-Net at work: frames to images, images to displacements, displacements to warped points."""

import dataclasses
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
from lvae.tasks.grids.registration.settings import Settings
from lvae.tasks.task import Run, Spec, Variables

BATCH = 8  # frames that are warped together

AnyArray = TypeVar("AnyArray", Array, np.ndarray)


def network(settings: Settings, spec: Spec) -> UNet:
    """Two features: the displacement along x and y ([ronneberger2015])."""
    return UNet(settings.model.filters, settings.model.levels)


def init(settings: Settings, spec: Spec, key: Key[Array, ""]) -> Variables:
    """Parameters, and the running statistics of the batch normalisation."""
    images = jnp.zeros((1, settings.model.size, settings.model.size, 2))
    variables = network(settings, spec).init(key, images, train=False)
    return {
        "params": variables["params"],
        "buffers": {"batch_stats": variables["batch_stats"]},
    }


def moving_images(
    points: Float[AnyArray, "frames rows columns 2"],
    visible: Bool[AnyArray, "frames rows columns"],
    settings: Settings,
) -> Float[AnyArray, "frames size size"]:
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
    run: Run[Settings],
    points: Float[np.ndarray, "frames rows columns 2"],
    visible: Bool[np.ndarray, "frames rows columns"],
) -> Float[np.ndarray, "frames rays 2"]:
    """Where the points of drawn frames end up, px; meaningless where not visible."""
    draw = functools.partial(_drawn, settings=_any_seed(run.settings))
    images = in_batches(draw, points, visible, size=BATCH)
    return warp_points(run, images, points.reshape(len(points), -1, 2))


def warp_points(
    run: Run[Settings],
    images: Float[np.ndarray, "frames size size"],
    points: Float[np.ndarray, "frames count 2"],
) -> Float[np.ndarray, "frames count 2"]:
    """Where these points of these moving images end up, px."""
    module = network(run.settings, run.spec)
    warp = functools.partial(_warped, module, _any_seed(run.settings), dict(run.variables))
    return in_batches(warp, images, points, size=BATCH)


def _any_seed(settings: Settings) -> Settings:
    """Settings that are the same for all seeds, which so share one program."""
    return dataclasses.replace(settings, seed=0)


@functools.partial(jax.jit, static_argnames="settings")
def _drawn(
    points: Float[Array, "frames rows columns 2"],
    visible: Bool[Array, "frames rows columns"],
    settings: Settings,
) -> Float[Array, "frames size size"]:
    return moving_images(points, visible, settings)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _warped(
    module: nn.Module,
    settings: Settings,
    variables: dict[str, PyTree],
    images: Float[Array, "frames size size"],
    points: Float[Array, "frames count 2"],
) -> Float[Array, "frames count 2"]:
    collections = {"params": variables["params"], **variables["buffers"]}
    field = module.apply(collections, inputs(images, settings), train=False)
    assert isinstance(field, jax.Array)  # without `mutable` there is nothing but the output
    return points + displacements(field, points, settings)
