"""The units of a set of recordings, measured once on its training frames and kept in spec.json.

Grids of other systems differ in their frames' size, in their pitch and in the number of their
points. What a config says of single points and their neighbours (gap, noise) is in pitches; what it
says of the whole grid (warps, its place) is in pitches of a grid of 18 x 18 points as wide and as
high as this one, so that tissue bends as much under any grid.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from lvae.data.recordings.pitch import Pitch, pitch
from lvae.data.recordings.precision import MOST_DECIMALS, decimals
from lvae.errors import UserError
from lvae.grids.rendering import frame_scale
from lvae.tasks.task import Spec, Split

_STEPS = 17  # between the 18 points of a row or column of the grid that configs are written for


class Scale(NamedTuple):
    """Hashable: a static argument of compiled programs.

    frame: width and height, px. pitch: px. rows, columns: of the grid.
    """

    frame: tuple[int, int]
    pitch: Pitch
    rows: int
    columns: int

    @property
    def point(self) -> float:
        """px that are 1 for lengths of single points without a direction."""
        return self.pitch.mean

    @property
    def whole(self) -> Pitch:
        """px along x and y that are 1 for lengths of the whole grid."""
        along_x = self.pitch.x * (self.columns - 1) / _STEPS
        return Pitch(along_x, self.pitch.y * (self.rows - 1) / _STEPS)

    @property
    def rendering(self) -> float:
        """Of the blurs and the margin of moving images."""
        return frame_scale(self.frame)

    def in_pitches(self, difference: np.ndarray) -> Float[np.ndarray, "*any 2"]:
        """Differences in px, x and y, each in its own pitch."""
        return difference / np.array(self.pitch)


def measured(train: Split, frame: tuple[int, int], where: str) -> dict[str, Any]:
    """The facts of spec.json.

    Args:
      train: points and visible of the frames that the pitch is that of.
      frame: width and height, px.
      where: the frames are from, for messages.

    Raises:
      UserError: no two neighbours are visible.
    """
    try:
        spacing = pitch(train["points"], train["visible"])
    except ValueError as error:
        raise UserError(f"{where}: {error}; check the labels") from error
    digits = decimals(train["points"], train["visible"])
    return {"frame": list(frame), "pitch": list(spacing), "decimals": digits}


def scale_of(spec: Spec) -> Scale:
    """The scale of a run.

    Raises:
      UserError: the run is from before scales were measured, or spec.json is damaged.
    """
    rows, columns = spec.fields["visible"].shape
    frame, spacing = _numbers(spec.facts, "frame"), _numbers(spec.facts, "pitch")
    return Scale((int(frame[0]), int(frame[1])), Pitch(*spacing), rows, columns)


def decimals_of(spec: Spec) -> int:
    """Digits behind the point that the training frames' coordinates have; 0 where a run of before
    does not say.

    Raises:
      UserError: spec.json is damaged.
    """
    digits = spec.facts.get("decimals", 0)
    if type(digits) is not int or not 0 <= digits <= MOST_DECIMALS:
        raise UserError(
            f"spec.json: decimals is {digits!r}, expected 0 to {MOST_DECIMALS}; train again"
        )
    return digits


def _numbers(facts: Mapping[str, Any], name: str) -> tuple[float, float]:
    match facts.get(name):
        case [int() | float() as x, int() | float() as y] if min(x, y) > 0 and max(x, y) < math.inf:
            return float(x), float(y)
        case values:
            raise UserError(f"spec.json: {name} is {values!r}, expected two numbers; train again")
