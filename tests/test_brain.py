"""Brain slices: the layouts that are read, subjects that stay apart, and pseudo-subjects."""

import dataclasses
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from lvae.data import brain
from lvae.data.brain.png_slices import FOLDERS
from lvae.data.brain.smooth_fields import smooth_fields
from lvae.data.brain.splits import SPLITS, split_subjects
from lvae.data.brain.subjects import contrast_of, is_mask, subjects_of
from lvae.data.brain.volume_slices import slice_volume
from lvae.data.problems import Problems
from lvae.errors import UserError

CONFIG = brain.DataSettings(
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
        Image.fromarray(np.full((64, 64, 3), (9, 8, 9), np.uint8)).save(path)
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
        ("colour", r"slice_0\.nii\.png: is in colour"),
        ("size", r"slice_0\.nii\.png: 50 x 50 pixels"),
        ("blank", r"slice_0\.nii\.png: every pixel is 0"),
        ("empty", r"slice_0\.nii\.png: is no image"),
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
    with pytest.raises(
        UserError, match=r"head\.nii\.gz: and head\.nii would both become head; rename"
    ):
        brain.read_images(tmp_path, CONFIG)


def test_pseudo_subjects_are_many_deterministic_and_apart():
    pytest.importorskip("nilearn")
    splits = brain.load(CONFIG)
    brain._load_once.cache_clear()
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


def testsmooth_fields_have_unit_variance_and_are_smooth():
    axes = [np.linspace(0, 240, 41)] * 3
    steps = []
    for knots_mm in (30.0, 60.0):
        fields = smooth_fields(np.random.default_rng(0), 40, axes, knots_mm)
        assert fields.std() == pytest.approx(1, abs=0.1)
        steps.append(np.diff(fields, axis=-1).std())
    assert steps[0] / steps[1] == pytest.approx(2, rel=0.15)  # slopes go with one over the spacing


def test_config_is_checked():
    for changes in (
        {"size": 30},
        {"slices": 0},
        {"field_of_view_mm": 0.0},
        {"subjects": (1, 1, 0)},
        {"fractions": (0.5, 0.2, 0.2)},
    ):
        with pytest.raises(ValueError, match=f"{next(iter(changes))}=.*: must be"):
            dataclasses.replace(CONFIG, **changes)


def load(folder, **changes):
    """The splits of a folder and the warnings."""
    problems = Problems()
    config = dataclasses.replace(CONFIG, path=str(folder), **changes)
    return brain.load(config, problems), "\n".join(map(str, problems.warnings))


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["p0/p0_t1.nii", "p0/p0_flair.nii", "p1/p1_t1.nii", "p2/p2_t1.nii"], "p0 p0 p1 p2"),
        (["patient00/T1.nii.gz", "patient01/T1.nii.gz", "patient02/T1.nii.gz"], None),
        (["a_t1.nii", "a_T2.nii", "b-T1.nii", "c.nii.gz"], "a a b c"),
        (["T1/IXI1-Guys-T1.nii", "T2/IXI1-Guys-T2.nii", "PD/IXI2.nii"], "IXI1-Guys IXI1-Guys IXI2"),
        (["HGG/x1/x1_t1.nii", "HGG/x2/x2_t1.nii", "LGG/x3/x3_t1.nii"], "HGG_x1 HGG_x2 LGG_x3"),
        (["a/visit1/T1.nii", "a/visit2/T1.nii", "b/visit1/T1.nii"], "a a b"),
        (["site1/a/x.nii", "site1/b/y.nii", "s2/c/z.nii", "s3/d/w.nii"], "site1 site1 s2 s3"),
        (["sub-1/ses-1/anat/sub-1_ses-1_T1w.nii", "x/sub-1_T2w.nii"], "sub-1 sub-1"),
        (["OAS1_0001_MR1/a.nii", "OAS1_0001_MR2/b.nii"], "OAS1_0001 OAS1_0001"),
        (["T1.nii", "scan.late.nii"], "T1 scan.late"),
    ],
)
def test_subjects_are_what_the_path_says(paths, expected):
    names = expected.split() if expected else ["patient00", "patient01", "patient02"]
    assert subjects_of([Path(path) for path in paths]) == names


