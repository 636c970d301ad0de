"""Two-sample AUROC: known Gaussians, copies, groups that a classifier must not remember."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score

from lvae.data import lasten as lasten_data
from lvae.data.simulator import SimulatorSettings, simulate_recordings
from lvae.metrics import grid_texture, two_sample


def sample(seed, groups=8, each=10, shift=0.0, between=0.0, numbers=3):
    """Normal features; of every group the same deviation `between` on top."""
    random = np.random.default_rng(seed)
    rows = random.normal(0, 1, (groups * each, numbers))
    rows += np.repeat(between * random.standard_normal((groups, numbers)), each, axis=0)
    rows[:, 0] += shift
    return rows, np.repeat(np.arange(groups), each)


def test_disjoint_sets_are_told_apart_always():
    real, groups = sample(0)
    drawn, drawn_groups = sample(1, shift=20)
    result = two_sample.two_sample_auroc(real, drawn, groups, drawn_groups, trees=20)
    assert result.auroc == (1, 1, 1)
    # all that forests go by is the one feature that differs, where a tree is offered it
    assert result.importance.argmax() == 0
    assert result.importance.sum() == pytest.approx(1)


def test_sets_of_one_distribution_are_not():
    values = []
    for seed in range(12):
        real, groups = sample(2 * seed, between=2.0)
        drawn, drawn_groups = sample(2 * seed + 1, between=2.0)
        result = two_sample.two_sample_auroc(real, drawn, groups, drawn_groups, trees=20, seed=seed)
        values.append(result.auroc.value)
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    assert np.mean(values) == pytest.approx(0.5, abs=3.5 * error)
    # A fold's AUROC of one group against one lies in [0, 1]: deviation at most 0.5, of 8 folds
    # 0.18, of 12 runs 0.05: a classifier that remembered groups would be at 1.
    assert error < 0.1


def test_a_shift_gives_no_more_than_the_best_classifier_has():
    shift = 1.5
    real, groups = sample(3, 10, 40)
    drawn, drawn_groups = sample(4, 10, 40, shift)
    best = norm.cdf(shift / np.sqrt(2))  # AUROC of the likelihood ratio
    found = two_sample.two_sample_auroc(real, drawn, groups, drawn_groups, trees=100).auroc
    # standard error of an AUROC of 0.86 of 400 against 400: 0.013 (Hanley and McNeil, 1982)
    assert best - 0.06 < found.value < best + 3 * 0.013
    assert found.low < found.value < found.high


def test_frames_of_held_out_groups_are_never_learned_from(monkeypatch):
    real, groups = sample(5)
    drawn, drawn_groups = sample(6, groups=16)
    seen = []

    class Spy(RandomForestClassifier):
        def fit(self, rows, labels, weights):
            seen.append((rows, labels, weights))
            return super().fit(rows, labels, weights)

    monkeypatch.setattr("sklearn.ensemble.RandomForestClassifier", Spy)
    two_sample.two_sample_auroc(real, drawn, groups, drawn_groups, trees=2, most_drawn=1)
    real_fold, drawn_fold = two_sample.folds(groups, drawn_groups, 0)
    assert len(seen) == 8
    for fold, (rows, labels, weights) in enumerate(seen):
        learned = {tuple(row) for row in rows}
        for rows_of, folds_of in ((real, real_fold), (drawn, drawn_fold)):
            held = rows_of[folds_of == fold].astype(np.float32)
            assert len(held)
            assert not learned & {tuple(row) for row in held}
        # no more drawn rows than real ones, and both classes weigh the same
        assert (labels == 1).sum() == (labels == 0).sum() == 70
        assert weights[labels == 0].sum() == pytest.approx(1)
        assert weights[labels == 1].sum() == pytest.approx(1)


def test_folds_hold_each_real_group_once_and_split_no_drawn_group():
    names = np.array(list("aabbbcc"))
    drawn = np.repeat(np.arange(7), 3)
    real_fold, drawn_fold = two_sample.folds(names, drawn, 0)
    assert len(set(zip(names.tolist(), real_fold.tolist()))) == len(set(real_fold.tolist())) == 3
    assert all(len(set(drawn_fold[drawn == group])) == 1 for group in range(7))
    counts = np.bincount([drawn_fold[drawn == group][0] for group in range(7)], minlength=3)
    assert sorted(counts.tolist()) == [2, 2, 3]
    assert (two_sample.folds(names, drawn, 1)[1] != drawn_fold).any()


def test_many_groups_share_folds_and_stay_whole():
    names, drawn = np.repeat(np.arange(23), 2), np.arange(50)
    real_fold, drawn_fold = two_sample.folds(names, drawn, 0, most=5)
    assert len(set(zip(names.tolist(), real_fold.tolist()))) == 23
    assert sorted(np.bincount(real_fold).tolist()) == [8, 8, 10, 10, 10]
    assert np.bincount(drawn_fold).tolist() == [10] * 5
    real, groups = sample(20, 12)
    result = two_sample.two_sample_auroc(real, real + 20, groups, trees=5, most_folds=3)
    assert result.auroc.value == 1


def test_auroc_is_the_mean_of_the_folds_own():
    real, groups = sample(7)
    drawn, _ = sample(8, shift=0.5)
    result = two_sample.two_sample_auroc(real, drawn, groups, trees=20, seed=3)
    real_fold, drawn_fold = two_sample.folds(groups, np.arange(len(drawn)), 3)
    values = []
    for fold in range(8):
        first, second = (
            result.drawn_scores[drawn_fold == fold],
            result.real_scores[real_fold == fold],
        )
        labels = np.repeat([1, 0], [len(first), len(second)])
        values.append(roc_auc_score(labels, np.concatenate([first, second])))
    assert result.auroc.value == pytest.approx(np.mean(values), abs=1e-12)
    assert min(values) <= result.auroc.low <= result.auroc.high <= max(values)


def test_the_same_seed_gives_the_same_numbers_and_threads_change_nothing():
    real, groups = sample(9)
    drawn, _ = sample(10)
    first = two_sample.two_sample_auroc(real, drawn, groups, trees=10)
    second = two_sample.two_sample_auroc(real, drawn, groups, trees=10, workers=2)
    assert first.auroc == second.auroc
    np.testing.assert_array_equal(first.drawn_scores, second.drawn_scores)


def test_the_control_is_about_a_half_and_wide_where_groups_are_few():
    real, groups = sample(11, between=2.0)
    control = two_sample.auroc_against_itself(real, groups, splits=12, trees=10)
    assert control.low < 0.5 < control.high
    assert control.high - control.low > 0.2
    with pytest.raises(ValueError, match="3 groups"):
        two_sample.auroc_against_itself(*sample(12, groups=3))


def test_refuses_what_cannot_be_held_out():
    real, groups = sample(13)
    with pytest.raises(ValueError, match="1 real"):
        two_sample.two_sample_auroc(real, real, np.zeros(80))
    with pytest.raises(ValueError, match="8 real and 4 drawn"):
        two_sample.two_sample_auroc(real, real, groups, groups // 2)
    with pytest.raises(ValueError, match="expected"):
        two_sample.two_sample_auroc(real, real[:, :2], groups)
    with pytest.raises(ValueError, match="not finite"):
        two_sample.two_sample_auroc(real, real * np.nan, groups)


def test_simulator_is_told_from_real_recordings_as_often_as_measured(lasten):
    """0.79 was measured with another program (60 recordings); standard error of the mean over ten
    held-out recordings is about 0.07, and twice that is allowed."""
    splits = lasten_data.read_data_set(lasten, lasten_data.GridGeometry())
    points, visible = (
        np.concatenate([getattr(splits[name], field) for name in ("train", "validation")])
        for field in ("points", "visible")
    )
    recording = np.arange(200) // 20
    settings = SimulatorSettings(60, 0, 0)
    made = simulate_recordings(settings, 0)
    pitch = grid_texture.pitch_of(points, visible)
    real, drawn = (
        grid_texture.grid_texture_features(*frames, pitch)
        for frames in ((points, visible), (made["points"], made["visible"]))
    )
    found = two_sample.two_sample_auroc(real, drawn, recording, made["recording"], trees=60)
    assert found.auroc.value == pytest.approx(0.79, abs=0.14)
    assert found.auroc.low > 0.5


def test_versions_of_one_example_are_held_out_together():
    """Of real groups and the same with noise too small to see, nothing is to be told; apart, a forest
    knows the real one and calls its version real."""
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(12), 4)
    real = random.normal(size=(12, 3))[groups] + 0.3 * random.normal(size=(48, 3))
    drawn = real + 1e-3 * random.normal(size=real.shape)
    apart, together = (
        two_sample.two_sample_auroc(real, drawn, groups, groups, trees=30, twins=twins).auroc.value
        for twins in (False, True)
    )
    # 48 pairs: a standard error of 0.06
    assert together == pytest.approx(0.5, abs=0.18)
    assert apart < together - 0.18
    with pytest.raises(ValueError, match="other names"):
        two_sample.folds(groups, groups + 1, 0, twins=True)
