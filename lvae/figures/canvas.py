"""What all pictures share: a backend that needs no screen, and files that appear whole."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from lvae import atomic

mpl.use("Agg", force=True)

from matplotlib.figure import Figure


def save(figure: Figure, path: Path) -> None:
    """Writes the figure as PNG, without the time in it: equal figures are equal bytes."""
    with atomic.replacing(path) as temporary:
        figure.savefig(temporary, metadata={"Software": None})


def image_rows(
    rows: Sequence[Sequence[np.ndarray]],
    row_labels: Sequence[str],
    column_labels: Sequence[str] = (),
    limits: tuple[float, float] | None = None,
) -> Figure:
    """A sheet of gray images, one list per row, labelled.

    Args:
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
    return figure


def loss_curves(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], logarithmic: bool = True
) -> Figure:
    """Means by step, as metrics.jsonl holds them: of training, and of every split evaluated."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axis = figure.subplots()
    for name in names:
        for kind, key, style in (
            ("train", name, "-"),
            ("evaluation", f"train_{name}", "s--"),
            ("evaluation", f"validation_{name}", "o--"),
        ):
            points = curve(rows, kind, key)
            if points:
                axis.plot(*zip(*points), style, markersize=3, label=key)
    axis.set_xlabel("step")
    if logarithmic and all(np.asarray(line.get_ydata()).min() > 0 for line in axis.lines):
        axis.set_yscale("log")
    if axis.lines:
        axis.legend(fontsize=8)
    axis.grid(alpha=0.3)
    return figure


def curve(rows: Sequence[Mapping[str, Any]], kind: str, key: str) -> list[tuple[int, float]]:
    """(step, value) of one number in the rows of a kind, "train" or "evaluation"."""
    return [
        (row["step"], row[key])
        for row in rows
        if row["kind"] == kind and isinstance(row.get(key), int | float)
    ]
