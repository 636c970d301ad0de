"""Statistics of brain slices: heads made of ellipses, whose numbers are known."""

import numpy as np
import pytest
from scipy import ndimage

from lvae.metrics import slice_statistics as statistics
from lvae.metrics.two_sample import two_sample_auroc

SIZE = 64
NUMBERS = ("grey", "bands", "mirror", "middle")


def head(centre=(32, 32), radii=(24, 18), ventricle=0.3, seed=None):
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5
    y, x = (rows - centre[0]) / radii[0], (columns - centre[1]) / radii[1]
    image = np.where(x**2 + y**2 < 1, 0.8, 0.0)
    image[(x / 0.15) ** 2 + (y / 0.3) ** 2 < 1] = ventricle
    if seed is not None:
        noise = np.random.default_rng(seed).normal(0, 1, (SIZE, SIZE))
        image += (image > 0) * 0.1 * ndimage.gaussian_filter(noise, 1)
    return image


def part(features, name):
    sizes = (
        len(statistics.GREY_PERCENTILES),
        len(statistics.BANDS),
        len(statistics.CORRELATION_SCALES),
        len(statistics.MIDDLE_PERCENTILES),
    )
    ends = np.cumsum(sizes)
    index = NUMBERS.index(name)
    return features[:, ends[index] - sizes[index] : ends[index]]


def test_grey_and_bands_equal_plain_numpy_inside_the_head():
    image = head(seed=0)
    features = statistics.slice_features(image[None])
    mask = image > 0.01
    assert (statistics.head_masks(image[None])[0] == mask).all()
    np.testing.assert_allclose(
        part(features, "grey")[0], np.percentile(image[mask], statistics.GREY_PERCENTILES)
    )
    blurs = [image, *(ndimage.gaussian_filter(image, s * SIZE / 128) for s in statistics.BANDS)]
    for index in range(len(statistics.BANDS)):
        energy = np.mean((blurs[index] - blurs[index + 1])[mask] ** 2)
        assert part(features, "bands")[0, index] == pytest.approx(np.log(energy + 1e-12))


def test_symmetric_heads_correlate_fully_and_noise_lowers_it_at_fine_scales():
    features = statistics.slice_features(np.stack([head(), head(seed=1)]))
    np.testing.assert_allclose(part(features, "mirror")[0], 1, atol=1e-12)
    mirror = part(features, "mirror")[1]
    assert mirror[0] < mirror[-1] < 1


def test_mirror_correlation_equals_corrcoef_about_the_middle_of_the_head():
    image = head(centre=(30, 27), seed=2)
    columns = np.flatnonzero(image.any(0))
    box = ndimage.gaussian_filter(image, 0.5 * SIZE / 128)[:, columns[0] : columns[-1] + 1]
    mask = image[:, columns[0] : columns[-1] + 1] > 0.01
    both = mask & mask[:, ::-1]
    expected = np.corrcoef(box[both], box[:, ::-1][both])[0, 1]
    ours = part(statistics.slice_features(image[None]), "mirror")[0, 0]
    assert ours == pytest.approx(expected, abs=1e-12)


def test_a_filled_ventricle_shows_in_the_middle_only():
    dark, filled = statistics.slice_features(np.stack([head(ventricle=0.2), head(ventricle=0.8)]))
    assert part(dark[None], "middle")[0, 0] == pytest.approx(0.2 / 0.8)
    np.testing.assert_allclose(part(filled[None], "middle"), 1)


def test_brightness_scales_grey_and_nothing_that_is_relative():
    image = head(seed=3)
    once, half = (statistics.slice_features(scale * image[None]) for scale in (1, 0.5))
    np.testing.assert_allclose(part(half, "grey"), part(once, "grey") / 2)
    np.testing.assert_allclose(part(half, "mirror"), part(once, "mirror"))
    np.testing.assert_allclose(part(half, "middle"), part(once, "middle"))


