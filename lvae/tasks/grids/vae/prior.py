"""Where new codes come from: N(0, I), or the codes that the training recordings really have.

A VAE's aggregate posterior is never quite its prior: N(0, I) draws codes between and beyond those
of real frames, whose grids are rougher and wilder than any recording. The mixture is fitted to the
codes of training frames, each mixed with two others and stretched a little, and covers what lies
between and around the recordings.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from lvae.keys import stream
from lvae.models.gaussian import normal_codes
from lvae.tasks.grids.vae.drawing import Codes, encode_frames
from lvae.tasks.grids.vae.settings import OrderedSamplingSettings, Settings
from lvae.tasks.task import Run, Split

Draw = Callable[[Int[np.ndarray, " samples"]], Float[np.ndarray, "samples latents"]]


class Mixture(NamedTuple):
    """A Gaussian mixture over codes: cumulative weights, means, lower Cholesky factors of the
    covariances."""

    cumulative: Float[np.ndarray, " components"]
    means: Float[np.ndarray, "components latents"]
    factors: Float[np.ndarray, "components latents latents"]


def noise_codes(codes: Codes, seed: int, factor: float = 1.0) -> Draw:
    """A function from sample indices to codes of frames taken in turn, each drawn from its posterior
    with `factor` times its deviation."""
    key = stream(seed, "noise")

    def drawn(indices: Int[np.ndarray, " samples"]) -> Float[np.ndarray, "samples latents"]:
        frame = indices % len(codes.mean)
        normal = normal_codes(key, indices, codes.mean.shape[1])
        return codes.mean[frame] + factor * codes.deviation[frame] * normal

    return drawn


def prior_codes(run: Run[Settings], seed: int, frames: Split | None = None) -> Draw:
    """A function from sample indices to codes, by config.sampling.prior.

    frames: filled, visible and real, that the mixture is fitted to; None for the run's own.
    """
    return seeded_prior(run, frames)(seed)


def seeded_prior(run: Run[Settings], frames: Split | None = None) -> Callable[[int], Draw]:
    """The same for any seed; the mixture is fitted once."""
    sampling, latents = run.settings.sampling, run.settings.model.latents
    if not isinstance(sampling, OrderedSamplingSettings) or sampling.prior == "normal":
        return lambda seed: functools.partial(_normal_codes, seed, latents)
    source = run.variables["buffers"]["frames"] if frames is None else frames
    mixture = fit_mixture(run, sampling, source)
    return lambda seed: functools.partial(draw_codes, mixture, seed)


def _normal_codes(
    seed: int, latents: int, indices: Int[np.ndarray, " samples"]
) -> Float[np.ndarray, "samples latents"]:
    return normal_codes(stream(seed, "prior"), indices, latents)


def fit_mixture(run: Run[Settings], sampling: OrderedSamplingSettings, frames: Split) -> Mixture:
    """The mixture of these frames; the same for the same run and frames."""
    from sklearn.mixture import GaussianMixture  # a second to import, needed only here

    codes: Codes = encode_frames(run, *varied_frames(frames, sampling))
    generator = np.random.default_rng(0)
    drawn = codes.mean + codes.deviation * generator.standard_normal(codes.mean.shape)
    mixture = GaussianMixture(
        min(sampling.prior_components, len(drawn) // 2),
        covariance_type="full",
        reg_covar=1e-3,
        init_params="k-means++",
        max_iter=50,
        tol=1e-2,
        random_state=0,
    ).fit(drawn.astype(np.float64))
    return Mixture(
        np.cumsum(mixture.weights_),
        mixture.means_.astype(np.float32),
        np.linalg.cholesky(mixture.covariances_).astype(np.float32),
    )


def draw_codes(
    mixture: Mixture, seed: int, indices: Int[np.ndarray, " samples"]
) -> Float[np.ndarray, "samples latents"]:
    """Codes of the samples of those indices, each from its own index."""
    latents = mixture.means.shape[1]
    uniform, normal = _drawn(stream(seed, "prior"), jnp.asarray(indices, jnp.int32), latents)
    component = np.searchsorted(mixture.cumulative, np.asarray(uniform))
    component = np.minimum(component, len(mixture.means) - 1)
    scaled = np.einsum("nij,nj->ni", mixture.factors[component], np.asarray(normal))
    return mixture.means[component] + scaled


@functools.partial(jax.jit, static_argnums=2)
def _drawn(key: Key[Array, ""], indices: Array, latents: int) -> tuple[Array, Array]:
    """Per index a uniform number for the component and normal ones for the code."""

    def one(index: Array) -> tuple[Array, Array]:
        component_key, code_key = jax.random.split(jax.random.fold_in(key, index))
        return jax.random.uniform(component_key), jax.random.normal(code_key, (latents,))

    return jax.vmap(one)(indices)


def varied_frames(
    frames: Split, sampling: OrderedSamplingSettings
) -> tuple[Float[np.ndarray, "n rows columns 2"], Bool[np.ndarray, "n rows columns"]]:
    """Frames, each a random share of the way to another frame, the result up to a third of the way to
    another one, stretched a little. The first is real, or any with the chance `prior_simulated`; the
    others may be simulated. (points, visible); the visibility is that of the nearer of the first
    two."""
    generator = np.random.default_rng(0)
    count, every = sampling.prior_codes, len(frames["real"])
    first = generator.choice(np.flatnonzero(frames["real"]), count)
    second, third, any_first = generator.integers(0, every, (3, count))
    first = np.where(generator.random(count) < sampling.prior_simulated, any_first, first)
    filled, seen = frames["filled"], frames["visible"]
    # Mostly near one of the two: half-way between recordings the glottis' edges blur.
    share = generator.beta(0.5, 0.5, (count, 1, 1))
    mixed = filled[first] + share[..., None] * (filled[second] - filled[first])
    mixed += generator.uniform(0.0, 0.3, (count, 1, 1, 1)) * (filled[third] - mixed)
    visible = np.where(share > 0.5, seen[second], seen[first])
    center = mixed.mean(axis=(1, 2), keepdims=True)
    linear = np.eye(2) + sampling.prior_spread * generator.standard_normal((count, 2, 2))
    points = np.einsum("nrcd,nde->nrce", mixed - center, linear) + center
    return points.astype(np.float32), visible
