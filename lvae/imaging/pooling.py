"""Pooling in blocks that do not overlap.

The stride is the size; lines left over at the right and at the bottom are dropped.
"""

from einops import reduce
from jaxtyping import Array, Float

from lvae.imaging.levels import Images

Pooled = Float[Array, "batch small_height small_width channel"]


def min_pool(images: Images, size: int) -> Pooled:
    """Least value of every size x size block."""
    return _pooled(images, size, "min")


def max_pool(images: Images, size: int) -> Pooled:
    """Largest value of every size x size block."""
    return _pooled(images, size, "max")


def mean_pool(images: Images, size: int) -> Pooled:
    """Mean of every size x size block."""
    return _pooled(images, size, "mean")


def _pooled(images: Images, size: int, how: str) -> Pooled:
    height, width = images.shape[1:3]
    if not 1 <= size <= min(height, width):
        raise ValueError(f"size {size}: expected 1 to {min(height, width)}, the images' side")
    whole = images[:, : height - height % size, : width - width % size]
    pattern = "batch (rows high) (columns wide) channel -> batch rows columns channel"
    return reduce(whole, pattern, how, high=size, wide=size)
