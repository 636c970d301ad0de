"""Brain slices as the codec and its prior take them in: splits, the modes' input, a few to look
at."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key, UInt8

from lvae.data import brain
from lvae.data.brain import DataSettings
from lvae.tasks.task import Request, Splits

CONTENT = 13  # of 255: a block whose brightest pixel is darker counts as background

Slices = UInt8[np.ndarray, "n height width"]
CodeMaps = np.ndarray  # int32 (n, rows, columns)


def load(settings: DataSettings) -> Splits:
    """Slices by subject: {"image", "subject", "slice"} in every split.

    Raises:
      UserError: see `lvae.data.brain`.
    """
    return brain.load(settings)


def read_inputs(settings: DataSettings, request: Request) -> tuple[list[str], Slices]:
    """Names and images of --data, or of the test split without it; at most --num_samples.

    Raises:
      UserError: see `lvae.data.brain`.
    """
    if request.data is None:
        split = load(settings)["test"]
        names = [
            f"{subject}_slice_{index}" for subject, index in zip(split["subject"], split["slice"])
        ]
        images = split["image"]
    else:
        names, images = brain.read_images(request.data, settings)
    return names[: request.num_samples], images[: request.num_samples]


def spread_out(array: np.ndarray, count: int) -> np.ndarray:
    """`count` examples evenly spaced over the array; all of them if it has fewer."""
    return array[np.linspace(0, len(array) - 1, min(count, len(array))).astype(int)]


def has_content(images: Slices, grid: tuple[int, int]) -> Bool[np.ndarray, "n rows columns"]:
    """Whether the block of pixels of each code is more than black background."""
    count, height, width = images.shape
    blocks = images.reshape(count, grid[0], height // grid[0], grid[1], width // grid[1])
    return blocks.max((2, 4)) > CONTENT


def mirrored(
    images: Float[Array, "batch height width"], key: Key[Array, ""]
) -> Float[Array, "batch height width"]:
    """Left and right exchanged in half of the images, drawn afresh."""
    flip = jax.random.bernoulli(key, 0.5, (len(images), 1, 1))
    return jnp.where(flip, images[:, :, ::-1], images)
