"""Variational autoencoders of small patches ([kingma2014]): dense as in the reference
(configs/patches.py:isles_reference), or convolutional."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from lvae.models.convolution import Conv, ConvTranspose

DESIGNS = ("dense", "conv")


class Decoded(NamedTuple):
    """What a patch's code gives: logits of the pixels, and of label 1."""

    pixels: Float[Array, "batch size size"]
    label: Float[Array, " batch"]


class PatchVAE(nn.Module):
    """Patch -> mean and log variance of its code -> logits of the pixels.

    size: of the patch; for `conv` divisible by four. latents: dimension of the code. hidden: width
    of the dense layer on either side of it. design: dense (784 - 256 - code - 256 - 784) or conv,
    with `channels` feature maps at half and twice as many at a quarter of the size.
    """

    size: int
    latents: int
    hidden: int = 256
    design: str = "dense"
    channels: int = 16

    def setup(self) -> None:
        if self.design not in DESIGNS:
            raise ValueError(f"design={self.design!r}: known: {', '.join(DESIGNS)}")
        self.inward = nn.Dense(self.hidden)
        self.mean = nn.Dense(self.latents)
        self.log_variance = nn.Dense(self.latents)
        self.outward = nn.Dense(self.hidden)
        self.label = nn.Dense(1)
        if self.design == "dense":
            self.pixels = nn.Dense(self.size**2)
            return
        if self.size % 4:
            raise ValueError(f"size={self.size}: the convolutional design needs a multiple of 4")
        self.down = [Conv(self.channels, 3, 2), Conv(2 * self.channels, 3, 2)]
        self.spread = nn.Dense((self.size // 4) ** 2 * 2 * self.channels)
        self.up = [ConvTranspose(self.channels, 3, 2), ConvTranspose(1, 3, 2)]

    def encode(
        self, patches: Float[Array, "batch size size"]
    ) -> tuple[Float[Array, "batch latents"], Float[Array, "batch latents"]]:
        """Mean and log variance of the codes' normal distributions."""
        hidden = patches[..., None]
        if self.design == "conv":
            for layer in self.down:
                hidden = nn.relu(layer(hidden))
        hidden = nn.relu(self.inward(hidden.reshape(len(patches), -1)))
        return self.mean(hidden), self.log_variance(hidden)

    def decode(self, codes: Float[Array, "batch latents"]) -> Decoded:
        """Logits of the pixels, and of label 1 by a linear head on the code."""
        hidden = nn.relu(self.outward(codes))
        if self.design == "conv":
            small = nn.relu(self.spread(hidden))
            maps = small.reshape(len(codes), self.size // 4, self.size // 4, 2 * self.channels)
            pixels = self.up[1](nn.relu(self.up[0](maps)))
        else:
            pixels = self.pixels(hidden)
        return Decoded(pixels.reshape(len(codes), self.size, self.size), self.label(codes)[:, 0])

    def __call__(self, patches: Float[Array, "batch size size"]) -> Decoded:
        """Decodes the mean codes; touches every parameter, for `init`."""
        mean, log_variance = self.encode(patches)
        return self.decode(mean + 0 * log_variance)


class MixturePrior(nn.Module):
    """A Gaussian mixture over codes, diagonal, learned along with the network ([jiang2017])."""

    components: int
    latents: int

    @nn.compact
    def __call__(self, codes: Float[Array, "batch latents"]) -> Float[Array, "batch components"]:
        """log (weight x density) of each component at the codes; their logsumexp is log p."""
        shape = (self.components, self.latents)
        means = self.param("means", nn.initializers.normal(1.0), shape)
        log_scales = self.param("log_scales", nn.initializers.constant(-0.5), shape)
        weights = self.param("weights", nn.initializers.zeros_init(), (self.components,))
        distances = (codes[:, None, :] - means[None]) * jnp.exp(-log_scales)[None]
        densities = -0.5 * distances**2 - log_scales[None] - 0.5 * jnp.log(2 * jnp.pi)
        return densities.sum(-1) + jax.nn.log_softmax(weights)[None]
