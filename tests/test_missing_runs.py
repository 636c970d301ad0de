"""Missing points that go together: the law, its noise, and what is measured of masks."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.linalg import toeplitz

from lvae.metrics.missing_runs import MissingRuns, missing_runs, usual_places
from lvae.models.missing_runs import INDEPENDENT, MissingLaw, correlated, visibility_noise
from lvae.tasks.grids.vae.laws import fit_missing_law

COUNT = 4000


def drawn(law, rows, columns, count=COUNT, seed=0):
    keys = jax.random.split(jax.random.key(seed), count)
    return np.asarray(jax.vmap(lambda key: visibility_noise(key, law, rows, columns))(keys))


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.97])
def test_the_factor_is_that_of_geometric_correlation(correlation):
    factor = np.asarray(correlated(jnp.float32(correlation), 12), np.float64)
    wanted = toeplitz(float(np.float32(correlation)) ** np.arange(12))
    # Sums of 12 products of float32 of at most 1.
    np.testing.assert_allclose(factor @ factor.T, wanted, atol=12 * 2**-23)


def test_every_point_s_noise_is_logistic_and_neighbours_are_correlated():
    law = MissingLaw(0.3, 2.0, 0.8, 0.4)
    noise = (drawn(law, 5, 6) - law.offset) / law.spread
    for row, column in [(0, 0), (2, 3), (4, 5)]:
        assert stats.kstest(noise[:, row, column], "logistic").pvalue > 1e-3
    scores = stats.norm.ppf(stats.logistic.cdf(noise.astype(np.float64)))
    # Five standard errors of a correlation of 4,000 pairs.
    error = 5 / np.sqrt(COUNT)
    across, upward, both = (
        np.corrcoef(scores[:, 2, 2], scores[:, row, column])[0, 1]
        for row, column in [(2, 3), (3, 2), (3, 4)]
    )
    assert abs(across - 0.8) < error
    assert abs(upward - 0.4) < error
    assert abs(both - 0.8**2 * 0.4) < error


def test_without_correlation_a_point_is_a_bernoulli_draw():
    logits = np.linspace(-2, 2, 12).reshape(3, 4)
    seen = (logits + drawn(INDEPENDENT, 3, 4) > 0).mean(0)
    wanted = stats.logistic.cdf(logits)
    np.testing.assert_array_less(np.abs(seen - wanted), 5 * np.sqrt(wanted * (1 - wanted) / COUNT))


def test_shares_against_counting_by_hand():
    visible = np.random.default_rng(0).random((7, 5, 6)) > 0.25
    usual = usual_places(visible)
    assert 0 < usual.sum() < usual.size
    counted = dict.fromkeys(MissingRuns._fields, (0, 0))

    def add(name, hit):
        counted[name] = counted[name][0] + bool(hit), counted[name][1] + 1

    for frame, row, column in itertools.product(range(7), range(5), range(6)):
        missing = ~visible[frame]
        add("everywhere", missing[row, column])
        if usual[row, column]:
            add("usual", missing[row, column])
        if not missing[row, column]:
            continue
        beside = [
            missing[r, c]
            for r, c in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1))
            if 0 <= r < 5 and 0 <= c < 6
        ]
        add("single", not any(beside))
        if usual[row, column] and column < 5 and usual[row, column + 1]:
            add("right", missing[row, column + 1])
        if usual[row, column] and row < 4 and usual[row + 1, column]:
            add("up", missing[row + 1, column])
    found = missing_runs(visible, usual)._asdict()
    for name, (hits, of) in counted.items():
        assert found[name] == pytest.approx((hits + 0.5) / (of + 1)), name


def test_the_law_is_found_again_from_the_masks_that_it_draws():
    """Logits as a decoder's: a hole of varying place, and points that are nearly always seen. The
    frames are drawn with logits of their own, of which the fit sees others of the same kind."""
    truth = MissingLaw(0.5, 1.5, 0.9, 0.5)
    place = np.random.default_rng(1).uniform(0, 13, (800, 1, 1))
    column = np.arange(14)[None, None, :]
    logits = 6.0 - 9.0 * np.exp(-((column - place) ** 2) / 4) + np.zeros((800, 12, 14))
    visible = logits[:400] + drawn(truth, 12, 14, 400) > 0
    found = fit_missing_law(logits[400:].astype(np.float32), visible)
    usual = usual_places(visible)
    again = logits[400:] + drawn(found, 12, 14, 400, seed=5) > 0
    alone = logits[400:] + drawn(INDEPENDENT._replace(spread=1.5, offset=0.5), 12, 14, 400) > 0
    real, new, single = (missing_runs(one, usual) for one in (visible, again, alone))
    # The numbers of the law trade off against each other; the shares are what it is for. Of about
    # 400 frames with one run each, a share of half the runs is right to 2.5 %.
    assert abs(new.right - real.right) < 0.1 < real.right - single.right
    assert abs(new.up - real.up) < 0.1
    assert new.everywhere == pytest.approx(real.everywhere, rel=0.1)
    assert found.along_row > found.along_column


def test_frames_without_a_missing_point_are_given_no_runs():
    logits = np.full((3, 5, 5), 4.0, np.float32)
    assert fit_missing_law(logits, np.ones((2, 5, 5), bool)) == INDEPENDENT
