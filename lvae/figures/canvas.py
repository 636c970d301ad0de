"""What all pictures share: a backend that needs no screen, and files that appear whole."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from lvae import atomic

mpl.use("Agg", force=True)

from matplotlib.figure import Figure

MOST_PANELS = 4  # side by side
# Okabe and Ito's, which the colour-blind tell apart too
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


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
    """A panel per term: means by step, as metrics.jsonl holds them, of training and of every split
    evaluated. Terms that were not measured have no panel.

    Args:
      rows: of metrics.
      names: of the terms.
      logarithmic: where all values of a panel are above 0.
    """
    kinds = (
        ("training", "train", "{}", "-", COLOURS[0]),
        ("training split, evaluated", "evaluation", "train_{}", "s--", COLOURS[0]),
        ("validation split", "evaluation", "validation_{}", "o--", COLOURS[1]),
    )
    panels = {
        name: [
            (label, style, colour, points)
            for label, kind, key, style, colour in kinds
            if (points := curve(rows, kind, key.format(name)))
        ]
        for name in names
    }
    panels = {name: lines for name, lines in panels.items() if lines}
    columns = max(1, min(MOST_PANELS, len(panels)))
    bands = max(1, -(-len(panels) // columns))
    figure = Figure(figsize=(3.4 * columns, 0.5 + 2.5 * bands), layout="constrained")
    axes = figure.subplots(bands, columns, squeeze=False).ravel()
    known: dict[str, Any] = {}
    for axis, (name, lines) in zip(axes, panels.items()):
        for label, style, colour, points in lines:
            (known[label],) = axis.plot(*zip(*points), style, color=colour, markersize=3)
        if logarithmic and all(np.asarray(line.get_ydata()).min() > 0 for line in axis.lines):
            axis.set_yscale("log")
        axis.set_title(name, fontsize=10)
        axis.set_xlabel("step")
        axis.grid(alpha=0.3)
    for axis in axes[len(panels) :]:
        axis.axis("off")
    if known:
        handles, labels = list(known.values()), list(known)
        figure.legend(handles, labels, loc="outside upper left", ncols=3, frameon=False)
    return figure


def curve(rows: Sequence[Mapping[str, Any]], kind: str, key: str) -> list[tuple[int, float]]:
    """(step, value) of one number in the rows of a kind, "train" or "evaluation"."""
    return [
        (row["step"], row[key])
        for row in rows
        if row["kind"] == kind and isinstance(row.get(key), int | float)
    ]
