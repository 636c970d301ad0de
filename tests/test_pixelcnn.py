"""Priors over code maps: distributions that look back only; the two samplers agree."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import pixelcnn_brain
from lvae.configuration import parse
from lvae.models import pixelcnn, raster_sampling
from lvae.models.causal_layers import causal_mask
from lvae.models.pixelcnn_blocks import block_kinds
from lvae.tasks.brain.prior.network import build
from lvae.tasks.brain.prior.settings import Settings

SHAPES = {
    "reference": dict(features=8, embedding=0, kernel=7, blocks="RR", heads=1),
    "gated": dict(features=8, embedding=3, kernel=5, blocks="GAG", heads=2, places=True),
    "tied": dict(features=8, embedding=3, kernel=3, blocks="G2G", heads=1, places=True, tied=True),
}


def small(name, size=3, grid=(3, 4)):
    options = {"places": False, "tied": False, **SHAPES[name]}
    return pixelcnn.PixelCNN(size=size, grid=grid, dropout=0.0, **options)


def randomised(model, seed=0):
    """Parameters in which nothing is zero, so that no leak can hide behind a zero start."""
    codes = jax.ShapeDtypeStruct((1, *model.grid), jnp.int32)
    shapes = jax.eval_shape(model.init, jax.random.key(seed), codes)["params"]
    random = np.random.default_rng(seed)

    def draw(leaf):
        scale = np.prod(leaf.shape[:-1]) ** -0.5 if len(leaf.shape) > 1 else 0.3
        return jnp.asarray(scale * random.normal(size=leaf.shape), jnp.float32)

    return jax.tree.map(draw, shapes)


def test_masks_of_the_two_kinds():
    np.testing.assert_array_equal(causal_mask(3, "A"), [[1, 1, 1], [1, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(causal_mask(3, "B"), [[1, 1, 1], [1, 1, 0], [0, 0, 0]])
    with pytest.raises(ValueError, match="'A' or 'B'"):
        causal_mask(3, "C")


def blame(model, params):
    """(N, N): how much the logits of one position move with the vector of another."""
    vectors = jax.random.normal(jax.random.key(1), (1, *model.grid, model.embedding or model.size))
    jacobian = jax.jit(
        jax.jacrev(
            lambda v: model.apply({"params": params}, v, method="logits").sum(-1).reshape(-1)
        )
    )(vectors)
    return np.abs(np.asarray(jacobian)).sum(-1).reshape(jacobian.shape[0], -1)


@pytest.mark.parametrize("name", SHAPES)
def test_no_logit_depends_on_its_own_or_a_later_code(name):
    model = small(name)
    moved = blame(model, randomised(model))
    assert (np.triu(moved) == 0).all()
    before = np.tril(np.ones_like(moved), -1) > 0
    if "A" in model.blocks:  # attention: earlier codes count wherever they are
        assert (moved[before] > 0).mean() > 0.9
    else:
        assert (np.diag(moved, -1)[np.arange(len(moved) - 1) % 4 != 3] > 0).all()


@pytest.mark.parametrize("argument", [None, "reference", "smoke"])
def test_the_shipped_configs_are_causal(argument):
    config = pixelcnn_brain.get_config(argument)
    config.model.features = 8  # masks do not know the width, and compiling does
    model = build(parse(Settings, config).model, codes=5, grid=(4, 5))
    moved = blame(model, randomised(model))
    assert (np.triu(moved) == 0).all()
    assert (moved[-1, :-1] > 0).any()


@functools.partial(jax.jit, static_argnums=0)
def likelihoods(model, params, maps):
    return pixelcnn.log_likelihood(model.apply({"params": params}, maps), maps)


cached = jax.jit(raster_sampling.sample_cached, static_argnums=(0, 6, 7))


def sample_naive(model, params, keys, codes, redraw, temperature, top_k, min_p):
    """The definition of `sample_cached`: the whole network once per position."""
    columns = codes.shape[2]

    def one(index, codes):
        row, column = index // columns, index % columns
        logits = model.apply({"params": params}, codes)[:, row, column]
        noise = raster_sampling._noise(keys, index, model.size)
        drawn = raster_sampling.draw(logits, noise, temperature, top_k, min_p)
        kept = jnp.where(redraw[:, row, column], drawn, codes[:, row, column])
        return codes.at[:, row, column].set(kept)

    return jax.lax.fori_loop(0, codes.shape[1] * columns, one, codes)


naive = jax.jit(sample_naive, static_argnums=(0, 6, 7))


@pytest.mark.parametrize("name", SHAPES)
def test_likelihoods_of_all_maps_add_up_to_one(name):
    model = small(name, size=3, grid=(2, 3))
    params = randomised(model)
    maps = jnp.asarray(list(itertools.product(range(3), repeat=6))).reshape(-1, 2, 3)
    logs = likelihoods(model, params, maps)
    assert float(jnp.exp(logs.sum((1, 2))).sum()) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "temperature", "top_k", "min_p"),
    [
        ("reference", 1.0, 0, 0.0),
        ("gated", 1.0, 0, 0.0),
        ("gated", 0.7, 2, 0.0),
        ("gated", 1.1, 0, 0.3),
    ],
)
def test_cached_sampling_gives_the_codes_of_naive_sampling(name, temperature, top_k, min_p):
    model = small(name, size=5, grid=(4, 3))
    params = randomised(model)
    keys = jax.random.split(jax.random.key(3), 6)
    random = np.random.default_rng(0)
    codes = jnp.asarray(random.integers(0, 5, (6, 4, 3)), jnp.int32)
    redraw = jnp.asarray(random.random((6, 4, 3)) < 0.7).at[:3].set(True)
    arguments = (model, params, keys, codes, redraw, temperature, top_k, min_p)
    drawn = np.asarray(cached(*arguments))
    np.testing.assert_array_equal(drawn, naive(*arguments))
    same, redraw = drawn == np.asarray(codes), np.asarray(redraw)
    assert same[~redraw].all()
    assert not same[redraw].all()


def test_a_sample_depends_on_its_own_key_alone():
    model = small("gated")
    params = randomised(model)
    keys = jax.random.split(jax.random.key(3), 4)
    codes, redraw = jnp.zeros((4, 3, 4), jnp.int32), jnp.ones((4, 3, 4), bool)
    together = cached(model, params, keys, codes, redraw, 1.0, 0)
    alone = cached(model, params, keys[2:3], codes[:1], redraw[:1], 1.0, 0)
    np.testing.assert_array_equal(together[2:3], alone)


def test_first_codes_are_drawn_with_the_probabilities_of_the_model():
    model = small("gated", size=3, grid=(1, 2))
    params = randomised(model)
    count = 4000
    keys = jax.random.split(jax.random.key(0), count)
    blank = jnp.zeros((count, 1, 2), jnp.int32)
    drawn = np.asarray(cached(model, params, keys, blank, np.ones(blank.shape, bool), 1.0, 0))
    maps = jnp.asarray(list(itertools.product(range(3), repeat=2))).reshape(-1, 1, 2)
    logs = likelihoods(model, params, maps).sum((1, 2))
    expected = np.exp(np.asarray(logs))
    seen = np.bincount(drawn[:, 0, 0] * 3 + drawn[:, 0, 1], minlength=9) / count
    # five standard deviations of a share of `count` draws
    np.testing.assert_array_less(np.abs(seen - expected), 5 * np.sqrt(expected / count) + 1e-6)


def test_top_k_draws_no_other_code():
    logits = jnp.asarray([[0.0, 3.0, 2.0, 1.0]])
    for seed in range(20):
        noise = 5 * jax.random.gumbel(jax.random.key(seed), (1, 4))
        assert int(raster_sampling.draw(logits, noise, 1.0, 2, 0.0)[0]) in (1, 2)
    assert int(raster_sampling.draw(logits, jnp.ones((1, 4)), 0.0, 0, 0.0)[0]) == 1


def test_min_p_drops_codes_below_a_share_of_the_likeliest_ones_probability():
    logits = jnp.log(jnp.asarray([[0.6, 0.31, 0.08, 0.01], [0.26, 0.25, 0.25, 0.24]]))
    noise = 5 * jax.random.gumbel(jax.random.key(0), (400, 2, 4))
    draw = jax.vmap(lambda one: raster_sampling.draw(logits, one, 1.0, 0, 0.5))
    drawn = np.asarray(draw(noise))
    assert set(drawn[:, 0]) == {0, 1}
    assert set(drawn[:, 1]) == {0, 1, 2, 3}


def test_reference_layers_have_the_parameters_of_the_description():
    settings = parse(Settings, pixelcnn_brain.get_config("reference"))
    model = build(settings.model, codes=128, grid=(8, 8))
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 8, 8), jnp.int32))
    found = {
        name: sum(leaf.size for leaf in jax.tree.leaves(layer))
        for name, layer in shapes["params"].items()
    }
    block = (128 * 64 + 64) + (9 * 64 * 64 + 64) + (64 * 128 + 128) + (128 * 128 + 128)
    expected = {"first": 49 * 128 * 128 + 128, "last": 128 * 128 + 128}
    expected |= {f"layers_{index}": block for index in range(4)}
    assert found == expected


def test_the_table_of_places_holds_the_smoothed_shares():
    codes = np.random.default_rng(0).integers(0, 4, (6, 7, 8))
    codes[:, 3, 2] = 1
    logits = np.asarray(pixelcnn.place_logits(jnp.asarray(codes), 4))[0]
    np.testing.assert_allclose(np.exp(logits).sum(-1), 1, rtol=1e-5)
    near = np.bincount(codes[:, 1:6, 0:5].ravel(), minlength=4) / (6 * 25)
    everywhere = (np.bincount(codes.ravel(), minlength=4) + 1) / (codes.size + 4)
    expected = (np.array([0, 6, 0, 0]) + 10 * near + 10 * everywhere) / 26
    np.testing.assert_allclose(np.exp(logits[3, 2]), expected, rtol=1e-5)


def test_products_with_code_features_are_normal_densities_over_the_codes():
    codes = np.random.default_rng(0).normal(1.0, (3.0, 0.5), (6, 2))
    features = np.asarray(pixelcnn.code_features(jnp.asarray(codes), 5))
    np.testing.assert_array_equal(features[:, 4], 0)
    mean, width = np.array([2.0, 1.0]), np.array([1.5, 0.4])
    density = -0.5 * (((codes - mean) / width) ** 2).sum(1)
    deviation, middle = codes.std(0) + 1e-6, codes.mean(0)
    # -0.5 ((s z + m - mean) / width)^2 as a sum over z and z^2
    linear = -deviation * (middle - mean) / width**2
    squares = -0.5 * deviation**2 / width**2
    logits = features[:, :4] @ np.concatenate([linear, squares])
    np.testing.assert_allclose(logits - logits[0], density - density[0], rtol=1e-4, atol=1e-4)
    assert pixelcnn.code_features(jnp.asarray(codes), 3).shape == (6, 3)


def test_blocks_and_the_distances_that_they_read():
    assert block_kinds("GG4AR") == [("G", 1), ("G", 4), ("A", 1), ("R", 1)]
    assert block_kinds("") == []
    for wrong in ("A2", "G0", "g", "2G"):
        with pytest.raises(ValueError, match="must be R, G and A"):
            block_kinds(wrong)
