"""A U-Net: what is far apart in an image decides what happens at each of its pixels.

5,489,026 parameters at 32 filters and 2 features, 773,186 at 12, with 4 levels.
"""

import functools

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from lvae.models.convolution import Conv


class UNet(nn.Module):
    """Images -> as large images of real numbers.

    filters: channels of the first level; every level below has twice those of the one above.
    levels: how often the image is halved. features: channels of the output. Sizes must be multiples
    of 2 ** levels. Running statistics of the batch normalisation are in the collection
    "batch_stats", to be kept by whoever trains.

    Convolutions are native on CPU too: at 192 x 192 the slices of a matrix product would be read
    and written from memory, nine times the image. Outside loops XLA runs the native ones near the
    processor's peak; so train it with one step a dispatch there.
    """

    filters: int
    levels: int = 4
    features: int = 2

    @nn.compact
    def __call__(
        self, images: Float[Array, "batch rows columns channels"], train: bool
    ) -> Float[Array, "batch rows columns features"]:
        part = 2**self.levels
        if images.shape[1] % part or images.shape[2] % part:
            raise ValueError(
                f"images of {images.shape[1]} x {images.shape[2]}: {self.levels} levels need "
                f"multiples of {part}"
            )
        block = functools.partial(ConvolutionBlock, train=train)
        hidden, skips = images, []
        for level in range(self.levels):
            hidden = block(self.filters * 2**level)(hidden)
            hidden = block(self.filters * 2**level)(hidden)
            skips.append(hidden)
            hidden = halved(hidden)
        hidden = block(self.filters * part)(hidden)
        for level in reversed(range(self.levels)):
            hidden = jnp.concatenate([doubled(hidden), skips[level]], axis=-1)
            hidden = block(self.filters * 2**level)(hidden)
            hidden = block(self.filters * 2**level)(hidden)
        return nn.Dense(self.features)(hidden)


class ConvolutionBlock(nn.Module):
    """3 x 3 convolution, batch normalisation, relu."""

    features: int
    train: bool

    @nn.compact
    def __call__(self, inputs: Float[Array, "batch rows columns channels"]) -> Array:
        hidden = Conv(self.features, 3, use_bias=False, implementation="native")(inputs)
        return nn.relu(nn.BatchNorm(use_running_average=not self.train, momentum=0.9)(hidden))


def halved(
    images: Float[Array, "batch rows columns channels"],
) -> Float[Array, "batch half_rows half_columns channels"]:
    """The largest value of every 2 x 2 pixels.

    By axes of their own: of `nn.max_pool` XLA:CPU computes the gradient pixel by pixel on one core.
    """
    batch, rows, columns, channels = images.shape
    return images.reshape(batch, rows // 2, 2, columns // 2, 2, channels).max(axis=(2, 4))


def doubled(
    images: Float[Array, "batch rows columns channels"],
) -> Float[Array, "batch twice_rows twice_columns channels"]:
    """Every pixel as 2 x 2."""
    batch, rows, columns, channels = images.shape
    spread = jnp.broadcast_to(images[:, :, None, :, None], (batch, rows, 2, columns, 2, channels))
    return spread.reshape(batch, 2 * rows, 2 * columns, channels)
