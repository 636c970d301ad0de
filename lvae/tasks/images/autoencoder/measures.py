"""What a regularised autoencoder is worth: reconstruction, and what its regulariser promised."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from lvae.imaging.levels import Images
from lvae.keys import stream
from lvae.models.autoencoders import (
    CodeAutoencoder,
    ConcreteAutoencoder,
    VariationalAutoencoder,
)
from lvae.models.gaussian import normal_kl
from lvae.tasks.images.autoencoder.loss import jacobian_norms
from lvae.tasks.images.autoencoder.network import (
    codes,
    moments,
    network,
    reconstruct,
    selected,
    variance_pixels,
)
from lvae.tasks.images.autoencoder.settings import CodeEvaluationSettings, Settings
from lvae.tasks.images.corruption import corrupt_batch
from lvae.tasks.images.scores import HostImages, scores, to_images
from lvae.tasks.images.settings import CorruptionSettings
from lvae.tasks.task import Run, Splits, Variables

ACTIVE = 0.5  # a unit of a code counts as active above
ACTIVE_VARIANCE = 0.01  # a latent dimension counts as active if its mean varies more
RIDGE = 1e-3  # of the linear maps, per image


def evaluate(run: Run[Settings], splits: Splits, split: str, thorough: bool) -> dict[str, Any]:
    """PSNR, SSIM and MSE of the reconstruction, and the numbers of the design.

    Linear maps are fitted to the training split.
    """
    settings, variables = run.settings, run.variables
    evaluation = settings.evaluation
    most = evaluation.images if thorough else evaluation.quick_images
    images = to_images(splits[split]["image"][:most])
    noisy = noisy_images(settings, images)
    module = network(settings, run.spec)
    result: dict[str, Any] = dict(scores(reconstruct(module, variables, noisy), images))
    if settings.corruption.noises:
        result |= {f"noisy_{name}": value for name, value in scores(noisy, images).items()}
    if isinstance(module, VariationalAutoencoder):
        mean, log_variance = moments(module, variables, noisy)
        divergence = jnp.sum(normal_kl(jnp.asarray(mean), jnp.asarray(log_variance)), axis=-1)
        result["divergence"] = float(jnp.mean(divergence))
        result["active_latents"] = float(np.sum(np.var(mean, axis=0) > ACTIVE_VARIANCE))
    elif isinstance(module, ConcreteAutoencoder):
        result |= _selection_measures(module, variables, splits, images)
    else:
        assert isinstance(evaluation, CodeEvaluationSettings)
        result |= _code_measures(module, variables, images, evaluation.jacobian_images)
    return result | ({"images": len(images)} if thorough else {})


def noisy_images(settings: Settings, images: HostImages) -> HostImages:
    """The input of the autoencoder, with the config's noise, if any."""
    return np.asarray(_noisy(stream(settings.seed, "evaluation"), images, settings.corruption))


@functools.partial(jax.jit, static_argnums=2)
def _noisy(key: Array, images: Images, settings: CorruptionSettings) -> Images:
    return corrupt_batch(key, images, settings)


def _code_measures(
    module: CodeAutoencoder, variables: Variables, images: HostImages, jacobian_images: int
) -> dict[str, Any]:
    activations = codes(module, variables, images)
    flat = images[:jacobian_images].reshape(len(images[:jacobian_images]), -1)
    norms = _norms(module, variables, flat)
    return {
        "mean_activation": float(activations.mean()),
        "active_share": float(np.mean(activations > ACTIVE)),
        "dead_units": int(np.sum(np.all(activations <= ACTIVE, axis=0))),
        "jacobian_norm": float(np.mean(np.sqrt(norms))),
    }


@functools.partial(jax.jit, static_argnums=0)
def _norms(module: CodeAutoencoder, variables: Variables, flat: Array) -> Array:
    return jacobian_norms(module, variables, flat)


def _selection_measures(
    module: ConcreteAutoencoder, variables: Variables, splits: Splits, images: HostImages
) -> dict[str, Any]:
    """The selected pixels against those of highest variance, both read by the same linear map."""
    pixels = np.unique(selected(module, variables))
    train = to_images(splits["train"]["image"])
    by_variance = variance_pixels(train, module.features)
    pair = train.reshape(len(train), -1), images.reshape(len(images), -1)
    return {
        "distinct_pixels": len(pixels),
        "linear_mse": linear_error(*pair, pixels),
        "variance_linear_mse": linear_error(*pair, by_variance),
    }


def linear_error(
    train: Float[np.ndarray, "n pixels"],
    test: Float[np.ndarray, "m pixels"],
    pixels: Int[np.ndarray, " few"],
) -> float:
    """Mean squared error of the least-squares map from the pixels to all of them."""

    def inputs(flat: np.ndarray) -> np.ndarray:
        return np.concatenate([flat[:, pixels], np.ones((len(flat), 1), flat.dtype)], axis=1)

    left = inputs(train).astype(np.float64)
    gram = left.T @ left + RIDGE * len(left) * np.eye(left.shape[1])
    weights = np.linalg.solve(gram, left.T @ train)
    return float(np.mean((inputs(test) @ weights - test) ** 2))
