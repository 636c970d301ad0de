"""Patch VAE: lesion and healthy tissue (or two digits) told apart in a latent space.

Two parameter sets of one network are trained side by side, by one loss: `all` on every patch, whose
codes are the latent space that is looked at and measured, and `healthy` on patches of label 0 only,
which rebuilds what it knows and so shows what is unusual.
"""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from lvae.data import isles
from lvae.data.digits import read_digits
from lvae.errors import UserError
from lvae.tasks.interface import Splits, Variables
from lvae.tasks.patches import measures, pictures
from lvae.tasks.patches.modes import MODES
from lvae.tasks.patches.settings import DataSettings, LossSettings, Settings, read

__all__ = ["MODES", "evaluate", "figures", "init", "load_data", "make_loss"]


def load_data(config: Any) -> Splits:
    """Patches by split: image, uint8 (N, size, size); label, int32 (N,), 1 is lesion (the second
    digit); case, int32 (N,); of lesions share, float32 (N,), and position, float32 (N, 3), too.

    Raises:
      UserError: see `lvae.data.isles` and `lvae.data.digits`.
    """
    data = read(config).data
    if data.source == "digits":
        return two_digits(data, int(config.seed))
    shares = (data.validation_share, data.test_share)
    return isles.load(data.path, data.cases, data.case_seed, shares, data.patches)


def two_digits(data: DataSettings, seed: int) -> Splits:
    """The digits of two classes; the set's own test images are the test split.

    Every digit is its own case. Validation is drawn by the seed.
    """
    images, digits = read_digits(data.path, "train")
    order = np.random.default_rng(seed).permutation(len(images))
    border = max(1, round(data.validation_share * len(images)))
    tests = read_digits(data.path, "test")
    splits = {
        "train": (images[order[border:]], digits[order[border:]]),
        "validation": (images[order[:border]], digits[order[:border]]),
        "test": tests,
    }
    result = {}
    for split, (patches, classes) in splits.items():
        chosen = np.isin(classes, data.classes)
        labels = (classes[chosen] == data.classes[1]).astype(np.int32)
        if len(np.unique(labels)) < 2:
            raise UserError(
                f"{data.path or 'the built-in digits'}: the {split} split does not hold both "
                f"{data.classes[0]} and {data.classes[1]}; choose other config.data.classes"
            )
        cases = np.arange(len(labels), dtype=np.int32)
        result[split] = {"image": patches[chosen], "label": labels, "case": cases}
    return result


def init(config: Any, splits: Splits, key: Array) -> Variables:
    """{"params": {"all", "healthy": networks, and with a mixture "prior"}, "buffers": {}}."""
    settings = read(config)
    blank = jnp.zeros((1, settings.data.size, settings.data.size))
    params = {
        name: settings.network.init(jax.random.fold_in(key, index), blank)["params"]
        for index, name in enumerate(("all", "healthy"))
    }
    if settings.prior is not None:
        codes = jnp.zeros((1, settings.model.latents))
        params["prior"] = settings.prior.init(jax.random.fold_in(key, 2), codes)["params"]
    return {"params": params, "buffers": {}}


