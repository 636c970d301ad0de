"""Privacy measures: plain loops, known Gaussians, copies and what is as far as can be from one."""

import numpy as np
import pytest
from scipy.stats import gaussian_kde, mannwhitneyu, norm, ttest_1samp
from sklearn.decomposition import PCA

from lvae.metrics import privacy


def recordings(count, seed, each=5, size=6, spread=0.1):
    random = np.random.default_rng(seed)
    centres = np.repeat(random.standard_normal((count, size)), each, axis=0)
    return centres + spread * random.standard_normal(centres.shape), np.repeat(
        np.arange(count), each
    )


def distances(first, second):
    return np.linalg.norm(first[:, None] - second[None], axis=-1)


def test_authenticity_equals_loops():
    train, groups = recordings(5, 0)
    drawn = np.random.default_rng(1).standard_normal((40, 6))
    to_train, within = distances(drawn, train), distances(train, train)
    for labels in (groups, None):
        result = privacy.authenticity(to_train, within, labels)
        names = np.arange(len(train)) if labels is None else labels
        for index, example in enumerate(drawn):
            apart = [np.linalg.norm(example - other) for other in train]
            nearest = int(np.argmin(apart))
            others = [
                np.linalg.norm(train[nearest] - other)
                for other, name in zip(train, names)
                if name != names[nearest]
            ]
            assert result.authentic[index] == (apart[nearest] > min(others))
        assert result.share.value == result.authentic.mean()


def test_copies_are_not_authentic_and_far_examples_are():
    train, groups = recordings(6, 2)
    within = distances(train, train)
    noisy = train + 0.01 * np.random.default_rng(3).standard_normal(train.shape)
    for copies in (train, noisy):
        assert privacy.authenticity(distances(copies, train), within, groups).share == (0, 0, 0)
    far = privacy.authenticity(distances(train + 100, train), within, groups)
    assert far.share.value == 1


def test_near_copies_within_recordings_hide_copying_without_groups():
    train, groups = recordings(6, 4, spread=0.001)
    noisy = train + 0.05 * np.random.default_rng(5).standard_normal(train.shape)
    within = distances(train, train)
    assert privacy.authenticity(distances(noisy, train), within).share.value == 1
    assert privacy.authenticity(distances(noisy, train), within, groups).share.value == 0


def test_copying_statistic_is_the_mann_whitney_z_value():
    random = np.random.default_rng(6)
    drawn, held_out = random.normal(0.3, 1, 80), random.normal(0, 1, 30)
    result = privacy.copying(drawn, held_out, np.arange(30))
    theirs = mannwhitneyu(
        drawn, held_out, alternative="greater", method="asymptotic", use_continuity=False
    )
    assert result.statistic == pytest.approx(norm.isf(theirs.pvalue), abs=1e-9)
    assert result.chance.value == pytest.approx(theirs.statistic / (80 * 30))


def test_copying_weighs_cells_by_held_out_examples_and_leaves_small_ones_out():
    random = np.random.default_rng(7)
    drawn, held_out = random.normal(0, 1, 70), random.normal(0, 1, 40)
    cells = np.repeat([0, 1, 2], [30, 35, 5]), np.repeat([0, 1, 2], [10, 20, 10])
    result = privacy.copying(drawn, held_out, np.arange(40), cells)
    z_values = [
        privacy.copying(drawn[cells[0] == cell], held_out[cells[1] == cell], np.arange(n)).statistic
        for cell, n in ((0, 10), (1, 20))
    ]
    assert result.statistic == pytest.approx((z_values[0] + 2 * z_values[1]) / 3)
    with pytest.raises(ValueError, match="fewer cells"):
        privacy.copying(drawn[:5], held_out, np.arange(40))


def test_copying_is_standard_normal_where_examples_are_alike_and_independent():
    values = []
    for seed in range(300):
        random = np.random.default_rng([8, seed])
        values.append(privacy._standardised(random.random(40), random.random(20)))
    # standard errors of a mean and of a deviation of 300 standard normal numbers: 0.058, 0.041
    assert np.mean(values) == pytest.approx(0, abs=4 * 0.058)
    assert np.std(values) == pytest.approx(1, abs=4 * 0.041)


def test_copies_are_far_below_zero_and_far_examples_far_above():
    groups = np.repeat(np.arange(4), 10)
    held_out = 1 + np.random.default_rng(9).random(40)
    copies = privacy.copying(np.zeros(100), held_out, groups)
    lowest = -np.sqrt(3 * 100 * 40 / 141)  # 0 of 4000 pairs
    assert copies.statistic == pytest.approx(lowest)
    assert copies.chance == (0, 0, 0)
    assert copies.by_group == -np.inf
    assert privacy.copying(np.full(100, 9.0), held_out, groups).by_group == np.inf


def test_by_group_copying_is_not_surer_for_near_copies():
    random = np.random.default_rng(10)
    drawn, once = random.normal(0.5, 1, 200), random.normal(0, 1, 6)
    first = privacy.copying(drawn, once, np.arange(6))
    many = privacy.copying(drawn, np.repeat(once, 50), np.repeat(np.arange(6), 50))
    assert many.by_group == pytest.approx(first.by_group)
    assert many.chance == pytest.approx(first.chance)
    assert many.statistic > 2 * first.statistic > 0
    chances = [np.mean(drawn > value) for value in once]
    assert first.by_group == pytest.approx(ttest_1samp(chances, 0.5).statistic)


