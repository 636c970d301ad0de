"""Networks that clean images ([vincent2008]): the two references, and one that restores best.

The references are those of configs/denoise_conv.py:reference and configs/denoise_mlp.py:reference.
All take noisy images (batch, height, width, 1), any real values, and give logits of the same shape:
the sigmoid of a logit is the clean pixel in [0, 1].
"""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Float

from lvae.models.convolution import Conv
from lvae.models.convolving import doubled

Images = Float[Array, "batch height width 1"]
_HE = nn.initializers.he_normal()  # [he2015]


class PyramidDenoiser(nn.Module):
    """The network of configs/denoise_conv.py:reference, 28 x 28 only: 4,385 parameters.

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
            features = doubled(features)
        return Conv(1, 3)(features)


class HourglassDenoiser(nn.Module):
    """Convolutions see the detail, dense layers the whole image, convolutions put both together.

    The image enters as half as many rows and columns of four times the channels (pixel unshuffle,
    [zhang2018]) and leaves the same way: sums at full resolution, the slowest on a CPU, are saved.
    Dense layers see everything at once, which heavy noise needs: what is left of a stroke is known
    by its place in the digit. They cost a tenth of convolutions that reach as far.

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

    widths: of the hidden layers; those of configs/denoise_mlp.py:reference are 256, 128, 128, 64,
    128, 128, 256.
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

    On a black ground the darkest pixel gives the half-range r of uniform noise, -r. The clean pixel
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
    return rearrange(images, "b (h p) (w q) c -> b h w (p q c)", p=2, q=2)


def _shuffled(features: Array) -> Array:
    """The inverse of `_unshuffled`."""
    return rearrange(features, "b h w (p q c) -> b (h p) (w q) c", p=2, q=2)
