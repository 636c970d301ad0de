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


def coded(path, sform_code, qform_code, units=("mm", "sec")):
    """A volume whose header says all that a header can; its two affines differ."""
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    image = nibabel.Nifti1Image(array, AFFINE)
    turned = AFFINE @ np.diag([-1.0, 1, 1, 1])
    image.set_qform(turned if sform_code else AFFINE, code=qform_code)
    image.set_sform(AFFINE, code=sform_code)
    image.header.set_xyzt_units(*units)
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("codes", [(1, 1), (4, 2), (2, 0), (0, 1), (3, 5)])
def test_a_map_on_a_volume_s_grid_keeps_what_its_header_says(tmp_path, codes):
    path = coded(tmp_path / "in.nii.gz", *codes)
    volume = volumes.read_volume(path)
    volumes.write_volume(tmp_path / "out.nii.gz", volume.array, volume.affine, header=volume.header)
    before, after = (nibabel.load(tmp_path / name) for name in ("in.nii.gz", "out.nii.gz"))
    np.testing.assert_allclose(after.affine, before.affine, atol=1e-6)
    for field in ("sform_code", "qform_code", "xyzt_units"):
        assert after.header[field] == before.header[field], field
    turned = volumes.canonical(volume)
    if codes[1]:
        np.testing.assert_allclose(
            after.get_qform(), before.get_qform(), atol=1e-5
        )  # the second affine turns with the voxels
        place = np.linalg.inv(volume.affine) @ volume.header.qform
        turn = np.linalg.inv(volume.affine) @ turned.affine
        expected = np.linalg.inv(turn) @ place @ turn
        np.testing.assert_allclose(
            np.linalg.inv(turned.affine) @ turned.header.qform, expected, atol=1e-6
        )


@pytest.mark.parametrize(("unit", "scale"), [("mm", 1), ("micron", 1e-3), ("unknown", 1)])
def test_voxel_sizes_are_mm_whatever_the_header_s_unit(tmp_path, unit, scale):
    path = coded(tmp_path / "a.nii", 1, 0, (unit, "unknown"))
    sizes = volumes.read_volume(path).info.voxel_size
    assert sizes == pytest.approx((2.0 * scale, 1.5 * scale, 3.0 * scale))


def test_voxel_sizes_that_no_image_has_are_refused(tmp_path):
    path = coded(tmp_path / "a.nii", 1, 0, ("meter", "unknown"))
    with pytest.raises(UserError, match=r"a\.nii: 2 x 3 x 4 voxels of 2000 x .*unit is meter"):
        volumes.read_volume(path)
    write(path, np.ones((40, 2, 2), np.float32), np.diag([90.0, 1, 1, 1]))
    with pytest.raises(UserError, match=r"a\.nii: 40 x 2 x 2 voxels of 90 x 1 x 1 mm"):
        volumes.read_volume(path)


def test_an_affine_beyond_all_numbers_is_refused(tmp_path):
    path = coded(tmp_path / "a.nii", 1, 0)
    raw = bytearray(path.read_bytes())
    raw[280:328] = np.float32([3e38, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]).tobytes()  # srow_x, _y, _z
    path.write_bytes(raw)
    with pytest.raises(UserError, match=r"a\.nii: (2 x 3 x 4 voxels of 3e\+38|the affine)"):
        volumes.read_volume(path)


def test_values_beyond_all_reason_are_refused(tmp_path):
    path = write(tmp_path / "a.nii", np.full((2, 2, 2), 1e35, np.float32))
    with pytest.raises(UserError, match=r"a\.nii: values up to 1e\+35"):
        volumes.read_volume(path)


@pytest.mark.parametrize("name", ["a.mgz", "a.mgh", "UP.MGZ"])
def test_freesurfer_volumes_are_read(tmp_path, name):
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    write(tmp_path / "a.mgz", array, AFFINE, nibabel.MGHImage)
    if name.endswith(".mgh"):
        write(tmp_path / name, array, AFFINE, nibabel.MGHImage)
    elif name != "a.mgz":
        (tmp_path / "a.mgz").rename(tmp_path / name)
    assert volumes.is_volume(tmp_path / name)
    volume = volumes.read_volume(tmp_path / name)
    np.testing.assert_array_equal(volume.array, array)
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-5)
    assert volume.header.units[0] == "mm"


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("UP.NII.GZ", "UP"),
        ("a.b.nii", "a.b"),
        ("x.IMG.gz", "x"),
        ("x.hdr", "x"),
        ("s.mgz", "s"),
        ("nii.txt", "nii.txt"),
        ("a.nii.png", "a.nii.png"),
    ],
)
def test_a_volume_s_stem(name, stem):
    assert volumes.stem(f"folder.nii/{name}") == stem


def test_upper_case_names_are_read_and_pairs_count_once(tmp_path):
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    write(tmp_path / "up.nii.gz", array).rename(tmp_path / "UP.NII.GZ")
    np.testing.assert_array_equal(volumes.read_volume(tmp_path / "UP.NII.GZ").array, array)
    write(tmp_path / "v.img", array, np.eye(4), nibabel.AnalyzeImage)
    for ending in ("img", "hdr"):
        (tmp_path / f"v.{ending}").rename(tmp_path / f"V.{ending.upper()}")
    assert [path.name for path in sorted(tmp_path.iterdir()) if volumes.is_volume(path)] == [
        "UP.NII.GZ",
        "V.HDR",
    ]
    np.testing.assert_array_equal(volumes.read_volume(tmp_path / "V.HDR").array, array)


def test_damaged_codes_count_as_absent(tmp_path, caplog):
    path = coded(tmp_path / "a.nii", 1, 1)
    raw = bytearray(path.read_bytes())
    raw[123] = 0b101111  # units: of space 7, of time 40
    raw[252:254] = (99).to_bytes(2, "little")
    path.write_bytes(raw)
    header = volumes.read_volume(path).header
    assert (header.sform_code, header.qform_code, header.units) == (1, 0, ("unknown", "unknown"))
    assert not caplog.records  # nibabel would log what it mends


def test_a_placeholder_says_how_to_get_the_file(tmp_path):
    (tmp_path / "a.nii.gz").write_text("/annex/objects/MD5E-s123--abc.nii.gz\n")
    with pytest.raises(
        UserError, match=r"a\.nii\.gz: is a git-annex placeholder; run `datalad get`"
    ):
        volumes.read_volume(tmp_path / "a.nii.gz")
