"""Where new codes come from: N(0, I), or the codes that the training recordings really have.

A VAE's aggregate posterior is never quite its prior: N(0, I) draws codes between and beyond those
of real frames, whose grids are rougher and wilder than any recording. The mixture is fitted to the
codes of training frames, each mixed part of the way with one of another recording and stretched a
little, and covers what lies between and around the recordings.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.mixture import GaussianMixture

from lvae import configuration
from lvae.keys import stream
from lvae.tasks.interface import Run, Splits
from lvae.tasks.laser_grid.drawing import encode_frames
from lvae.tasks.laser_grid.settings import SamplingSettings


class Mixture(NamedTuple):
    """A Gaussian mixture over codes.

    cumulative: (components,), the weights summed. means: (components, latents). factors: (components,
    latents, latents), lower Cholesky factors of the covariances.
    """

    cumulative: np.ndarray
    means: np.ndarray
    factors: np.ndarray


def fit_mixture(run: Run, splits: Splits) -> Mixture:
    """The mixture of the run's training split; the same for the same run."""
    settings = configuration.section(SamplingSettings, run.config.sampling, "sampling")
    points, visible = varied_frames(splits, run.config, settings)
    codes = encode_frames(run, points, visible)
    generator = np.random.default_rng(0)
    drawn = codes.mean + codes.deviation * generator.standard_normal(codes.mean.shape)
    mixture = GaussianMixture(
        min(settings.prior_components, len(drawn) // 2),
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


def draw_codes(mixture: Mixture, seed: int, indices: np.ndarray) -> np.ndarray:
    """Codes of the samples of those indices, each from its own index; (samples, latents)."""
    key = stream(seed, "prior")
    latents = mixture.means.shape[1]

    def one(index):
        component_key, code_key = jax.random.split(jax.random.fold_in(key, index))
        return jax.random.uniform(component_key), jax.random.normal(code_key, (latents,))

    uniform, normal = jax.jit(jax.vmap(one))(jnp.asarray(indices, jnp.int32))
    component = np.searchsorted(mixture.cumulative, np.asarray(uniform))
    component = np.minimum(component, len(mixture.means) - 1)
    scaled = np.einsum("nij,nj->ni", mixture.factors[component], np.asarray(normal))
    return mixture.means[component] + scaled


def varied_frames(
    splits: Splits, config: Any, settings: SamplingSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Training frames, each a random share of the way to a frame of another recording, stretched.

    (points, visible); the visibility is that of the nearer frame.
    """
    train = splits["train"]
    generator = np.random.default_rng(0)
    recordings = np.unique(train["recording"])
    count = settings.prior_codes
    first = generator.choice(np.flatnonzero(train["real"]), count)
    second = generator.choice(np.flatnonzero(train["real"]), count)
    share = (
        generator.uniform(0.0, 1.0, (count, 1, 1))
        if len(recordings) > 1
        else np.zeros((count, 1, 1))
    )
    mixed = train["filled"][first] + share[..., None] * (
        train["filled"][second] - train["filled"][first]
    )
    visible = np.where(share > 0.5, train["visible"][second], train["visible"][first])
    center = mixed.mean(axis=(1, 2), keepdims=True)
    linear = np.eye(2) + settings.prior_spread * generator.standard_normal((count, 2, 2))
    points = np.einsum("nrcd,nde->nrce", mixed - center, linear) + center
    return points.astype(np.float32), visible
