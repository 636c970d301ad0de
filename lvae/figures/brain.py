"""Pictures of the brain tasks: reconstructions, code maps, samples, anomaly maps, histories."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lvae.figures.canvas import image_rows, loss_curves, save

REFERENCE_SSIM = 0.7039  # of the reference model on held-out OASIS slices, 30 epochs


def reconstructions(
    path: Path, images: np.ndarray, decoded: np.ndarray, shades: np.ndarray
) -> None:
    """Slices, what the decoder makes of their codes, the error, the code maps.

    Args:
      path: of the PNG.
      images: uint8 (N, H, W).
      decoded: (N, H, W) in [0, 1].
      shades: code maps as grey values in [0, 1], (N, rows, columns).
    """
    original = images / 255.0
    rows = [list(original), list(decoded), list(4 * np.abs(decoded - original)), list(shades)]
    image_rows(path, rows, ["slice", "reconstruction", "error x 4", "codes"], limits=(0, 1))


def generated(
    path: Path,
    images: np.ndarray,
    decoded: np.ndarray,
    samples: np.ndarray,
    shades: np.ndarray,
) -> None:
    """Samples under decoded real codes: a bad prior and a bad decoder can be told apart."""
    rows = [list(images / 255.0), list(decoded), list(samples), list(shades)]
    labels = ["held-out slice", "its codes decoded", "sample", "sampled codes"]
    image_rows(path, rows, labels, limits=(0, 1))


def anomalies(path: Path, images: np.ndarray, surprise: np.ndarray) -> None:
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
    axes[0, 0].set_ylabel("slice", fontsize=8)
    axes[1, 0].set_ylabel("-ln p", fontsize=8)
    figure.colorbar(shown, ax=axes[1].tolist(), label="nats a code", shrink=0.9)
    save(figure, path)


def histories(directory: Path, metrics: Path, steps_per_epoch: float) -> None:
    """Losses, use of the codes and SSIM by epoch, from a run's metrics; nothing without them."""
    rows = _rows(metrics)
    if not rows:
        return
    loss_curves(directory / "losses.png", rows, ["loss", "squared_error", "quantiser"])
    loss_curves(directory / "codes.png", rows, ["perplexity", "codes_used_share"])
    figure = Figure(figsize=(6, 4), layout="constrained")
    axis = figure.subplots()
    for kind, label in (("train", "training slices"), ("validation", "held-out subjects")):
        points = [
            (row["step"] / steps_per_epoch, row["ssim"])
            for row in rows
            if row["kind"] == kind and "ssim" in row
        ]
        if points:
            axis.plot(*zip(*points), "o-" if kind == "validation" else "-", ms=3, label=label)
    axis.axhline(REFERENCE_SSIM, color="gray", ls="--", label="reference, OASIS, 30 epochs")
    axis.set(xlabel="epoch", ylabel="SSIM", ylim=(0, 1))
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    save(figure, directory / "ssim.png")


def loss_history(directory: Path, metrics: Path) -> None:
    """Nats a code of the prior by step, beside the baselines."""
    rows = _rows(metrics)
    if rows:
        names = ["nats_per_code", "unigram_nats", "context_nats"]
        loss_curves(directory / "losses.png", rows, names, logarithmic=False)


def _rows(metrics: Path) -> list[dict[str, Any]]:
    if not metrics.exists():
        return []
    return [json.loads(line) for line in metrics.read_text().splitlines()]
