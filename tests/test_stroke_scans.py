"""Scans on one grid and one scale, and their plane of symmetry."""

import nibabel
import numpy as np
import pytest
from scipy import ndimage

from lvae.data import stroke_scans
from lvae.data.lesions import Lesions
from lvae.data.pseudo_cases import B_VALUES, _diffusion, pseudo_case
from lvae.data.stroke_scans import Channels

SPACING = (2.0, 2.0, 4.0)


def blob(seed=0, shape=(48, 56, 20)):
    """A head that is the same on both sides of the middle of the array."""
    random = np.random.default_rng(seed)
    image = ndimage.gaussian_filter(random.random(shape), 2) + 0.2
    image = image + image[::-1]
    grid = np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij")
    inside = sum(axis**2 for axis in grid) < 0.8
    return np.where(inside, image, 0).astype(np.float32)


def plane_of(*slopes):
    return stroke_scans._plane(np.array(slopes))


def test_reflecting_twice_gives_the_image_back():
    image = ndimage.gaussian_filter(blob(), 1.5)
    plane = plane_of(0.1, -0.05, 3.0)
    twice = stroke_scans.reflected(stroke_scans.reflected(image, plane, SPACING), plane, SPACING)
    middle = np.s_[12:-12, 12:-12, 5:-5]
    np.testing.assert_allclose(twice[middle], image[middle], atol=0.05 * image.max())


def test_a_point_is_as_far_behind_the_plane_as_before_it():
    image = np.zeros((40, 40, 20), np.float32)
    image[12, 20, 10] = 1
    plane = plane_of(0.2, 0.1, 4.0)
    other = stroke_scans.reflected(ndimage.gaussian_filter(image, 1.0), plane, SPACING)
    found = (np.array(ndimage.center_of_mass(other)) - (np.array(image.shape) - 1) / 2) * SPACING
    place = (np.array([12, 20, 10]) - (np.array(image.shape) - 1) / 2) * SPACING
    expected = place - 2 * (place @ plane[:3] - plane[3]) * plane[:3]
    np.testing.assert_allclose(found, expected, atol=0.3)  # mm; a voxel has 2 to 4


def test_the_plane_of_symmetry_is_found_where_the_head_was_turned():
    image = blob()
    angle = np.deg2rad(6)
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    middle = (np.array(image.shape) - 1) / 2
    turned = ndimage.affine_transform(image, turn, middle - turn @ middle + [2, 0, 0], order=1)
    plane = stroke_scans.symmetry_plane(turned, SPACING)
    # the array's first axis lies at turn.T @ e_x of the turned one, 2 voxels back
    normal = turn.T @ [1, 0, 0]
    assert np.degrees(np.arccos(min(1.0, abs(plane[:3] @ normal)))) < 2.0
    offset = -2 * SPACING[0] * np.cos(angle)
    assert abs(plane[3] - offset) < 1.5  # mm, below a voxel


def test_what_one_side_has_stands_out_and_what_both_have_does_not():
    image = blob() * 0.3
    head = image > 0
    image[10:13, 28:31, 9:12] += 0.3  # left only
    image[30:33, 20:23, 9:12] += 0.3  # both sides
    image[15:18, 20:23, 9:12] += 0.3
    apart = stroke_scans.sided(image, head, 1.0, plane_of(0.0, 0.0, 0.0), SPACING)
    assert apart[11, 29, 10] > 1.5
    assert max(apart[31, 21, 10], apart[16, 21, 10]) < 0.5
    assert np.abs(apart).max() <= stroke_scans.FARTHEST
    assert not apart[~head].any()
    dark = stroke_scans.sided(-image, head, -1.0, plane_of(0.0, 0.0, 0.0), SPACING)
    np.testing.assert_allclose(dark, apart, atol=1e-5)


def test_shading_is_taken_away_and_lesions_are_not():
    image = np.clip(0.8 / stroke_scans.REACH + 0.02 * blob(3), 0, 1)
    head = blob() > 0
    image = np.where(head, image, 0)
    lesion = np.s_[12:16, 26:30, 8:11]
    image[lesion] = 2.0 / stroke_scans.REACH
    ramp = np.exp(np.linspace(-0.3, 0.3, image.shape[1]))[None, :, None]
    even = stroke_scans.unshaded(image, head, SPACING)
    found = stroke_scans.unshaded((image * ramp).astype(np.float32), head, SPACING)
    inside = ndimage.binary_erosion(head, iterations=3)
    assert np.abs(np.log(found[inside] / even[inside])).max() < 0.15  # of 0.3
    assert np.median(found[lesion]) > 1.8 * np.median(found[inside])


