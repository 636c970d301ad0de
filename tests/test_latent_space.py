"""Codes chosen by hand, and what is laid over grids: closed forms."""

import numpy as np
import pytest

from lvae.errors import UserError
from lvae.tasks.exploring import Control, checked
from lvae.tasks.grids import layers
from lvae.tasks.latent_space import (
    CodeOptions,
    chosen_codes,
    code_options,
    controls,
    latent_space,
    shifts,
)

RANDOM = np.random.default_rng(0)
MEAN = RANDOM.normal(size=(50, 4)).astype(np.float32) * np.array([3, 1, 0.5, 0], np.float32)
DEVIATION = np.tile(np.array([0.1, 0.5, 0.2, 1], np.float32), (50, 1))
SPACE = latent_space([str(n) for n in range(50)], ["a"] * 50, MEAN, DEVIATION)


def codes(count=1, **options):
    """Of sample indices 0, 1, ...; prior and noise are their own index."""
    own = lambda indices: np.repeat(indices[:, None], 4, axis=1).astype(np.float32)  # noqa: E731
    return chosen_codes(SPACE, CodeOptions(**options), own, own, np.arange(count))


def test_the_unit_of_moves_is_the_deviation_of_all_drawn_codes():
    drawn = MEAN + DEVIATION * RANDOM.normal(size=(20_000, 50, 4))
    np.testing.assert_allclose(SPACE.spread, drawn.reshape(-1, 4).std(axis=0), rtol=0.01)


def test_codes_start_from_examples_and_are_moved():
    np.testing.assert_array_equal(codes(example="7")[0], MEAN[7])
    moved = codes(example="7", shift="2:-1.5,0:2")[0] - MEAN[7]
    np.testing.assert_allclose(moved, SPACE.spread * [2, 0, -1.5, 0], rtol=1e-5, atol=1e-6)
    between = codes(example="7", toward="9", share=0.25)[0]
    np.testing.assert_allclose(between, 0.75 * MEAN[7] + 0.25 * MEAN[9], rtol=1e-5, atol=1e-6)
    several = codes(3, example="7", factor=2.0)
    expected = MEAN[7] + 2 * DEVIATION[7] * np.arange(3)[:, None]
    np.testing.assert_allclose(several, expected, rtol=1e-5)


def test_codes_of_the_prior_are_those_of_its_samples():
    np.testing.assert_array_equal(codes(2, number=5), np.repeat([[5.0], [6.0]], 4, axis=1))


@pytest.mark.parametrize("text", ["4:1", "-1:1", "1", "1:x", "1:nan", "a:1", "1:1,"])
def test_a_move_that_is_none_is_refused(text):
    with pytest.raises(UserError, match="--shift="):
        shifts(text, 4)


def test_an_unknown_example_is_refused():
    with pytest.raises(UserError, match=r"--toward=50: no such example"):
        codes(example="7", toward="50")


def test_controls_come_by_what_they_carry_and_say_which_are_dead():
    offered = [control for control in controls(SPACE) if control.group == "codes"]
    carried = 0.5 * (MEAN**2 + DEVIATION**2 - 1 - 2 * np.log(DEVIATION)).mean(axis=0)
    assert [control.name for control in offered] == [f"z{n}" for n in np.argsort(-carried)]
    assert [control.faint for control in offered] == [False, False, False, True]
    assert offered[-1].note == "dead: 0.00 nats"


def test_options_of_a_state_leave_out_what_has_no_effect():
    offered = controls(SPACE)
    state = checked(offered, {"z2": 1.25, "share": 0.75, "number": 3, "factor": 0.5})
    assert code_options(state, 4) == {"example": "0", "shift": "2:1.25", "factor": 0.5}
    state = checked(offered, {"example": "", "share": 0.75, "number": 3})
    assert code_options(state, 4) == {"number": 3}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("z0", value) for value in (4.5, float("nan"), True, "1")),
        *(("seed", value) for value in (0.5, -1)),
        *(("example", 1), ("zz", 0.0), ("kind", "c"), ("on", 1)),
    ],
)
def test_values_that_a_control_does_not_take_are_refused(name, value):
    offered = [*controls(SPACE), Control("kind", "", "a", choices=("a", "b"))]
    with pytest.raises(UserError, match=name):
        checked([*offered, Control("on", "", True)], {name: value})


def test_layers_of_a_small_grid():
    """3 x 3 points 10 px apart, row 0 below; one missing, one out of order both ways."""
    x, y = np.meshgrid([10.0, 20, 30], [30.0, 20, 10])
    points = np.stack([x, y], axis=-1)
    visible = np.ones((3, 3), bool)
    assert len(layers.grid_lines(points, visible)) == 12
    assert len(layers.out_of_order(points, visible)) == 0
    points[1, 1] = [31, 31]  # beyond its right neighbour, and below its lower one
    wrong = layers.out_of_order(points, visible)
    np.testing.assert_array_equal(wrong, [[31, 31, 30, 20], [20, 30, 31, 31]])
    visible[1, 1] = False
    assert len(layers.out_of_order(points, visible)) == 0
    assert len(layers.grid_lines(points, visible)) == 8
    found = {layer.name: layer for layer in layers.of_grid(points, visible)}
    assert found["missing"].texts == ["row 1, column 1: x 31, y 31, missing"]
    distances = np.full((3, 3), np.nan)
    distances[0, 2], distances[2, 2] = 3.1, 2.9
    (far,) = layers.far_off(points, distances, 3.0).texts
    assert far == "row 0, column 2: x 30, y 30, 3.1 px off its epipolar line"
