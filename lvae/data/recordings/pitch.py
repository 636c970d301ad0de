"""The pitch of a set of grids: the unit of every other length."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Num


class Pitch(NamedTuple):
    """px. x: from column to column along a row. y: from row to row along a column."""

    x: float
    y: float


LASTEN_PITCH = Pitch(19.0, 23.0)  # of LASTEN's training frames, which are 768 x 768


def pitch(
    points: Num[np.ndarray, "*frames rows columns 2"],
    visible: Bool[np.ndarray, "*frames rows columns"],
) -> Pitch:
    """Median spacing of neighbours: |dx| along rows and |dy| along columns, px.

    Only neighbours that are both visible count, so that missing points do not widen it.

    Raises:
      ValueError: no two neighbours along rows, or none along columns, are visible.
    """
    along_rows = np.abs(np.diff(points[..., 0].astype(np.float64), axis=-1))
    along_columns = np.abs(np.diff(points[..., 1].astype(np.float64), axis=-2))
    both_x = visible[..., :, 1:] & visible[..., :, :-1]
    both_y = visible[..., 1:, :] & visible[..., :-1, :]
    if not (both_x.any() and both_y.any()):
        raise ValueError("no visible neighbours along rows or along columns: a grid has no pitch")
    return Pitch(float(np.median(along_rows[both_x])), float(np.median(along_columns[both_y])))
