"""ISLES folders and pseudo-cases: what is read, how it is cut, what is refused and how."""

import nibabel
import numpy as np
import pytest

from lvae.data import isles, scan_patches, stroke_scans
from lvae.data.lesions import smooth_noise
from lvae.data.scan_patches import PatchConfig
from lvae.errors import UserError

CONFIG = PatchConfig(size=8, spacing_mm=1.0, slice_mm=1.0, head_share=0.25, lesion_share=0.0)
UPRIGHT = np.array([[1.0, 0, 0, -20], [0, 1, 0, 30], [0, 0, 1, 5], [0, 0, 0, 1]])


def example(seed=0, shape=(32, 40, 4)):
    """A bright block on a dark ground with a brighter lesion inside."""
    random = np.random.default_rng(seed)
    image = np.zeros(shape, np.float32)
    image[4:28, 4:36] = 100 + 20 * random.random((24, 32, shape[2]))
    mask = np.zeros(shape, np.uint8)
    mask[9:13, 13:16, 1:3] = 1
    image[mask == 1] += 100
    return image, mask


def write(folder, name, image, mask, affine=UPRIGHT, mask_affine=None):
    case = folder / name
    places = [
        (case / "VSD.Brain.XX.O.MR_DWI.70616", image, affine),
        (
            case / "VSD.Brain_3more.XX.O.OT.70623",
            mask,
            affine if mask_affine is None else mask_affine,
        ),
    ]
    for place, array, matrix in places:
        if array is not None:
            place.mkdir(parents=True)
            nibabel.save(nibabel.Nifti1Image(array, matrix), place / f"{place.name}.nii")


def turned(array, matrix):
    """The same volume stored front to back first, left-right last and mirrored."""
    new = np.flip(array.transpose(1, 2, 0), 2)
    axes = np.zeros((4, 4))
    axes[1, 0] = axes[2, 1] = axes[3, 3] = 1
    axes[0, 2], axes[0, 3] = -1, array.shape[0] - 1
    return np.ascontiguousarray(new), matrix @ axes


def test_axes_and_directions_of_a_file_do_not_matter(tmp_path):
    image, mask = example()
    write(tmp_path, "1", image, mask)
    odd_image, odd = turned(image, UPRIGHT)
    odd_mask, _ = turned(mask, UPRIGHT)
    write(tmp_path, "2", odd_image, odd_mask, odd)
    first, second = (isles.read_case(entry) for entry in isles.find_cases(tmp_path))
    np.testing.assert_array_equal(first.channels.arrays["dwi"], second.channels.arrays["dwi"])
    np.testing.assert_array_equal(first.lesion, second.lesion)
    assert first.lesion.sum() == mask.sum()


def scan_of(image, slice_mm=1.0):
    """A scan whose DWI is the image; the other channels hold other numbers."""
    values = np.stack([image, image / 2, image / 3], -1).astype(np.float32)
    return stroke_scans.Scan(values, values[::-1], values / 4, image > 0, (1.0, 1.0, slice_mm), 1)


def test_patches_are_the_blocks_of_the_volume():
    image, mask = example()
    image = image / image.max()
    patches = scan_patches.patches_of(scan_of(image), mask > 0, PatchConfig(8, 1.0, 2.0, 0.25, 0.0))
    expected = []
    for z in (0, 2):  # every second slice
        for x in range(0, 32, 8):
            for y in range(0, 40, 8):
                block = np.s_[x : x + 8, y : y + 8, z]
                if (image > 0)[block].mean() >= 0.25:
                    beside = [image[block[:2]][..., max(z - 1, 0)], image[block[:2]][..., z + 1]]
                    expected.append((image[block], mask[block], image[::-1][block], beside))
    levels = np.rint(255 * np.array([part[0] for part in expected]))
    np.testing.assert_array_equal(patches["image"], levels)
    other_side = np.rint(255 * np.array([part[2] for part in expected], np.float32))
    np.testing.assert_array_equal(patches["mirror"][..., 0], other_side)
    beside = np.rint(255 * np.array([part[3] for part in expected], np.float32) / 4)
    np.testing.assert_array_equal(patches["beside"][..., 0], beside[:, 0])
    np.testing.assert_array_equal(patches["beside"][..., 2], beside[:, 1])
    ill = np.array([part[1] for part in expected])
    np.testing.assert_array_equal(patches["tissue"] == 2, (ill == 1) & (levels > 0))
    np.testing.assert_allclose(patches["share"], ill.mean((1, 2)), atol=1e-7)
    np.testing.assert_array_equal(patches["label"], ill.any((1, 2)))
    assert 0 < patches["label"].sum() < len(ill)


