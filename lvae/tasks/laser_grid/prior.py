"""Where new codes come from: N(0, I), or the codes that the training recordings really have.

A VAE's aggregate posterior is never quite its prior: N(0, I) draws codes between and beyond those
of real frames, whose grids are rougher and wilder than any recording. The mixture is fitted to the
codes of training frames, each mixed with two others and stretched a little, and covers what lies
between and around the recordings.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

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
    from sklearn.mixture import GaussianMixture  # a second to import, needed only here

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
    """Real training frames, each a random share of the way to another frame, the result up to a third
    of the way to another one, stretched a little; the others may be simulated. (points, visible); the
    visibility is that of the nearer of the first two."""
    train = splits["train"]
    generator = np.random.default_rng(0)
    count, every = settings.prior_codes, len(train["real"])
    first = generator.choice(np.flatnonzero(train["real"]), count)
    second, third = generator.integers(0, every, (2, count))
    filled, seen = train["filled"], train["visible"]
    # Mostly near one of the two: half-way between recordings the glottis' edges blur.
    share = generator.beta(0.5, 0.5, (count, 1, 1))
    mixed = filled[first] + share[..., None] * (filled[second] - filled[first])
    mixed += generator.uniform(0.0, 0.3, (count, 1, 1, 1)) * (filled[third] - mixed)
    visible = np.where(share > 0.5, seen[second], seen[first])
    center = mixed.mean(axis=(1, 2), keepdims=True)
    linear = np.eye(2) + settings.prior_spread * generator.standard_normal((count, 2, 2))
    points = np.einsum("nrcd,nde->nrce", mixed - center, linear) + center
    return points.astype(np.float32), visible
