"""Memorised share: chance levels by counting, copies, and distances against plain loops."""

import itertools

import numpy as np
import pytest
from scipy.stats import norm

from lvae.data import lasten as lasten_data
from lvae.metrics import grid_sets, grouped_auroc, memorised

RANDOM = np.random.default_rng(0)


def recordings(count, seed, each=5, size=8):
    """Recordings far from one another; frames of one are near-copies."""
    random = np.random.default_rng(seed)
    centres = np.repeat(random.normal(0, 10, (count, size)), each, axis=0)
    return centres + random.normal(0, 0.1, centres.shape), np.repeat(np.arange(count), each)


def distances(first, second):
    return np.linalg.norm(first[:, None] - second[None], axis=-1)


def share_of(drawn, seed=0):
    """Against eight training and four held-out recordings."""
    train, train_groups = recordings(8, 1)
    held_out, held_out_groups = recordings(4, 2)
    return memorised.memorised_share(
        distances(drawn, train),
        distances(drawn, held_out),
        train_groups,
        held_out_groups,
        seed=seed,
    )


def test_copies_with_and_without_noise_are_all_memorised():
    train, _ = recordings(8, 1)
    for noise in (0.0, 0.5):
        result = share_of(train + noise * RANDOM.standard_normal(train.shape))
        assert (result.share, result.low, result.high) == (1, 1, 1)
        # each training group is nearest to an eighth, and of the 495 labellings one names them all
        assert result.p_value == pytest.approx(1 / 495)


def test_new_recordings_are_at_the_chance_level():
    shares = [share_of(recordings(300, seed, each=1)[0]).share for seed in range(10, 14)]
    # Groups are random too; the deviation over labellings is what the interval says.
    result = share_of(recordings(300, 20, each=1)[0])
    assert result.chance == pytest.approx(8 / 12)
    assert result.chance_low <= np.mean(shares) <= result.chance_high
    assert result.low < result.share < result.high
    assert result.p_value > 0.05


def test_chance_has_the_mean_and_variance_of_all_labellings():
    shares = np.array([0.4, 0.1, 0.1, 0.25, 0.15])
    null = [shares[list(chosen)].sum() for chosen in itertools.combinations(range(5), 3)]
    assert np.mean(null) == pytest.approx(3 / 5)
    needed = memorised._smallest_copied(shares, 3)
    reach = norm.ppf(0.95) + norm.ppf(0.8)
    assert needed == pytest.approx(reach * np.std(null) / (1 - 3 / 5))


def test_interval_of_the_chance_level_and_p_value_by_counting():
    """Six groups on a line; ten examples, of which group g has a known number nearest to it."""
    counts = [4, 2, 1, 1, 1, 1]
    drawn = np.repeat(np.arange(6.0), counts)[:, None]
    groups = np.arange(6.0)[:, None]
    result = memorised.memorised_share(
        distances(drawn, groups[:3]), distances(drawn, groups[3:]), np.arange(3), np.arange(3)
    )
    sums = [sum(chosen) / 10 for chosen in itertools.combinations(counts, 3)]
    assert result.share == pytest.approx(0.7)
    assert result.p_value == pytest.approx(np.mean(np.array(sums) > 0.7 - 1e-9))
    assert result.chance_low == pytest.approx(np.percentile(sums, 2.5))
    assert result.chance_high == pytest.approx(np.percentile(sums, 97.5))


def test_p_values_are_never_too_small_where_nothing_is_memorised():
    p_values = []
    for seed in range(100):
        train, train_groups = recordings(4, 3 * seed + 100)
        held_out, held_out_groups = recordings(4, 3 * seed + 101)
        drawn, _ = recordings(60, 3 * seed + 102, each=1)
        p_values.append(
            memorised.memorised_share(
                *(distances(drawn, train), distances(drawn, held_out)),
                *(train_groups, held_out_groups),
                draws=2,
            ).p_value
        )
    # standard error of 0.05 in 100: 0.022
    assert np.mean(np.array(p_values) <= 0.05) <= 0.05 + 3 * 0.022


