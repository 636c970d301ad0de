"""New grids from old: each ingredient does what its number says."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lvae.data.recordings.pitch import Pitch
from lvae.models.ordered_grid import posed_grid
from lvae.tasks.grids.scale import Scale
from lvae.tasks.grids.vae.augmentation import Shaped, augment, to_shaped, warps
from lvae.tasks.grids.vae.settings import AugmentationSettings

OFF = AugmentationSettings(
    mirror=0.0,
    shift=0.0,
    mix=0.0,
    mix_reach=0.0,
    warp_x=0.0,
    warp_y=0.0,
    warp_order=4,
    warp_decay=1.0,
    linear=0.0,
    translation=0.0,
    dropout=0.0,
    jitter=0.0,
)


# A pitch of 1 px, so that lengths are px; 18 points span what the config's lengths are for.
SCALE = Scale((768, 768), Pitch(1.0, 1.0), 18, 18)


@pytest.fixture
def frames():
    generator = np.random.default_rng(0)
    pose = np.array([[380.0, 400.0], [170.0, 10.0], [-15.0, 210.0]]) + np.zeros((64, 3, 2))
    points = np.asarray(posed_grid(jnp.asarray(pose, jnp.float32), 18, 18))
    points = points + generator.normal(size=points.shape).astype(np.float32)
    visible = generator.uniform(size=(64, 18, 18)) < 0.9
    return jnp.asarray(points), jnp.asarray(visible)


def drawn(frames, **changes):
    points, visible = frames
    shaped = to_shaped(points, points, visible)
    center = jnp.mean(shaped.pose[:, 0], axis=0)
    return augment(jax.random.key(1), shaped, center, SCALE, dataclasses.replace(OFF, **changes))


def test_all_off_gives_the_frames_back_about_the_mean_place(frames):
    points, visible = drawn(frames)
    moved = points - frames[0]
    # Each frame is moved as a whole, to the common center.
    np.testing.assert_allclose(moved, moved[:, :1, :1] + jnp.zeros_like(moved), atol=2e-3)
    np.testing.assert_array_equal(visible, frames[1])


def test_mirrored_twice_is_the_frame_and_once_exchanges_columns(frames):
    _, visible = drawn(frames, mirror=1.0)
    np.testing.assert_array_equal(visible, frames[1][:, :, ::-1])
    points, _ = drawn(frames, mirror=1.0)
    assert np.diff(np.asarray(points)[..., 0], axis=2).min() > 0  # still in order


def test_linear_maps_and_places_have_the_spread_asked_for(frames):
    points, visible = drawn(frames, linear=0.1, translation=30.0)
    pose = np.asarray(to_shaped(points, points, visible).pose)
    # 64 draws: a spread is known to a tenth; three times that is allowed.
    assert pose[:, 0].std(axis=0) == pytest.approx(30.0, rel=0.3)
    assert pose[:, 1, 0].std() == pytest.approx(0.1 * 170, rel=0.3)


def test_dropout_hides_at_most_its_share_and_never_shows(frames):
    _, visible = drawn(frames, dropout=0.5)
    assert not np.any(np.asarray(visible) & ~np.asarray(frames[1]))
    hidden = 1 - np.asarray(visible).sum() / np.asarray(frames[1]).sum()
    assert hidden == pytest.approx(0.25, abs=0.05)  # the mean of U(0, 0.5)


def test_mixing_stays_between_the_shapes_without_reach(frames):
    points, _ = drawn(frames, mix=1.0)
    shaped = to_shaped(frames[0], frames[0], frames[1])
    got = np.asarray(points - posed_grid(shaped.pose, 18, 18))
    got = got - got.mean(axis=(1, 2), keepdims=True)
    shapes = np.asarray(shaped.shape - shaped.shape.mean(axis=(1, 2), keepdims=True))
    assert np.all(got <= shapes.max(axis=0) + 1e-3)
    assert np.all(got >= shapes.min(axis=0) - 1e-3)
    assert not np.allclose(got, shapes, atol=0.1)


def test_warps_have_the_variance_of_their_cosines():
    settings = dataclasses.replace(OFF, warp_x=2.0, warp_y=10.0, warp_decay=1.5)
    fields = np.asarray(warps(jax.random.key(0), 4000, SCALE, settings))
    number = np.arange(4)
    length = np.hypot(number[:, None], number[None])
    # The cosines are orthogonal and of mean square 1: variances add up.
    expected = np.sum((1 + length) ** -3.0)
    measured = (fields**2).mean(axis=(0, 1, 2))
    np.testing.assert_allclose(measured, expected * np.array([4.0, 100.0]), rtol=0.05)


def test_same_key_same_grids(frames):
    first = drawn(frames, linear=0.1, mirror=0.5, mix=0.5, shift=0.2, warp_y=5.0, jitter=0.3)
    second = drawn(frames, linear=0.1, mirror=0.5, mix=0.5, shift=0.2, warp_y=5.0, jitter=0.3)
    np.testing.assert_array_equal(first[0], second[0])
    assert np.all(np.isfinite(first[0]))


@pytest.mark.parametrize(("rows", "columns"), [(5, 5), (7, 31), (64, 10)])
def test_lengths_follow_the_pitch_and_warps_the_whole_grid(rows, columns):
    """A finer grid over the same tissue bends by as many px; the cosines are no more than points."""
    settings = dataclasses.replace(OFF, warp_x=0.1, warp_y=0.4, warp_order=8, warp_decay=1.5)
    pitch = Pitch(17 * 20.0 / (columns - 1), 17 * 10.0 / (rows - 1))  # as wide as 18 at 20 px
    scale = Scale((768, 768), pitch, rows, columns)
    fields = np.asarray(warps(jax.random.key(0), 2000, scale, settings))
    assert fields.shape == (2000, rows, columns, 2)
    number_y, number_x = np.arange(min(8, rows)), np.arange(min(8, columns))
    expected = np.sum((1 + np.hypot(number_y[:, None], number_x[None])) ** -3.0)
    measured = (fields**2).mean(axis=(0, 1, 2))
    # 2,000 fields of few amplitudes each: a variance is known to 5 %, twice that is allowed.
    np.testing.assert_allclose(measured, expected * np.array([2.0, 4.0]) ** 2, rtol=0.1)


def test_shift_is_a_share_of_the_grid(frames):
    """A shape that counts columns says by how many it was moved: at most 2 of 18, both ways."""
    _, visible = frames
    column = np.broadcast_to(np.arange(18.0)[None, None, :], (64, 18, 18))
    shape = jnp.asarray(np.stack([column, 0 * column], -1), jnp.float32)
    shaped = Shaped(jnp.zeros((64, 3, 2)), shape, visible)
    settings = dataclasses.replace(OFF, shift=0.11)
    moved, _ = augment(jax.random.key(1), shaped, jnp.zeros(2), SCALE, settings)
    steps = np.asarray(moved)[:, 0, 8, 0] - 8
    assert set(np.unique(steps.round(3)).tolist()) == {-2.0, -1.0, 0.0, 1.0, 2.0}
