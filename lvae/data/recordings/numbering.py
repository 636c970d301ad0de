"""Whether the points of frames in the LASTEN layout are numbered as the config says.

A frame of another grid, or one whose rows are counted from the top, has keys that fit, and points
that do not: neighbours are then out of order, and a network learns nonsense without a word.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from lvae.data.problems import Problems
from lvae.data.recordings.frames import Frames
from lvae.data.recordings.orientation import (
    LEAST_ORDERED,
    Orientation,
    find_orientation,
    ordered_share,
)

_SHOWN = 40  # frames that other numberings are tried on
_LEAST_PAIRS = 100  # of visible neighbours; fewer say nothing about 99 %
_FEWEST, _MOST = 5, 64  # columns


def check_numbering(frames: Frames, folder: Path, found: Problems) -> None:
    """Notes a problem where another numbering puts 99 % of the neighbours in order and this one does
    not; a warning where none does, or where the grid has rows or columns that no frame shows."""
    points, visible = frames.points, frames.visible
    share = ordered_share(points, visible)
    rows, columns = visible.shape[1:]
    wrong = f"{share:.1%} of neighbouring points are in order (x growing along rows, y falling along columns)"
    pairs = (visible[..., 1:] & visible[..., :-1]).sum() + (visible[:, 1:] & visible[:, :-1]).sum()
    if share < LEAST_ORDERED and pairs >= _LEAST_PAIRS:
        some = np.unique(np.linspace(0, len(points) - 1, _SHOWN).astype(int))
        points, visible = points[some], visible[some]
        orientation, best = find_orientation(points, visible)
        other = _other_grid(points, visible)
        if best >= LEAST_ORDERED:
            found.add(folder, wrong, f"number {_numbered(orientation)}: then {best:.1%} are")
        elif other is not None:
            found.add(
                folder,
                f"{wrong} in a grid of {rows} x {columns}",
                f"give --config.data.rows={other[0]} --config.data.columns={other[1]}: then "
                f"{other[2]:.1%} are",
            )
        else:
            found.warn(
                folder, wrong, "look at the numbers of the points, if this is not as it is meant"
            )
        return
    if not visible.any():
        return
    used = [int(np.flatnonzero(visible.any(axis=axes))[-1]) + 1 for axes in ((0, 2), (0, 1))]
    if used != [rows, columns]:
        found.warn(
            folder,
            f"the last {rows - used[0]} rows and {columns - used[1]} columns of the grid of {rows} x "
            f"{columns} have no point in any frame",
            f"if the grid has fewer, give --config.data.rows={used[0]} "
            f"--config.data.columns={used[1]}",
        )


def _numbered(orientation: Orientation) -> str:
    """What is to be changed, in words."""
    words = {
        "transposed": "along the other axis first",
        "rows_flipped": "rows from the bottom of the image",
        "columns_flipped": "columns from the left",
    }
    return ", ".join(text for name, text in words.items() if getattr(orientation, name))


def _other_grid(
    points: Float[np.ndarray, "frames rows columns 2"],
    visible: Bool[np.ndarray, "frames rows columns"],
) -> tuple[int, int, float] | None:
    """Rows and columns under which the same keys are in order, and the share of neighbours that
    are; None where there are none."""
    count, _, columns = visible.shape
    flat, seen = points.reshape(count, -1, 2), visible.reshape(count, -1)
    last = int(np.flatnonzero(seen.any(axis=0))[-1])
    found = []
    for other in range(_FEWEST, _MOST + 1):
        height = -(-(last + 1) // other)
        if other == columns or height < _FEWEST:
            continue
        some = min(seen.shape[1], height * other)
        grid, mask = np.zeros((count, height * other, 2)), np.zeros((count, height * other), bool)
        grid[:, :some], mask[:, :some] = flat[:, :some], seen[:, :some]
        shape = (count, height, other)
        share = ordered_share(grid.reshape(*shape, 2), mask.reshape(shape))
        found.append((share, height, other))
    share, height, other = max(found, default=(0.0, 0, 0))
    return (height, other, share) if share >= LEAST_ORDERED else None
