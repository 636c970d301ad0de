"""The global step: exact where it can be, one row apart never, corrections kept, points followed."""

import itertools

import numpy as np
import pytest

from lvae.grids import labelling
from lvae.grids.labelling import UNMATCHED, PointEvidence, Steps, beliefs, followed, label

ROWS, COLUMNS = 6, 5
RAYS = np.arange(ROWS * COLUMNS)


def one_hot(values, count, sure):
    return sure * (np.arange(count) == np.asarray(values)[:, None]).astype(float)


def steps_of(rays, sure=6.0, lost=()):
    """Between neighbours along rows and columns of these points, told rightly."""
    row, column = np.divmod(rays, COLUMNS)
    pairs = [
        (one, other)
        for one, other in itertools.permutations(range(len(rays)), 2)
        if abs(row[one] - row[other]) + abs(column[one] - column[other]) == 1
        and (one, other) not in lost
    ]
    first, second = np.array(pairs).T
    return Steps(
        first,
        second,
        one_hot(row[second] - row[first] + 2, 5, sure),
        one_hot(column[second] - column[first] + 2, 5, sure),
    )


def evidence(rays, said=None, sure=2.0, **more):
    """Points of `rays` whose own logits are for `said`."""
    row, column = np.divmod(rays if said is None else said, COLUMNS)
    return PointEvidence(
        one_hot(row, ROWS, sure),
        one_hot(column, COLUMNS, sure),
        np.full(len(rays), 3.0),
        steps_of(rays),
    )._replace(**more)


def test_beliefs_on_a_tree_are_exact():
    """A star and a tail, every labelling tried: max-product is exact where there are no loops."""
    rng = np.random.default_rng(0)
    own, logits = rng.normal(size=(5, 4)), rng.normal(size=(4, 5)) * 3
    steps = Steps(np.array([0, 0, 0, 3]), np.array([1, 2, 3, 4]), logits, logits)
    chance = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    found = beliefs(own, steps, chance)
    best = np.full((5, 4), -np.inf)
    for labels in itertools.product(range(4), repeat=5):
        total = sum(own[point, one] for point, one in enumerate(labels))
        for pair, (one, other) in enumerate(zip(steps.first, steps.second)):
            step = labels[other] - labels[one]
            said = chance[pair, step + 2] if abs(step) <= 2 else -np.inf
            total += max(said, labelling._FLOOR)
        for point, one in enumerate(labels):
            best[point, one] = max(best[point, one], total)
    # The longest way is three pairs; after it each round leaves a tenth of the distance: 0.1 ** 7.
    np.testing.assert_allclose(
        found - found.max(1, keepdims=True), best - best.max(1, keepdims=True), atol=1e-4
    )


def test_a_column_that_is_a_row_off_is_put_right():
    """Its points are sure of the wrong row; all steps say otherwise."""
    said = np.where(RAYS % COLUMNS == 2, np.minimum(RAYS + COLUMNS, RAYS[-1] - 2), RAYS)
    assert (said != RAYS).sum() == ROWS - 1
    np.testing.assert_array_equal(label([evidence(RAYS, said)])[0].ray, RAYS)


def test_wrong_steps_are_outvoted():
    steps = steps_of(RAYS)
    row = steps.row.copy()
    row[::7] = np.roll(row[::7], 1, axis=1)
    found = label([evidence(RAYS, steps=steps._replace(row=row))])[0]
    np.testing.assert_array_equal(found.ray, RAYS)


def test_every_ray_once_and_points_of_no_ray_are_left_out():
    rays = np.append(RAYS, [7, 7, 12])  # three more points at places that others have
    said = evidence(rays, steps=steps_of(RAYS))
    belongs = np.append(np.full(len(RAYS), 3.0), [-4.0, 0.0, -4.0])
    found = label([said._replace(belongs=belongs)])[0]
    np.testing.assert_array_equal(found.ray, np.append(RAYS, [UNMATCHED] * 3))
    assert np.all((found.certainty >= 0) & (found.certainty <= 1))