def test_a_leak_of_the_smallest_size_is_mostly_found():
    """Training recordings copied by that part of the samples: found about four times out of five."""
    found, sizes = [], []
    for seed in range(60):
        train, train_groups = recordings(10, 5 * seed + 1000)
        held_out, held_out_groups = recordings(10, 5 * seed + 1001)
        drawn, _ = recordings(400, 5 * seed + 1002, each=1)
        sets = train_groups, held_out_groups
        clean = memorised.memorised_share(
            distances(drawn, train), distances(drawn, held_out), *sets, draws=2
        )
        sizes.append(clean.smallest_copied)
        copied = round(400 * clean.smallest_copied)
        random = np.random.default_rng(seed)
        drawn[:copied] = train[random.integers(0, len(train), copied)]
        leak = memorised.memorised_share(
            distances(drawn, train), distances(drawn, held_out), *sets, draws=2
        )
        found.append(leak.p_value <= 0.05)
    assert 0 < np.mean(sizes) < 1
    # Copies also even out the groups' shares, so that they are found more often than reckoned with.
    # Standard error of 0.8 in 60: 0.052.
    assert np.mean(found) > 0.8 - 3 * 0.052


def test_many_groups_give_what_counting_labellings_and_groups_gives():
    """Of more than `MANY_GROUPS` groups chance is a normal law, and groups without a share are drawn
    together: both beside plain permutations and plain drawing with replacement."""
    random = np.random.default_rng(5)
    trained, total, count = 90, 130, 6000
    assert total > grouped_auroc.MANY_GROUPS
    chances = random.dirichlet(np.where(np.arange(total) % 3, 2.0, 1e-9))  # a third has no share
    near = random.choice(total, count, p=chances)
    apart = 1.0 + (np.arange(total) != near[:, None])
    groups = np.arange(total)
    found = memorised.memorised_share(
        apart[:, :trained], apart[:, trained:], groups[:trained], groups[trained:], draws=4000
    )
    shares = np.bincount(near, minlength=total) / count
    assert found.share == pytest.approx(shares[:trained].sum())

    orders = random.permuted(np.tile(groups, (20_000, 1)), axis=1)[:, :trained]
    null = shares[orders].sum(1)
    # A percentile of 20,000 draws is right to 0.02 deviations; the normal law to about as much again.
    within = 0.1 * null.std()
    assert found.chance_low == pytest.approx(np.percentile(null, 2.5), abs=within)
    assert found.chance_high == pytest.approx(np.percentile(null, 97.5), abs=within)
    assert found.p_value == pytest.approx(np.mean(null >= found.share), abs=0.03)

    inside = shares[random.integers(0, trained, (4000, trained))].sum(1)
    outside = shares[random.integers(trained, total, (4000, total - trained))].sum(1)
    drawn = inside / (inside + outside)
    # 2.5 % points of 4,000 draws each scatter by 0.04 deviations: 4.5 times that of a difference.
    ends = np.percentile(drawn, [2.5, 97.5])
    assert (found.low, found.high) == pytest.approx(tuple(ends), abs=0.25 * drawn.std())


def test_a_tie_counts_a_half_and_a_group_by_its_nearest_frame():
    to_train, to_held_out = np.array([[1.0, 9.0], [2.0, 2.0]]), np.array([[1.0], [1.5]])
    result = memorised.memorised_share(to_train, to_held_out, np.zeros(2), np.zeros(1))
    assert result.share == pytest.approx(0.25)


def masked_grids(seed, count, rows=4, columns=5):
    random = np.random.default_rng(seed)
    points = 300 + 40 * random.standard_normal((count, rows, columns, 2))
    return points, random.random((count, rows, columns)) < 0.7


def test_rms_distances_equal_loops():
    (first, seen), (second, other_seen) = masked_grids(1, 6), masked_grids(2, 4)
    seen[0] = False
    result = memorised.rms_distances(first, seen, second, other_seen)
    for i, j in itertools.product(range(6), range(4)):
        both = seen[i] & other_seen[j]
        if not both.any():
            assert result[i, j] == np.inf
            continue
        apart = first[i][both] - second[j][both]
        expected = np.sqrt(np.mean(np.sum((apart - apart.mean(0)) ** 2, -1)))
        assert result[i, j] == pytest.approx(expected, abs=1e-9)