def make_loss(config: Any, splits: Splits):
    """Cross-entropy and divergence of both networks, and the label's error of a few patches.

    Kingma and Welling 2014 (arXiv:1312.6114), eq. 10; with a mixture prior the divergence is that
    of the one drawn code, log q(z|x) - log p(z).
    """
    settings = read(config)
    network, weights = settings.network, settings.loss
    few = few_labels(splits["train"]["label"], weights.labels, int(config.seed))
    few_patches = jnp.asarray(splits["train"]["image"][few])
    few_targets = jnp.asarray(splits["train"]["label"][few], jnp.float32)

    def loss(params, buffers, batch, key, step):
        images = batch["image"].astype(jnp.float32) / 255.0
        keys = [jax.random.fold_in(key, index) for index in range(4)]
        errors, divergence = terms(settings, params, "all", images, keys[0])
        free = jnp.maximum(jnp.mean(divergence), weights.free_bits)
        total = jnp.mean(errors) + weights.kl_weight * free

        healthy = (batch["label"] == 0).astype(jnp.float32)
        share = healthy / jnp.maximum(jnp.sum(healthy), 1.0)
        healthy_errors, healthy_divergence = terms(settings, params, "healthy", images, keys[1])
        known = jnp.sum(share * healthy_errors)
        known_divergence = jnp.sum(share * healthy_divergence)
        total += known + weights.healthy_kl_weight * known_divergence

        parts = {
            "reconstruction": errors,
            "divergence": divergence,
            "healthy_reconstruction": known,
            "healthy_divergence": known_divergence,
        }
        if weights.labels:
            varied = vary(few_patches.astype(jnp.float32) / 255.0, weights, keys[2])
            own = {"params": params["all"]}
            mean, log_variance = network.apply(own, varied, method="encode")
            codes = draw(mean, log_variance, keys[3])
            guess = network.apply(own, codes, method="decode").label
            error = jnp.mean(optax.sigmoid_binary_cross_entropy(guess, few_targets))
            total += weights.label_weight * error
            parts["label_error"] = error
        return total, (parts, buffers)

    return loss


def terms(
    settings: Settings, params: Any, name: str, images: Float[Array, "batch size size"], key: Array
) -> tuple[Float[Array, " batch"], Float[Array, " batch"]]:
    """Per patch: cross-entropy of the pixels, divergence from the prior, in nats."""
    network = settings.network
    mean, log_variance = network.apply({"params": params[name]}, images, method="encode")
    codes = draw(mean, log_variance, key)
    logits = network.apply({"params": params[name]}, codes, method="decode").pixels
    errors = optax.sigmoid_binary_cross_entropy(logits, images).sum((1, 2))
    if name == "all" and settings.prior is not None:
        components = settings.prior.apply({"params": params["prior"]}, codes)
        noise = (codes - mean) * jnp.exp(-0.5 * log_variance)
        posterior = -0.5 * (noise**2 + log_variance + jnp.log(2 * jnp.pi)).sum(1)
        return errors, posterior - jax.nn.logsumexp(components, axis=1)
    return errors, measures.divergence(mean, log_variance)


def draw(mean: Float[Array, "n d"], log_variance: Float[Array, "n d"], key: Array) -> Array:
    """Codes from their normal distributions."""
    return mean + jnp.exp(0.5 * log_variance) * jax.random.normal(key, mean.shape)


def few_labels(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Indices of `count` examples of each label: the handful that a reader has looked at."""
    random = np.random.default_rng([seed, 7])
    kinds = [np.flatnonzero(labels == kind) for kind in (0, 1)]
    return np.concatenate([random.permutation(kind)[:count] for kind in kinds])


def vary(
    images: Float[Array, "n size size"], weights: LossSettings, key: Array
) -> Float[Array, "n size size"]:
    """Shifted, mirrored, brightened: a few patches are not learned by heart."""
    count = len(images)
    if weights.label_mirror:
        flip = jax.random.bernoulli(jax.random.fold_in(key, 0), 0.5, (count, 1, 1))
        images = jnp.where(flip, images[:, ::-1], images)
    if weights.label_shift:
        reach = weights.label_shift
        shifts = jax.random.randint(jax.random.fold_in(key, 1), (count, 2), -reach, reach + 1)
        images = jax.vmap(lambda image, shift: jnp.roll(image, shift, (0, 1)))(images, shifts)
    if weights.label_gain:
        power = jax.random.normal(jax.random.fold_in(key, 2), (count, 1, 1))
        images = jnp.maximum(images, 1e-6) ** jnp.exp(weights.label_gain * power)
    return images


def evaluate(
    config: Any, variables: Variables, splits: Splits, *, thorough: bool = False
) -> dict[str, Any]:
    """See `measures`: validation cases quickly, or test cases with baselines and intervals."""
    return measures.evaluate(read(config), variables, splits, int(config.seed), thorough=thorough)


def figures(config: Any, variables: Variables, splits: Splits, directory: Path) -> None:
    """Codes by label, decoded manifold, reconstructions, what the healthy model finds unusual."""
    pictures.draw_all(read(config), variables, splits, int(config.seed), directory)
