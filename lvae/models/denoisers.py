"""Networks that clean images ([vincent2008]): the two references, and two that restore best.

The references are those of configs/denoise_conv.py:reference and configs/denoise_mlp.py:reference.
All take noisy images (batch, height, width, 1), any real values.
"""

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Float

from lvae.imaging.pooling import max_pool
from lvae.models.convolution import Conv, DoubledConv
from lvae.models.convolving import doubled

Images = Float[Array, "batch height width 1"]
_HE = nn.initializers.he_normal()  # [he2015]
_SMALL = nn.initializers.normal(0.01)  # for outputs that start near 0
# XLA's own: outside `lax.scan`, gradients included, 2.5 times as fast on a CPU as matrix products
_Conv = functools.partial(Conv, implementation="native")
# Mean error of rounding to 256 levels. No pixel is known better, and a pixel that the noise has
# made black or white keeps a logit.
ROUNDING = 0.25 / 255
# Error that a residual network starts from. Far above the noise it would be trusted so little that
# its gradient vanished: nothing was learned in 1,000 steps from 1.
FIRST_ERROR = 0.05


class Cleaned(NamedTuple):
    """What a network says of noisy images.

    logits: their sigmoid is the clean pixel in [0, 1]. noise: how far the noisy pixel is expected to
    be from the clean one, above 0; None where the network does not estimate it.
    """

    logits: Images
    noise: Images | None = None


class PyramidDenoiser(nn.Module):
    """The network of configs/denoise_conv.py:reference, 28 x 28 only: 4,385 parameters.

    Three convolutions and poolings to 4 x 4 x 8 = 128 numbers, four convolutions and three
    doublings back. The third convolution of the way back has no padding: 16 x 16 becomes 14 x 14,
    and the last doubling ends at 28 x 28.
    """

    @nn.compact
    def __call__(self, images: Images) -> Cleaned:
        features = images
        for width in (16, 8, 8):
            features = nn.relu(Conv(width, 3)(features))
            features = _halved(features)
        for width, padding in ((8, "SAME"), (8, "SAME"), (16, "VALID")):
            features = nn.relu(Conv(width, 3, padding=padding)(features))
            features = doubled(features)
        return Cleaned(Conv(1, 3)(features))


def _halved(features: Array) -> Array:
    """The largest of every 2 x 2 features; of odd sizes the last ones alone.

    By axes of their own: of `nn.max_pool` XLA:CPU computes values and gradient one by one.
    """
    height, width = features.shape[1:3]
    ends = ((0, 0), (0, height % 2), (0, width % 2), (0, 0))
    return max_pool(jnp.pad(features, ends, mode="edge"), 2)


class HourglassDenoiser(nn.Module):
    """Convolutions see the detail, dense layers the whole image, convolutions put both together.

    The image enters as half as many rows and columns of four times the channels (pixel unshuffle,
    [zhang2018]) and leaves the same way: sums at full resolution, the slowest on a CPU, are saved.
    Dense layers see everything at once, which heavy noise needs: what is left of a stroke is known
    by its place in the digit. They cost a tenth of convolutions that reach as far.

    channels: of the convolutions. hidden: widths of the dense layers; layers of equal width after
    the first are residual. blend: estimates the noise, and keeps of each pixel what it is worth.
    """

    channels: int
    hidden: Sequence[int]
    blend: bool = False

    @nn.compact
    def __call__(self, images: Images) -> Cleaned:
        height, width = images.shape[1:3]
        even = _padded(images, 2)
        evidence = _unshuffled(_evidence(even))
        log_noise = None
        if self.blend:
            log_noise = NoiseLevel()(evidence)
            evidence = jnp.concatenate([evidence, jax.lax.stop_gradient(log_noise)], axis=-1)
        detail = nn.relu(_Conv(self.channels, 3, kernel_init=_HE)(evidence))
        rows, columns = detail.shape[1:3]

        whole = nn.relu(_Conv(16, 3, strides=2, kernel_init=_HE)(detail))
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
        features = _Conv(self.channels, 3, kernel_init=_HE)(features)
        features = _ResidualBlock(self.channels)(features)
        if log_noise is None:
            return Cleaned(_shuffled(_Conv(4, 3)(nn.relu(features)))[:, :height, :width])
        outputs = _Conv(8, 3, kernel_init=_SMALL)(nn.relu(features))
        return _blended(images, outputs[..., :4], outputs[..., 4:], log_noise)


