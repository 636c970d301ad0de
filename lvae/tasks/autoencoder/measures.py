"""What a regularised autoencoder is worth: reconstruction, and what its regulariser promised."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lvae.keys import stream
from lvae.tasks.autoencoder.losses import jacobian_norms, module, normal_divergence
from lvae.tasks.autoencoder.settings import Settings
from lvae.tasks.denoiser.corruption import corrupt_batch
from lvae.tasks.denoiser.measures import scores, to_images
from lvae.tasks.interface import Splits, Variables

ACTIVE = 0.5  # a unit of a code counts as active above


def noisy_images(settings: Settings, seed: int, images: np.ndarray) -> np.ndarray:
    """The input of the autoencoder, with the config's noise, if any."""
    key = stream(seed, "evaluation")
    return np.asarray(jax.jit(corrupt_batch, static_argnums=2)(key, images, settings.corruption))


def reconstruct(settings: Settings, variables: Variables, images: np.ndarray) -> np.ndarray:
    """What comes out for these inputs, without a drawn number in it."""
    return np.asarray(_reconstruct(settings, variables, images))


def codes(settings: Settings, variables: Variables, images: np.ndarray) -> np.ndarray:
    """(N, code): activations, selected pixels' values or posterior means."""
    return np.asarray(_codes(settings, variables, images))


def measures(
    settings: Settings, variables: Variables, seed: int, splits: Splits, images: np.ndarray
) -> dict[str, Any]:
    """Numbers about the design on `images`; the linear maps are fitted to `splits["train"]`."""
    noisy = noisy_images(settings, seed, images)
    cleaned = reconstruct(settings, variables, noisy)
    result: dict[str, Any] = dict(scores(cleaned, images))
    if settings.corruption.noises:
        result |= {f"noisy_{name}": value for name, value in scores(noisy, images).items()}
    design = settings.model.design
    if design in ("sparse", "contractive"):
        result |= _code_measures(settings, variables, images)
    elif design == "variational":
        mean, log_variance = _moments(settings, variables, noisy)
        result["divergence"] = float(np.mean(normal_divergence(mean, log_variance)))
        result["active_latents"] = float(np.sum(np.var(mean, axis=0) > 0.01))
    else:
        result |= _selection_measures(settings, variables, splits, images)
    return result


def variance_pixels(images: np.ndarray, count: int) -> np.ndarray:
    """The `count` pixels of highest variance over the images."""
    variance = images.reshape(len(images), -1).astype(np.float64).var(axis=0)
    return np.sort(np.argsort(-variance, kind="stable")[:count]).astype(np.int32)


def chosen_pixels(settings: Settings, variables: Variables) -> np.ndarray:
    """The selected pixels of a concrete autoencoder, one for each feature."""
    if settings.model.selection == "variance":
        return np.asarray(variables["buffers"]["pixels"])
    return np.argmax(np.asarray(variables["params"]["selector"]), axis=1).astype(np.int32)


def _code_measures(settings: Settings, variables: Variables, images: np.ndarray) -> dict[str, Any]:
    activations = codes(settings, variables, images)
    some = images[: settings.evaluation.jacobian_images]
    return {
        "mean_activation": float(activations.mean()),
        "active_share": float(np.mean(activations > ACTIVE)),
        "dead_units": int(np.sum(np.all(activations <= ACTIVE, axis=0))),
        "jacobian_norm": float(np.mean(np.sqrt(_norms(settings, variables, some)))),
    }


def _selection_measures(
    settings: Settings, variables: Variables, splits: Splits, images: np.ndarray
) -> dict[str, Any]:
    """The selected pixels against those of highest variance, both read by the same linear map."""
    pixels = chosen_pixels(settings, variables)
    train = to_images(splits["train"]["image"]).reshape(len(splits["train"]["image"]), -1)
    test = images.reshape(len(images), -1)
    by_variance = variance_pixels(train, settings.model.code)
    return {
        "distinct_pixels": len(np.unique(pixels)),
        "linear_mse": _linear_error(train, test, np.unique(pixels)),
        "variance_linear_mse": _linear_error(train, test, by_variance),
    }


def _linear_error(train: np.ndarray, test: np.ndarray, pixels: np.ndarray) -> float:
    """Mean squared error of the least-squares map from the pixels to all of them (ridge 1e-3)."""

    def inputs(flat):
        return np.concatenate([flat[:, pixels], np.ones((len(flat), 1), flat.dtype)], axis=1)

    left = inputs(train).astype(np.float64)
    gram = left.T @ left + 1e-3 * len(left) * np.eye(left.shape[1])
    weights = np.linalg.solve(gram, left.T @ train)
    return float(np.mean((inputs(test) @ weights - test) ** 2))


@functools.partial(jax.jit, static_argnums=0)
def _reconstruct(settings: Settings, variables: Any, images: Any) -> Any:
    network = module(settings, images[0].size)
    params = {"params": variables["params"]}
    values = _codes(settings, variables, images)
    logits = network.apply(params, values, method="decode")
    return jax.nn.sigmoid(logits).reshape(images.shape)


@functools.partial(jax.jit, static_argnums=0)
def _codes(settings: Settings, variables: Any, images: Any) -> Any:
    network = module(settings, images[0].size)
    params = {"params": variables["params"]}
    flat = jnp.asarray(images).reshape(len(images), -1)
    if settings.model.design == "variational":
        return network.apply(params, images, method="encode")[0]
    if settings.model.design == "concrete":
        if settings.model.selection == "variance":
            return flat[:, variables["buffers"]["pixels"]]
        return flat[:, network.apply(params, method="chosen")]
    return network.apply(params, flat, method="encode")


@functools.partial(jax.jit, static_argnums=0)
def _moments(settings: Settings, variables: Any, images: Any) -> Any:
    network = module(settings, images[0].size)
    return network.apply({"params": variables["params"]}, images, method="encode")


@functools.partial(jax.jit, static_argnums=0)
def _norms(settings: Settings, variables: Any, images: Any) -> Any:
    flat = jnp.asarray(images).reshape(len(images), -1)
    return jacobian_norms(module(settings, flat.shape[1]), {"params": variables["params"]}, flat)
