"""Regularised autoencoders on dense layers: sparse and contractive ([rifai2011]), concrete
([balin2019]), variational ([kingma2014]).

Images are (batch, height, width, 1) in [0, 1]; decoders give logits of the pixels, flat.
"""

import math
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from lvae.models.gaussian import reparameterised

Images = Float[Array, "batch height width 1"]
Flat = Float[Array, "batch pixels"]
_DRAWS = 8  # of the concrete selection, per batch
_SELECTOR_SCALE = 10.0
_HE = nn.initializers.he_normal()


class CodeAutoencoder(nn.Module):
    """A code of units between 0 and 1; what its loss asks of it makes it sparse or contractive.

    hidden: widths of the encoder's layers before the code; the decoder mirrors them. code: units.
    pixels: of an image.
    """

    hidden: Sequence[int]
    code: int
    pixels: int

    def setup(self):
        # softplus, not relu: the Jacobian of the code has to have a gradient itself
        self.encoder = [nn.Dense(width) for width in (*self.hidden, self.code)]
        self.decoder = [nn.Dense(width) for width in (*self.hidden[::-1], self.pixels)]

    def __call__(self, images: Images) -> tuple[Flat, Float[Array, "batch code"]]:
        """Logits and code."""
        code = self.encode(images.reshape(images.shape[0], -1))
        return self.decode(code), code

    def encode(self, flat: Float[Array, "*batch pixels"]) -> Float[Array, "*batch code"]:
        """The code of flat images, or of one."""
        for layer in self.encoder[:-1]:
            flat = nn.softplus(layer(flat))
        return nn.sigmoid(self.encoder[-1](flat))

    def decode(self, code: Float[Array, "*batch code"]) -> Float[Array, "*batch pixels"]:
        """Logits of the pixels."""
        for layer in self.decoder[:-1]:
            code = nn.softplus(layer(code))
        return self.decoder[-1](code)


class ConcreteAutoencoder(nn.Module):
    """The code is `features` of the input's own pixels ([balin2019]).

    While training each is a mixture of pixels, drawn from a Gumbel-softmax ([maddison2017]) that a
    falling temperature sharpens to one pixel; afterwards it is the pixel of the largest weight.

    features: how many pixels. hidden: widths of the decoder. pixels: of an image.
    """

    features: int
    hidden: Sequence[int]
    pixels: int

    def setup(self):
        self.selector = self.param(
            "selector", nn.initializers.normal(0.001), (self.features, self.pixels)
        )
        self.decoder = [nn.Dense(width, kernel_init=_HE) for width in (*self.hidden, self.pixels)]

    def __call__(self, images: Images, key: Key[Array, ""], temperature: Array | float) -> Flat:
        """Logits from drawn selections; up to eight per batch: noise takes most of the time."""
        batch = images.shape[0]
        draws = math.gcd(batch, _DRAWS)
        groups = images.reshape(draws, batch // draws, self.pixels)
        noise = jax.random.gumbel(key, (draws, self.features, self.pixels))
        weights = nn.softmax((self._preference()[None] + noise) / temperature, axis=-1)
        values = jnp.einsum("dkp,dbp->dbk", weights, groups)
        return self.decode(values.reshape(batch, self.features))

    def chosen(self) -> Int[Array, " features"]:
        """The pixel that each feature settled on."""
        return jnp.argmax(self._preference(), axis=1)

    def _preference(self) -> Float[Array, "features pixels"]:
        """Log weights: larger than the parameters, which one learning rate moves all alike."""
        return _SELECTOR_SCALE * self.selector

    def decode(self, values: Float[Array, "batch features"]) -> Flat:
        """Logits of all pixels from the values of the selected ones."""
        for layer in self.decoder[:-1]:
            values = nn.relu(layer(values))
        return self.decoder[-1](values)


class VariationalAutoencoder(nn.Module):
    """A Gaussian code under a standard normal prior.

    hidden: widths of the encoder; the decoder mirrors them. latents: dimensions of the code.
    pixels: of an image.
    """

    hidden: Sequence[int]
    latents: int
    pixels: int

    def setup(self):
        self.encoder = [nn.Dense(width, kernel_init=_HE) for width in self.hidden]
        self.moments = nn.Dense(2 * self.latents)
        self.decoder = [nn.Dense(width, kernel_init=_HE) for width in self.hidden[::-1]]
        self.output = nn.Dense(self.pixels)

    def __call__(self, images: Images, key: Key[Array, ""]) -> tuple[Flat, Array, Array]:
        """Logits from a drawn code, its mean and its log variance."""
        mean, log_variance = self.encode(images)
        return self.decode(reparameterised(key, mean, log_variance)), mean, log_variance

    def encode(self, images: Images) -> tuple[Array, Array]:
        """Mean and log variance of the code, (batch, latents) each."""
        flat = images.reshape(images.shape[0], -1)
        for layer in self.encoder:
            flat = nn.relu(layer(flat))
        mean, log_variance = jnp.split(self.moments(flat), 2, axis=-1)
        return mean, log_variance

    def decode(self, code: Float[Array, "batch latents"]) -> Flat:
        """Logits of the pixels."""
        for layer in self.decoder:
            code = nn.relu(layer(code))
        return self.output(code)