def test_a_patch_is_lesion_above_the_share_only():
    image, mask = example()
    scan = scan_of(image / image.max())
    shares = scan_patches.patches_of(scan, mask > 0, CONFIG)["share"]
    middle = float(np.sort(shares[shares > 0])[0])
    strict = PatchConfig(8, 1.0, 1.0, 0.25, middle)
    labels = scan_patches.patches_of(scan, mask > 0, strict)["label"]
    np.testing.assert_array_equal(labels, shares > middle)


def test_positions_are_the_head_s_own():
    head = np.zeros((20, 20, 9), bool)
    head[4:15, 2:13, 2:7] = True
    places = np.array([[4, 2, 2], [14, 12, 6], [9, 7, 4]], float)
    expected = [[-1, -1, -1], [1, 1, 1], [0, 0, 0]]
    np.testing.assert_allclose(scan_patches.positions(places, head), expected, atol=1e-6)


def test_normalised_values_know_neither_units_nor_lesions():
    random = np.random.default_rng(0)
    array = random.normal(100, 10, (20, 20, 20)).astype(np.float32)
    head = np.ones(array.shape, bool)
    head[:, :, 18:] = False
    plain = stroke_scans.normalise(array, head)
    # the commonest of 7200 normal values is within half a deviation of their mean
    assert abs(np.median(plain[head]) * stroke_scans.REACH - 1) < 0.05
    assert not plain[~head].any()
    np.testing.assert_allclose(stroke_scans.normalise(3 * array, head), plain, atol=1e-6)
    array[:6, :6, :6] = 1e4  # 3 % of the head, as bright as nothing else
    changed = stroke_scans.normalise(array, head)
    np.testing.assert_allclose(changed[8:], plain[8:], rtol=0.05)
    assert (changed[:6, :6, :6] == 1).all()


def test_pixels_of_another_size_are_brought_to_one():
    ramp = np.broadcast_to(np.arange(10.0)[:, None, None], (10, 6, 3)).astype(np.float32)
    fine = stroke_scans.in_plane(ramp, (2.0, 2.0, 5.0), 1.0, order=1)
    assert fine.shape == (20, 12, 3)
    # pixel i of the fine grid lies at (i + 0.5) / 2 - 0.5 of the coarse one
    np.testing.assert_allclose(fine[2:-2, 0, 0], (np.arange(2, 18) + 0.5) / 2 - 0.5, atol=1e-5)
    assert stroke_scans.in_plane(ramp, (1.01, 1.0, 5.0), 1.0, order=1) is ramp
    assert stroke_scans.in_plane(ramp, (1e-3, 1.0, 5.0), 1.0, order=1).shape == (1, 6, 3)


def test_no_case_is_in_two_splits_and_the_seed_decides(tmp_path):
    for name in range(6):
        write(tmp_path, f"case{name}", *example(name))
    splits = isles.load(str(tmp_path), 0, 0, (0.17, 0.34), CONFIG)
    cases = [set(fields["case"].tolist()) for fields in splits.values()]
    assert [len(names) for names in cases] == [3, 1, 2]
    assert set.union(*cases) == set(range(6))
    again = isles.load(str(tmp_path), 0, 0, (0.17, 0.34), CONFIG)
    np.testing.assert_array_equal(again["test"]["image"], splits["test"]["image"])
    assert isles.assign(30, (0.15, 0.25), 0, "") != isles.assign(30, (0.15, 0.25), 1, "")


