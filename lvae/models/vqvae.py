"""Encoder and decoder of the VQ-VAE ([oord2017]): the reference's
(configs/vqvae_brain.py:reference), layer for layer, and a residual one.

The quantiser sits between them and is no layer: see `lvae.models.quantizer`.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Key

from lvae.models.convolution import Conv, ConvTranspose

EMPTY_LEVEL = 0.05  # root mean square of a block's pixels at which its place is half faded out
PLACE_DEVIATION = 0.3  # of the vectors of places at the start: blocks of tissue differ by as much

FAINT = -4.6  # before softplus: noise starts at 1 % of the grey value

Images = Float[Array, "batch height width 1"]
Noise = Float[Array, "batch rows columns 16"]
Features = Float[Array, "batch rows columns features"]


class ReferenceEncoder(nn.Module):
    """Four halving convolutions, one more, 1 x 1 to the embedding: (B, H, W, 1) -> (B, H/16, W/16,
    D)."""

    dimension: int

    @nn.compact
    def __call__(self, images: Images) -> Features:
        x = images
        for features in (32, 32, 64, 64):
            x = nn.relu(Conv(features, (3, 3), strides=(2, 2))(x))
        x = nn.relu(Conv(128, (3, 3))(x))
        return Conv(self.dimension, (1, 1))(x)


class ReferenceDecoder(nn.Module):
    """The mirror image, transposed convolutions: (B, H/16, W/16, D) -> (B, H, W, 1), unbounded."""

    @nn.compact
    def __call__(self, quantised: Features) -> Images:
        x = nn.relu(ConvTranspose(128, (3, 3))(quantised))
        for features in (64, 64, 32, 32):
            x = nn.relu(ConvTranspose(features, (3, 3), strides=(2, 2))(x))
        return ThinConvTranspose()(x)


class ThinConvTranspose(nn.Module):
    """`ConvTranspose(1, (3, 3))`, same parameters, same values, for one output channel.

    All nine taps of a pixel are one product with the inputs; the products are then shifted and
    added. Patches of the inputs, 288 numbers per pixel, are never made: five times as fast on CPU.
    """

    @nn.compact
    def __call__(self, x: Features) -> Images:
        _, height, width, channels = x.shape
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (3, 3, channels, 1))
        bias = self.param("bias", nn.initializers.zeros, (1,))
        taps = x @ kernel.reshape(9, channels).T
        taps = jnp.pad(taps, ((0, 0), (1, 1), (1, 1), (0, 0)))
        shifted = [
            taps[:, row : row + height, column : column + width, 3 * row + column]
            for row in range(3)
            for column in range(3)
        ]
        return (sum(shifted) + bias.reshape(1, 1, 1))[..., None]


class ResidualBlock(nn.Module):
    """Normalise, SiLU, 3 x 3, SiLU, 1 x 1 from zero, added to the input.

    Channels are equal and many, strides are one: here XLA's own convolution is the faster one on
    CPU too (gradient of a network of these, batch 16: 0.49 s of processor time, as products 0.73
    s).
    """

    @nn.compact
    def __call__(self, x: Features) -> Features:
        features = x.shape[-1]
        y = nn.silu(nn.LayerNorm()(x))
        y = nn.silu(Conv(features, (3, 3), implementation="native")(y))
        return x + nn.Dense(features, kernel_init=nn.initializers.zeros)(y)


class ResidualEncoder(nn.Module):
    """One code for 4 x 4 pixels: (B, H, W, 1) -> (B, H/4, W/4, D).

    The first features start as the cosine transform of the block, to which the network adds what
    the neighbours imply: at the start nearest codes are those of the plainest vector quantiser of
    pixels, and it can only get better. The last `places` features are a learned vector of the
    place, faded out where the block has content: an empty block says where it is, which the prior
    can use, instead of being one code that is two thirds of every map.
    """

    dimension: int
    places: int
    width: int
    blocks: int

    @nn.compact
    def __call__(self, images: Images) -> Features:
        blocks = blocks_to_channels(images, 4)
        content = self.dimension - self.places
        features = nn.Dense(content, use_bias=False, kernel_init=_cosines)(blocks)
        x = Conv(self.width, (3, 3))(blocks)
        for _ in range(self.blocks):
            x = ResidualBlock()(x)
        x = nn.silu(nn.LayerNorm()(x))
        features = features + nn.Dense(content, kernel_init=nn.initializers.zeros)(x)
        if not self.places:
            return features
        shape = (1, *blocks.shape[1:3], self.places)
        place = self.param("places", nn.initializers.normal(PLACE_DEVIATION), shape)
        power = jnp.mean(blocks**2, -1, keepdims=True) / EMPTY_LEVEL**2
        return jnp.concatenate([features, place / (1 + power)], -1)


class ResidualDecoder(nn.Module):
    """The mirror image: (B, H/4, W/4, D) -> (B, H, W, 1), not below 0.

    Starts as the inverse cosine transform of each code alone; the network adds what codes around it
    imply, across the edges of blocks. texture: adds noise of the places' own colour and strength:
    what is too fine for the codes is not left out, but drawn. `noise` is normal, a number for each
    pixel (B, H/4, W/4, 16); None: the mean.
    """

    places: int
    width: int
    blocks: int
    texture: bool = False

    @nn.compact
    def __call__(self, quantised: Features, noise: Noise | None = None) -> Images:
        content = quantised[..., : quantised.shape[-1] - self.places]
        plain = nn.Dense(16, use_bias=False, kernel_init=_inverse_cosines)(content)
        x = Conv(self.width, (3, 3))(quantised)
        for _ in range(self.blocks):
            x = ResidualBlock()(x)
        y = nn.silu(nn.LayerNorm()(x))
        x = Conv(16, (3, 3), kernel_init=nn.initializers.zeros)(y)
        # SSIM sees grey values of 0.01 on black; rectified, black needs no exact cancellation
        mean = nn.relu(plain + x)
        if not self.texture:
            return channels_to_blocks(mean, 4)
        strength = nn.softplus(Conv(16, (3, 3), kernel_init=nn.initializers.zeros)(y) + FAINT)
        colour = Conv(16, (3, 3), kernel_init=nn.initializers.zeros)
        if noise is None:
            noise = jnp.zeros_like(mean)
        return channels_to_blocks(nn.relu(mean + mean * strength * (noise + colour(noise))), 4)


def _cosines(key: Key[Array, ""], shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Array:
    """(16, D): the D smoothest waves of the orthonormal cosine transform of 4 x 4 blocks."""
    del key
    frequency, place = np.mgrid[:4, :4]
    waves = np.cos(np.pi * frequency * (2 * place + 1) / 8) * np.sqrt(0.5)
    waves[0] = 0.5
    both = np.einsum("fi,gj->fgij", waves, waves).reshape(16, 16)
    order = np.argsort((frequency**2 + place**2).ravel(), kind="stable")
    matrix = np.zeros(shape)
    count = min(16, shape[1])
    matrix[:, :count] = both[order[:count]].T
    return jnp.asarray(matrix, dtype)


def _inverse_cosines(
    key: Key[Array, ""], shape: tuple[int, ...], dtype: DTypeLike = jnp.float32
) -> Array:
    """(D, 16): the transposed `_cosines`, which is its inverse where D is 16."""
    return _cosines(key, shape[::-1], dtype).T


class VQVAE(nn.Module):
    """An encoder and a decoder under one set of parameters."""

    encoder: nn.Module
    decoder: nn.Module

    def encode(self, images: Images) -> Features:
        """Features to be quantised."""
        return self.encoder(images)

    def decode(self, quantised: Features, noise: Noise | None = None) -> Images:
        """Images from quantised features; noise: of a decoder with texture."""
        return self.decoder(quantised) if noise is None else self.decoder(quantised, noise)

    def __call__(self, images: Images) -> Images:
        """Both without a quantiser between: what `init` runs."""
        return self.decode(self.encode(images))


def blocks_to_channels(
    x: Float[Array, "batch height width channels"], edge: int
) -> Float[Array, "batch height//{edge} width//{edge} channels*{edge}**2"]:
    """Blocks of edge x edge pixels as the features of one place."""
    return rearrange(x, "b (h p) (w q) c -> b h w (p q c)", p=edge, q=edge)


def channels_to_blocks(
    x: Float[Array, "batch rows columns features"], edge: int
) -> Float[Array, "batch rows*{edge} columns*{edge} features//{edge}**2"]:
    """The inverse of `blocks_to_channels`."""
    return rearrange(x, "b h w (p q c) -> b (h p) (w q) c", p=edge, q=edge)
