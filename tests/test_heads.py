"""Where the head is, before and after a volume's values were shifted."""

import numpy as np
import pytest

from lvae.data.heads import head_of, shift_of, unshifted, warning_of


def stripped(seed=0):
    """A skull-stripped ball of 60 to 200 in a background of 0, and where it is."""
    random = np.random.default_rng(seed)
    x, y, z = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in (24, 24, 18)), indexing="ij")
    brain = (x / 9) ** 2 + (y / 9) ** 2 + (z / 7) ** 2 < 1
    values = random.uniform(60, 200, brain.shape).astype(np.float32)
    return np.where(brain, values, np.float32(0)), brain


@pytest.mark.parametrize("kind", ["inside", "everywhere", "to -1 and 1", "far below"])
def test_the_head_is_the_same_after_a_shift(kind):
    array, brain = stripped()
    mean, deviation = array[brain].mean(), array[brain].std()
    shifted = {
        "inside": np.where(brain, (array - mean) / deviation, 0),
        "everywhere": (array - array.mean()) / array.std(),
        "to -1 and 1": array / 100 - 1,
        "far below": array - 1000,
    }[kind].astype(np.float32)
    np.testing.assert_array_equal(head_of(array), brain)
    np.testing.assert_array_equal(head_of(shifted), brain)
    back = unshifted(shifted)
    assert not back[~brain].any()
    assert back[brain].min() == pytest.approx(0.25 * np.percentile(back[brain], 99), rel=1e-4)
    # the order of brightness and the distances in it stay
    slope, offset = np.polyfit(array[brain], back[brain], 1)
    np.testing.assert_allclose(back[brain], slope * array[brain] + offset, rtol=1e-3)
    assert warning_of(shifted) is None


def test_plain_volumes_are_left_alone():
    array, _ = stripped()
    assert unshifted(array) is array
    ringing = array.copy()
    ringing[array == 0] = -0.01  # constant but near: what an interpolation leaves
    ringing[0, 0] = 0
    assert shift_of(ringing).background is None
    assert shift_of(ringing).share == 0
    assert unshifted(ringing) is ringing


def test_values_below_zero_around_no_constant_are_warned_of_with_their_share():
    array, _ = stripped()
    noise = np.random.default_rng(1).normal(0, 5, array.shape)
    shifted = (array + noise - 130).astype(np.float32)  # a head with its noisy surroundings
    share = 100 * (shifted < -0.05 * np.percentile(np.abs(shifted), 99)).mean()
    assert warning_of(shifted) == (
        f"{share:.1f} % of its voxels are below zero and count as background"
    )
    assert unshifted(shifted) is shifted


def test_volumes_of_one_value():
    for value in (0.0, -3.0, 5.0):
        array = np.full((4, 4, 4), value, np.float32)
        assert head_of(array).all() == (value > 0)
        assert head_of(array).any() == (value > 0)