def refused(function, *words):
    with pytest.raises(UserError) as caught:
        function()
    for word in words:
        assert word in str(caught.value), str(caught.value)


def read_all(folder):
    return [isles.read_case(entry) for entry in isles.find_cases(folder)]


def test_bad_folders_are_named(tmp_path):
    refused(lambda: isles.find_cases(tmp_path / "none"), "none", "no such folder")
    refused(lambda: isles.find_cases(tmp_path), "holds no case folders")
    write(tmp_path, "07", example()[0], None)
    refused(lambda: read_all(tmp_path), "case 07", "lesion mask", "O.OT")


def test_two_masks_are_one_too_many(tmp_path):
    image, mask = example()
    write(tmp_path, "07", image, mask)
    nibabel.save(
        nibabel.Nifti1Image(mask, UPRIGHT),
        tmp_path / "07" / "VSD.Brain_3more.XX.O.OT.70623" / "other.nii",
    )
    refused(lambda: read_all(tmp_path), "case 07", "2 files", "other.nii")


@pytest.mark.parametrize(
    ("image", "mask", "words"),
    [
        (np.stack([example()[0]] * 2, -1), example()[1], ("MR_DWI", "(32, 40, 4, 2)")),
        (example()[0], example()[1][:, :-1], ("O.OT", "(32, 39, 4)", "(32, 40, 4)")),
        (example()[0], example()[1] * 3, ("O.OT", "holds the value 3")),
    ],
)
def test_bad_volumes_are_named_with_their_case(tmp_path, image, mask, words):
    write(tmp_path, "case_b", image, mask)
    refused(lambda: read_all(tmp_path), "case case_b", *words)


def test_a_case_without_a_head_is_named(tmp_path):
    write(tmp_path, "case_b", np.zeros((32, 40, 4), np.float32), example()[1])
    for name in "cdef":
        write(tmp_path, f"case_{name}", *example())
    words = ("case case_b", "MR_DWI", "head of 0 voxels")
    refused(lambda: isles.load(str(tmp_path), 0, 0, (0.2, 0.2), CONFIG), *words)


def test_a_mask_on_another_grid_is_refused(tmp_path):
    image, mask = example()
    write(tmp_path, "9", image, mask, UPRIGHT, UPRIGHT + 3 * np.eye(4, k=3))
    refused(lambda: read_all(tmp_path), "case 9", "another affine")


def test_a_file_that_is_no_volume_is_named(tmp_path):
    write(tmp_path, "9", *example())
    next((tmp_path / "9").glob("*DWI*/*.nii")).write_bytes(b"not a volume")
    refused(lambda: read_all(tmp_path), "case 9", "MR_DWI", "cannot be read")


def test_too_few_cases_and_cases_without_lesions(tmp_path):
    image, mask = example()
    for name in ("1", "2"):
        write(tmp_path, name, image, mask)
    refused(lambda: isles.load(str(tmp_path), 0, 0, (0.2, 0.2), CONFIG), "2 cases")
    write(tmp_path, "3", image, mask * 0)
    refused(lambda: isles.load(str(tmp_path), 0, 0, (0.2, 0.2), CONFIG), "of one kind")


def test_smooth_noise_passes_through_its_knots_and_is_standard_normal():
    random = np.random.default_rng(0)
    noise = smooth_noise(random, (9, 13, 5), (3, 4, 3))
    knots = np.random.default_rng(0).standard_normal((3, 4, 3), dtype=np.float32)
    np.testing.assert_allclose(noise[::4, ::4, ::2], knots, atol=1e-6)


def named(path, array, matrix=UPRIGHT):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, matrix), path)


def write_2022(folder, case, image, mask):
    name = f"sub-strokecase{case:04d}"
    session = f"{name}_ses-0001"
    named(folder / name / "ses-0001" / "dwi" / f"{session}_dwi.nii.gz", image)
    named(folder / name / "ses-0001" / "dwi" / f"{session}_adc.nii.gz", image / 2)
    named(folder / name / "ses-0001" / "anat" / f"{session}_FLAIR.nii.gz", image / 3)
    named(folder / "derivatives" / name / "ses-0001" / f"{session}_msk.nii.gz", mask)


