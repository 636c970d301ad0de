"""The network, its parameters, what it minimises, and a trained one on any number of rows."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key, PyTree

from conditional_digits.settings import Settings
from lvae.imaging.levels import Images, from_levels
from lvae.models.batching import apply_in_batches
from lvae.models.gaussian import normal_kl, reparameterised
from lvae.tasks.task import Batch, LossFunction, Run, Spec, Variables

Labels = Int[Array, " batch"]
Codes = Float[Array, "batch latents"]


class ConditionalVAE(nn.Module):
    """Encoder and decoder both see the class of the image, one-hot ([sohn2015])."""

    size: tuple[int, ...]  # height and width, px
    classes: int
    latents: int
    hidden: int

    def setup(self) -> None:
        self.inward, self.outward = nn.Dense(self.hidden), nn.Dense(self.hidden)
        self.moments = nn.Dense(2 * self.latents)
        self.pixels = nn.Dense(self.size[0] * self.size[1])

    def encode(self, images: Images, labels: Labels) -> tuple[Codes, Codes]:
        """Means and log variances of the codes."""
        rows = self._with_class(images.reshape(len(images), -1), labels)
        mean, log_variance = jnp.split(self.moments(nn.relu(self.inward(rows))), 2, axis=1)
        return mean, log_variance

    def logits(self, codes: Codes, labels: Labels) -> Images:
        """Logits of the pixels."""
        hidden = nn.relu(self.outward(self._with_class(codes, labels)))
        return self.pixels(hidden).reshape(len(codes), *self.size, 1)

    def decode(self, codes: Codes, labels: Labels) -> Images:
        """Pixels in [0, 1]."""
        return nn.sigmoid(self.logits(codes, labels))

    def __call__(self, images: Images, labels: Labels) -> Images:
        """The images, rebuilt from their mean codes."""
        return self.decode(self.encode(images, labels)[0], labels)

    def _with_class(self, rows: Array, labels: Labels) -> Array:
        return jnp.concatenate([rows, jax.nn.one_hot(labels, self.classes)], axis=1)


def network(settings: Settings, spec: Spec) -> ConditionalVAE:
    """The network for images and classes as in the training data."""
    size, model = spec.fields["image"].shape, settings.model
    return ConditionalVAE(size, spec.facts["classes"], model.latents, model.hidden)


def init(settings: Settings, spec: Spec, key: Key[Array, ""]) -> Variables:
    """Parameters, from shapes alone."""
    image, label = jnp.zeros((1, *spec.fields["image"].shape, 1)), jnp.zeros(1, jnp.int32)
    return {"params": network(settings, spec).init(key, image, label)["params"], "buffers": {}}


def loss(settings: Settings, spec: Spec) -> LossFunction:
    """Cross-entropy and divergence of one drawn code given the class ([sohn2015]), nats per image."""
    module = network(settings, spec)

    def value(
        params: PyTree, buffers: PyTree, batch: Batch, key: Key[Array, ""], step: Int[Array, ""]
    ) -> Any:
        images, labels = from_levels(batch["image"])[..., None], batch["label"]
        moments: Any = module.apply({"params": params}, images, labels, method="encode")
        codes = reparameterised(key, *moments)
        logits: Any = module.apply({"params": params}, codes, labels, method="logits")
        errors = optax.sigmoid_binary_cross_entropy(logits, images).sum((1, 2, 3))
        divergence = normal_kl(*moments).sum(1)
        parts = {"reconstruction": errors, "divergence": divergence}
        return jnp.mean(errors + settings.model.divergence * divergence), (parts, buffers)

    return value


def apply(run: Run[Settings], *arrays: np.ndarray, method: str = "__call__") -> Any:
    """A method of the trained network, on host arrays of any length."""
    module = network(run.settings, run.spec)
    return apply_in_batches(module, run.variables["params"], *arrays, method=method)