class ResidualDenoiser(nn.Module):
    """Images of any size and kind, by convolutions alone; gives the change, not the image.

    As in FFDNet ([zhang2018]) convolutions work on 2 x 2 blocks of pixels as channels and know the
    noise; here it is estimated first, as in CBDNet ([guo2019]). Residual blocks at a quarter of the
    size see 8 pixels farther each.

    channels: of the convolutions at half the size; twice as many at a quarter. depth: blocks at a
    quarter of the size.
    """

    channels: int
    depth: int

    @nn.compact
    def __call__(self, images: Images) -> Cleaned:
        even = _padded(images, 4)
        blocks = _unshuffled(even)
        log_noise = NoiseLevel()(blocks)
        evidence = jnp.concatenate([blocks, jax.lax.stop_gradient(log_noise)], axis=-1)
        detail = nn.relu(_Conv(self.channels, 3, kernel_init=_HE)(evidence))
        far = _Conv(2 * self.channels, 3, strides=2, kernel_init=_HE)(detail)
        for _ in range(self.depth):
            far = _ResidualBlock(2 * self.channels)(far)
        far = DoubledConv(self.channels, _HE, "native")(nn.relu(far), detail)
        features = _ResidualBlock(self.channels)(far)
        outputs = _Conv(8, 3, kernel_init=_SMALL)(nn.relu(features))
        change, log_error = outputs[..., :4], outputs[..., 4:] + math.log(FIRST_ERROR)
        return _blended(images, _logits(blocks) + change, log_error, log_noise)


class NoiseLevel(nn.Module):
    """How noisy each pixel of 2 x 2 blocks is: log of |noisy - clean| as it is expected there.

    Local contrast, and its mean over the image, which tells noise from texture.
    """

    channels: int = 16

    @nn.compact
    def __call__(
        self, blocks: Float[Array, "batch rows columns channels"]
    ) -> Float[Array, "batch rows columns 4"]:
        near = nn.relu(_Conv(self.channels, 3, kernel_init=_HE)(blocks))
        near = nn.relu(_Conv(self.channels, 3, kernel_init=_HE)(near))
        whole = nn.relu(nn.Dense(self.channels)(near.mean((1, 2))))
        whole = jnp.broadcast_to(whole[:, None, None], (*near.shape[:3], self.channels))
        hidden = nn.relu(nn.Dense(self.channels)(jnp.concatenate([near, whole], axis=-1)))
        return nn.Dense(4)(hidden)


def _blended(images: Images, logits: Array, log_error: Array, log_noise: Array) -> Cleaned:
    """The noisy pixel and the network's, weighted by their inverse squared errors.

    That is the posterior mean of two independent normal measurements: what is nearly clean stays as
    it is. images: of any size. logits, log_error, log_noise: of 2 x 2 blocks as channels; the
    network's pixel, and the logs of both errors.
    """
    height, width = images.shape[1:3]
    logits, log_error, log_noise = (
        _shuffled(part)[:, :height, :width] for part in (logits, log_error, log_noise)
    )
    noise = jnp.exp(log_noise) + ROUNDING
    kept = nn.sigmoid(2 * (log_error - jax.lax.stop_gradient(jnp.log(noise))))
    given = jnp.clip(images, ROUNDING, 1 - ROUNDING)
    bright = kept * given + (1 - kept) * nn.sigmoid(logits)
    dark = kept * (1 - given) + (1 - kept) * nn.sigmoid(-logits)
    least = jnp.finfo(images.dtype).tiny
    return Cleaned(jnp.log(bright + least) - jnp.log(dark + least), noise)


def _logits(images: Array) -> Array:
    """Of the pixels themselves, not quite black nor white."""
    inside = jnp.clip(images, 0.02, 0.98)
    return jnp.log(inside) - jnp.log1p(-inside)


class _ResidualBlock(nn.Module):
    """x + two convolutions; the second starts at zero, so that the block starts as the identity."""

    channels: int

    @nn.compact
    def __call__(self, features: Array) -> Array:
        change = _Conv(self.channels, 3, kernel_init=_HE)(nn.relu(features))
        change = _Conv(self.channels, 3, kernel_init=nn.initializers.zeros_init())(nn.relu(change))
        return features + change


class MlpDenoiser(nn.Module):
    """Dense layers with relu from all pixels to all pixels.

    widths: of the hidden layers; those of configs/denoise_mlp.py:reference are 256, 128, 128, 64,
    128, 128, 256.
    """

    widths: Sequence[int]

    @nn.compact
    def __call__(self, images: Images) -> Cleaned:
        features = images.reshape(images.shape[0], -1)
        pixels = features.shape[1]
        for width in self.widths:
            features = nn.relu(nn.Dense(width, kernel_init=_HE)(features))
        return Cleaned(nn.Dense(pixels)(features).reshape(images.shape))


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


def _padded(images: Array, multiple: int) -> Array:
    """Edges repeated at the bottom and at the right, up to multiples."""
    height, width = images.shape[1:3]
    missing = ((0, 0), (0, -height % multiple), (0, -width % multiple), (0, 0))
    return jnp.pad(images, missing, mode="edge")


def _unshuffled(images: Array) -> Array:
    """(batch, 2 h, 2 w, c) -> (batch, h, w, 4 c): each 2 x 2 block side by side as channels."""
    return rearrange(images, "b (h p) (w q) c -> b h w (p q c)", p=2, q=2)


def _shuffled(features: Array) -> Array:
    """The inverse of `_unshuffled`."""
    return rearrange(features, "b h w (p q c) -> b (h p) (w q) c", p=2, q=2)
