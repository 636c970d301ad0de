"""The network on points: canonical places, links between neighbours, and what order does not change."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lvae.models import point_network
from lvae.models.point_network import Links, PointNetwork, canonical, find_links, twice

quick = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
ROWS, COLUMNS = 7, 9


def regular(turn=0.0):
    """Rows up and columns to the right, about 0, in pitches, turned."""
    row, column = np.mgrid[:ROWS, :COLUMNS]
    grid = np.stack([column - (COLUMNS - 1) / 2, row - (ROWS - 1) / 2], -1).reshape(-1, 2)
    return grid @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])


def in_canonical(points, present=None):
    present = np.ones(len(points), bool) if present is None else present
    return np.asarray(
        canonical(jnp.asarray(points[None], jnp.float32), jnp.asarray(present[None]), ROWS, COLUMNS)
    )[0]


def test_stretching_and_place_are_taken_away():
    points = regular() * [12.0, -31.0] + [400, 200]
    np.testing.assert_allclose(in_canonical(points), regular(), atol=1e-3)


def test_of_an_affine_view_only_a_turn_is_left():
    """Whitened grids are turned copies of each other, whatever the map."""
    square = regular() / np.sqrt([(COLUMNS**2 - 1) / 12, (ROWS**2 - 1) / 12])
    shear = np.array([[19.0, 2.0], [5.0, -23.0]])
    found = in_canonical(regular() @ shear + [300, 500])
    white = found / np.sqrt([(COLUMNS**2 - 1) / 12, (ROWS**2 - 1) / 12])
    np.testing.assert_allclose(white @ white.T, square @ square.T, atol=1e-3)


def test_absent_points_count_for_nothing():
    points = regular() * [20.0, -20.0]
    present = np.arange(len(points)) % 5 != 0
    moved = np.where(present[:, None], points, [9e3, -9e3])
    np.testing.assert_allclose(
        in_canonical(points, present), in_canonical(moved, present), atol=1e-4
    )
    assert np.all(in_canonical(points, present)[~present] == 0)


@pytest.mark.parametrize("points", [np.zeros((5, 2)), np.arange(10.0).reshape(5, 2)])
def test_points_on_a_line_or_in_one_place_give_numbers(points):
    assert np.isfinite(in_canonical(points)).all()


def test_links_of_a_regular_grid_are_its_neighbours():
    places = jnp.asarray(regular()[None], jnp.float32)
    present = jnp.ones((1, ROWS * COLUMNS), bool)
    links = jax.tree.map(np.asarray, quick(find_links)(places, present))
    steps = [(0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1)]
    for point in range(ROWS * COLUMNS):
        row, column = divmod(point, COLUMNS)
        for direction, (up, right) in enumerate(steps):
            inside = 0 <= row + up < ROWS and 0 <= column + right < COLUMNS
            if inside:
                assert links.linked[0, point, direction]
                assert links.neighbour[0, point, direction] == point + up * COLUMNS + right


def test_links_are_the_nearest_in_their_cone():
    """Against every pair, one by one."""
    rng = np.random.default_rng(0)
    places = rng.uniform(-4, 4, (40, 2)).astype(np.float32)
    present = rng.random(40) < 0.8
    links = jax.tree.map(
        lambda array: np.asarray(array)[0],
        quick(find_links)(jnp.asarray(places[None]), jnp.asarray(present[None])),
    )
    for direction in range(8):
        angle = direction * np.pi / 4
        away = places[None] - places[:, None]
        along = away @ [np.cos(angle), np.sin(angle)]
        beside = np.abs(away @ [-np.sin(angle), np.cos(angle)])
        cost = np.where((along > 1.2 * beside) & (along > 0.05), along + 1.5 * beside, np.inf)
        cost[:, ~present] = np.inf
        expected = present & (cost.min(1) < 4)
        np.testing.assert_array_equal(links.linked[:, direction], expected)
        chosen = links.neighbour[:, direction]
        # Costs are compared in steps of 2 ** -21 pitches.
        best = cost[np.arange(40), chosen][expected]
        np.testing.assert_allclose(best, cost.min(1)[expected], atol=1e-5)


def test_two_links_one_after_the_other():
    #        0 -> 1 -> 2    3
    links = Links(
        jnp.array([1, 2, 0, 0]).reshape(1, 4, 1),
        jnp.array([True, True, False, False]).reshape(1, 4, 1),
    )
    both = twice(links)
    assert both.linked[0, :, 0].tolist() == [True, False, False, False]
    assert both.neighbour[0, 0, 0] == 2


@pytest.fixture(scope="module")
def applied():
    module = PointNetwork(ROWS, COLUMNS, features=8, doublings=(0, 1, 0), summaries=2)
    frame = jnp.zeros((1, 70, 2)), jnp.ones((1, 70), bool)
    params = quick(module.init)(jax.random.key(0), *frame)["params"]
    # Heads start at 0; here they must say something.
    params = jax.tree.map(
        lambda leaf: leaf + 0.1 * jnp.cos(jnp.arange(leaf.size)).reshape(leaf.shape), params
    )
    return quick(lambda *arrays: module.apply({"params": params}, *arrays))


def frame_of(rng):
    points = np.zeros((70, 2), np.float32)
    points[: ROWS * COLUMNS] = regular(0.1) * [21, -19] + rng.normal(0, 1.5, (ROWS * COLUMNS, 2))
    present = np.arange(70) < ROWS * COLUMNS
    return points, present & (rng.random(70) < 0.9)


def test_the_order_of_points_and_empty_places_do_not_matter(applied):
    points, present = frame_of(np.random.default_rng(1))
    order = np.random.default_rng(2).permutation(70)
    one = jax.tree.map(np.asarray, applied(points[None], present[None]))
    other = jax.tree.map(np.asarray, applied(points[order][None], present[order][None]))
    seen = present[order]
    for name in ("row", "column", "belongs", "step"):
        expected = getattr(one, name)[0][order][seen]
        np.testing.assert_allclose(getattr(other, name)[0][seen], expected, atol=2e-3)


def test_size_and_place_of_the_frame_do_not_matter(applied):
    points, present = frame_of(np.random.default_rng(3))
    one = applied(points[None], present[None])
    other = applied((points * 2.5 + 300)[None], present[None])
    np.testing.assert_allclose(other.row[0][present], one.row[0][present], atol=2e-2)


def test_an_untrained_network_says_the_nearest_row_and_column():
    module = PointNetwork(ROWS, COLUMNS, features=8, doublings=(0,), summaries=0)
    frame = jnp.asarray(regular()[None] * [20, -20], jnp.float32), jnp.ones((1, 63), bool)
    said = quick(lambda key: module.apply(module.init(key, *frame), *frame))(jax.random.key(0))
    row, column = np.divmod(np.arange(63), COLUMNS)
    np.testing.assert_array_equal(said.row[0].argmax(-1), row)
    np.testing.assert_array_equal(said.column[0].argmax(-1), column)
    assert said.step.shape == (1, 63, 8, 2, 2 * point_network.REACH + 1)
