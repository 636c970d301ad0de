"""What all pictures share: a backend that needs no screen, and files that appear whole."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from lvae import atomic

mpl.use("Agg")

from matplotlib.figure import Figure


def save(figure: Figure, path: Path, dpi: int = 100) -> None:
    """Writes the figure as PNG, without the time in it: equal figures are equal bytes."""
    with atomic.replacing(path) as temporary:
        figure.savefig(temporary, dpi=dpi, metadata={"Software": None})


def image_rows(
    path: Path,
    rows: Sequence[Sequence[np.ndarray]],
    row_labels: Sequence[str],
    column_labels: Sequence[str] = (),
    limits: tuple[float, float] | None = None,
) -> None:
    """A sheet of gray images, one list a row, labelled.

    Args:
      path: of the PNG.
      rows: of images, (height, width) each.
      row_labels: left of each row.
      column_labels: above the columns, or none.
      limits: values that are black and white; None: each image's own.
    """
    columns = max(len(row) for row in rows)
    figure = Figure(figsize=(1.0 + 1.6 * columns, 0.4 + 1.6 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    low, high = limits if limits else (None, None)
    for row, (images, label) in enumerate(zip(rows, row_labels)):
        for column in range(columns):
            axis: Any = axes[row, column]
            axis.set(xticks=[], yticks=[])
            if column < len(images):
                axis.imshow(images[column], cmap="gray", vmin=low, vmax=high)
            else:
                axis.axis("off")
            if row == 0 and column < len(column_labels):
                axis.set_title(column_labels[column], fontsize=8)
        axes[row, 0].set_ylabel(label, fontsize=8)
    save(figure, path)


def loss_curves(
    path: Path, rows: Sequence[dict[str, Any]], names: Sequence[str], logarithmic: bool = True
) -> None:
    """Means by step, as metrics.jsonl holds them; training and validation side by side in colour."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axis = figure.subplots()
    for name in names:
        for kind, style in (("train", "-"), ("validation", "o--")):
            points = [
                (row["step"], row[name])
                for row in rows
                if row["kind"] == kind and isinstance(row.get(name), int | float)
            ]
            if points:
                steps, values = zip(*points)
                axis.plot(steps, values, style, markersize=3, label=f"{name} ({kind})")
    axis.set_xlabel("step")
    if logarithmic and all(np.asarray(line.get_ydata()).min() > 0 for line in axis.lines):
        axis.set_yscale("log")
    if axis.lines:
        axis.legend(fontsize=8)
    axis.grid(alpha=0.3)
    save(figure, path)
