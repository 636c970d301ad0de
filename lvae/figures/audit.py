"""Pictures of an audit: distances, shares, what the model says of every group."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure


def distances(
    nearest: Mapping[str, Float[np.ndarray, " n"]], measure: str, unit: str, limit: float
) -> Figure:
    """Cumulative share of each set's examples by distance to the nearest training example; limit:
    the median distance that makes a near-copy."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axis = figure.subplots()
    for name, values in nearest.items():
        ordered = np.sort(values[np.isfinite(values)])
        share = np.arange(1, len(ordered) + 1) / max(1, len(ordered))
        axis.step(ordered, share, where="post", label=name)
    axis.axvline(limit, color="0.4", linestyle=":", label="near-copy")
    axis.set(
        xlabel=f"distance to the nearest training {unit}, {measure}",
        ylabel="share of the set",
        ylim=(0, 1.02),
    )
    axis.set_xlim(left=0)
    axis.legend(fontsize=8)
    axis.grid(alpha=0.3)
    return figure


def shares(rows: Mapping[str, Mapping[str, Any]], unit: str) -> Figure:
    """Memorised share of every set with its interval, and what chance gives."""
    figure = Figure(figsize=(7, 0.8 + 0.4 * len(rows)), layout="constrained")
    axis = figure.subplots()
    for place, row in enumerate(rows.values()):
        axis.plot(
            [row["chance_low"], row["chance_high"]],
            [place, place],
            color="0.8",
            lw=10,
            solid_capstyle="butt",
        )
        axis.plot([row["chance"]] * 2, [place - 0.25, place + 0.25], color="0.4")
        axis.plot([row["low"], row["high"]], [place, place], color="C0")
        axis.plot(row["share"], place, "o", color="C0")
    axis.set(
        yticks=range(len(rows)),
        yticklabels=list(rows),
        xlim=(0, 1.02),
        xlabel=f"share nearest to a training {unit}; grey: chance",
    )
    axis.invert_yaxis()
    return figure


def memberships(scores: Mapping[str, tuple[Sequence[float], Sequence[float]]], unit: str) -> Figure:
    """What the model says of every group: of those that it was trained on, and of the others."""
    figure = Figure(figsize=(3.5 * max(1, len(scores)), 3), layout="constrained")
    axes = figure.subplots(1, max(1, len(scores)), squeeze=False)[0]
    for axis, (name, parts) in zip(axes, scores.items()):
        for place, values in enumerate(parts):
            spread = np.linspace(-0.15, 0.15, len(values)) if len(values) > 1 else np.zeros(1)
            axis.plot(place + spread, values, "o", color=f"C{place}", alpha=0.7, markersize=4)
        axis.set(xticks=(0, 1), xticklabels=("trained on", "held out"), xlim=(-0.5, 1.5))
        axis.set_title(f"{name}, higher: more like training", fontsize=8)
        axis.set_ylabel(f"mean of a {unit}")
        axis.grid(alpha=0.3)
    return figure
