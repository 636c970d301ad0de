"""Points in, rays out: the network and the global step together."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int, Real

from lvae.grids.labelling import Labelling, PointEvidence, followed, label
from lvae.tasks.grids.registration_points.network import evidence
from lvae.tasks.grids.registration_points.settings import Settings
from lvae.tasks.grids.scale import scale_of
from lvae.tasks.task import Run

TOGETHER = 16  # frames, at most, that are labelled together where they follow each other in time
_FARTHEST = 0.35  # pitches between a point and itself in the next frame

Points = Real[np.ndarray, "_ 2"]


def match_points(
    run: Run[Settings],
    frames: Sequence[Points],
    known: Sequence[Mapping[int, int]] = (),
    in_time: bool = False,
) -> list[Labelling]:
    """The ray of every point of every frame, UNMATCHED for points that belong to none, and how
    certain that is.

    Args:
      run: a trained one.
      frames: x, y of the points of each frame, px of a frame of any size, in any order.
      known: for each frame what somebody has named: point -> ray, UNMATCHED for points of none. These
        stay, and the others are labelled to go with them.
      in_time: whether the frames follow each other. Then points are followed from frame to frame,
        and `TOGETHER` frames are labelled as one.
    """
    said = evidence(run, frames)
    if known:
        said = [one._replace(known=dict(names)) for one, names in zip(said, known, strict=True)]
    if not in_time:
        return [label([one])[0] for one in said]
    labelled: list[Labelling] = []
    for start in range(0, len(said), TOGETHER):
        labelled += _as_one(said[start : start + TOGETHER], frames[start : start + TOGETHER])
    return labelled


def own_rays(said: PointEvidence) -> Int[np.ndarray, " points"]:
    """The ray that the network gives each point by itself, before the global step."""
    return said.row.argmax(axis=1) * said.column.shape[1] + said.column.argmax(axis=1)


def _as_one(said: Sequence[PointEvidence], frames: Sequence[Points]) -> list[Labelling]:
    tracks = [
        followed(one, later, _FARTHEST * _pitch(one, first))
        for one, later, first in zip(frames, frames[1:], said)
    ]
    return label(said, tracks)


def _pitch(points: Points, said: PointEvidence) -> float:
    """px between neighbours in this frame: the median distance of linked points."""
    if not len(said.steps.first):
        return 0.0
    away: Float[np.ndarray, "pairs 2"] = points[said.steps.second] - points[said.steps.first]
    return float(np.median(np.linalg.norm(away, axis=1)))


def grid_shape(run: Run[Settings]) -> tuple[int, int]:
    """Rows and columns of the run's grid."""
    scale = scale_of(run.spec)
    return scale.rows, scale.columns
