"""What a denoiser's figures show, computed; `lvae.figures.denoising` draws it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int
from matplotlib.figure import Figure

from lvae.figures import canvas, denoising
from lvae.imaging import classical, histograms
from lvae.imaging.noise import Corruption
from lvae.keys import stream
from lvae.tasks.images.corruption import corrupted
from lvae.tasks.images.denoiser.network import restore
from lvae.tasks.images.denoiser.settings import Settings
from lvae.tasks.images.scores import HostImages, to_images
from lvae.tasks.task import NamedPicture, Run, Split, Splits

# Those of configs/denoise_conv.py:reference, for the pictures that show every kind
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


def figures(
    run: Run[Settings], splits: Splits, history: Sequence[Mapping[str, Any]]
) -> Iterator[NamedPicture]:
    """The noises, the classical filters, and what the network makes of growing noise."""
    evaluation, test = run.settings.evaluation, splits["test"]
    images = to_images(test["image"])
    first = images[:1]
    yield "growing_noise", _growing(run, first)
    for level in map(lambda entry: Corruption(*entry), evaluation.shown):
        chosen = images[different(test)]
        noisy = corrupted(run.settings.seed, "figure", chosen, level)
        strips = [list(part[..., 0]) for part in (noisy, _restored(run, noisy), chosen)]
        yield f"digits_{level.kind}", denoising.strip(*strips, labels=[_label(level)])
    noises = {
        _label(level): corrupted(run.settings.seed, "figure", first, level) for level in NOISES
    }
    shown = {name: image[0, ..., 0] for name, image in noises.items()}
    yield "noises", denoising.noises({"clean": first[0, ..., 0]} | shown)
    yield "filters", denoising.filters({name: _filtered(run, noises[name]) for name in noises})
    yield "histogram", _histograms(images[:16], run.settings.seed)
    yield "losses", canvas.loss_curves(history, ("loss", "cross_entropy", "squared_error"))


def different(split: Split) -> Int[np.ndarray, " few"]:
    """Six examples: of six labels where there are labels, else the first six."""
    if "label" not in split:
        return np.arange(min(DIGITS_SHOWN, len(split["image"])))
    return np.unique(split["label"], return_index=True)[1][:DIGITS_SHOWN]


def _restored(run: Run[Settings], images: HostImages) -> HostImages:
    return restore(run.settings, run.variables["params"], images).images


def _growing(run: Run[Settings], first: HostImages) -> Figure:
    """One image with ever more noise, and cleaned."""
    levels = [Corruption(*level) for level in run.settings.evaluation.growing]
    noisy = np.concatenate(
        [corrupted(run.settings.seed, "figure", first, level) for level in levels]
    )
    cleaned = _restored(run, noisy)
    labels = [_label(level) for level in levels]
    return denoising.strip(list(noisy[..., 0]), list(cleaned[..., 0]), labels=labels)


def _filtered(run: Run[Settings], noisy: HostImages) -> dict[str, np.ndarray]:
    """One noisy image, and what each method makes of it."""
    cleaned = {
        method: classical.denoise(method, noisy, parameters)
        for method, parameters in FILTERS.items()
    }
    everything = {"noisy": noisy} | cleaned | {"this network": _restored(run, noisy)}
    return {name: image[0, ..., 0] for name, image in everything.items()}


def _histograms(images: HostImages, seed: int) -> Figure:
    """Sixteen images side by side, flat in contrast, before and after equalisation."""
    side = int(len(images) ** 0.5)
    _, height, width, _ = images.shape
    tiles = images[: side * side].reshape(side, side, height, width).transpose(0, 2, 1, 3)
    sheet = jnp.asarray(tiles.reshape(1, side * height, side * width, 1))
    flat = jax.jit(histograms.compress_contrast)(stream(seed, "figure"), sheet)
    shown = {"low contrast": flat, "equalised": jax.jit(histograms.equalize)(flat)}
    counts = jax.jit(histograms.histogram)
    shares = jax.jit(histograms.cumulative_distribution)
    return denoising.histograms(
        {name: np.asarray(image)[0, ..., 0] for name, image in shown.items()},
        {name: np.asarray(counts(image))[0, :, 0] for name, image in shown.items()},
        {name: np.asarray(shares(image))[0, :, 0] for name, image in shown.items()},
    )


def _label(level: Corruption) -> str:
    blur = f", blur {level.blur:g}" if level.kind == "blur_uniform" else ""
    return f"{level.kind.replace('_', ' ')} {level.strength:.2g}{blur}"