def test_channels_of_other_grids_come_to_that_of_the_first(tmp_path):
    """A ramp along each axis is the same ramp on any grid."""
    affine = np.array([[0, -2.0, 0, 30], [2.0, 0, 0, -40], [0, 0, 3.0, 5], [0, 0, 0, 1]])
    fine = np.array([[1.0, 0.1, 0, -60], [-0.1, 1.0, 0, -60], [0, 0, 1.0, 0], [0, 0, 0, 1]])

    def ramp(shape, matrix):
        voxels = np.indices(shape).reshape(3, -1)
        places = matrix[:3, :3] @ voxels + matrix[:3, 3:]
        return (200 + places[0] + 2 * places[1] + 3 * places[2]).reshape(shape)

    files = {}
    for name, shape, matrix in (("dwi", (20, 24, 8), affine), ("flair", (110, 110, 40), fine)):
        files[name] = tmp_path / f"a_{name}.nii.gz"
        image = nibabel.Nifti1Image(ramp(shape, matrix).astype(np.float32), matrix)
        nibabel.save(image, files[name])
    channels, first, given = stroke_scans.read_channels(files)
    assert first.info.orientation == ("R", "A", "S")
    assert given.array.shape == (20, 24, 8)
    assert channels.arrays["flair"].shape == first.array.shape
    inside = np.s_[2:-2, 2:-2, 1:-1]
    np.testing.assert_allclose(
        channels.arrays["flair"][inside], channels.arrays["dwi"][inside], atol=0.01
    )


@pytest.fixture(scope="module")
def pseudo():
    pytest.importorskip("nilearn")
    return [pseudo_case(index, 0, 4.0) for index in range(3)]


def test_pseudo_cases_are_of_seed_and_index(pseudo):
    again = pseudo_case(1, 0, 4.0)
    for name, array in again.channels.items():
        np.testing.assert_array_equal(array, pseudo[1].channels[name])
    np.testing.assert_array_equal(again.lesion, pseudo[1].lesion)
    assert (
        not np.array_equal(
            pseudo_case(1, 1, 4.0).channels["dwi"].ravel()[:1000].sum(),
            pseudo[1].channels["dwi"].ravel()[:1000].sum(),
        )
        or pseudo_case(1, 1, 4.0).spacing != pseudo[1].spacing
    )


def test_pseudo_cases_look_like_living_brain(pseudo):
    for case in pseudo:
        assert 2.0 <= case.spacing[2] <= 6.0
        adc, dwi = case.channels["adc"], case.channels["dwi"]
        tissue = case.head & ~case.lesion & (adc < 1.2) & (adc > 0.4)
        assert 0.6 < np.median(adc[tissue]) < 1.0  # um^2/ms, as in living brain
        assert np.percentile(adc[case.head], 99) > 1.8
        assert not dwi[~case.head].any()
        if case.lesion.sum() > 20:
            assert np.median(dwi[case.lesion]) > np.median(dwi[tissue])


def test_signal_and_adc_of_a_lesion_obey_one_law():
    """Where water moves 40 % less, the ADC is 40 % lower and DWI brighter by exp(0.4 b ADC)."""
    shape = (40, 40, 12)
    none, half = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    half[:20] = 1.0
    gray = np.ones(shape, np.float32)
    still = Lesions(half, 0.4 * half, none, none, none, none)
    random = np.random.default_rng(3)
    channels = _diffusion(random, (none, gray, none), still, gray)
    adc, dwi = (
        np.array([np.median(channels[name][part]) for part in (np.s_[3:17], np.s_[23:])])
        for name in ("adc", "dwi")
    )
    assert 0.6 < adc[1] < 1.05
    np.testing.assert_allclose(adc[0] / adc[1], 0.6, atol=0.1)  # patchy by a quarter
    for b in np.array(B_VALUES) / 1000:  # drawn in between
        expected = np.exp(b * (adc[1] - adc[0]))
        assert (dwi[0] / dwi[1] > 0.85 * expected) if b < 1 else (dwi[0] / dwi[1] < 1.15 * expected)


def test_a_scan_of_one_channel_has_nothing_in_the_others(pseudo):
    case = pseudo[0]
    alone = Channels({"adc": case.channels["adc"]}, case.spacing)
    scan = stroke_scans.prepare(alone, 4.0, "a")
    for part in (scan.image, scan.mirror, scan.sided):
        assert part[..., 1].any()
        assert not part[..., [0, 2]].any()
