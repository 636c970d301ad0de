"""Whether two images have equal texture: energies of differences in small windows.

A mean of all that might have been is smooth, and a squared error asks for it. These energies do not
ask for the same pixels, only for as much going up and down of each kind at each place.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

LEVELS = 3  # each of half the size of the one before
WINDOW = 8  # pixels of a level along each side
FLOOR = 0.01  # root of the energy, in grey values, below which windows do not differ

Images = Float[Array, "batch height width"]


def texture_error(first: Images, second: Images) -> Float[Array, " batch"]:
    """Mean distance of the logs of local energies: 0 where equal; of images in [0, 1].

    Energies are mean squares, in windows, of the differences between pixels across, down and along
    both diagonals, at `LEVELS` sizes of the images. A window without anything in both counts as
    nothing.
    """
    total, weight = jnp.zeros(len(first)), jnp.zeros(len(first))
    for level in range(LEVELS):
        if level:
            first, second = _halved(first), _halved(second)
        for one, other in zip(_energies(first), _energies(second)):
            counts = (one + other > FLOOR**2).astype(first.dtype)
            apart = jnp.abs(jnp.log(one + FLOOR**2) - jnp.log(other + FLOOR**2))
            total += jnp.sum(counts * apart, (1, 2))
            weight += jnp.sum(counts, (1, 2))
    return total / jnp.maximum(weight, 1)


def _energies(images: Images) -> list[Array]:
    here = images[:, :-1, :-1]
    right, below, across = images[:, :-1, 1:], images[:, 1:, :-1], images[:, 1:, 1:]
    differences = (right - here, below - here, across - here, right - below)
    return [_windows(jnp.pad(part**2, ((0, 0), (0, 1), (0, 1)))) for part in differences]


def _windows(values: Images) -> Array:
    """Means of windows that overlap by half."""
    size = (1, min(WINDOW, values.shape[1]), min(WINDOW, values.shape[2]))
    stride = (1, max(1, size[1] // 2), max(1, size[2] // 2))
    sums = jax.lax.reduce_window(values, 0.0, jax.lax.add, size, stride, "VALID")
    return sums / (size[1] * size[2])


def _halved(images: Images) -> Array:
    height, width = (side // 2 * 2 for side in images.shape[1:])
    blocks = images[:, :height, :width].reshape(len(images), height // 2, 2, width // 2, 2)
    return blocks.mean((2, 4))
