"""Pictures of grids: reconstructions, the manifold, codes."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lvae.figures.canvas import COLOURS
from lvae.grids.rendering import frame_scale, render
from lvae.imaging.sheets import contact_sheet

Points = Float[np.ndarray, "grids rows columns 2"]
Visible = Bool[np.ndarray, "grids rows columns"]

# Inches: a frame's width, margins; a twentieth of the width is between frames.
_CELL, _LEFT, _RIGHT, _TOP, _BETWEEN = 1.6, 0.55, 0.02, 0.65, 0.1
_OTHERS = ("0.7", COLOURS[1])  # drawn samples, held-out frames: told apart by the colour-blind too


def reconstructions(
    points: Points,
    visible: Visible,
    decoded: Points,
    decoded_visible: Visible,
    ids: Int[np.ndarray, " grids"],
    size: tuple[int, int],
) -> Figure:
    """One column per frame: true and decoded points over each other (px), then both moving images,
    then the coordinate maps, true above decoded."""
    (width, height), count = size, len(points)
    rows, columns = visible.shape[1:]
    heights = [_CELL * height / width] * 3 + [_CELL * rows / columns] * 4
    wide = _LEFT + _CELL * (1.05 * count - 0.05) + _RIGHT
    high = _TOP + sum(heights) + _BETWEEN * len(heights)
    # One axis per row, the frames side by side in it: matplotlib takes 15 ms per axis.
    figure = Figure(figsize=(wide, high))
    ratios = {"hspace": _BETWEEN * len(heights) / sum(heights), "height_ratios": heights}
    axes = figure.subplots(len(heights), 1, gridspec_kw=ratios)
    figure.subplots_adjust(
        left=_LEFT / wide, right=1 - _RIGHT / wide, top=1 - _TOP / high, bottom=_BETWEEN / high
    )
    _draw_overlays(axes[0], points, visible, decoded, decoded_visible, size)
    axes[0].set_xticks(
        (1.05 * np.arange(count) + 0.5) * width, [f"frame {number}" for number in ids]
    )
    axes[0].xaxis.tick_top()
    figure.legend(loc="upper left", ncols=2, markerscale=3)
    true, guessed = visible[..., None], decoded_visible[..., None]
    true_maps = np.where(true, points, np.nan)
    decoded_maps = np.where(guessed, decoded, np.nan)
    images = {
        "moving image, true": _moving_images(points, visible, size),
        "moving image, decoded": _moving_images(decoded, decoded_visible, size),
    }
    for axis, (label, cells) in zip(axes[1:3], images.items()):
        axis.imshow(_side_by_side(cells), cmap="gray", vmin=0, vmax=255, aspect="auto")
        axis.set_ylabel(label.replace(", ", "\n"))
    for axis, label in zip(axes[3:], ("x, true", "x, decoded", "y, true", "y, decoded")):
        place, grids = "xy".index(label[0]), decoded_maps if "decoded" in label else true_maps
        seen = points[visible][:, place]
        low, high = (seen.min(), seen.max()) if len(seen) else (0, 1)
        # Row 0 is the bottom row.
        row = _side_by_side(list(grids[..., place]))
        axis.imshow(row, origin="lower", vmin=low, vmax=high, aspect="auto")
        axis.set_ylabel(label.replace(", ", "\n"))
    for axis in axes:
        axis.set(yticks=[])
        axis.spines[:].set_visible(False)
    for axis in axes[1:]:
        axis.set(xticks=[])
    return figure


def _moving_images(
    points: Points, visible: Visible, size: tuple[int, int]
) -> list[UInt8[np.ndarray, "_ _"]]:
    scale = frame_scale(size)
    drawn = zip(points, visible)
    return [_small(render(grid, seen, size, scale=scale)) for grid, seen in drawn]


def _side_by_side(images: Sequence[np.ndarray]) -> np.ndarray:
    """With a gap of a twentieth between them; gaps stay empty."""
    gap = np.full((images[0].shape[0], max(1, images[0].shape[1] // 20)), np.nan)
    parts = [part for image in images for part in (image.astype(np.float32), gap)]
    return np.concatenate(parts[:-1], axis=1)


def _small(image: UInt8[np.ndarray, "height width"]) -> UInt8[np.ndarray, "_ _"]:
    """At most 192 pixels along a side; shrinking dims the dots, which are lifted again."""
    return contact_sheet([image], largest=192, gap=0, lift=1.6)


def _draw_overlays(
    axis: Axes,
    points: Points,
    visible: Visible,
    decoded: Points,
    decoded_visible: Visible,
    size: tuple[int, int],
) -> None:
    """True points as circles, decoded ones as dots, joined where they belong together."""
    width, height = size
    step = width * 1.05
    shift = np.arange(len(points))[:, None, None, None] * np.array([step, 0.0])
    points, decoded, both = points + shift, decoded + shift, visible & decoded_visible
    pairs = np.stack([points[both], decoded[both], np.full((both.sum(), 2), np.nan)], axis=1)
    axis.plot(*pairs.reshape(-1, 2).T, "-", color="gray", linewidth=0.5)  # one line, with breaks
    true, guess = COLOURS[:2]
    axis.plot(*points[visible].T, "o", mfc="none", mec=true, ms=2.5, mew=0.5, label="true point")
    axis.plot(*decoded[decoded_visible].T, ".", color=guess, ms=1.5, label="decoded point")
    axis.set(xlim=(0, step * len(points) - 0.05 * width), ylim=(height, 0), ylabel="points")
    axis.vlines(shift[1:, 0, 0, 0] - 0.025 * width, 0, height, color="lightgray", linewidth=1)
    axis.tick_params(length=0)


def manifold_sheet(
    points: Points, visible: Visible, size: tuple[int, int]
) -> UInt8[np.ndarray, "height width"]:
    """Moving images in a square sheet, row by row."""
    scale = frame_scale(size)
    images = [render(grid, seen, size, scale=scale) for grid, seen in zip(points, visible)]
    side = round(len(points) ** 0.5)
    return contact_sheet(images, side, largest=192, gap=2, ground=64, lift=1.6)


def code_map(
    codes: Mapping[str, Float[np.ndarray, "_ latents"]],
    recording: Int[np.ndarray, " frames"],
) -> Figure:
    """The two principal components of the codes of training frames, and other codes among them.

    Args:
      codes: by name, those of training frames first; they alone decide the components.
      recording: of the training frames; each has its own shade.
    """
    first, *others = codes
    centre = codes[first].mean(axis=0)
    deviations = codes[first] - centre
    _, spread, components = np.linalg.svd(deviations, full_matrices=False)
    shares = spread**2 / max(float((spread**2).sum()), 1e-12)
    figure = Figure(figsize=(7.5, 5), layout="constrained")
    axis = figure.subplots()
    for name, colour in zip(others, _OTHERS):
        axis.scatter(*((codes[name] - centre) @ components[:2].T).T, s=9, c=colour, label=name)
    places, numbers = deviations @ components[:2].T, np.unique(recording, return_inverse=True)[1]
    axis.scatter(*places.T, s=26, c=numbers, cmap="viridis", linewidths=0.4, edgecolors="white")
    axis.plot([], [], "o", color="#21918c", label=f"{first}, shaded by recording")
    axis.set_xlabel(f"first component ({shares[0]:.0%} of the variance of training codes)")
    axis.set_ylabel(f"second component ({shares[1]:.0%})" if len(shares) > 1 else "")
    figure.legend(loc="outside upper left", ncols=len(codes))
    axis.grid()
    return figure