def test_an_empty_slice_has_finite_numbers():
    empty = np.zeros((1, SIZE, SIZE))
    assert not statistics.slice_features(empty).any()
    assert not np.stack(statistics.outline(empty)).any()


def test_outline_of_a_known_box():
    image = np.zeros((1, SIZE, SIZE))
    image[0, 10:50, 20:40] = 1  # 40 x 20, its right half cut to rows 10 to 29
    image[0, 30:50, 30:40] = 0
    result = statistics.outline(image)
    assert result.centre_x[0] == pytest.approx(30 / SIZE)
    assert result.edge[0] == 0
    assert result.lopsided[0] == pytest.approx(200 / 600, abs=0.01)  # the opening rounds corners


def test_a_head_that_runs_off_the_image_touches_its_edge():
    image = np.zeros((1, SIZE, SIZE))
    image[0, 20:40, 30:] = 1
    # the opening takes the two corner pixels of the edge, where a 3-point cross does not fit
    assert statistics.outline(image).edge[0] == pytest.approx(20 / (4 * SIZE - 4), abs=2 / 252)


def heads(count, seed, shift=0.0):
    random = np.random.default_rng(seed)
    return np.stack(
        [
            head((32, 32 + shift + random.normal(0, 0.7)), (24, 18 + random.normal(0, 1)))
            for _ in range(count)
        ]
    )


def test_faults_are_rare_in_real_heads_and_found_in_others():
    real, held_out = heads(200, 0), heads(200, 1)
    subjects = np.repeat(np.arange(20), 10)
    normal = statistics.outline_faults(held_out, real, subjects)
    # Three numbers, one of them with two limits of 1 % each: at most 4 % in expectation; standard
    # error of 0.04 in 200: 0.014, and the limits' own of the same size.
    assert normal.share < 0.04 + 3 * np.sqrt(2) * 0.014
    assert normal.reference_share < 0.04 + 3 * 0.014
    off = statistics.outline_faults(heads(50, 2, shift=8), real, subjects)
    assert off.share == off.by_number["centre_x"] == 1
    cut = held_out.copy()
    cut[:, 40:, 34:] = 0
    lopsided = statistics.outline_faults(cut, real)
    assert lopsided.by_number["lopsided"] == 1
    assert lopsided.faulty.all()
    wide = np.stack([head((32, 32), (24, 40))] * 3)
    assert statistics.outline_faults(wide, real).by_number["edge"] == 1


def test_a_reference_of_one_kind_has_no_faults_in_itself():
    same = np.stack([head()] * 10)
    result = statistics.outline_faults(same, same)
    assert result.share == result.reference_share == 0


def test_more_symmetry_than_in_any_real_head_is_no_fault():
    leaning = heads(40, 5)
    leaning[:, 40:, 38:] = 0
    assert statistics.outline(leaning).lopsided.min() > 3 / SIZE
    result = statistics.outline_faults(heads(40, 6), leaning)
    assert result.by_number["lopsided"] == 0


def test_each_subject_is_held_against_the_others():
    odd = np.concatenate([heads(90, 3), heads(10, 4, shift=8)])
    alone = statistics.outline_faults(odd, odd, np.repeat(np.arange(10), 10))
    assert alone.reference_share >= 0.1  # by its own limits the odd subject would be usual
    with pytest.raises(ValueError, match="single group"):
        statistics.outline_faults(odd, odd, np.zeros(100))


def test_features_tell_smeared_slices_apart():
    real = np.stack([head(seed=seed) for seed in range(40)])
    smeared = ndimage.gaussian_filter([head(seed=100 + s) for s in range(40)], (0, 1, 1))
    features = (statistics.slice_features(part) for part in (real, smeared))
    assert two_sample_auroc(*features, np.arange(40) // 10, trees=20).auroc.value > 0.99


def test_refuses_another_size():
    with pytest.raises(ValueError, match="other sizes"):
        statistics.outline_faults(np.zeros((1, 8, 8)), np.zeros((1, 9, 9)))
