"""Variables of the patch VAE, and what they minimise."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key, PyTree

from lvae.imaging.levels import from_levels
from lvae.imaging.warps import Warp, random_warp
from lvae.models.gaussian import normal_kl, reparameterised
from lvae.models.patch_vae import Decoded, MixturePrior, PatchVAE
from lvae.tasks.patches.data import few_labels
from lvae.tasks.patches.healthy import finder_of, healthy_shares, init_scans, scan_loss
from lvae.tasks.patches.pairs import contrast
from lvae.tasks.patches.settings import (
    ConvModelSettings,
    LesionDataSettings,
    LossSettings,
    Settings,
)
from lvae.tasks.task import Batch, LossFunction, Spec, Splits, Variables

Images = Float[Array, "batch size size"]


def network(settings: Settings, spec: Spec) -> PatchVAE:
    """The network of both parameter sets."""
    del spec  # the size is a setting
    return network_of(settings)


def network_of(settings: Settings) -> PatchVAE:
    """The same, from the settings alone."""
    model = settings.model
    channels = model.channels if isinstance(model, ConvModelSettings) else 0
    return PatchVAE(settings.data.size, model.latents, model.hidden, model.design, channels)


def encode(
    network: PatchVAE, params: PyTree, images: Images
) -> tuple[Float[Array, "batch latents"], Float[Array, "batch latents"]]:
    """Means and log-variances of the codes."""
    moments: Any = network.apply({"params": params}, images, method="encode")
    return moments


def decode(network: PatchVAE, params: PyTree, codes: Float[Array, "batch latents"]) -> Decoded:
    """Logits of the pixels and of the label."""
    decoded: Any = network.apply({"params": params}, codes, method="decode")
    return decoded


def prior_of(settings: Settings) -> MixturePrior | None:
    """The mixture; None for a standard normal prior."""
    if not settings.model.components:
        return None
    return MixturePrior(settings.model.components, settings.model.latents)


def init(settings: Settings, spec: Spec, key: Key[Array, ""]) -> Variables:
    """{"params": {"all", "healthy": networks, of scans "finder", and with a mixture "prior"},
    "buffers": {"labelled": the few patches whose labels are learned from, or nothing}}."""
    size = settings.data.size
    blank = jnp.zeros((1, size, size))
    module = network_of(settings)
    params: dict[str, PyTree] = {
        name: module.init(jax.random.fold_in(key, index), blank)["params"]
        for index, name in enumerate(("all", "healthy"))
    }
    if isinstance(settings.data, LesionDataSettings):
        params |= init_scans(settings, key)
    prior = prior_of(settings)
    if prior is not None:
        codes = jnp.zeros((1, settings.model.latents))
        params["prior"] = prior.init(jax.random.fold_in(key, 2), codes)["params"]
    if not settings.loss.labels:
        return {"params": params, "buffers": {}}
    count = spec.facts["labelled"]
    labelled = {
        "image": jnp.zeros((count, size, size), jnp.uint8),
        "label": jnp.zeros(count, jnp.int32),
    }
    return {"params": params, "buffers": {"labelled": labelled}}


def prepare(settings: Settings, variables: Variables, splits: Splits) -> Variables:
    """The labelled patches, drawn by the seed."""
    if not settings.loss.labels:
        return variables
    train = splits["train"]
    few = few_labels(train["label"], settings.loss.labels, settings.seed)
    labelled = {name: np.asarray(train[name][few]) for name in ("image", "label")}
    return {**variables, "buffers": {"labelled": labelled}}


def loss(settings: Settings, spec: Spec) -> LossFunction:
    """Cross-entropy and divergence of both networks, the label's error of a few patches, and how
    badly changed copies of a patch find each other.

    [kingma2014], eq. 10; with a mixture prior the divergence is that of the one drawn code,
    log q(z|x) - log p(z).
    """
    weights = settings.loss

    def value(
        params: PyTree, buffers: PyTree, batch: Batch, key: Key[Array, ""], step: Int[Array, ""]
    ) -> Any:
        del step
        images = from_levels(batch["image"])
        keys = [jax.random.fold_in(key, index) for index in range(5)]
        errors, divergence = terms(settings, params, "all", images, keys[0])
        free = jnp.maximum(jnp.mean(divergence), weights.free_bits)
        total = jnp.mean(errors) + weights.kl_weight * free

        parts = {"reconstruction": errors, "divergence": divergence}
        if isinstance(settings.data, LesionDataSettings):
            known, known_divergence, found = scan_loss(settings, params, batch, keys[1])
            total += finder_of(settings).weight * found
            parts["finder_error"] = found
        else:
            known, known_divergence = healthy_terms(settings, params, batch, images, keys[1])
        total += known + weights.healthy_kl_weight * known_divergence
        parts |= {"healthy_reconstruction": known, "healthy_divergence": known_divergence}
        if weights.pair_weight:
            error = pair_error(settings, params["all"], images, keys[4])
            total += weights.pair_weight * error
            parts["pair_error"] = error
        if weights.labels:
            error = label_error(settings, params, buffers["labelled"], keys[2], keys[3])
            total += weights.label_weight * error
            parts["label_error"] = error
        return total, (parts, buffers)

    return value


def healthy_terms(
    settings: Settings, params: PyTree, batch: Batch, images: Images, key: Key[Array, ""]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """`terms` of the healthy-only network, means over the patches of label 0."""
    share = healthy_shares(batch["label"])
    errors, divergence = terms(settings, params, "healthy", images, key)
    return jnp.sum(share * errors), jnp.sum(share * divergence)


def pair_error(
    settings: Settings, params: PyTree, images: Images, key: Key[Array, ""]
) -> Float[Array, ""]:
    """How badly the mean codes of two changed copies of each patch find each other, nats."""
    module = network_of(settings)
    copies = [random_warp(jax.random.fold_in(key, index), images, Warp()) for index in range(2)]
    first, second = (encode(module, params, copy)[0] for copy in copies)
    return contrast(first, second, settings.loss.pair_scale)


def label_error(
    settings: Settings,
    params: PyTree,
    labelled: Batch,
    vary_key: Key[Array, ""],
    draw_key: Key[Array, ""],
) -> Float[Array, ""]:
    """Cross-entropy of the labels of the few patches, varied, nats."""
    module, own = network_of(settings), params["all"]
    varied = vary(from_levels(labelled["image"]), settings.loss, vary_key)
    codes = reparameterised(draw_key, *encode(module, own, varied))
    targets = labelled["label"].astype(jnp.float32)
    guess = decode(module, own, codes).label
    return jnp.mean(optax.sigmoid_binary_cross_entropy(guess, targets))


def terms(
    settings: Settings, params: PyTree, name: str, images: Images, key: Key[Array, ""]
) -> tuple[Float[Array, " batch"], Float[Array, " batch"]]:
    """Per patch: cross-entropy of the pixels, divergence from the prior, in nats."""
    module = network_of(settings)
    mean, log_variance = encode(module, params[name], images)
    codes = reparameterised(key, mean, log_variance)
    logits = decode(module, params[name], codes).pixels
    errors = optax.sigmoid_binary_cross_entropy(logits, images).sum((1, 2))
    prior = prior_of(settings)
    if name == "all" and prior is not None:
        components: Any = prior.apply({"params": params["prior"]}, codes)
        noise = (codes - mean) * jnp.exp(-0.5 * log_variance)
        posterior = -0.5 * (noise**2 + log_variance + jnp.log(2 * jnp.pi)).sum(1)
        return errors, posterior - jax.nn.logsumexp(components, axis=1)
    return errors, normal_kl(mean, log_variance).sum(1)


def vary(images: Images, weights: LossSettings, key: Key[Array, ""]) -> Images:
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
