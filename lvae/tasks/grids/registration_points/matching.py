"""Points in, rays out: the network and the global step together."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from lvae.grids.labelling import UNMATCHED, Labelling, PointEvidence, followed, label
from lvae.tasks.grids.calibrated import possible_rays
from lvae.tasks.grids.registration_points.network import evidence
from lvae.tasks.grids.registration_points.settings import Settings
from lvae.tasks.task import Json, Run

TOGETHER = 16  # frames, at most, that are labelled together where they follow each other in time
BEFORE = 4  # frames before and after them that are looked at, too
SURE = 0.9  # certainty below which a label is listed to be looked at
_FARTHEST = 0.35  # pitches between a point and itself in the next frame

Points = Real[np.ndarray, "_ 2"]


def match_points(
    run: Run[Settings],
    frames: Sequence[Points],
    known: Sequence[Mapping[int, int]] = (),
    in_time: bool = False,
    epipolar: bool = True,
) -> list[Labelling]:
    """The ray of every point of every frame, UNMATCHED for points that belong to none, and how
    certain that is.

    Args:
      run: a trained one.
      frames: x, y of the points of each frame, px of a frame of any size, in any order.
      known: for each frame what somebody has named: point -> ray, UNMATCHED for points of none. These
        stay, and the others are labelled to go with them.
      in_time: whether the frames follow each other. Then points are followed from frame to frame,
        and `TOGETHER` frames are labelled as one, with up to `BEFORE` on either side.
      epipolar: whether points get rays only that the run's calibration allows, where it has one.
    """
    said = _all_evidence(run, frames, known, epipolar)
    if not in_time:
        return [label([one])[0] for one in said]
    labelled: list[Labelling] = []
    for start in range(0, len(said), TOGETHER):
        end = min(start + TOGETHER, len(said))
        first, last = with_neighbours(start, end, len(said))
        labelled += _as_one(said[first:last], frames[first:last])[start - first : end - first]
    return labelled


def with_neighbours(start: int, end: int, count: int) -> tuple[int, int]:
    """The frames that frames `start` to `end` of `count` are labelled with."""
    return max(0, start - BEFORE), min(count, end + BEFORE)


def match_as_one(
    run: Run[Settings],
    frames: Sequence[Points],
    known: Sequence[Mapping[int, int]] = (),
    epipolar: bool = True,
) -> list[Labelling]:
    """`match_points` of frames that follow each other, any number of them labelled as one."""
    return _as_one(_all_evidence(run, frames, known, epipolar), frames)


def unsure(labelled: Labelling) -> Bool[np.ndarray, " points"]:
    """Points that have a ray, but not for sure."""
    return (labelled.ray != UNMATCHED) & (labelled.certainty < SURE)


def facts_of(points: Points, labelled: Labelling) -> dict[str, Json]:
    """What the manifest says of a frame."""
    ray, certainty = labelled
    matched = ray != UNMATCHED
    sure = certainty[matched]
    return {
        "left_out": points[~matched].tolist(),
        "certainty": round(float(sure.mean()), 4) if len(sure) else None,
        "least_certainty": round(float(sure.min()), 4) if len(sure) else None,
        "unsure": sorted(ray[unsure(labelled)].tolist()),
    }


def own_rays(said: PointEvidence) -> Int[np.ndarray, " points"]:
    """The ray that the network gives each point by itself, before the global step."""
    return said.row.argmax(axis=1) * said.column.shape[1] + said.column.argmax(axis=1)


def _all_evidence(
    run: Run[Settings],
    frames: Sequence[Points],
    known: Sequence[Mapping[int, int]],
    epipolar: bool,
) -> list[PointEvidence]:
    """What the network, the calibration and somebody's names say."""
    said = evidence(run, frames)
    if known:
        said = [one._replace(known=dict(names)) for one, names in zip(said, known, strict=True)]
    if epipolar:
        said = [
            one._replace(possible=possible_rays(run.spec, points))
            for one, points in zip(said, frames)
        ]
    return said


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
