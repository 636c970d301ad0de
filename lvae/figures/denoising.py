"""Pictures of noises, filters, histograms, denoisers and regularised autoencoders."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from lvae.figures.canvas import COLOURS, image_rows


def strip(
    noisy: Sequence[np.ndarray],
    cleaned: Sequence[np.ndarray],
    clean: Sequence[np.ndarray] = (),
    labels: Sequence[str] = (),
) -> Figure:
    """Noisy images above the cleaned ones, and the originals below where they are given."""
    rows, names = [noisy, cleaned], ["noisy", "cleaned"]
    if len(clean):
        rows, names = [*rows, clean], [*names, "original"]
    return image_rows(rows, names, labels, limits=(0.0, 1.0))


def noises(images: Mapping[str, np.ndarray]) -> Figure:
    """Noises side by side, by name."""
    return image_rows([list(images.values())], [""], list(images), limits=(0.0, 1.0))


def filters(results: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """A row for each noise: the noisy image, then each method's result."""
    columns = list(next(iter(results.values())))
    rows = [[row[column] for column in columns] for row in results.values()]
    return image_rows(rows, list(results), columns, limits=(0.0, 1.0))


def histograms(
    images: Mapping[str, np.ndarray],
    counts: Mapping[str, np.ndarray],
    distributions: Mapping[str, np.ndarray],
) -> Figure:
    """A row for each image: the image, its histogram, its cumulative distribution.

    Args:
      images: name -> (height, width) in [0, 1].
      counts: name -> 256 numbers of pixels.
      distributions: name -> 256 shares.
    """
    figure = Figure(figsize=(9.0, 2.6 * len(images)), layout="constrained")
    axes = figure.subplots(len(images), 3, squeeze=False)
    for row, (name, image) in zip(axes, images.items()):
        row[0].imshow(image, cmap="gray", vmin=0.0, vmax=1.0)
        row[0].set(xticks=[], yticks=[], ylabel=name)
        row[1].bar(np.arange(256), counts[name], width=1.0, color="0.3")
        row[1].set(xlabel="grey level", ylabel="pixels", xlim=(0, 255))
        row[2].plot(np.arange(256), distributions[name], color="0.1")
        row[2].set(xlabel="grey level", ylabel="share at or below", xlim=(0, 255), ylim=(0, 1.02))
    return figure


def activations(codes: np.ndarray, shares: np.ndarray) -> Figure:
    """Codes of some images, and how often each unit is active.

    Args:
      codes: (images, units), 0 or above.
      shares: (units,) mean activation or share of the images in which it is active.
    """
    figure = Figure(figsize=(9.0, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(2, 1))
    shown = left.imshow(codes, aspect="auto", cmap="viridis", interpolation="nearest")
    left.set(xlabel="unit of the code", ylabel="image")
    figure.colorbar(shown, ax=left, label="activation")
    right.hist(shares, bins=30, color="0.3")
    right.set(xlabel="share of images where active", ylabel="units")
    return figure


def selected_pixels(mean_image: np.ndarray, picked: Mapping[str, np.ndarray]) -> Figure:
    """Selected pixels over the mean image, one panel per method.

    Args:
      mean_image: (height, width).
      picked: name -> flat indices of pixels.
    """
    figure = Figure(figsize=(3.2 * len(picked), 3.4), layout="constrained")
    axes = figure.subplots(1, len(picked), squeeze=False)[0]
    width = mean_image.shape[1]
    for axis, (name, pixels) in zip(axes, picked.items()):
        axis.imshow(mean_image, cmap="gray")
        axis.scatter(pixels % width, pixels // width, s=12, color=COLOURS[1], marker="s")
        axis.set(xticks=[], yticks=[], title=name)
    return figure
