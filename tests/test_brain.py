"""Brain slices: the layouts that are read, subjects that stay apart, and pseudo-subjects."""

import dataclasses

import nibabel
import numpy as np
import pytest
from PIL import Image

from lvae.data import brain
from lvae.data.brain.png_slices import FOLDERS
from lvae.data.brain.pseudo_subjects import _smooth_fields
from lvae.data.brain.splits import SPLITS, split_subjects
from lvae.data.brain.volume_slices import slice_volume
from lvae.errors import UserError

CONFIG = brain.BrainConfig(
    path="",
    size=32,
    field_of_view_mm=256.0,
    slices=3,
    subjects=(3, 1, 1),
    fractions=(0.6, 0.2, 0.2),
    seed=0,
)


def slice_image(size, level=100):
    rows, columns = np.mgrid[:size, :size]
    inside = np.hypot(rows - size / 2, columns - size / 2) < size / 3
    return np.where(inside, level + rows % 7, 0).astype(np.uint8)


def write_case(folder, case, count=2, size=64):
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        path = folder / f"case_{case:03d}_slice_{index}.nii.png"
        Image.fromarray(slice_image(size, 100 + 10 * index)).save(path)


@pytest.fixture
def oasis(tmp_path):
    for case, folder in enumerate(FOLDERS.values(), start=1):
        write_case(tmp_path / folder, case, count=12)
    return tmp_path


def read(path):
    return brain.load(dataclasses.replace(CONFIG, path=str(path)))


def test_oasis_folders_are_averaged_down_and_ordered_by_number(oasis):
    splits = read(oasis)
    assert set(splits) == set(SPLITS)
    train = splits["train"]
    assert train["image"].shape == (12, 32, 32)
    assert train["slice"].tolist() == list(range(12))  # 2 before 10
    assert set(train["subject"]) == {"case_001"}
    full = slice_image(64, 100 + 10 * 11).astype(float)
    means = full.reshape(32, 2, 32, 2).mean((1, 3))
    np.testing.assert_allclose(train["image"][11], means, atol=0.5)


def test_a_subject_in_two_splits_is_an_error(oasis):
    write_case(oasis / FOLDERS["test"], 1)
    with pytest.raises(UserError, match="subject case_001 is in both train and test"):
        read(oasis)


def damaged(path, kind):
    if kind == "colour":
        Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(path)
    elif kind == "size":
        Image.fromarray(slice_image(50)).save(path)
    elif kind == "blank":
        Image.fromarray(np.zeros((64, 64), np.uint8)).save(path)
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "truncated":
        path.write_bytes(path.read_bytes()[:120])
    else:
        path.rename(path.with_name("slice.png"))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("colour", r"slice_0\.nii\.png: image of mode RGB"),
        ("size", r"slice_0\.nii\.png: 50 x 50 pixels"),
        ("blank", r"slice_0\.nii\.png: every pixel is 0"),
        ("empty", r"slice_0\.nii\.png: cannot be read"),
        ("truncated", r"slice_0\.nii\.png: cannot be read"),
        ("name", r"slice\.png: the name says no case"),
    ],
)
def test_damaged_slices_are_named(oasis, kind, message):
    damaged(oasis / FOLDERS["validation"] / "case_002_slice_0.nii.png", kind)
    with pytest.raises(UserError, match=message):
        read(oasis)


def test_missing_and_empty_folders_are_named(oasis, tmp_path):
    with pytest.raises(UserError, match="absent: no such folder"):
        read(tmp_path / "absent")
    for path in (oasis / FOLDERS["test"]).iterdir():
        path.unlink()
    with pytest.raises(UserError, match="slices_test: no PNG files"):
        read(oasis)
    (oasis / FOLDERS["test"]).rmdir()
    with pytest.raises(UserError, match="slices_test: no such folder"):
        read(oasis)


def write_head(path, flip=False):
    """A head of 80 x 100 x 60 mm, brighter to the front, in voxels of 4 x 5 x 4 mm."""
    x, y, z = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in (30, 30, 20)), indexing="ij")
    inside = (x / 10) ** 2 + (y / 10) ** 2 + (z / 7.5) ** 2 < 1
    array = np.where(inside, 100 + 5 * y, 0).astype(np.float32)
    affine = np.diag([4.0, 5.0, 4.0, 1.0])
    if flip:  # the same head, stored from front to back
        array, affine = array[:, ::-1], affine @ np.diag([1.0, -1.0, 1.0, 1.0])
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, affine), path)


def test_volumes_are_sliced_with_the_front_up_whatever_their_axes(tmp_path):
    write_head(tmp_path / "a.nii.gz")
    write_head(tmp_path / "b.nii.gz", flip=True)
    first, second = (slice_volume(tmp_path / name, CONFIG) for name in ("a.nii.gz", "b.nii.gz"))
    np.testing.assert_array_equal(first, second)
    assert first.shape == (3, 32, 32)
    middle = first[1].astype(float)
    rows = np.flatnonzero(middle.any(1))
    assert middle[rows[1]].max() > middle[rows[-2]].max()  # anterior above, and brighter
    # 8 mm a pixel: 80 mm across, 100 mm from front to back, 12.5 times
    assert abs(middle.any(0).sum() - 80 / 8) <= 1
    assert abs(len(rows) - 100 / 8) <= 1.5


