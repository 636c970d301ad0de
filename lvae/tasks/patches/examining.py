"""What the healthy-only network, and of scans the finder, say of any number of patches."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, PyTree

from lvae.imaging.levels import from_levels
from lvae.models.batching import in_batches
from lvae.models.gaussian import normal_kl
from lvae.models.patch_vae import PatchVAE
from lvae.tasks.patches import healthy
from lvae.tasks.patches.loss import decode, encode, network_of
from lvae.tasks.patches.settings import LesionDataSettings, Settings
from lvae.tasks.task import Split

SCAN_FIELDS = ("image", "others", "mirror", "sided", "beside", "tissue", "position")


class Coded(NamedTuple):
    """codes: (N, latents), mean codes. rebuilt: (N, size, size), their decoded pixels in [0, 1].
    elbo: (N,), cross-entropy at the mean code plus divergence from N(0, I), nats."""

    codes: np.ndarray
    rebuilt: np.ndarray
    elbo: np.ndarray


class Examined(NamedTuple):
    """What the healthy-only network foresees, and how far off it is.

    codes: (N, latents), mean codes. rebuilt: (N, size, size), pixels foreseen, of scans those of
    the DWI. elbo: (N,), misfit at the mean code plus divergence from N(0, I), nats. residual: (N,
    size, size), above 0 where a pixel is more than foreseen; of scans in deviations, signed as
    lesions are and over all channels. odds: (N, size, size), log odds of a lesion; of digits zeros.
    """

    codes: np.ndarray
    rebuilt: np.ndarray
    elbo: np.ndarray
    residual: np.ndarray
    odds: np.ndarray


def code(settings: Settings, params: PyTree, patches: np.ndarray) -> Coded:
    """Codes and pixels of the network of all patches."""
    function = functools.partial(_code, network_of(settings), params)
    return Coded(*in_batches(function, patches, size=settings.evaluation.batch_size))


@functools.partial(jax.jit, static_argnums=0)
def _code(network: PatchVAE, params: PyTree, patches: Array) -> tuple[Array, ...]:
    return _digits(network, params, patches)[:3]


def examine(settings: Settings, params: PyTree, fields: Split) -> Examined:
    """The networks of {"healthy", and of scans "finder"} over any number of patches."""
    size = settings.evaluation.batch_size
    if not isinstance(settings.data, LesionDataSettings):
        function = functools.partial(_digits, network_of(settings), params["healthy"])
        return Examined(*in_batches(function, fields["image"], size=size))
    known = {name: params[name] for name in ("healthy", "finder")}
    scan = functools.partial(_scans, settings, known)
    return Examined(*in_batches(scan, *(fields[name] for name in SCAN_FIELDS), size=size))


@functools.partial(jax.jit, static_argnums=0)
def _digits(network: PatchVAE, params: PyTree, patches: Array) -> tuple[Array, ...]:
    images = from_levels(patches)
    mean, log_variance = encode(network, params, images)
    logits = decode(network, params, mean).pixels
    errors = optax.sigmoid_binary_cross_entropy(logits, images).sum((1, 2))
    divergence = normal_kl(mean, log_variance).sum(1)
    rebuilt = jax.nn.sigmoid(logits)
    return mean, rebuilt, errors + divergence, images - rebuilt, jnp.zeros_like(images)


@functools.partial(jax.jit, static_argnums=0)
def _scans(settings: Settings, params: PyTree, *arrays: Array) -> tuple[Array, ...]:
    seen = healthy.seen_of(dict(zip(SCAN_FIELDS, arrays)))
    vae = healthy.mirror_vae(settings)
    mean, log_variance = healthy.coded(vae, params["healthy"], seen)
    known = healthy.foreseen(vae, params["healthy"], seen, mean)
    elbo = healthy.misfit(seen, known) + normal_kl(mean, log_variance).sum(1)
    signs = jnp.asarray(healthy.SIGNS)[None] * seen.present
    weights = signs / jnp.maximum(jnp.linalg.norm(signs, axis=1, keepdims=True), 1e-6)
    residual = jnp.einsum("nijc,nc->nij", healthy.deviation(seen, known), weights)
    odds = healthy.found(settings, params["finder"], seen, known)
    rebuilt = jnp.clip(known.median[..., 0], 0, 1)
    return mean, rebuilt, elbo, residual, jnp.where(seen.head[..., 0] > 0, odds, -20.0)
