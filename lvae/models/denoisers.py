"""Networks that clean images: the reference's two, and one of this house that restores best.

All take noisy images (batch, height, width, 1), any real values, and give logits of the same shape:
the sigmoid of a logit is the clean pixel in [0, 1].
"""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from lvae.models.convolution import Conv

Images = Float[Array, "batch height width 1"]
_HE = nn.initializers.he_normal()


class PyramidDenoiser(nn.Module):
    """The reference's small convolutional network, 28 x 28 only: 4,385 parameters.

    Three convolutions and poolings to 4 x 4 x 8 = 128 numbers, four convolutions and three
    doublings back. The third convolution of the way back has no padding: 16 x 16 becomes 14 x 14,
    and the last doubling ends at 28 x 28.
    """

    @nn.compact
    def __call__(self, images: Images) -> Images:
        features = images
        for width in (16, 8, 8):
            features = nn.relu(Conv(width, 3)(features))
            features = nn.max_pool(features, (2, 2), (2, 2), padding="SAME")
        for width, padding in ((8, "SAME"), (8, "SAME"), (16, "VALID")):
            features = nn.relu(Conv(width, 3, padding=padding)(features))
            features = jnp.repeat(jnp.repeat(features, 2, axis=1), 2, axis=2)
        return Conv(1, 3)(features)


class HourglassDenoiser(nn.Module):
    """Convolutions see the detail, dense layers the whole image, convolutions put both together.

    The image enters as half as many rows and columns of four times the channels (pixel unshuffle,
    as in FFDNet) and leaves the same way: sums at full resolution, the dearest on a CPU, are saved.
    Dense layers see everything at once, which heavy noise needs: what is left of a stroke is told
    from its place in the digit. They cost a tenth of convolutions that reach as far.

    channels: of the convolutions. hidden: widths of the dense layers; layers of equal width after
    the first are residual.
    """

    channels: int
    hidden: Sequence[int]

    @nn.compact
    def __call__(self, images: Images) -> Images:
        height, width = images.shape[1:3]
        even = jnp.pad(images, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        evidence = _unshuffled(_evidence(even))
        detail = nn.relu(Conv(self.channels, 3, kernel_init=_HE)(evidence))
        rows, columns = detail.shape[1:3]

        whole = nn.relu(Conv(16, 3, strides=2, kernel_init=_HE)(detail))
        whole = whole.reshape(whole.shape[0], -1)
        for size in self.hidden:
            if whole.shape[-1] == size:
                change = nn.Dense(size, kernel_init=nn.initializers.normal(0.01))(nn.relu(whole))
                whole = whole + change
            else:
                whole = nn.Dense(size, kernel_init=_HE)(whole)
        whole = nn.relu(nn.Dense(rows * columns * 8)(nn.relu(whole)))
        whole = whole.reshape(-1, rows, columns, 8)

        features = jnp.concatenate([evidence, detail, whole], axis=-1)
        features = Conv(self.channels, 3, kernel_init=_HE)(features)
        features = _ResidualBlock(self.channels)(features)
        return _shuffled(Conv(4, 3)(nn.relu(features)))[:, :height, :width]


class _ResidualBlock(nn.Module):
    """x + two convolutions; the second starts at zero, so that the block starts as the identity."""

    channels: int

    @nn.compact
    def __call__(self, features: Array) -> Array:
        change = Conv(self.channels, 3, kernel_init=_HE)(nn.relu(features))
        change = Conv(self.channels, 3, kernel_init=nn.initializers.zeros_init())(nn.relu(change))
        return features + change


class MlpDenoiser(nn.Module):
    """Dense layers with relu from all pixels to all pixels.

    widths: of the hidden layers; the reference's are 256, 128, 128, 64, 128, 128, 256.
    """

    widths: Sequence[int]

    @nn.compact
    def __call__(self, images: Images) -> Images:
        features = images.reshape(images.shape[0], -1)
        pixels = features.shape[1]
        for width in self.widths:
            features = nn.relu(nn.Dense(width, kernel_init=_HE)(features))
        return nn.Dense(pixels)(features).reshape(images.shape)


def _evidence(images: Array) -> Array:
    """The image, what each pixel proves about the clean one, and the darkest value.

    On a black ground the darkest pixel tells the half-range r of uniform noise, -r. The clean pixel
    is then at least the noisy one less r and at most the noisy one plus r: two bounds that say
    little in most pixels and much in some. Channels: image, lower bound (above 0), 1 less the upper
    bound (above 0), darkest value.
    """
    darkest = jnp.min(images, axis=(1, 2, 3), keepdims=True)
    lower, upper = images + darkest, images - darkest
    bounds = [nn.relu(lower), nn.relu(1.0 - upper)]
    return jnp.concatenate([images, *bounds, jnp.broadcast_to(darkest, images.shape)], axis=-1)


def _unshuffled(images: Array) -> Array:
    """(batch, 2 h, 2 w, c) -> (batch, h, w, 4 c): each 2 x 2 block side by side as channels."""
    batch, height, width, channels = images.shape
    blocks = images.reshape(batch, height // 2, 2, width // 2, 2, channels)
    return blocks.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height // 2, width // 2, 4 * channels)


def _shuffled(features: Array) -> Array:
    """The inverse of `_unshuffled`."""
    batch, height, width, channels = features.shape
    blocks = features.reshape(batch, height, width, 2, 2, channels // 4)
    blocks = blocks.transpose(0, 1, 3, 2, 4, 5)
    return blocks.reshape(batch, 2 * height, 2 * width, channels // 4)
