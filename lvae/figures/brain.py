"""Pictures of the brain tasks: reconstructions, code maps, samples, anomaly maps, SSIM by epoch."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped, UInt8
from matplotlib.figure import Figure

from lvae.figures.canvas import curve, image_rows

REFERENCE_SSIM = 0.7039  # of the reference model on held-out OASIS slices, 30 epochs

Slices = UInt8[np.ndarray, "n height width"]
Decoded = Float[np.ndarray, "n height width"]  # in [0, 1]
CodeMaps = Float[np.ndarray, "n rows columns"]  # codes as grey values in [0, 1]


def reconstructions(images: Slices, decoded: Decoded, shades: CodeMaps) -> Figure:
    """Slices, what the decoder makes of their codes, the error, the code maps."""
    original = images / 255.0
    rows = [list(original), list(decoded), list(4 * np.abs(decoded - original)), list(shades)]
    return image_rows(rows, ["slice", "reconstruction", "error x 4", "codes"], limits=(0, 1))


def generated(
    images: Slices,
    decoded: Decoded,
    samples: Shaped[np.ndarray, "m height width"],
    shades: CodeMaps,
) -> Figure:
    """Samples under decoded real codes: a bad prior and a bad decoder can be told apart."""
    rows = [list(images / 255.0), list(decoded), list(samples), list(shades)]
    labels = ["held-out slice", "its codes decoded", "sample", "sampled codes"]
    return image_rows(rows, labels, limits=(0, 1))


def anomalies(images: Slices, surprise: CodeMaps) -> Figure:
    """Slices, and -ln p of every code given those before it, in nats."""
    figure = Figure(figsize=(1.6 * len(images) + 1, 3.6), layout="constrained")
    axes = figure.subplots(2, len(images), squeeze=False)
    highest = float(np.percentile(surprise, 99.5))
    shown: Any = None
    for column, (image, nats) in enumerate(zip(images, surprise)):
        axes[0, column].imshow(image, cmap="gray", vmin=0, vmax=255)
        shown = axes[1, column].imshow(nats, cmap="magma", vmin=0, vmax=highest)
        for row in range(2):
            axes[row, column].set(xticks=[], yticks=[])
    axes[0, 0].set_ylabel("slice")
    axes[1, 0].set_ylabel("-ln p")
    figure.colorbar(shown, ax=axes[1].tolist(), label="nats per code", shrink=0.9)
    return figure


def ssim_by_epoch(history: Sequence[Mapping[str, Any]], steps_per_epoch: float) -> Figure:
    """SSIM on training slices and on held-out subjects, beside the reference's.

    Args:
      history: rows of metrics.
      steps_per_epoch: optimiser steps in which every training slice is seen once.
    """
    figure = Figure(figsize=(6, 4), layout="constrained")
    axis = figure.subplots()
    for kind, key, style, label in (
        ("train", "ssim", "-", "training slices"),
        ("evaluation", "validation_ssim", "o-", "held-out subjects"),
    ):
        points = [(step / steps_per_epoch, value) for step, value in curve(history, kind, key)]
        if points:
            axis.plot(*zip(*points), style, ms=3, label=label)
    axis.axhline(REFERENCE_SSIM, color="gray", ls="--", label="reference, OASIS, 30 epochs")
    axis.set(xlabel="epoch", ylabel="SSIM", ylim=(0, 1))
    axis.grid()
    figure.legend(loc="outside upper left", ncols=2)
    return figure
