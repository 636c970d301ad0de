"""What all pictures share: one style, sheets of images, curves, and files that appear whole."""

import itertools
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.figure import Figure

from lvae import atomic

MOST_PANELS = 4  # side by side
# Okabe and Ito's, which the colour-blind tell apart too
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# Text is 15 to 17 pixels high, so that it can still be read where a page shows a figure at half size.
STYLE: Any = {
    "figure.dpi": 100,
    "font.size": 11,
    "axes.labelsize": 11,
    "axes.titlesize": 12,
    "legend.fontsize": 11,
    "legend.frameon": False,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.alpha": 0.3,
}
_INCH, _WIDEST = 1.5, 13.0  # inches of an image on a sheet, and of all of a row, across
_GAP = 0.06  # between images, of their width


def styled() -> AbstractContextManager[None]:
    """The style of all figures, while they are drawn and saved; what a notebook has set is as it was
    afterwards."""
    return mpl.rc_context(STYLE)


def save(figure: Figure, path: Path) -> None:
    """Writes the figure as PNG, without the time in it: equal figures are equal bytes."""
    with atomic.replacing(path) as temporary, styled():
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
    heights = [max(image.shape[0] / image.shape[1] for image in row) for row in rows]
    tops = [0.0, *itertools.accumulate(height + _GAP for height in heights)]
    left = 0.2 + 0.085 * max(map(len, row_labels))  # inches
    above = 0.35 if column_labels else 0.1
    width, height = columns * (1 + _GAP) - _GAP, tops[-1] - _GAP
    inch = min(_INCH, _WIDEST / columns)
    size = (left + inch * width + 0.1, above + inch * height + 0.1)
    figure = Figure(figsize=size)
    # One pair of axes for the whole sheet: matplotlib takes 20 ms for each.
    area = (left / size[0], 0.1 / size[1], inch * width / size[0], inch * height / size[1])
    axis = figure.add_axes(area)
    low, high = limits if limits else (None, None)
    for images, top in zip(rows, tops):
        for column, image in enumerate(images):
            start = column * (1 + _GAP)
            bottom = top + image.shape[0] / image.shape[1]
            extent = (start, start + 1, bottom, top)
            axis.imshow(image, cmap="gray", vmin=low, vmax=high, extent=extent, aspect="auto")
    axis.set(xlim=(0, width), ylim=(height, 0))
    middles = [column * (1 + _GAP) + 0.5 for column in range(len(column_labels))]
    axis.set_xticks(middles, column_labels)
    axis.set_yticks([top + tall / 2 for top, tall in zip(tops, heights)], row_labels)
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    return figure


def loss_curves(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], logarithmic: bool = True
) -> Figure:
    """A panel per term: means by step, as metrics.jsonl holds them, of training and of every split
    evaluated. Terms that were not measured have no panel.

    Args:
      rows: of metrics.
      names: of the terms.
      logarithmic: where the values of a panel are above 0 and span a factor of ten.
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
    figure = Figure(figsize=(max(6.5, 3.4 * columns), 0.5 + 2.6 * bands), layout="constrained")
    axes = figure.subplots(bands, columns, squeeze=False).ravel()
    known: dict[str, Any] = {}
    for axis, (name, lines) in zip(axes, panels.items()):
        for label, style, colour, points in lines:
            (known[label],) = axis.plot(*zip(*points), style, color=colour, markersize=3)
        values = np.concatenate([np.asarray(line.get_ydata()) for line in axis.lines])
        if logarithmic and values.max() > 10 * values.min() > 0:
            axis.set_yscale("log")
        axis.set_title(name)
        axis.set_xlabel("step")
        axis.grid()
    for axis in axes[len(panels) :]:
        axis.axis("off")
    if known:
        handles, labels = list(known.values()), list(known)
        figure.legend(handles, labels, loc="outside upper left", ncols=3)
    return figure


def curve(rows: Sequence[Mapping[str, Any]], kind: str, key: str) -> list[tuple[int, float]]:
    """(step, value) of one number in the rows of a kind, "train" or "evaluation"."""
    return [
        (row["step"], row[key])
        for row in rows
        if row["kind"] == kind and isinstance(row.get(key), int | float)
    ]
