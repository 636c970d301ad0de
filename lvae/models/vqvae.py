"""Encoder and decoder of the VQ-VAE: the reference's, layer for layer, and a residual one.

The quantiser sits between them and is no layer: see `lvae.models.quantizer`.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from lvae.models.convolution import Conv, ConvTranspose

Images = Float[Array, "batch height width 1"]
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
    added. Patches of the inputs, 288 numbers a pixel, are never made: five times as fast on CPU.
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


class Attention(nn.Module):
    """Every cell of the code grid sees every other: what is near it in the brain need not be near
    it in the slice."""

    heads: int

    @nn.compact
    def __call__(self, x: Features) -> Features:
        batch, rows, columns, features = x.shape
        y = nn.LayerNorm()(x).reshape(batch, rows * columns, features)
        query, key, value = jnp.split(
            nn.Dense(3 * features)(y).reshape(batch, rows * columns, self.heads, -1), 3, axis=-1
        )
        scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) / jnp.sqrt(query.shape[-1])
        mixed = jnp.einsum("bhqk,bkhd->bqhd", nn.softmax(scores), value)
        mixed = mixed.reshape(batch, rows, columns, features)
        return x + nn.Dense(features, kernel_init=nn.initializers.zeros)(mixed)


class ResidualEncoder(nn.Module):
    """Works where pixels are few: 4 x 4 blocks of pixels become channels before the first layer.

    (B, H, W, 1) -> (B, H/4, W/4, D) with one width, a halving more with each further one. A learned
    map of places is added before the last blocks, so that equal patches at different places
    (background above all) need not share a code.
    """

    dimension: int
    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    heads: int

    @nn.compact
    def __call__(self, images: Images) -> Features:
        x = Conv(self.widths[0], (3, 3))(blocks_to_channels(images, 4))
        for level, (width, count) in enumerate(zip(self.widths, self.blocks)):
            if level:
                x = nn.Dense(width)(blocks_to_channels(x, 2))
            if level == len(self.widths) - 1:
                x = x + self.param("places", nn.initializers.normal(0.2), (1, *x.shape[1:]))
            for _ in range(count):
                x = ResidualBlock()(x)
        if self.heads:
            x = Attention(self.heads)(x)
        return nn.Dense(self.dimension)(nn.LayerNorm()(x))


class ResidualDecoder(nn.Module):
    """The mirror image: (B, H/4, W/4, D) -> (B, H, W, 1), unbounded."""

    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    heads: int

    @nn.compact
    def __call__(self, quantised: Features) -> Images:
        x = Conv(self.widths[-1], (3, 3))(quantised)
        x = x + self.param("places", nn.initializers.normal(0.2), (1, *x.shape[1:]))
        if self.heads:
            x = Attention(self.heads)(x)
        for level in reversed(range(len(self.widths))):
            if level < len(self.widths) - 1:
                x = channels_to_blocks(nn.Dense(4 * self.widths[level])(x), 2)
            for _ in range(self.blocks[level]):
                x = ResidualBlock()(x)
        x = Conv(16, (3, 3))(nn.silu(nn.LayerNorm()(x)))
        return channels_to_blocks(x, 4)


class VQVAE(nn.Module):
    """An encoder and a decoder under one set of parameters."""

    encoder: nn.Module
    decoder: nn.Module

    def encode(self, images: Images) -> Features:
        """Features to be quantised."""
        return self.encoder(images)

    def decode(self, quantised: Features) -> Images:
        """Images from quantised features."""
        return self.decoder(quantised)

    def __call__(self, images: Images) -> Images:
        """Both without a quantiser between: what `init` runs."""
        return self.decode(self.encode(images))


def blocks_to_channels(x: Features, edge: int) -> Features:
    """(B, H, W, C) -> (B, H/edge, W/edge, edge * edge * C)."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // edge, edge, width // edge, edge, channels)
    x = x.transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(batch, height // edge, width // edge, edge * edge * channels)


def channels_to_blocks(x: Features, edge: int) -> Features:
    """The inverse of `blocks_to_channels`."""
    batch, rows, columns, features = x.shape
    channels = features // (edge * edge)
    x = x.reshape(batch, rows, columns, edge, edge, channels).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(batch, rows * edge, columns * edge, channels)
