"""Volumes: what a file holds is what is read, and every damaged file is named."""

import sys

import nibabel
import numpy as np
import pytest

from lvae.data import volumes
from lvae.errors import UserError

AFFINE = np.array([[-2.0, 0, 0, 10], [0, 0, 3, -5], [0, 1.5, 0, 7], [0, 0, 0, 1]])


def write(path, array, affine=AFFINE, kind=nibabel.Nifti1Image):
    nibabel.save(kind(array, affine), path)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_nifti_gives_array_affine_and_header(tmp_path, name):
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    volume = volumes.read_volume(write(tmp_path / name, array))
    np.testing.assert_array_equal(volume.array, array)
    assert volume.array.dtype == np.float32
    np.testing.assert_allclose(volume.affine, AFFINE)
    assert volume.info.voxel_size == pytest.approx((2.0, 1.5, 3.0))
    assert volume.info.orientation == ("L", "S", "A")
    assert volume.info.dtype == "int16"


def test_stored_scale_is_applied(tmp_path):
    array = np.linspace(-1, 1, 60).reshape(3, 4, 5)
    image = nibabel.Nifti1Image(array, np.eye(4))
    image.set_data_dtype(np.int16)
    nibabel.save(image, tmp_path / "s.nii")
    step = 2 / 65535  # the range over the int16 levels
    np.testing.assert_allclose(volumes.read_volume(tmp_path / "s.nii").array, array, atol=step)


def test_analyze_pair_counts_once_and_is_read(tmp_path):
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    write(tmp_path / "v.img", array, np.diag([2.0, 2, 2, 1]), nibabel.AnalyzeImage)
    found = [path.name for path in sorted(tmp_path.iterdir()) if volumes.is_volume(path)]
    assert found == ["v.hdr"]
    np.testing.assert_array_equal(volumes.read_volume(tmp_path / "v.hdr").array, array)


def test_canonical_moves_no_voxel_in_space(tmp_path):
    array = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    volume = volumes.read_volume(write(tmp_path / "a.nii", array))
    turned = volumes.canonical(volume)
    assert turned.info.orientation == ("R", "A", "S")
    assert turned.info.voxel_size == pytest.approx((2.0, 3.0, 1.5))
    for index in np.ndindex(*array.shape):
        place = volume.affine @ [*index, 1]
        there = np.rint(np.linalg.solve(turned.affine, place)[:3]).astype(int)
        assert turned.array[tuple(there)] == array[index]


def test_a_fourth_axis_of_one_is_dropped_and_a_longer_one_refused(tmp_path):
    array = np.ones((2, 3, 4, 1), np.float32)
    assert volumes.read_volume(write(tmp_path / "one.nii", array)).array.shape == (2, 3, 4)
    with pytest.raises(UserError, match=r"two\.nii: shape \(2, 3, 4, 2\)"):
        volumes.read_volume(write(tmp_path / "two.nii", np.ones((2, 3, 4, 2), np.float32)))


def test_non_finite_voxels_become_zero_and_are_counted(tmp_path):
    array = np.ones((2, 2, 2), np.float32)
    array[0, 0, 0], array[1, 1, 1] = np.nan, np.inf
    volume = volumes.read_volume(write(tmp_path / "n.nii", array))
    assert volume.info.non_finite == 2
    assert volume.array.sum() == 6


def test_bad_files_are_named(tmp_path):
    with pytest.raises(UserError, match=r"absent\.nii: no such file"):
        volumes.read_volume(tmp_path / "absent.nii")
    (tmp_path / "text.txt").write_text("x")
    with pytest.raises(UserError, match=r"text\.txt: not the name of a volume"):
        volumes.read_volume(tmp_path / "text.txt")
    (tmp_path / "noise.nii").write_bytes(b"no header here" * 50)
    with pytest.raises(UserError, match=r"noise\.nii: cannot be read"):
        volumes.read_volume(tmp_path / "noise.nii")
    whole = write(tmp_path / "whole.nii.gz", np.random.default_rng(0).normal(size=(9, 9, 9)))
    (tmp_path / "cut.nii.gz").write_bytes(whole.read_bytes()[:-2000])
    with pytest.raises(UserError, match=r"cut\.nii\.gz: cannot be read"):
        volumes.read_volume(tmp_path / "cut.nii.gz")
    with pytest.raises(UserError, match=r"complex\.nii: voxels of type complex64"):
        volumes.read_volume(write(tmp_path / "complex.nii", np.ones((2, 2, 2), np.complex64)))


def test_singular_affine_is_refused(tmp_path):
    path = write(tmp_path / "flat.nii", np.ones((2, 2, 2), np.float32))
    raw = bytearray(path.read_bytes())
    raw[312:328] = bytes(16)  # srow_z, the third row of the affine
    raw[252:254] = bytes(2)  # qform_code: no other affine to fall back on
    path.write_bytes(raw)
    with pytest.raises(UserError, match=r"flat\.nii: the affine is singular"):
        volumes.read_volume(path)


def test_written_volume_is_read_back(tmp_path):
    array = np.random.default_rng(1).normal(size=(3, 4, 5)).astype(np.float32)
    volumes.write_volume(tmp_path / "new" / "w.nii.gz", array, AFFINE)
    volume = volumes.read_volume(tmp_path / "new" / "w.nii.gz")
    np.testing.assert_array_equal(volume.array, array)
    np.testing.assert_allclose(volume.affine, AFFINE)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["w.nii.gz"]
    with pytest.raises(UserError, match="written as"):
        volumes.write_volume(tmp_path / "w.img", array, AFFINE)


def test_template_is_a_brain():
    volume, mask = volumes.template(4)
    assert volume.array.shape == mask.shape
    assert volume.array.min() >= 0
    assert 0.9 < volume.array.max() <= 1
    # the template's brain, ventricles included, holds about 1.9 litres (more than most brains)
    assert 1.7e6 < mask.sum() * 4**3 < 2.1e6
    middle = np.argwhere(mask).mean(0)
    place = volume.affine @ [*middle, 1]
    assert abs(place[0]) < 2  # the brain is centred between left and right


def test_the_template_without_nilearn_says_what_to_install(monkeypatch):
    volumes._template.cache_clear()
    monkeypatch.setitem(sys.modules, "nilearn", None)
    with pytest.raises(UserError, match=r"pip install 'lvae\[brain\]'"):
        volumes.template(4)
    with pytest.raises(UserError, match=r"0\.5 mm: expected"):
        volumes.template(0.5)