def test_what_somebody_named_stays_and_draws_its_neighbours_along():
    """Nobody knows a row; one named point tells all."""
    blank = evidence(RAYS)._replace(row=np.zeros((len(RAYS), ROWS)))
    kept = RAYS[COLUMNS:]  # without the bottom row: two placements fit
    part = blank._replace(
        row=np.zeros((len(kept), ROWS)),
        column=one_hot(kept % COLUMNS, COLUMNS, 2.0),
        belongs=np.full(len(kept), 3.0),
        steps=steps_of(kept),
    )
    for known in (kept[3], kept[3] - COLUMNS):
        found = label([part._replace(known={3: int(known)})])[0]
        np.testing.assert_array_equal(found.ray - known, kept - kept[3])
    out = label([part._replace(known={3: UNMATCHED, 4: int(kept[4])})])[0]
    assert out.ray[3] == UNMATCHED
    np.testing.assert_array_equal(np.delete(out.ray, 3), np.delete(kept, 3))


def test_a_frame_learns_from_the_next_one():
    """Its own points know nothing of their rows; followed points do."""
    kept = RAYS[COLUMNS:]
    blank = evidence(kept)._replace(row=np.zeros((len(kept), ROWS)))
    order = np.random.default_rng(0).permutation(len(kept))
    track = np.stack([np.arange(len(kept)), np.argsort(order)], axis=1)
    first, second = label([blank, evidence(kept[order])], [track])
    np.testing.assert_array_equal(first.ray, kept)
    np.testing.assert_array_equal(second.ray, kept[order])


def test_a_track_is_surer_than_what_a_frame_says_of_itself():
    """A frame that is sure of a row too much, in each step and point of a column, yields to the frames
    on both sides; within one frame nothing speaks against it."""
    kept = RAYS[RAYS // COLUMNS < ROWS - 1]
    # Of the middle column the last point is missing, so that a row too much fits, too.
    kept = kept[kept != RAYS[2 + COLUMNS * (ROWS - 2)]]
    off = np.where(kept % COLUMNS == 2, kept + COLUMNS, kept)
    right = evidence(kept)
    row = off // COLUMNS
    steps = right.steps
    misled = right._replace(
        row=one_hot(row, ROWS, 2.0),
        steps=steps._replace(row=one_hot(row[steps.second] - row[steps.first] + 2, 5, 6.0)),
    )
    np.testing.assert_array_equal(label([misled])[0].ray, off)
    track = np.stack([np.arange(len(kept))] * 2, axis=1)
    found = label([right, right, misled, right, right], [track] * 4)
    np.testing.assert_array_equal(found[2].ray, kept)


def test_rays_that_a_calibration_excludes_are_not_given():
    possible = np.ones((len(RAYS), len(RAYS)), bool)
    possible[3, 3] = False
    found = label([evidence(RAYS, possible=possible)])[0]
    assert found.ray[3] != 3
    np.testing.assert_array_equal(np.delete(found.ray, 3), np.delete(RAYS, 3))


def test_points_are_followed_to_the_next_frame_or_not_at_all():
    rng = np.random.default_rng(0)
    points = np.stack(np.meshgrid(np.arange(10.0), np.arange(10.0)), -1).reshape(-1, 2) * 20
    order = rng.permutation(100)[:95]
    later = points[order] + rng.uniform(-3, 3, (95, 2))
    track = followed(points, later, 7.0)
    assert len(track) == 95
    np.testing.assert_array_equal(order[track[:, 1]], track[:, 0])
    elsewhere = rng.uniform(0, 200, (100, 2))
    assert len(followed(points, elsewhere, 7.0)) == 0
    assert followed(points, np.zeros((0, 2)), 7.0).shape == (0, 2)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_hardly_any_points(count):
    steps = Steps(np.zeros(0, int), np.zeros(0, int), np.zeros((0, 5)), np.zeros((0, 5)))
    few = PointEvidence(
        np.zeros((count, ROWS)), np.zeros((count, COLUMNS)), np.full(count, 3.0), steps
    )
    found = label([few])[0]
    assert len(set(found.ray.tolist()) - {UNMATCHED}) == len(found.certainty) == count


def test_more_points_than_rays():
    rays = np.concatenate([RAYS, RAYS])
    found = label([evidence(rays, steps=steps_of(RAYS))])[0]
    matched = found.ray[found.ray != UNMATCHED]
    assert len(matched) == len(set(matched.tolist())) <= len(RAYS)
