"""Networks that know both sides of the head: what a healthy patch looks like, and where a lesion is.

`MirrorVAE` foresees every channel of a patch of brain, and how far off that may be, from a code,
the patch's place and the same place on the other side. `LesionFinder` gives the odds of a lesion at
every pixel from all that is known about it.
"""

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from lvae.models.convolution import Conv
from lvae.models.convolving import doubled

LOG_SCALE = (-4.5, -0.5)  # of a pixel's deviation: 0.011 to 0.6 of the range
MAPS = 8  # that a code becomes, at a quarter of the size


class Foreseen(NamedTuple):
    """Median and log scale of the Laplace distribution of every pixel and channel."""

    median: Float[Array, "batch size size channels"]
    log_scale: Float[Array, "batch size size channels"]


class MirrorVAE(nn.Module):
    """Patch -> code -> patch, the decoder of which also sees the other side ([kingma2014]).

    channels: of an image. latents: dimension of the code. hidden: width of the dense layers. width:
    of the convolutions. Sides must be multiples of four.
    """

    channels: int
    latents: int
    hidden: int = 128
    width: int = 16

    def setup(self) -> None:
        self.down = [Conv(self.width, 3, 2), Conv(2 * self.width, 3, 2)]
        self.inward = nn.Dense(self.hidden)
        self.mean = nn.Dense(self.latents)
        self.log_variance = nn.Dense(self.latents, kernel_init=nn.initializers.zeros_init())
        self.outward = nn.Dense(self.hidden)
        self.spread = nn.Dense(self.hidden)
        self.joined = [Conv(self.width, 3), Conv(self.width, 3)]
        self.pixels = Conv(2 * self.channels, 3, kernel_init=nn.initializers.zeros_init())
        self.small = Conv(MAPS, 3)

    def encode(
        self,
        images: Float[Array, "batch size size channels"],
        present: Float[Array, "batch channels"],
    ) -> tuple[Float[Array, "batch latents"], Float[Array, "batch latents"]]:
        """Mean and log variance of the codes' normal distributions."""
        hidden = images
        for layer in self.down:
            hidden = nn.relu(layer(hidden))
        flat = jnp.concatenate([hidden.reshape(len(images), -1), present], axis=1)
        hidden = nn.relu(self.inward(flat))
        return self.mean(hidden), self.log_variance(hidden)

    def decode(
        self,
        codes: Float[Array, "batch latents"],
        mirror: Float[Array, "batch size size channels"],
        present: Float[Array, "batch channels"],
        position: Float[Array, "batch 3"],
    ) -> Foreseen:
        """What is foreseen of the patch: the other side's, changed by code and place."""
        size = mirror.shape[1]
        known = jnp.concatenate([codes, present, position], axis=1)
        hidden = nn.relu(self.spread(nn.relu(self.outward(known))))
        quarter = size // 4
        base = jnp.broadcast_to(
            hidden[:, None, None, :], (len(codes), quarter, quarter, hidden.shape[1])
        )
        line = jnp.linspace(-1, 1, quarter)
        grid = jnp.stack(jnp.meshgrid(line, line, indexing="ij"), -1)
        grid = jnp.broadcast_to(grid[None], (len(codes), quarter, quarter, 2))
        maps = nn.relu(self.small(jnp.concatenate([base, grid], axis=-1)))
        maps = doubled(doubled(maps))
        features = jnp.concatenate([mirror, maps], axis=-1)
        for layer in self.joined:
            features = nn.relu(layer(features))
        change = self.pixels(features)
        median = mirror + change[..., : self.channels]
        low, high = LOG_SCALE
        log_scale = low + (high - low) * nn.sigmoid(change[..., self.channels :] - 1.0)
        return Foreseen(median, log_scale)

    def __call__(
        self,
        images: Float[Array, "batch size size channels"],
        mirror: Float[Array, "batch size size channels"],
        present: Float[Array, "batch channels"],
        position: Float[Array, "batch 3"],
    ) -> Foreseen:
        """Decodes the mean codes; touches every parameter, for `init`."""
        mean, log_variance = self.encode(images, present)
        return self.decode(mean + 0 * log_variance, mirror, present, position)


class LesionFinder(nn.Module):
    """Maps of a patch -> log odds of a lesion at each pixel: two convolutions of `width` channels,
    which see five pixels, and a linear way past them. What lies farther off is in the maps."""

    width: int = 12

    @nn.compact
    def __call__(
        self, maps: Float[Array, "batch size size features"]
    ) -> Float[Array, "batch size size"]:
        near = nn.relu(Conv(self.width, 3)(maps))
        near = nn.relu(Conv(self.width, 3)(near))
        known = jnp.concatenate([maps, near], axis=-1)
        rare = nn.initializers.constant(-4.0)  # most pixels are healthy
        return nn.Dense(1, bias_init=rare)(known)[..., 0]
