"""Pictures of noises, filters, histograms, denoisers and regularised autoencoders."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from lvae.figures.canvas import image_rows, save


def write_strip(
    path: Path,
    noisy: Sequence[np.ndarray],
    cleaned: Sequence[np.ndarray],
    clean: Sequence[np.ndarray] = (),
    labels: Sequence[str] = (),
) -> None:
    """Noisy images above the cleaned ones, and the originals below where they are given."""
    rows, names = [noisy, cleaned], ["noisy", "cleaned"]
    if len(clean):
        rows, names = [*rows, clean], [*names, "original"]
    image_rows(path, rows, names, labels, limits=(0.0, 1.0))


def write_noises(path: Path, images: Mapping[str, np.ndarray]) -> None:
    """Noises side by side, by name."""
    image_rows(path, [list(images.values())], [""], list(images), limits=(0.0, 1.0))


def write_filters(path: Path, results: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """A row for each noise: the noisy image, then each method's result."""
    columns = list(next(iter(results.values())))
    rows = [[row[column] for column in columns] for row in results.values()]
    image_rows(path, rows, list(results), columns, limits=(0.0, 1.0))


def write_histograms(
    path: Path,
    images: Mapping[str, np.ndarray],
    histograms: Mapping[str, np.ndarray],
    distributions: Mapping[str, np.ndarray],
) -> None:
    """A row for each image: the image, its histogram, its cumulative distribution.

    Args:
      path: of the PNG.
      images: name -> (height, width) in [0, 1].
      histograms: name -> 256 counts.
      distributions: name -> 256 shares.
    """
    figure = Figure(figsize=(9.0, 2.6 * len(images)), layout="constrained")
    axes = figure.subplots(len(images), 3, squeeze=False)
    for row, (name, image) in zip(axes, images.items()):
        row[0].imshow(image, cmap="gray", vmin=0.0, vmax=1.0)
        row[0].set(xticks=[], yticks=[], ylabel=name)
        row[1].bar(np.arange(256), histograms[name], width=1.0, color="0.3")
        row[1].set(xlabel="grey level", ylabel="pixels", xlim=(0, 255))
        row[2].plot(np.arange(256), distributions[name], color="0.1")
        row[2].set(xlabel="grey level", ylabel="share at or below", xlim=(0, 255), ylim=(0, 1.02))
    save(figure, path)


def write_levels(path: Path, labels: Sequence[str], curves: Mapping[str, np.ndarray]) -> None:
    """Scores over the levels of noise, one line a method.

    Args:
      path: of the PNG.
      labels: of the levels.
      curves: name -> one number a level, in dB.
    """
    figure = Figure(figsize=(6.0, 3.6), layout="constrained")
    axis = figure.subplots()
    for name, values in curves.items():
        axis.plot(range(len(labels)), values, marker="o", markersize=3, label=name)
    axis.set_xticks(range(len(labels)), labels, fontsize=8)
    axis.set(ylabel="PSNR (dB)")
    axis.legend(fontsize=8)
    save(figure, path)


def write_activations(path: Path, activations: np.ndarray, shares: np.ndarray) -> None:
    """Codes of some images, and how often each unit is active.

    Args:
      path: of the PNG.
      activations: (images, units), 0 or above.
      shares: (units,) mean activation or share of the images in which it is active.
    """
    figure = Figure(figsize=(9.0, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(2, 1))
    shown = left.imshow(activations, aspect="auto", cmap="viridis", interpolation="nearest")
    left.set(xlabel="unit of the code", ylabel="image")
    figure.colorbar(shown, ax=left, label="activation")
    right.hist(shares, bins=30, color="0.3")
    right.set(xlabel="share of images where active", ylabel="units")
    save(figure, path)


def write_selected_pixels(path: Path, mean_image: np.ndarray, picked: Mapping[str, np.ndarray]):
    """Selected pixels over the mean image, one panel a method.

    Args:
      path: of the PNG.
      mean_image: (height, width).
      picked: name -> flat indices of pixels.
    """
    figure = Figure(figsize=(3.2 * len(picked), 3.4), layout="constrained")
    axes = figure.subplots(1, len(picked), squeeze=False)[0]
    width = mean_image.shape[1]
    for axis, (name, pixels) in zip(axes, picked.items()):
        axis.imshow(mean_image, cmap="gray")
        axis.scatter(pixels % width, pixels // width, s=12, color="tab:red", marker="s")
        axis.set(xticks=[], yticks=[], title=name)
    save(figure, path)


def write_manifold(path: Path, images: np.ndarray) -> None:
    """Decoded images on a grid of codes as one sheet.

    Args:
      path: of the PNG.
      images: (rows, columns, height, width) in [0, 1].
    """
    rows, columns, height, width = images.shape
    sheet = images.transpose(0, 2, 1, 3).reshape(rows * height, columns * width)
    figure = Figure(figsize=(0.45 * columns, 0.45 * rows), layout="constrained")
    axis = figure.subplots()
    axis.imshow(sheet, cmap="gray", vmin=0.0, vmax=1.0)
    axis.axis("off")
    save(figure, path, dpi=150)