def test_volumes_are_split_by_subject(tmp_path):
    for subject in range(5):
        for session in range(2):
            write_head(tmp_path / f"sub-{subject}" / f"sub-{subject}_ses-{session}_T1w.nii.gz")
    splits = read(tmp_path)
    counts = [len(np.unique(splits[name]["subject"])) for name in SPLITS]
    assert counts == [3, 1, 1]
    assert sum(len(split["image"]) for split in splits.values()) == 5 * 2 * 3


def test_split_depends_on_the_names_and_the_seed_alone():
    names = [f"s{index}" for index in range(20)]
    first = split_subjects(names, (0.8, 0.1, 0.1), 0)
    assert split_subjects(names[::-1] * 2, (0.8, 0.1, 0.1), 0) == first
    assert split_subjects(names, (0.8, 0.1, 0.1), 1) != first
    assert sorted(list(first.values()).count(name) for name in SPLITS) == [2, 2, 16]
    tiny = split_subjects(["a", "b", "c"], (0.98, 0.01, 0.01), 0)
    assert sorted(tiny.values()) == sorted(SPLITS)


def test_too_few_volumes_and_empty_ones_are_named(tmp_path):
    write_head(tmp_path / "only.nii.gz")
    with pytest.raises(UserError, match="volumes of 1 subjects"):
        read(tmp_path)
    nibabel.save(nibabel.Nifti1Image(np.zeros((5, 5, 5)), np.eye(4)), tmp_path / "zero.nii")
    with pytest.raises(UserError, match=r"zero\.nii: no voxel above zero"):
        slice_volume(tmp_path / "zero.nii", CONFIG)


def test_images_for_sampling_may_have_any_name(tmp_path):
    Image.fromarray(slice_image(32)).save(tmp_path / "patient.png")
    names, images = brain.read_images(tmp_path, CONFIG)
    assert names == ["patient"]
    np.testing.assert_array_equal(images[0], slice_image(32))
    (tmp_path / "patient.png").unlink()
    with pytest.raises(UserError, match="no PNG slices and no volumes"):
        brain.read_images(tmp_path, CONFIG)
    write_head(tmp_path / "head.nii.gz")
    names, images = brain.read_images(tmp_path, CONFIG)
    assert names == ["head_slice_0", "head_slice_1", "head_slice_2"]
    write_head(tmp_path / "head.late.nii")
    assert brain.read_images(tmp_path, CONFIG)[0][-1] == "head_slice_2"
    write_head(tmp_path / "head.nii")
    with pytest.raises(UserError, match=r"two volumes would both become head_slice_0; rename"):
        brain.read_images(tmp_path, CONFIG)


def test_pseudo_subjects_are_many_deterministic_and_apart():
    pytest.importorskip("nilearn")
    splits = brain.load(CONFIG)
    brain.load.cache_clear()
    again = brain.load(CONFIG)
    np.testing.assert_array_equal(splits["train"]["image"], again["train"]["image"])
    other = brain.load(dataclasses.replace(CONFIG, seed=1))
    assert (splits["train"]["image"] != other["train"]["image"]).mean() > 0.1
    subjects = [set(split["subject"]) for split in splits.values()]
    assert sum(map(len, subjects)) == len(set.union(*subjects)) == 5
    images = splits["train"]["image"].reshape(3, 3, 32, 32).astype(float)
    assert images.max() == 255
    assert (images[..., 0, :] == 0).all()  # the frame is wide enough
    # the same slice of two subjects differs: in the mean by several grey levels inside the brain
    inside = images[0, 1] > 50
    assert np.abs(images[0, 1] - images[1, 1])[inside].mean() > 8
    # more subjects leave those before them as they were
    more = brain.load(dataclasses.replace(CONFIG, subjects=(4, 1, 1)))
    np.testing.assert_array_equal(more["train"]["image"][:9], splits["train"]["image"])


def test_smooth_fields_have_unit_variance_and_are_smooth():
    axes = [np.linspace(0, 240, 41)] * 3
    steps = []
    for knots_mm in (30.0, 60.0):
        fields = _smooth_fields(np.random.default_rng(0), 40, axes, knots_mm)
        assert fields.std() == pytest.approx(1, abs=0.1)
        steps.append(np.diff(fields, axis=-1).std())
    assert steps[0] / steps[1] == pytest.approx(2, rel=0.15)  # slopes go with one over the spacing


def test_config_is_checked():
    for changes in (
        {"size": 30},
        {"slices": 0},
        {"subjects": (1, 1)},
        {"fractions": (0.5, 0.2, 0.2)},
    ):
        with pytest.raises(ValueError, match="expected"):
            dataclasses.replace(CONFIG, **changes)