def test_isles_2022_gives_what_isles_2015_gives(tmp_path):
    for case in range(4):
        image, mask = example(case)
        write(tmp_path / "2015", f"{case}", image, mask)
        write_2022(tmp_path / "2022", case, image, mask)
    (tmp_path / "2022" / "dataset_description.json").write_text("{}")
    first, second = (
        isles.load(str(tmp_path / year), 0, 0, (0.2, 0.2), CONFIG) for year in ("2015", "2022")
    )
    for split, fields in first.items():
        for name in ("image", "tissue", "label", "share", "position", "case"):
            np.testing.assert_array_equal(second[split][name], fields[name])
        assert second[split]["others"].any((0, 1, 2)).all()  # ADC and FLAIR
        assert not fields["others"].any()
    names = [case.name for case in isles.find_cases(tmp_path / "2022")]
    assert names == [f"sub-strokecase{case:04d}_ses-0001" for case in range(4)]


def test_names_in_capitals_plain_names_and_nested_folders(tmp_path):
    image, mask = example()
    write(tmp_path / "a", "7", image, mask)
    for path in list((tmp_path / "a").rglob("*.nii")):
        path.rename(path.with_suffix(".NII"))
    assert len(read_all(tmp_path / "a")) == 1
    assert [case.name for case in isles.find_cases(tmp_path)] == ["a/7"]
    for case in ("x", "y"):
        named(tmp_path / "b" / case / f"{case}_DWI.nii.gz", image)
        named(tmp_path / "b" / case / f"{case}_adc.nii.gz", image)
        named(tmp_path / "b" / case / f"{case}_mask.nii.gz", mask)
    assert [case.name for case in isles.find_cases(tmp_path / "b")] == ["x", "y"]
    read_all(tmp_path / "b")


def test_all_bad_cases_are_named_at_once(tmp_path):
    image, mask = example()
    for case in range(6):
        write_2022(tmp_path, case, image, mask if case != 2 else mask * 5)
    next(tmp_path.glob("sub-strokecase0001/**/*_dwi.nii.gz")).write_bytes(b"damaged")
    next(tmp_path.glob("derivatives/sub-strokecase0004/**/*_msk.nii.gz")).write_bytes(b"damaged")
    with pytest.raises(UserError) as caught:
        isles.load(str(tmp_path), 0, 0, (0.2, 0.2), CONFIG)
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    for line, words in zip(lines, ("0001_ses-0001_dwi", "holds the value 5", "0004_ses-0001_msk")):
        assert words in line
    next(tmp_path.glob("derivatives/sub-strokecase0004/**/*_msk.nii.gz")).unlink()
    next(tmp_path.glob("derivatives/sub-strokecase0005/**/*_msk.nii.gz")).unlink()
    with pytest.raises(UserError, match=r"0004.*no lesion mask at .*\n.*0005.*no lesion mask"):
        isles.find_cases(tmp_path)


def test_a_case_folder_that_lost_its_files_and_a_case_as_the_folder(tmp_path):
    write(tmp_path, "7", *example())
    (tmp_path / "8").mkdir()
    (tmp_path / ".git").mkdir()
    refused(lambda: isles.find_cases(tmp_path), "case 8", "no DWI")
    refused(lambda: isles.find_cases(tmp_path / "7"), "is itself a case")
    named(tmp_path / "loose" / "brain.nii", example()[0])
    refused(lambda: isles.find_cases(tmp_path / "loose"), "no case folders (1 volumes)", "2022")


def test_a_shifted_case_has_the_same_head(tmp_path):
    image, mask = example()
    inside = image > 0
    shifted = np.where(inside, image - image[inside].mean(), 0).astype(np.float32)
    write(tmp_path, "1", image, mask)
    write(tmp_path, "2", shifted, mask)
    first, second = (
        stroke_scans.prepare(case.channels, 1.0, case.name) for case in read_all(tmp_path)
    )
    np.testing.assert_array_equal(first.head, second.head)
