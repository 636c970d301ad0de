"""What the picture of a code's block says of the code by itself: a normal distribution of the block's grey
values for every code, started at those of training slices. A network adds what the neighbours say.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

LEAST = 0.03  # grey values: deviation of a block's values, below which drawn pictures are not exact
SMOOTHED = 2.0  # slices' worth of all blocks that every code's numbers are mixed with


class PictureEvidence(nn.Module):
    """(grey values of every block, whether they are a picture's) -> logits of every code, 0 where they
    are none. size: codes. levels: grey values of a block."""

    size: int
    levels: int

    @nn.compact
    def __call__(
        self,
        blocks: Float[Array, "batch rows columns levels"],
        shown: Float[Array, "batch rows columns 1"],
    ) -> Float[Array, "batch rows columns k"]:
        shape = (self.size, self.levels)
        mean = self.param("mean", nn.initializers.constant(0.5), shape)
        deviation = self.param("log_deviation", nn.initializers.zeros, shape)
        sharpness = jnp.exp(-2 * deviation)
        constant = -0.5 * (mean**2 * sharpness).sum(1) - deviation.sum(1)
        logits = blocks @ (mean * sharpness).T - 0.5 * (blocks**2) @ sharpness.T
        return shown * (logits + constant[None, None, None])


def block_statistics(
    codes: Int[np.ndarray, "n rows columns"],
    blocks: Float[np.ndarray, "n rows columns levels"],
    size: int,
) -> dict[str, np.ndarray]:
    """Parameters of `PictureEvidence`: mean and log of the deviation of the blocks of every code; of rare
    codes partly those of all blocks."""
    flat, values = codes.ravel(), blocks.reshape(codes.size, -1)
    counts = np.bincount(flat, minlength=size)[:, None] + SMOOTHED
    middle, spread = values.mean(0), values.var(0)

    def sums(numbers: np.ndarray) -> np.ndarray:
        return np.stack([np.bincount(flat, part, size) for part in numbers.T], 1)

    mean = (sums(values) + SMOOTHED * middle) / counts
    away = (values - mean[flat]) ** 2
    variance = (sums(away) + SMOOTHED * np.minimum(spread, LEAST**2)) / counts
    deviation = 0.5 * np.log(np.maximum(variance, LEAST**2))
    return {"mean": mean.astype(np.float32), "log_deviation": deviation.astype(np.float32)}
