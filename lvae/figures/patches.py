"""Pictures of the patch VAE: codes by label, the decoded manifold, reconstructions, heat maps."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lvae.figures.canvas import COLOURS, image_rows


def scatter(
    places: np.ndarray, labels: np.ndarray, names: Sequence[str], axes_names: str
) -> Figure:
    """Codes in two dimensions, coloured by label.

    Args:
      places: (N, 2).
      labels: (N,), 0 or 1.
      names: of the two labels.
      axes_names: what the axes are, such as "code" or "t-SNE".
    """
    figure = Figure(figsize=(6, 6.3), layout="constrained")
    axis = figure.subplots()
    area = float(np.clip(6000 / max(len(places), 1), 4, 30))  # points squared: few are drawn large
    for kind, name in enumerate(names):
        shown = places[labels == kind].T
        axis.scatter(*shown, s=area, alpha=0.6, color=COLOURS[kind], label=name, linewidths=0)
    axis.set_xlabel(f"{axes_names} 1")
    axis.set_ylabel(f"{axes_names} 2")
    figure.legend(loc="outside upper left", ncols=len(names))
    return figure


def patch_rows(rows: Sequence[np.ndarray], names: Sequence[str]) -> Figure:
    """Rows of patches, [0, 1]."""
    return image_rows([list(row) for row in rows], names, limits=(0, 1))


def montage(image: np.ndarray, heat: np.ndarray, threshold: float = 0.5, most: int = 16) -> Figure:
    """Axial slices of a volume with what was found outlined, above their heat maps.

    Args:
      image: (x, y, z) in [0, 1], axes to the right, front and top.
      heat: of the same shape, 0 to 1.
      threshold: what is above it is outlined.
      most: slices shown: half of them those with most above the threshold, the others evenly spaced
        over those that are not empty.
    """
    chosen = shown_slices(image, heat > threshold, most)
    columns = min(8, len(chosen))
    bands = -(-len(chosen) // columns)
    figure = Figure(figsize=(1.7 * columns + 0.8, 4.0 * bands), layout="constrained")
    axes = figure.subplots(2 * bands, columns, squeeze=False)
    shown: Any = None
    for axis in axes.ravel():
        axis.axis("off")
    inside = image[image > 0]
    white = min(1.0, 2.0 * float(np.percentile(inside, 90))) if len(inside) else 1.0
    for place, z in enumerate(chosen):
        above, below = axes[2 * (place // columns) :, place % columns][:2]
        above.imshow(image[:, :, z].T, origin="lower", cmap="gray", vmin=0, vmax=white)
        found = threshold < heat[:, :, z].T
        if found.any() and not found.all():
            above.contour(found, levels=[0.5], colors=[COLOURS[1]], linewidths=0.8)
        above.set_title(f"slice {z}", fontsize=10)
        shown = below.imshow(heat[:, :, z].T, origin="lower", cmap="magma", vmin=0, vmax=1)
    figure.colorbar(shown, ax=axes.ravel().tolist(), label="chance of a lesion", shrink=0.6)
    return figure


def shown_slices(image: np.ndarray, found: np.ndarray, most: int) -> list[int]:
    """Which slices a montage shows, from below."""
    filled = np.flatnonzero(image.any((0, 1)))
    if not len(filled):
        filled = np.arange(image.shape[2])
    sizes = found.sum((0, 1))
    largest = [int(z) for z in np.argsort(-sizes, kind="stable")[: most // 2] if sizes[z]]
    others = [int(z) for z in filled if z not in largest]
    count = min(most - len(largest), len(others))
    even = np.linspace(0, len(others) - 1, count).astype(int).tolist() if count else []
    return sorted({*largest, *(others[place] for place in even)})
