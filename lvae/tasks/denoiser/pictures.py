"""What a denoiser's figures show, computed; `lvae.figures.denoising` draws it."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lvae.imaging import classical, histograms
from lvae.imaging.noise import Corruption
from lvae.keys import stream
from lvae.tasks.denoiser.measures import corrupted, to_images
from lvae.tasks.denoiser.restoring import restore
from lvae.tasks.denoiser.settings import Settings
from lvae.tasks.interface import Splits

# The reference's levels, for the pictures that show every kind
NOISES = (
    Corruption("gaussian", 42 / 255),
    Corruption("salt_and_pepper", 0.07),
    Corruption("speckle", 0.42),
    Corruption("poisson", 7 / 255),
    Corruption("blur_uniform", 0.8, 1.0),
)
FILTERS: dict[str, dict[str, Any]] = {
    "box": {"size": 5},
    "gaussian": {"sigma": 1.0},
    "median": {"size": 5},
    "total_variation": {"weight": 0.3},
    "non_local_means": {"h": 0.3, "patch_size": 5},
    "wavelet": {"sigma": 0.2, "wavelet": "db2", "mode": "soft"},
}
DIGITS_SHOWN = 6


def write_all(settings: Settings, params: Any, seed: int, splits: Splits, directory: Path) -> None:
    """Every figure of a denoiser into `directory`; the loss from the metrics beside it."""
    from lvae.figures import canvas, denoising
    from lvae.training.records import read_metrics

    images = to_images(splits["test"]["image"])
    first = images[:1]

    levels = settings.evaluation.corruptions("growing")
    noisy = np.concatenate([corrupted(seed, "figure", first, level) for level in levels])
    denoising.write_strip(
        directory / "growing_noise.png",
        list(noisy[..., 0]),
        list(restore(settings, params, noisy)[..., 0]),
        labels=[_label(level) for level in levels],
    )
    for level in settings.evaluation.corruptions("shown"):
        chosen = images[different(splits["test"])]
        noisy = corrupted(seed, "figure", chosen, level)
        denoising.write_strip(
            directory / f"digits_{level.kind}.png",
            list(noisy[..., 0]),
            list(restore(settings, params, noisy)[..., 0]),
            list(chosen[..., 0]),
            labels=[_label(level)],
        )
    noises = {_label(level): corrupted(seed, "figure", first, level) for level in NOISES}
    denoising.write_noises(
        directory / "noises.png",
        {"clean": first[0, ..., 0]} | {name: image[0, ..., 0] for name, image in noises.items()},
    )
    denoising.write_filters(
        directory / "filters.png",
        {
            name: {"noisy": image[0, ..., 0]}
            | {
                method: classical.denoise(method, image, parameters)[0, ..., 0]
                for method, parameters in FILTERS.items()
            }
            | {"this network": restore(settings, params, image)[0, ..., 0]}
            for name, image in noises.items()
        },
    )
    _write_histograms(directory / "histogram.png", images[:16], seed)
    canvas.loss_curves(
        directory / "loss.png",
        read_metrics(directory.parent),
        ("loss", "cross_entropy", "squared_error"),
    )


def different(split: dict[str, np.ndarray]) -> np.ndarray:
    """Six examples: of six labels where there are labels, else the first six."""
    if "label" not in split:
        return np.arange(min(DIGITS_SHOWN, len(split["image"])))
    return np.unique(split["label"], return_index=True)[1][:DIGITS_SHOWN]


def _write_histograms(path: Path, images: np.ndarray, seed: int) -> None:
    """Sixteen images side by side, flat in contrast, before and after equalisation."""
    from lvae.figures import denoising

    side = int(len(images) ** 0.5)
    _, height, width, _ = images.shape
    tiles = images[: side * side].reshape(side, side, height, width).transpose(0, 2, 1, 3)
    sheet = jnp.asarray(tiles.reshape(1, side * height, side * width, 1))
    flat = jax.jit(histograms.compress_contrast)(stream(seed, "figure"), sheet)
    shown = {"low contrast": flat, "equalised": jax.jit(histograms.equalize)(flat)}
    counts = jax.jit(histograms.histogram)
    shares = jax.jit(histograms.cumulative_distribution)
    denoising.write_histograms(
        path,
        {name: np.asarray(image)[0, ..., 0] for name, image in shown.items()},
        {name: np.asarray(counts(image))[0, :, 0] for name, image in shown.items()},
        {name: np.asarray(shares(image))[0, :, 0] for name, image in shown.items()},
    )


def _label(level: Corruption) -> str:
    blur = f", blur {level.blur:g}" if level.kind == "blur_uniform" else ""
    return f"{level.kind.replace('_', ' ')} {level.strength:.2g}{blur}"