def test_masks_and_contrasts_are_known_by_their_names():
    for name in ("p/p_seg.nii.gz", "x_T1_mask.nii", "labelsTr/a.nii", "a-lesion.nii", "seg.mgz"):
        assert is_mask(Path(name)), name
    for name in ("p/p_t1.nii", "masked_head.nii", "segment1.nii", "label1/a.nii"):
        assert not is_mask(Path(name)), name
    assert contrast_of(Path("p/p_t1.nii.gz")) == contrast_of(Path("T1/a.nii")) == "T1"
    assert contrast_of(Path("p/p_FLAIR.nii.gz")) == "FLAIR"
    assert contrast_of(Path("p/visit.nii")) == ""


def test_a_folder_per_patient_keeps_its_files_together(tmp_path):
    for patient in range(4):
        for kind in ("t1", "t2", "flair", "seg"):
            write_head(tmp_path / f"B{patient}" / f"B{patient}_{kind}.nii.gz")
    splits, warnings = load(tmp_path)
    assert sum(len(split["image"]) for split in splits.values()) == 4 * 3 * 3  # no masks
    subjects = [set(split["subject"]) for split in splits.values()]
    assert sum(map(len, subjects)) == len(set.union(*subjects)) == 4
    for split in splits.values():  # no two slices of a subject have one number
        pairs = list(zip(split["subject"], split["slice"]))
        assert len(set(pairs)) == len(pairs)
    assert "4 volumes are masks by their names" in warnings
    assert "12 scans of 4 subjects in several contrasts (FLAIR, T1, T2)" in warnings


def test_too_few_subjects_say_how_subjects_are_named(tmp_path):
    for session in range(3):
        write_head(tmp_path / "p1" / f"visit{session}" / "T1.nii.gz")
    with pytest.raises(
        UserError, match=r"volumes of 1 subjects \(3 files; p1/visit0/T1.nii.gz is of p1"
    ):
        read(tmp_path)
    with pytest.raises(UserError, match=r"a subject is sub-NAME in the path, else the folder"):
        read(tmp_path)


def test_groups_of_folders_taken_for_one_subject_are_named(tmp_path):
    for site in range(3):
        for patient in range(2):
            write_head(tmp_path / f"site{site}" / f"p{patient}" / "T1.nii.gz")
    _, warnings = load(tmp_path)
    assert "2 folders in site0 are taken for one subject" in warnings


def test_hidden_folders_are_passed_over_and_links_to_nothing_named(tmp_path):
    objects = tmp_path / ".git" / "annex" / "objects"
    for subject in range(4):
        write_head(objects / f"{subject}" / "key.nii.gz")
        place = tmp_path / f"sub-{subject}" / "anat" / f"sub-{subject}_T1w.nii.gz"
        place.parent.mkdir(parents=True)
        place.symlink_to(objects / f"{subject}" / "key.nii.gz")
    splits, warnings = load(tmp_path)
    assert sum(len(split["image"]) for split in splits.values()) == 4 * 3
    assert warnings == ""
    (objects / "3" / "key.nii.gz").unlink()
    splits, warnings = load(tmp_path)
    assert sum(len(split["image"]) for split in splits.values()) == 3 * 3
    assert "sub-3_T1w.nii.gz: is a link to" in warnings
    assert "datalad get" in warnings


def test_a_bids_tree_gives_its_anatomy(tmp_path):
    for subject in range(3):
        for place in (
            f"sub-{subject}/anat/sub-{subject}_T1w.nii.gz",
            f"sub-{subject}/func/sub-{subject}_bold.nii.gz",
            f"derivatives/fmriprep/sub-{subject}/anat/sub-{subject}_desc-preproc_T1w.nii.gz",
        ):
            write_head(tmp_path / place)
    splits, warnings = load(tmp_path)
    assert sum(len(split["image"]) for split in splits.values()) == 3 * 3
    assert "3 volumes are derivatives" in warnings
    assert "3 volumes are no anatomical scans" in warnings
    names, images = brain.read_images(tmp_path, CONFIG, Problems())
    assert len(images) == 9
    assert names[3] == "sub-1_T1w_slice_0"
    assert len(brain.read_images(tmp_path / "derivatives", CONFIG)[0]) == 9


def test_folders_of_splits_are_the_splits_if_all_are_there(tmp_path):
    for split in ("train", "val"):
        for subject in range(3):
            write_head(tmp_path / split / f"{split}{subject}.nii.gz")
    splits, warnings = load(tmp_path)
    assert "train, val are not taken as splits" in warnings
    write_head(tmp_path / "test" / "late.nii.gz")
    splits, warnings = load(tmp_path)
    assert warnings == ""
    assert set(splits["validation"]["subject"]) == {"val0", "val1", "val2"}
    assert set(splits["test"]["subject"]) == {"late"}


