"""Brain slices as both brain tasks take them in: splits, the modes' input, a few to look at."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from lvae.configuration import section
from lvae.data import brain
from lvae.tasks.interface import SamplingOptions, Splits

CONTENT = 13  # of 255: a block whose brightest pixel is darker counts as background


def load_data(config: Any) -> Splits:
    """Slices by subject: {"image", "subject", "slice"} in every split.

    Raises:
      UserError: see `lvae.data.brain`.
    """
    return brain.load(section(brain.BrainConfig, config.data, "data"))


def read_inputs(
    config: Any, options: SamplingOptions
) -> tuple[list[str], UInt8[np.ndarray, "n height width"]]:
    """Names and images of --data, or of the test split without it; at most --num_samples.

    Raises:
      UserError: see `lvae.data.brain`.
    """
    data = section(brain.BrainConfig, config.data, "data")
    if options.data is None:
        split = load_data(config)["test"]
        names = [
            f"{subject}_slice_{index}" for subject, index in zip(split["subject"], split["slice"])
        ]
        images = split["image"]
    else:
        names, images = brain.read_images(Path(options.data), data)
    count = len(images) if options.num_samples is None else min(options.num_samples, len(images))
    return names[:count], images[:count]


def spread_out(array: np.ndarray, count: int) -> np.ndarray:
    """`count` examples evenly spaced over the array."""
    return array[np.linspace(0, len(array) - 1, min(count, len(array))).astype(int)]


def has_content(images: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """bool (N, rows, columns): whether a code's block of pixels is more than black background."""
    count, height, width = images.shape
    blocks = images.reshape(count, grid[0], height // grid[0], grid[1], width // grid[1])
    return blocks.max((2, 4)) > CONTENT


def mirrored(images: Float[Array, "batch height width 1"], key: Array) -> Array:
    """Left and right exchanged in half of the images, drawn afresh."""
    flip = jax.random.bernoulli(key, 0.5, (len(images), 1, 1, 1))
    return jnp.where(flip, images[:, :, ::-1], images)
