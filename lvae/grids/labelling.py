"""One labelling of all points of a frame, or of several in a row: the global step of a matcher.

A network says of every point which row and column it is likely of, and of neighbouring points how
many rows and columns lie between them. The labels that agree best with all of it are those of a
Markov random field; max-product belief propagation ([pearl1988]) finds them, rows and columns
apart. As all steps are about neighbours, a point cannot be a row off without breaking with all of
them: what one point does not know its neighbours do. Points that are followed from frame to frame
are neighbours, too, no step apart. At last every point gets a ray of its own, or none, by
assignment ([crouse2016]).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Real
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree
from scipy.special import log_expit, log_softmax, softmax

UNMATCHED = -1

# Points' own logits are read off their neighbours too: counted in full they would count twice.
_OWN_WEIGHT = 0.3
_FLOOR = -6.0  # log of the least chance of any step: wrong about one in 400, never surer
_ROUNDS = 10  # of messages; more change nothing on LASTEN
_DAMPING = 0.1  # share of the last round's message that stays
_NEVER = -1e3  # log of a chance beyond the grid's edge
_WORST = -60.0  # log of the least chance of a ray, so that a sum of many stays exact
_LOST = -9.0  # log of the chance that two points of a track are not the same; on LASTEN 1 of 23,494
_LEAST_FOLLOWED = 0.8  # of a frame's points; of two frames that have nothing in common, 0.4 are


# Frames differ in their number of points, so these have no name in the shapes of lists of frames.
class Steps(NamedTuple):
    """Pairs of neighbouring points, and what is known of each pair.

    first, second: of the points. row, column: logits that the second lies -n, ..., n rows and
    columns farther than the first.
    """

    first: Int[np.ndarray, " _"]
    second: Int[np.ndarray, " _"]
    row: Float[np.ndarray, "_ steps"]
    column: Float[np.ndarray, "_ steps"]


class PointEvidence(NamedTuple):
    """What is known of a frame's points.

    row, column: logits of every point's own. belongs: logit that it belongs to any ray. steps:
    between neighbours. possible: rays that a point can belong to, where a calibration says so.
    known: rays of points that somebody has named; UNMATCHED for points that belong to none.
    """

    row: Float[np.ndarray, "_ rows"]
    column: Float[np.ndarray, "_ columns"]
    belongs: Float[np.ndarray, " _"]
    steps: Steps
    possible: Bool[np.ndarray, "_ rays"] | None = None
    known: Mapping[int, int] = {}


class Labelling(NamedTuple):
    """ray: of every point, row * columns + column; UNMATCHED for those that belong to none.
    certainty: of every point, 0 to 1, that its label is right."""

    ray: Int[np.ndarray, " _"]
    certainty: Float[np.ndarray, " _"]


def label(
    frames: Sequence[PointEvidence],
    tracks: Sequence[Int[np.ndarray, "_ 2"]] = (),
) -> list[Labelling]:
    """The rays of the points of frames.

    Args:
      frames: of one recording, in their order.
      tracks: from each frame to the next one, see `followed`; none: each frame for itself.
    """
    starts = np.cumsum([0, *(len(frame.row) for frame in frames)])
    if not starts[-1]:
        return [Labelling(np.zeros(0, int), np.zeros(0)) for _ in frames]
    steps = _joined(frames, tracks, starts)
    likely = []
    for axis in ("row", "column"):
        own = np.concatenate([_own(frame, axis) for frame in frames])
        likely.append(log_softmax(beliefs(own, steps, getattr(steps, axis)), axis=1))
    return [
        _assigned(frame, likely[0][first:last], likely[1][first:last])
        for frame, first, last in zip(frames, starts[:-1], starts[1:])
    ]


def followed(
    points: Real[np.ndarray, "points 2"],
    later: Real[np.ndarray, "later 2"],
    farthest: float,
) -> Int[np.ndarray, "tracks 2"]:
    """Points and the same ones in the next frame: each the other's nearest, `farthest` px away at
    most. None at all where fewer than 80 % of the points are found again: then the frames are no
    neighbours in time."""
    nothing = np.zeros((0, 2), int)
    if not len(points) or not len(later):
        return nothing
    distance, there = cKDTree(later).query(points)
    _, back = cKDTree(points).query(later)
    own = np.arange(len(points))
    kept = (back[there] == own) & (distance <= farthest)
    if kept.sum() < _LEAST_FOLLOWED * min(len(points), len(later)):
        return nothing
    return np.stack([own[kept], there[kept]], axis=1)


def beliefs(
    own: Float[np.ndarray, "points labels"],
    steps: Steps,
    chances: Float[np.ndarray, "pairs steps"],
) -> Float[np.ndarray, "points labels"]:
    """Logarithm of each label's chance if all other points take the labels that suit it best.

    Args:
      own: logarithm of what each point says itself.
      steps: the pairs.
      chances: logarithm of those of the pairs' steps, along rows or along columns.
    """
    labels, pairs, reach = own.shape[1], len(steps.first), chances.shape[1] // 2
    own = own.astype(np.float32)
    if not pairs:
        return own
    known = chances.astype(np.float32)
    # Messages go both ways: pair p's to its second point is p, to its first pairs + p.
    sender = np.concatenate([steps.first, steps.second])
    receiver = np.concatenate([steps.second, steps.first])
    step = np.concatenate([known, known[:, ::-1]])
    farther = step.min(axis=1, keepdims=True)  # chance of any step that is not among these
    back = np.concatenate([np.arange(pairs, 2 * pairs), np.arange(pairs)])
    order = np.argsort(receiver, kind="stable")
    starts = np.flatnonzero(np.diff(receiver[order], prepend=-1))
    receivers = receiver[order][starts]
    message: Float[np.ndarray, "messages labels"] = np.zeros((2 * pairs, labels), np.float32)
    padded = np.full((2 * pairs, labels + 2 * reach), _NEVER, np.float32)

    def summed() -> Float[np.ndarray, "points labels"]:
        total = own.copy()
        total[receivers] += np.add.reduceat(message[order], starts, axis=0)
        return total

    for _ in range(_ROUNDS):
        sent = summed()[sender] - message[back]
        padded[:, reach : reach + labels] = sent
        new = np.repeat(sent.max(axis=1, keepdims=True) + farther, labels, axis=1)
        for place in range(2 * reach + 1):
            first = 2 * reach - place
            np.maximum(new, padded[:, first : first + labels] + step[:, place, None], out=new)
        new -= new.max(axis=1, keepdims=True)
        message = _DAMPING * message + (1 - _DAMPING) * new
    return summed()


def _own(frame: PointEvidence, axis: str) -> Float[np.ndarray, "points labels"]:
    """What points say of themselves; that of named points is certain."""
    own = _OWN_WEIGHT * log_softmax(getattr(frame, axis), axis=1)
    columns = frame.column.shape[1]
    for point, ray in frame.known.items():
        if ray != UNMATCHED:
            own[point] = _WORST
            own[point, ray // columns if axis == "row" else ray % columns] = 0.0
    return own


def _joined(
    frames: Sequence[PointEvidence],
    tracks: Sequence[Int[np.ndarray, "_ 2"]],
    starts: Int[np.ndarray, " frames_and_one"],
) -> Steps:
    """The pairs of all frames, and those between frames, points counted through."""
    parts = [
        _without(frame.steps, frame.known)._replace(
            first=frame.steps.first + start, second=frame.steps.second + start
        )
        for frame, start in zip(frames, starts)
    ]
    first, second, row, column = (np.concatenate(part) for part in zip(*parts))
    within = _merged(Steps(first, second, log_softmax(row, axis=1), log_softmax(column, axis=1)))
    parts = [
        within._replace(
            row=np.maximum(within.row, _FLOOR), column=np.maximum(within.column, _FLOOR)
        )
    ]
    for track, start, after in zip(tracks, starts, starts[1:]):
        same = np.full((len(track), row.shape[1]), _LOST)
        same[:, row.shape[1] // 2] = 0.0
        parts.append(Steps(track[:, 0] + start, track[:, 1] + after, same, same))
    return Steps(*(np.concatenate(part) for part in zip(*parts)))


def _merged(steps: Steps) -> Steps:
    """Each pair once, the second point the later one: what is known of it from both of its sides is
    multiplied."""
    turned = (steps.first > steps.second)[:, None]
    row, column = (np.where(turned, part[:, ::-1], part) for part in (steps.row, steps.column))
    ends = np.sort(np.stack([steps.first, steps.second], axis=1), axis=1)
    order = np.lexsort((ends[:, 1], ends[:, 0]))
    ends = ends[order]
    new = np.any(np.diff(ends, axis=0, prepend=-1) != 0, axis=1)
    starts = np.flatnonzero(new)
    row, column = (np.add.reduceat(part[order], starts, axis=0) for part in (row, column))
    return Steps(ends[starts, 0], ends[starts, 1], row, column)


def _without(steps: Steps, known: Mapping[int, int]) -> Steps:
    """The same pairs; those of points that belong to no ray say nothing."""
    stray = [point for point, ray in known.items() if ray == UNMATCHED]
    silent = np.isin(steps.first, stray) | np.isin(steps.second, stray)
    if not silent.any():
        return steps
    row, column = (np.where(silent[:, None], 0.0, part) for part in (steps.row, steps.column))
    return steps._replace(row=row, column=column)


def _assigned(
    frame: PointEvidence,
    row: Float[np.ndarray, "points rows"],
    column: Float[np.ndarray, "points columns"],
) -> Labelling:
    """A ray of its own for every point, or none, the product of all chances the greatest possible."""
    count = len(row)
    joint = (row[:, :, None] + column[:, None]).reshape(count, -1)
    # To its best ray: a point is not left out because many are likely.
    joint = np.maximum(joint - joint.max(axis=1, keepdims=True), _WORST)
    if frame.possible is not None:
        joint = np.where(frame.possible, joint, 2 * _WORST)
    belongs = frame.belongs.astype(np.float64).copy()
    for point, ray in frame.known.items():
        belongs[point] = -np.inf if ray == UNMATCHED else np.inf
        joint[point] = 4 * _WORST
        joint[point, max(ray, 0)] = 0.0
    # A column of its own for every point, to belong to no ray.
    stays, goes = (np.maximum(log_expit(sign * belongs), 4 * _WORST) for sign in (1, -1))
    none = np.full((count, count), 10 * _WORST)
    np.fill_diagonal(none, goes)
    worth = np.concatenate([joint + stays[:, None], none], axis=1)
    points, chosen = linear_sum_assignment(worth, maximize=True)
    rays = joint.shape[1]
    matched = chosen < rays
    chance = softmax(joint, axis=1)[points, np.minimum(chosen, rays - 1)]
    certainty = np.where(matched, np.exp(stays) * chance, np.exp(goes))
    return Labelling(np.where(matched, chosen, UNMATCHED), certainty)
