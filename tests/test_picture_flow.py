"""A flow of pictures: against a normal distribution, whose flow is known; holes; what is cut and read."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from lvae.models import picture_evidence, picture_flow
from lvae.models.picture_flow import FlowNetwork
from lvae.tasks.brain.prior import picturing

MEAN, DEVIATION = 0.7, 0.4


def posterior_mean(x, time):
    """The best guess where pictures are white noise of this mean and deviation."""
    at = time[:, None, None]
    share = (1 - at) * DEVIATION**2 / ((1 - at) ** 2 * DEVIATION**2 + at**2)
    return MEAN + share * (x - (1 - at) * MEAN)


def test_noise_flows_to_the_distribution_of_the_pictures():
    """Of a normal distribution the flow's end is known: the same noise, scaled and shifted."""
    noise = jax.random.normal(jax.random.key(0), (3, 8, 8))
    expected = MEAN + DEVIATION * noise
    errors = [
        float(jnp.abs(picture_flow.drawn(posterior_mean, noise, steps) - expected).max())
        for steps in (16, 32, 64)
    ]
    assert errors[0] < 0.05
    # second order: half the step, a quarter of the error; the first step alone is of first order
    assert errors[0] / errors[1] > 3
    assert errors[1] / errors[2] > 3


def test_the_loss_is_the_error_of_the_velocity():
    pictures, key = jax.random.normal(jax.random.key(1), (64, 4, 4)), jax.random.key(2)
    seen = {}

    def off_by(error):
        def guess(mixtures, times):
            seen.update(mixtures=mixtures, times=times)
            return pictures + error

        return guess

    assert float(picture_flow.losses(off_by(0.0), pictures, key).max()) == 0
    found = picture_flow.losses(off_by(0.3), pictures, key)
    times = seen["times"][:, None, None]
    np.testing.assert_allclose(
        found, (0.3 / np.maximum(seen["times"], picture_flow.NEAREST)) ** 2, rtol=1e-4
    )
    # a velocity guessed from the mixture is off by as much: x - guess over t, less e - x
    noise = (seen["mixtures"] - (1 - times) * pictures) / times
    velocity = (seen["mixtures"] - (pictures + 0.3)) / times
    far = np.asarray(seen["times"]) > picture_flow.NEAREST
    error = np.mean((velocity - (noise - pictures)) ** 2, axis=(1, 2))
    np.testing.assert_allclose(error[far], np.asarray(found)[far], rtol=1e-3)
    assert 0.4 < float(seen["times"].mean()) < 0.6


def test_what_is_seen_stays_and_each_step_starts_from_its_mixture():
    noise = jax.random.normal(jax.random.key(0), (2, 8, 8))
    known = jnp.full((2, 8, 8), 5.0)
    seen = jnp.zeros((2, 8, 8), bool).at[:, :4].set(True)
    given = []

    def guess(x, time):
        given.append((x, float(time[0])))
        return posterior_mean(x, time)

    found = picture_flow.drawn(guess, noise, 4, (known, seen))
    np.testing.assert_array_equal(found[:, :4], 5.0)
    free = picture_flow.drawn(posterior_mean, noise, 4)
    np.testing.assert_allclose(found[:, 4:], free[:, 4:], rtol=1e-5)  # each pixel for itself here
    for x, time in given[1:]:
        np.testing.assert_allclose(
            x[:, :4], (1 - time) * 5.0 + time * noise[:, :4], rtol=1e-5, atol=1e-6
        )


def test_the_network_starts_at_nothing_and_sees_everywhere():
    module = FlowNetwork((4, 8, 8), blocks=1)
    x, plan = jax.random.normal(jax.random.key(0), (2, 16, 24)), jnp.ones((2, 8, 12))
    time = jnp.full(2, 0.5)
    params = jax.jit(module.init)(jax.random.key(1), x, plan, time, time)
    apply = jax.jit(module.apply)
    assert not np.any(apply(params, x, plan, time, time))
    # away from the start: every pixel of the plan has a say in every corner
    random = np.random.default_rng(0)
    moved = jax.tree.map(
        lambda leaf: leaf + 0.1 * random.normal(size=leaf.shape).astype(np.float32), params
    )
    corner = jax.grad(lambda part: apply(moved, x, part, time, time)[0, 0, 0])(plan)
    assert (corner[0] != 0).all()
    assert not corner[1].any()


def test_the_window_holds_slices_and_their_mirror_images():
    images = np.zeros((2, 64, 64), np.uint8)
    images[0, 10:30, 8:20] = 200
    images[1, 12:50, 20:30] = 200
    first, rows, left, columns = picturing.window_of(images, (16, 16))
    assert rows % picturing.UNIT == columns % picturing.UNIT == 0
    assert 4 * first <= 10
    assert 4 * (first + rows) >= 50
    assert left == 16 - (left + columns)
    assert 4 * left <= 8
    assert picturing.window_of(np.zeros((1, 64, 64), np.uint8), (16, 16)) == (0, 16, 0, 16)
    with pytest.raises(ValueError, match="multiples of 4"):
        picturing.window_of(np.zeros((1, 60, 60), np.uint8), (15, 15))


def test_pictures_are_read_code_by_code():
    pictures = np.arange(64.0).reshape(1, 8, 8)
    plan = np.zeros((1, 4, 4, 2))
    plan[..., 1] = 0.25
    read = picturing.as_read(np, pictures, plan)
    np.testing.assert_array_equal(read[0, 1, 2], [*pictures[0, 2:4, 4:6].ravel(), 1, 0.25])
    images = np.repeat(np.repeat(pictures, 2, 1), 2, 2)
    np.testing.assert_array_equal(picturing.of_slices(images, (4, 4)), pictures)
    plan[..., 0] = 3.0
    np.testing.assert_array_equal(picturing.widened(plan)[0, 0, 0], [3, 3, 3, 3, 0, 0.25])


def test_evidence_is_the_normal_density_of_the_blocks_of_each_code():
    random = np.random.default_rng(0)
    means, codes = np.array([[0.2, 0.3], [0.7, 0.3], [0.5, 0.9]]), random.integers(0, 3, (40, 8, 8))
    codes[codes == 2] = 1  # a code that is never used
    blocks = means[codes] + 0.1 * random.normal(size=(40, 8, 8, 2))
    params = picture_evidence.block_statistics(codes, blocks, 3)
    error = 4 * 0.1 / np.sqrt(1000)
    np.testing.assert_allclose(params["mean"][:2], means[:2], atol=error + 2e-3)
    np.testing.assert_allclose(np.exp(params["log_deviation"][:2]), 0.1, rtol=0.1)
    assert np.isfinite(params["mean"][2]).all()
    module = picture_evidence.PictureEvidence(3, 2)
    seen = np.asarray(blocks[:2], np.float32)
    shown = np.stack([np.ones((8, 8, 1)), np.zeros((8, 8, 1))]).astype(np.float32)
    logits = module.apply({"params": params}, jnp.asarray(seen), jnp.asarray(shown))
    # differences of codes in one place: what does not depend on the code is left out
    density = norm.logpdf(seen[0, :, :, None], params["mean"], np.exp(params["log_deviation"])).sum(
        -1
    )
    np.testing.assert_allclose(
        logits[0] - logits[0, ..., :1], density - density[..., :1], rtol=1e-3, atol=1e-3
    )
    assert not np.any(logits[1])