def test_all_bad_volumes_are_named_at_once(tmp_path):
    for index in range(4):
        write_head(tmp_path / f"p{index}.nii.gz")
    for index in (1, 3):
        (tmp_path / f"p{index}.nii.gz").write_bytes(b"damaged")
    for attempt in (read, lambda place: brain.read_images(place, CONFIG)):
        with pytest.raises(UserError, match=r"p1\.nii\.gz: cannot.*\n.*p3\.nii\.gz: cannot"):
            attempt(tmp_path)


def test_upper_case_slices_are_read_and_two_of_a_number_are_not(oasis):
    folder = oasis / FOLDERS["validation"]
    for path in list(folder.iterdir()):
        path.rename(path.with_suffix(".PNG"))
    assert len(read(oasis)["validation"]["image"]) == 12
    Image.fromarray(slice_image(64)).save(folder / "case_2_slice_3.png")
    Image.fromarray(slice_image(64)).save(folder / "case_002_slice_3.png")
    with pytest.raises(UserError, match="slice 3 of case 002 is there twice"):
        brain.load(dataclasses.replace(CONFIG, path=str(oasis), seed=3))


def test_a_folder_of_loose_slices_says_what_is_expected(tmp_path):
    Image.fromarray(slice_image(64)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"holds no volumes .*, but 1 images; expected volumes, or"):
        read(tmp_path)


def test_one_file_as_input_and_names_that_stay_apart(tmp_path):
    write_head(tmp_path / "UP.NII.GZ.nii.gz")
    (tmp_path / "UP.NII.GZ.nii.gz").rename(tmp_path / "UP.NII.GZ")
    assert brain.read_images(tmp_path / "UP.NII.GZ", CONFIG)[0][0] == "UP_slice_0"
    for patient in ("p0", "p1"):
        write_head(tmp_path / patient / "T1.nii.gz")
    names, _ = brain.read_images(tmp_path, CONFIG, Problems())
    assert names[::3] == ["UP_slice_0", "p0_T1_slice_0", "p1_T1_slice_0"]
    Image.fromarray(slice_image(32)).save(tmp_path / "a.png")
    assert brain.read_images(tmp_path / "a.png", CONFIG)[0] == ["a"]
    Image.fromarray(slice_image(32)).save(tmp_path / "a.nii.png")
    with pytest.raises(UserError, match=r"a\.png: and a\.nii\.png would both become a; rename"):
        brain.read_images(tmp_path, CONFIG, Problems())
    with pytest.raises(UserError, match="no such file or folder"):
        brain.read_images(tmp_path / "absent", CONFIG)


def test_a_shifted_volume_gives_slices_of_the_same_head(tmp_path):
    write_head(tmp_path / "a.nii.gz")
    image = nibabel.load(tmp_path / "a.nii.gz")
    array = np.asarray(image.dataobj)
    inside = array > 0
    shifted = np.where(inside, (array - array[inside].mean()) / array[inside].std(), 0)
    nibabel.save(nibabel.Nifti1Image(shifted.astype(np.float32), image.affine), tmp_path / "b.nii")
    problems = Problems()
    first, second = (
        slice_volume(tmp_path / name, CONFIG, problems).astype(float)
        for name in ("a.nii.gz", "b.nii")
    )
    # as much head in every slice; it may lie a pixel higher, as its middle is a weighted one
    sizes = [(images > 0).sum((1, 2)) for images in (first, second)]
    np.testing.assert_allclose(sizes[0], sizes[1], rtol=0.1)
    for images in (first, second):  # brighter to the front, above
        rows = np.array([row[row > 0].mean() for row in images[1] if row.any()])
        assert rows[: len(rows) // 2].mean() > rows[len(rows) // 2 :].mean() + 20
    assert problems.warnings == ()
    whole = array - 60.0 + np.random.default_rng(0).normal(0, 1, array.shape)
    nibabel.save(nibabel.Nifti1Image(whole.astype(np.float32), image.affine), tmp_path / "c.nii")
    slice_volume(tmp_path / "c.nii", CONFIG, problems)
    assert "% of its voxels are below zero" in str(problems.warnings[0])
