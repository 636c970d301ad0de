"""Pictures of matches: which ray the network gave to which point."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Real, UInt8
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from lvae.figures.canvas import COLOURS
from lvae.metrics.matching import distinct_rays

_ROWS, _COLUMNS = (255, 150, 40), (60, 170, 255)  # colours of lines along rows and columns
_START = (90, 255, 90)  # of ray 0's point


def overlay(
    image: UInt8[np.ndarray, "height width"], grid: Float[np.ndarray, "rows columns 2"]
) -> UInt8[np.ndarray, "height width 3"]:
    """The moving image, dimmed, with lines between points of neighbouring rays: a wrong match
    crosses others.

    Args:
      image: a frame.
      grid: x, y of every ray's point, px; NaN where there is none.
    """
    picture = Image.fromarray(np.repeat((image // 2)[..., None], 3, axis=2))
    draw = ImageDraw.Draw(picture)
    for one, other, colour in (
        (grid[:, :-1], grid[:, 1:], _ROWS),
        (grid[:-1], grid[1:], _COLUMNS),
    ):
        lines = np.concatenate([one, other], axis=-1).reshape(-1, 4)
        for line in lines[np.isfinite(lines).all(axis=1)]:
            draw.line(line.tolist(), fill=colour)
    first = grid[0, 0]
    if np.isfinite(first).all():
        draw.ellipse([*(first - 4), *(first + 4)], outline=_START)
    return np.asarray(picture)


def matches(
    points: Float[np.ndarray, "frames rows columns 2"],
    visible: Bool[np.ndarray, "frames rows columns"],
    warped: Float[np.ndarray, "frames rays 2"],
    rays: Float[np.ndarray, "rows columns 2"],
    ids: Sequence[int],
    size: tuple[int, int],
) -> Figure:
    """One column per frame: its points, wrong ones orange; where they were warped to, on the fixed
    grid.

    Args:
      points: of the frames, px.
      visible: which points there are.
      warped: where they ended up, px; read where visible only.
      rays: where they should be, px.
      ids: of the frames.
      size: width and height of a frame, px.
    """
    count = len(points)
    figure = Figure(figsize=(0.5 + 3.2 * count, 6.6), layout="constrained")
    axes: Any = figure.subplots(2, count, squeeze=False)
    flat = rays.reshape(-1, 2)
    for column in range(count):
        truth = np.flatnonzero(visible[column])
        ends = warped[column][truth]
        right = distinct_rays(ends, flat) == truth
        above, below = axes[:, column]
        above.set_title(f"frame {ids[column]}: {right.mean():.1%} right")
        for axis, places in ((above, points[column].reshape(-1, 2)[truth]), (below, ends)):
            axis.plot(*places[right].T, ".", color=COLOURS[0], markersize=3)
            axis.plot(*places[~right].T, ".", color=COLOURS[1], markersize=4)
            axis.set(xticks=[], yticks=[], xlim=(0, size[0]), ylim=(size[1], 0), aspect="equal")
        below.plot(*flat.T, "+", color="0.7", markersize=3, zorder=0)
    axes[0, 0].set_ylabel("moving points")
    axes[1, 0].set_ylabel("warped onto the fixed grid")
    return figure


def labelled(
    points: Sequence[Real[np.ndarray, "_ 2"]],
    rays: Sequence[Int[np.ndarray, " _"]],
    truth: Sequence[Int[np.ndarray, " _"]],
    ids: Sequence[int],
) -> Figure:
    """One panel per frame: its points, those with a wrong ray orange.

    Args:
      points: of each frame, px.
      rays: that they got.
      truth: their own.
      ids: of the frames.
    """
    columns = min(4, len(points))
    rows = -(-len(points) // columns)
    figure = Figure(figsize=(0.5 + 3.2 * columns, 3.4 * rows), layout="constrained")
    axes: Any = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat[len(points) :]:
        axis.set_visible(False)
    for axis, places, found, own, name in zip(axes.flat, points, rays, truth, ids):
        right = found == own
        axis.set_title(f"frame {name}: {right.mean():.1%} right")
        axis.plot(*places[right].T, ".", color=COLOURS[0], markersize=3)
        axis.plot(*places[~right].T, ".", color=COLOURS[1], markersize=5)
        axis.set(xticks=[], yticks=[], aspect="equal")
        axis.invert_yaxis()
    return figure


def utility(
    accuracies: Mapping[str, Sequence[float]], repaired: Mapping[str, Sequence[float]]
) -> Figure:
    """Share of wrong matches by training set, one dot per seed, before and after the repair."""
    names = list(accuracies)
    figure = Figure(figsize=(8, 1.2 + 0.35 * len(names)), layout="constrained")
    axis = figure.subplots()
    for values, label, colour in (
        (accuracies, "nearest ray", COLOURS[0]),
        (repaired, "a ray of its own for every point", COLOURS[1]),
    ):
        for place, name in enumerate(names):
            wrong = [max(1 - value, 1e-4) for value in values[name]]
            axis.plot(wrong, [place] * len(wrong), "o", color=colour, alpha=0.5, markersize=4)
            axis.plot(np.mean(wrong), place, "|", color=colour, markersize=14, markeredgewidth=2)
        axis.plot([], [], "o", color=colour, label=label)
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.set(xscale="log", xlabel="share of wrong matches on recordings never seen")
    axis.grid(which="both")
    figure.legend(loc="outside upper left", ncols=2)
    return figure
