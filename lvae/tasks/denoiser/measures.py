"""What a denoiser is worth: PSNR and SSIM beside the tuned classical filters, digits read again."""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lvae.imaging import classical
from lvae.imaging.noise import Corruption, corrupt
from lvae.keys import stream
from lvae.metrics.images import psnr, ssim
from lvae.tasks.denoiser.restoring import restore
from lvae.tasks.denoiser.settings import Settings
from lvae.tasks.interface import Splits

Row = dict[str, Any]
MOST_DECIBELS = 100.0  # infinity has no mean


def to_images(levels: np.ndarray) -> np.ndarray:
    """uint8 (N, height, width) as float32 (N, height, width, 1) in [0, 1]."""
    return levels[..., None].astype(np.float32) / 255.0


def corrupted(seed: int, stream_name: str, images: np.ndarray, level: Corruption) -> np.ndarray:
    """The images with noise of one level; the same for the same seed, stream and level."""
    key = stream(seed, f"{stream_name} {level.kind} {level.strength} {level.blur}")
    return np.asarray(_corrupted(key, images, level.kind, level.strength, level.blur))


def scores(cleaned: np.ndarray, clean: np.ndarray) -> dict[str, float]:
    """Means over the images: psnr (dB; at most 100, which equal images count), ssim, mse."""
    return {name: float(np.mean(values)) for name, values in _scores(cleaned, clean).items()}


def level_rows(
    settings: Settings, params: Any, seed: int, images: np.ndarray, labels: Any = None, reader=None
) -> list[Row]:
    """One row for each level of config.evaluation: the noisy and the cleaned images' scores.

    With labels and a `reader` (from `digit_reader`) also the share of digits that it reads right.
    """
    rows = []
    for level in settings.evaluation.corruptions():
        noisy = corrupted(seed, "evaluation", images, level)
        cleaned = restore(settings, params, noisy)
        row: Row = {"noise": level.kind, "strength": level.strength, "blur": level.blur}
        row |= scores(cleaned, images)
        row |= {f"noisy_{name}": value for name, value in scores(noisy, images).items()}
        if reader is not None:
            row["accuracy"] = _accuracy(reader, cleaned, labels)
            row["noisy_accuracy"] = _accuracy(reader, noisy, labels)
        rows.append(row)
    return rows


def classical_rows(settings: Settings, seed: int, tuning: np.ndarray, images: np.ndarray) -> list:
    """For each level every classical method's scores on `images`, tuned on `tuning` for each score.

    Returns:
      For each level {method: {"psnr", "ssim", "psnr_parameters", "ssim_parameters"}}.
    """
    by_name = {
        name: functools.partial(_score, name=name)
        for name in ("psnr", "ssim")  # tuned for each: the strongest opponent
    }
    rows = []
    for level in settings.evaluation.corruptions():
        noisy_tuning = corrupted(seed, "tuning", tuning, level)
        noisy = corrupted(seed, "evaluation", images, level)
        methods = {}
        for method in classical.GRIDS:
            parameters = classical.tune(method, noisy_tuning, tuning, by_name)
            found: dict[str, Any] = {}
            cleaned = classical.denoise(method, noisy, parameters["psnr"])
            for name, score in by_name.items():
                if parameters[name] != parameters["psnr"]:
                    cleaned = classical.denoise(method, noisy, parameters[name])
                found[name] = score(cleaned, images)
                found[f"{name}_parameters"] = parameters[name]
            methods[method] = found
        rows.append(methods)
    return rows


def thorough_measures(settings: Settings, params: Any, seed: int, splits: Splits) -> Row:
    """Everything: the held-out split at every level, beside classical methods, in one report."""
    evaluation = settings.evaluation
    test = splits["test"]
    images = to_images(test["image"][: evaluation.images])
    train = to_images(splits["train"]["image"][: evaluation.images])
    labels: Any = None
    reader = None
    if "label" in test:
        labels = test["label"][: evaluation.images]
        reader = digit_reader(to_images(splits["train"]["image"]), splits["train"]["label"])
    rows = level_rows(settings, params, seed, images, labels, reader)
    training = level_rows(settings, params, seed, train)
    compared = classical_rows(settings, seed, train[: evaluation.tuning_images], images)
    for row, methods in zip(rows, compared):
        row["classical"] = methods
        for name in ("psnr", "ssim"):
            best = max(methods, key=lambda method, name=name: methods[method][name])
            row[f"best_classical_{name}"] = methods[best][name]
            row[f"best_classical_{name}_method"] = best
    result = means(rows)
    result["training_mse"] = means(training)["mse"]
    result["training_psnr"] = means(training)["psnr"]
    if reader is not None:
        result["clean_accuracy"] = _accuracy(reader, images, labels)
    return result | {"images": len(images), "levels": rows}


def means(rows: Sequence[Row]) -> Row:
    """Means over the levels of everything that is a number, but for the levels themselves."""
    names = [
        name
        for name, value in rows[0].items()
        if isinstance(value, float) and name not in ("strength", "blur")
    ]
    return {name: float(np.mean([row[name] for row in rows])) for name in names}


def digit_reader(images: np.ndarray, labels: np.ndarray) -> Any:
    """A linear classifier trained on clean images: least squares, closed form."""
    from sklearn.linear_model import RidgeClassifier

    return RidgeClassifier().fit(images.reshape(len(images), -1), labels)


def _accuracy(reader: Any, images: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean(reader.predict(images.reshape(len(images), -1)) == labels))


def _score(cleaned: np.ndarray, clean: np.ndarray, name: str) -> float:
    return scores(cleaned, clean)[name]


@jax.jit
def _scores(cleaned: Any, clean: Any) -> Any:
    return {
        "psnr": jnp.minimum(psnr(cleaned, clean), MOST_DECIBELS),
        "ssim": ssim(cleaned, clean),
        "mse": jnp.mean((cleaned - clean) ** 2, axis=(1, 2, 3)),
    }


@functools.partial(jax.jit, static_argnums=2)
def _corrupted(key: Any, images: Any, kind: str, strength: Any, blur: Any) -> Any:
    return corrupt(key, images, Corruption(kind, strength, blur))
