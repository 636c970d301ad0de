"""The VAE ([kingma2014]) of `configs/default.py`: a grid is a pose and a shape, and what it decodes
is in order.

The pose is the affine map of the regular grid that fits the visible points best. It is found in
closed form, so that the networks see the same shape wherever and however large the grid lies in the
frame, and is six latent dimensions of its own. What is left, the shape, is coded by a network.
"""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Key

POSE = 6  # latent dimensions of an affine map


def regular_coordinates(rows: int, columns: int) -> Float[Array, "rows columns 3"]:
    """1, column and row of every point, the latter two from -1 to 1, x to the right and y down."""
    x = jnp.linspace(-1.0, 1.0, columns)
    y = jnp.linspace(1.0, -1.0, rows)  # row 0 is the bottom of the image, where y is largest
    grid = jnp.broadcast_arrays(jnp.ones((rows, columns)), x[None, :], y[:, None])
    return jnp.stack(grid, axis=-1)


def fit_pose(
    points: Float[Array, "grids rows columns 2"], visible: Bool[Array, "grids rows columns"]
) -> Float[Array, "grids 3 2"]:
    """The affine map that carries the regular grid to the visible points with least squares.

    A ridge of 1e-3 points keeps frames with too few points finite.
    """
    rows, columns = visible.shape[1:]
    basis = regular_coordinates(rows, columns).reshape(1, -1, 3)
    weighted = basis * visible.reshape(len(points), -1, 1).astype(points.dtype)
    normal = jnp.swapaxes(weighted, 1, 2) @ jnp.broadcast_to(basis, weighted.shape)
    right = jnp.swapaxes(weighted, 1, 2) @ points.reshape(len(points), -1, 2)
    return jnp.linalg.solve(normal + 1e-3 * jnp.eye(3)[None], right)


def posed_grid(
    pose: Float[Array, "grids 3 2"], rows: int, columns: int
) -> Float[Array, "grids rows columns 2"]:
    """The regular grid under each affine map, in pixels."""
    return jnp.einsum("rck,nkd->nrcd", regular_coordinates(rows, columns), pose)


def in_order(
    points: Float[Array, "grids rows columns 2"], gap: tuple[float, float]
) -> Float[Array, "grids rows columns 2"]:
    """Moves points that are out of order to where they are in order, and leaves the others alone.

    Afterwards x grows by at least the first `gap` from column to column, and y falls by at least
    the second from row to row: each coordinate becomes the running maximum of itself, counted in
    steps of its gap. A grid that has such gaps is returned as it is.
    """
    rows, columns = points.shape[1:3]
    across = gap[0] * jnp.arange(columns, dtype=points.dtype)[None, None, :]
    upward = gap[1] * jnp.arange(rows - 1, -1, -1, dtype=points.dtype)[None, :, None]
    x = jax.lax.cummax(points[..., 0] - across, axis=2) + across
    y = jax.lax.cummax(points[..., 1] - upward, axis=1, reverse=True) + upward
    return jnp.stack([x, y], axis=-1)


class ShapeEncoder(nn.Module):
    """Codes a shape: (mean, log-variance) of each latent dimension.

    A linear path beside the network starts it out as a principal component analysis.
    """

    latents: int
    hidden: int

    @nn.compact
    def __call__(
        self,
        shape: Float[Array, "grids rows columns 2"],
        visible: Bool[Array, "grids rows columns"],
    ) -> tuple[Float[Array, "grids latents"], Float[Array, "grids latents"]]:
        flat = shape.reshape(len(shape), -1)
        missing = 1.0 - visible.reshape(len(shape), -1).astype(shape.dtype)
        hidden = nn.gelu(nn.Dense(self.hidden)(jnp.concatenate([flat, missing], axis=1)))
        hidden = hidden + nn.gelu(nn.Dense(self.hidden)(hidden))
        linear = nn.Dense(self.latents, name="linear")(flat)
        mean = nn.Dense(self.latents, kernel_init=_small, name="mean")(hidden)
        # Starts at a standard deviation of 0.2: less noise at first, sooner a useful code.
        log_variance = nn.Dense(
            self.latents,
            kernel_init=_small,
            bias_init=nn.initializers.constant(-3.0),
            name="log_variance",
        )(hidden)
        return linear + mean, log_variance


class ShapeDecoder(nn.Module):
    """What a code means: a shape, and for each point a logit of being seen and three numbers of its
    noise, which begin near 0 and leave the rest of the network alone when they are trained."""

    rows: int
    columns: int
    hidden: int

    @nn.compact
    def __call__(
        self, code: Float[Array, "grids latents"]
    ) -> tuple[
        Float[Array, "grids rows columns 2"],
        Float[Array, "grids rows columns"],
        Float[Array, "grids rows columns 3"],
    ]:
        points = self.rows * self.columns
        hidden = nn.gelu(nn.Dense(self.hidden)(code))
        hidden = hidden + nn.gelu(nn.Dense(self.hidden)(hidden))
        shape = nn.Dense(2 * points, kernel_init=_small, name="shape")(hidden)
        shape = shape + nn.Dense(2 * points, use_bias=False, name="linear")(code)
        logits = nn.Dense(points, kernel_init=_small, name="visibility")(hidden)
        known = jax.lax.stop_gradient(jnp.concatenate([hidden, code], axis=1))
        noise = nn.Dense(3 * points, kernel_init=_small, name="noise")(known)
        grid = (len(code), self.rows, self.columns)
        return shape.reshape(*grid, 2), logits.reshape(grid), noise.reshape(*grid, 3)


def _small(key: Key[Array, ""], shape: Sequence[int], dtype: DTypeLike = jnp.float32) -> Array:
    """A tenth of the usual spread, so that the linear path leads at first."""
    return 0.1 * nn.initializers.lecun_normal()(key, shape, dtype)
