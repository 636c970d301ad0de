"""A U-Net ([ronneberger2015]): what is far apart in an image decides what happens at each pixel.

5,489,026 parameters at 32 filters and 2 features, 773,186 at 12, with 4 levels.
"""

import functools

import flax.linen as nn
from jaxtyping import Array, Float

from lvae.imaging.pooling import max_pool
from lvae.models.convolution import Conv, DoubledConv


class UNet(nn.Module):
    """Images -> as large images of real numbers.

    filters: channels of the first level; every level below has twice those of the one above.
    levels: how often the image is halved. features: channels of the output. Sizes must be multiples
    of 2 ** levels. Running statistics of the batch normalisation are in the collection
    "batch_stats", to be kept by whoever trains.

    Most convolutions are native on CPU too: at 192 x 192 the slices of a matrix product would be
    read and written from memory, nine times the image. XLA:CPU runs them on a slow path inside
    loops, so train with one step per dispatch there. Those over doubled images are the costliest,
    and products on CPU: measured on 2 cores (192 x 192, 12 filters, batch 4) a step takes 0.37
    s, 0.47 s with them native.
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
            hidden = block(self.filters * 2**level)(skips[level], below=hidden)
            hidden = block(self.filters * 2**level)(hidden)
        return nn.Dense(self.features)(hidden)


class ConvolutionBlock(nn.Module):
    """3 x 3 convolution, batch normalisation ([ioffe2015]), relu; of what lies below, doubled, too
    if given."""

    features: int
    train: bool

    @nn.compact
    def __call__(
        self,
        inputs: Float[Array, "batch rows columns channels"],
        below: Float[Array, "batch half_rows half_columns channels_below"] | None = None,
    ) -> Array:
        if below is None:
            hidden = Conv(self.features, 3, use_bias=False, implementation="native")(inputs)
        else:
            hidden = DoubledConv(self.features)(below, inputs)
        return nn.relu(nn.BatchNorm(use_running_average=not self.train, momentum=0.9)(hidden))


def halved(
    images: Float[Array, "batch rows columns channels"],
) -> Float[Array, "batch half_rows half_columns channels"]:
    """The largest value of every 2 x 2 pixels.

    By axes of their own: of `nn.max_pool` XLA:CPU computes the gradient pixel by pixel on one core.
    """
    return max_pool(images, 2)