def test_a_shifted_copy_is_at_no_distance_and_far_places_cost_no_precision():
    points, visible = masked_grids(3, 3)
    result = memorised.rms_distances(points + 1e4, visible, points, visible)
    # squares of 1e4 in double precision: 1e8 * 2e-16 * 20 terms, its root 6e-4
    np.testing.assert_allclose(np.diagonal(result), 0, atol=1e-3)
    whole = np.ones_like(visible)
    centred = grid_sets.features(points)
    np.testing.assert_allclose(
        memorised.rms_distances(points, whole, points, whole),
        distances(centred, centred),
        atol=1e-5,
    )


def test_the_control_is_copies_in_turn_plus_noise_of_known_size():
    points = np.zeros((3, 18, 18, 2)) + np.arange(3)[:, None, None, None]
    copies, source = memorised.noisy_copies(points, 50, 0.5, seed=4)
    assert source.tolist() == (list(range(3)) * 17)[:50]
    noise = copies - points[source]
    # standard error of a deviation of n numbers: deviation / sqrt(2 n)
    assert noise.std() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(2 * noise.size))
    again, _ = memorised.noisy_copies(points, 50, 0.5, seed=4)
    np.testing.assert_array_equal(copies, again)


def test_the_control_is_flagged_on_real_frames(lasten):
    splits = lasten_data.read_data_set(lasten, lasten_data.GridGeometry())
    train, held_out = splits["train"], splits["validation"]
    copies, source = memorised.noisy_copies(train.points, 320)
    visible = train.visible[source]
    near = memorised.rms_distances(copies, visible, train.points, train.visible)
    far = memorised.rms_distances(copies, visible, held_out.points, held_out.visible)
    result = memorised.memorised_share(near, far, train.recording, held_out.recording)
    assert result.share == 1
    assert result.chance == pytest.approx(0.8)
    assert result.p_value == pytest.approx(1 / 45)
    # two coordinates of deviation 0.5, the mean of 300 of them taken out
    assert near.min(1).mean() == pytest.approx(0.5 * np.sqrt(2), abs=0.01)


def test_refuses_other_counts_of_labels():
    with pytest.raises(ValueError, match="3 group labels"):
        memorised.memorised_share(np.ones((2, 2)), np.ones((2, 2)), np.zeros(3), np.zeros(2))


def test_many_groups_are_judged_as_few_are(monkeypatch):
    # 40 + 20 groups, counted over 20,000 labellings and by the normal distribution.
    drawn, _ = recordings(300, 5, each=1)
    sets = recordings(40, 1, each=2), recordings(20, 2, each=2)
    near, far = (distances(drawn, examples) for examples, _ in sets)
    labels = sets[0][1], sets[1][1]
    counted = memorised.memorised_share(near, far, *labels)
    monkeypatch.setattr(memorised, "MANY_GROUPS", 10)
    normal = memorised.memorised_share(near, far, *labels)
    assert (normal.share, normal.chance, normal.low) == (
        counted.share,
        counted.chance,
        counted.low,
    )
    # 20,000 labellings: a standard error of 0.004 at most; the normal distribution is near, not exact
    assert normal.p_value == pytest.approx(counted.p_value, abs=0.03)
    assert normal.chance_low == pytest.approx(counted.chance_low, abs=0.03)
    assert normal.chance_high == pytest.approx(counted.chance_high, abs=0.03)


def test_shares_drawn_by_kinds_have_the_bootstraps_mean_and_deviation():
    shares = np.array([0.5, 0.3, 0.2, 0.0, 0.0, 0.0])
    drawn = memorised._drawn_shares(np.random.default_rng(0), shares, 40_000)
    random = np.random.default_rng(1)
    plain = shares[random.integers(0, 6, (40_000, 6))].sum(1)
    # each of 40,000 draws has a deviation of about 0.46: 0.0023 in the mean
    assert drawn.mean() == pytest.approx(1.0, abs=0.012)
    assert plain.mean() == pytest.approx(1.0, abs=0.012)
    assert drawn.std() == pytest.approx(plain.std(), abs=0.012)
