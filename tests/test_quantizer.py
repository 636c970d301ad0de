"""Quantisation against NumPy, and the properties that a codebook must keep."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lvae.models import quantizer

RANDOM = np.random.default_rng(0)


def normal(*shape):
    return jnp.asarray(RANDOM.normal(size=shape), jnp.float32)


def test_nearest_is_the_brute_force_minimum():
    vectors, codes = normal(200, 5), normal(17, 5)
    distances = ((np.asarray(vectors)[:, None] - np.asarray(codes)[None]) ** 2).sum(-1)
    np.testing.assert_array_equal(quantizer.nearest(vectors, codes), distances.argmin(1))
    np.testing.assert_allclose(
        quantizer.squared_distances(vectors, codes), distances, rtol=1e-4, atol=1e-4
    )


def test_straight_through_has_the_value_of_one_and_the_gradient_of_the_other():
    vectors, codes = normal(6, 3), normal(4, 3)

    def loss(vectors, codes):
        chosen = codes[quantizer.nearest(vectors, codes)]
        return jnp.sum(quantizer.straight_through(vectors, chosen) ** 2)

    chosen = codes[quantizer.nearest(vectors, codes)]
    to_vectors, to_codes = jax.grad(loss, (0, 1))(vectors, codes)
    np.testing.assert_allclose(loss(vectors, codes), jnp.sum(chosen**2), rtol=1e-5)
    np.testing.assert_allclose(to_vectors, 2 * chosen, rtol=1e-5)
    np.testing.assert_array_equal(to_codes, jnp.zeros_like(codes))


def test_ema_update_is_the_written_out_average():
    vectors, start, decay = normal(30, 2), normal(4, 2), 0.9
    book = quantizer.codebook_from(start, 5.0)
    codes = quantizer.nearest(vectors, start)
    new = quantizer.ema_update(book, vectors, codes, decay)
    for code in range(4):
        mine = np.asarray(vectors)[np.asarray(codes) == code]
        count = decay * 5 + 0.1 * len(mine)
        total = decay * 5 * np.asarray(start[code]) + 0.1 * mine.sum(0)
        assert float(new["counts"][code]) == pytest.approx(count, rel=1e-5)
        np.testing.assert_allclose(new["codes"][code], total / count, rtol=1e-4, atol=1e-6)


def test_ema_update_leaves_an_unchosen_code_where_it_is():
    book = quantizer.codebook_from(jnp.asarray([[0.0, 0], [100, 100]]), 3.0)
    new = quantizer.ema_update(book, normal(8, 2), jnp.zeros(8, jnp.int32), 0.5)
    np.testing.assert_allclose(new["codes"][1], [100, 100], rtol=1e-6)


def test_ema_codebook_converges_to_the_means_of_what_chose_it():
    centres = jnp.asarray([[-5.0, 0], [5, 0], [0, 8]])
    vectors = jnp.repeat(centres, 40, 0) + 0.1 * normal(120, 2)
    book = quantizer.codebook_from(centres + 1.0, 1.0)
    for _ in range(60):
        book = quantizer.ema_update(book, vectors, quantizer.nearest(vectors, book["codes"]), 0.8)
    means = vectors.reshape(3, 40, 2).mean(1)
    np.testing.assert_allclose(book["codes"], means, atol=1e-4)  # 0.8^60 of the start is left


def test_kmeans_finds_separate_clusters_and_leaves_none_empty():
    centres = 10 * jnp.asarray(list(itertools.product((0.0, 1.0), repeat=3)))
    vectors = jnp.repeat(centres, 25, 0) + 0.1 * normal(200, 3)
    found = quantizer.kmeans(vectors, 8, jax.random.key(0), 20)
    codes = np.asarray(quantizer.nearest(vectors, found))
    assert sorted(np.bincount(codes, minlength=8)) == [25] * 8
    means = np.stack([np.asarray(vectors)[codes == code].mean(0) for code in range(8)])
    np.testing.assert_allclose(found, means, atol=1e-4)


def test_a_revived_code_survives_the_step():
    vectors = normal(64, 2)
    codes = jnp.concatenate([normal(3, 2), jnp.full((1, 2), 50.0)])
    book = quantizer.codebook_from(codes, 16.0)
    for _ in range(60):  # nothing chooses the far code: its count fades
        chosen = quantizer.nearest(vectors, book["codes"])
        book = quantizer.ema_update(book, vectors, chosen, 0.9)
    assert float(book["counts"][3]) < 0.2
    revived, moved = quantizer.revive(book, vectors, jax.random.key(0), 0.05)
    assert int(moved) == 1
    assert (np.asarray(vectors) == np.asarray(revived["codes"][3])).all(1).any()
    chosen = quantizer.nearest(vectors, revived["codes"])
    after = quantizer.ema_update(revived, vectors, chosen, 0.9)
    assert float(jnp.linalg.norm(after["codes"][3])) < 5  # not pulled back to 50
    assert (chosen == 3).any()
    assert int(quantizer.revive(after, vectors, jax.random.key(1), 0.05)[1]) == 0
    for field in ("codes", "counts", "sums"):  # the living are left alone
        np.testing.assert_array_equal(revived[field][:3], book[field][:3])


@pytest.mark.parametrize("levels", [(3, 5), (4, 3, 2), (8, 6)])
def test_fsq_takes_every_level_and_numbers_every_code_once(levels):
    codebook = np.asarray(quantizer.fsq_codebook(levels))
    assert len(np.unique(codebook, axis=0)) == quantizer.fsq_size(levels) == len(codebook)
    codes = quantizer.fsq_codes(jnp.asarray(codebook), levels)
    np.testing.assert_array_equal(codes, np.arange(len(codebook)))
    sweep = jnp.repeat(jnp.linspace(-6, 6, 2001)[:, None], len(levels), 1)
    quantised = np.asarray(quantizer.fsq_quantise(sweep, levels))
    for axis, count in enumerate(levels):
        found = np.unique(quantised[:, axis].round(5))
        assert len(found) == count
        np.testing.assert_allclose(found, np.unique(codebook[:, axis]), atol=1e-5)
        assert (np.diff(quantised[:, axis]) >= -1e-6).all()
    back = codebook[np.asarray(quantizer.fsq_codes(jnp.asarray(quantised), levels))]
    np.testing.assert_allclose(back, quantised, atol=1e-5)


def test_fsq_gradient_is_that_of_the_bounded_value():
    vectors = normal(5, 2)
    gradient = jax.grad(lambda v: quantizer.fsq_quantise(v, (5, 3)).sum())(vectors)
    # odd levels: d/dv tanh(v) reach / half, reach = (L - 1)(1 + 1e-3) / 2, half = (L - 1) / 2
    expected = (1 - np.tanh(np.asarray(vectors)) ** 2) * (1 + 1e-3)
    np.testing.assert_allclose(gradient, expected, rtol=1e-4)


def test_perplexity_and_used_share():
    counts = quantizer.uses(jnp.asarray([[0, 1], [2, 3], [0, 1]]), 8)
    np.testing.assert_array_equal(counts, [2, 2, 1, 1, 0, 0, 0, 0])
    shares = np.array([2, 2, 1, 1]) / 6
    expected = np.exp(-(shares * np.log(shares)).sum())
    assert float(quantizer.perplexity(counts)) == pytest.approx(expected, rel=1e-5)
    assert float(quantizer.used_share(counts)) == 0.5
    assert float(quantizer.perplexity(jnp.ones(7))) == pytest.approx(7, rel=1e-5)


def test_spread_is_zero_where_use_is_even_and_its_gradient_leaves_a_crowd():
    codes = jnp.asarray([[-1.0], [1.0]])
    even = jnp.asarray([[-1.1], [1.1]])
    crowd = jnp.asarray([[0.9], [1.1], [0.8], [1.2]])
    assert float(quantizer.spread(even, codes, 1.0)) == pytest.approx(0, abs=1e-4)
    assert float(quantizer.spread(crowd, codes, 1.0)) > 0.5
    step = jax.grad(lambda v: quantizer.spread(v, codes, 30.0))(crowd)
    assert (step > 0).all()  # descending moves all of them towards the code that none uses
    assert float(jnp.abs(jax.grad(lambda c: quantizer.spread(crowd, c, 1.0))(codes)).sum()) == 0