def test_membership_of_disjoint_and_of_equal_scores():
    groups, others = np.repeat(np.arange(8), 5), np.repeat(np.arange(2), 5)
    random = np.random.default_rng(11)
    apart = privacy.membership(random.random(40) + 2, random.random(10), groups, others)
    assert apart.auroc == (1, 1, 1)
    assert apart.p_value == pytest.approx(1 / 45)
    same = privacy.membership(np.ones(40), np.ones(10), groups, others)
    assert same.auroc == (0.5, 0.5, 0.5)
    assert same.p_value == 1
    assert 0.9 < same.smallest < 1  # eight and two recordings find next to nothing


def test_membership_of_known_gaussians():
    shift, groups = 1.0, 40
    random = np.random.default_rng(12)
    trained, held_out = random.normal(shift, 1, groups * 10), random.normal(0, 1, groups * 10)
    labels = np.repeat(np.arange(groups), 10)
    result = privacy.membership(trained, held_out, labels, labels)
    # standard error of an AUROC of 0.76 of 400 against 400: 0.017 (Hanley and McNeil, 1982)
    assert result.auroc.value == pytest.approx(norm.cdf(shift / np.sqrt(2)), abs=4 * 0.017)
    assert result.auroc.low < result.auroc.value < result.auroc.high
    assert result.p_value < 0.001


def test_log_density_equals_scipys_kernel_estimate():
    """SciPy's kernel has the examples' own covariance; of whitened examples that is 1."""
    random = np.random.default_rng(13)
    examples = PCA(whiten=True).fit_transform(random.standard_normal((60, 3)))
    where = random.standard_normal((20, 3))
    expected = gaussian_kde(examples.T).logpdf(where.T)
    np.testing.assert_allclose(privacy._log_density(where, examples), expected, rtol=1e-9)


def test_density_ratio_of_known_gaussians():
    """log N(x; m, 1) - log N(x; 0, 1) = m x - m^2 / 2 grows with x: so must the scores."""
    random = np.random.default_rng(14)
    drawn, reference = random.normal(1, 1, (4000, 1)), random.normal(0, 1, (4000, 1))
    candidates = np.linspace(-1.5, 2.5, 9)[:, None]
    scores = privacy.density_ratio_scores(
        candidates, np.full(9, -1), drawn, reference, np.arange(4000)
    )
    # Kernels of width 4000 ** -0.2 = 0.19 of the pooled deviation sqrt(1.25) widen both alike:
    # the slope falls by 1 + 0.19^2 * 1.25 = 1.045; the densities' noise is some 5 % at the ends.
    expected = (candidates[:, 0] - 0.5) / 1.045
    np.testing.assert_allclose(scores, expected, atol=0.25)


def test_density_ratio_finds_members_of_copies_and_not_of_new_recordings():
    real, groups = recordings(16, 15, each=10)
    trained = groups < 8
    random = np.random.default_rng(16)
    copies = real[trained][random.integers(0, 80, 400)] + 0.05 * random.standard_normal((400, 6))
    new, _ = recordings(400, 17, each=1)

    def auroc(drawn):
        scores = privacy.density_ratio_scores(real, groups, drawn, real, groups)
        return privacy.membership(
            scores[trained], scores[~trained], groups[trained], groups[~trained]
        )

    found, nothing = auroc(copies), auroc(new)
    assert found.auroc.value > found.smallest
    assert found.p_value < 0.001
    assert nothing.auroc.low < 0.5 < nothing.auroc.high
    assert nothing.p_value > 0.05


def test_density_ratio_leaves_the_candidates_own_group_out():
    real, groups = recordings(6, 18)
    drawn, _ = recordings(50, 19, each=1)
    scores = privacy.density_ratio_scores(real, groups, drawn, real, groups, dimensions=2)
    both = np.concatenate([drawn, real])
    components = PCA(2, whiten=True, svd_solver="full").fit(both)
    where, made = (components.transform(part) for part in (real, drawn))
    expected = [
        gaussian_log(where[i], made) - gaussian_log(where[i], where[groups != groups[i]])
        for i in range(len(real))
    ]
    np.testing.assert_allclose(scores, expected, rtol=1e-9)
    with pytest.raises(ValueError, match="outside the candidates' group"):
        privacy.density_ratio_scores(real[:5], groups[:5], drawn, real[:5], groups[:5])


def gaussian_log(place, examples):
    width = len(examples) ** (-1 / 6)  # Scott's in two dimensions
    kernels = [
        np.exp(-np.sum((place - example) ** 2) / (2 * width**2)) / (2 * np.pi * width**2)
        for example in examples
    ]
    return np.log(np.mean(kernels))


def test_nearest_table_of_known_distances():
    to_train = np.array([[1.0, 5.0, 2.0], [4.0, 3.0, 9.0], [7.0, 8.0, 6.0], [2.0, 9.0, 9.0]])
    table = privacy.nearest_table({"drawn": to_train}, np.array([0, 0, 1]))["drawn"]
    nearest = [1, 3, 6, 2]
    assert table["count"] == 4
    assert table["least"] == 1
    assert table["most_used_share"] == 0.75  # three of four are nearest to group 0
    for percent in privacy.DISTANCE_PERCENTILES:
        assert table[f"p{percent}"] == pytest.approx(np.percentile(nearest, percent))


def test_refuses_what_has_no_other_group():
    train, _ = recordings(2, 20)
    within = distances(train, train)
    with pytest.raises(ValueError, match="single group"):
        privacy.authenticity(within, within, np.zeros(len(train)))
    with pytest.raises(ValueError, match="group labels"):
        privacy.authenticity(within, within, np.zeros(3))
