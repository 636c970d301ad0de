"""Images from PNG files, folders and IDX files, in every state of health."""

import struct

import numpy as np
import pytest
from PIL import Image

from lvae.data import image_folder
from lvae.data.problems import Problems
from lvae.errors import UserError

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 6, 9)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    for index, pixels in enumerate(PIXELS):
        Image.fromarray(pixels).save(tmp_path / f"slice_{index:02d}.png")
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / ".slice_99.png").write_text("half written")
    Image.fromarray(PIXELS[0, :2]).save(tmp_path / "preview.png")  # sampling's contact sheet
    (tmp_path / "manifest.json").write_text("{}")
    return tmp_path


def test_a_folder_comes_sorted_by_name(folder):
    images, names = image_folder.read_folder(folder)
    np.testing.assert_array_equal(images, PIXELS)
    assert names[0] == "slice_00.png"
    assert list(names) == sorted(names)


def test_one_file_an_idx_file_and_a_folder_by_name(folder):
    (name, image), *more = image_folder.read_named(folder / "slice_03.png").items()
    assert (name, more) == ("slice_03.png", [])
    np.testing.assert_array_equal(image, PIXELS[3])
    idx = folder / "t10k-images-idx3-ubyte"
    idx.write_bytes(struct.pack(">4I", 0x803, *PIXELS.shape) + PIXELS.tobytes())
    images = image_folder.read_named(idx)
    assert list(images)[:2] == ["00000.png", "00001.png"]
    np.testing.assert_array_equal(images["00007.png"], PIXELS[7])
    Image.fromarray(PIXELS[0, :3]).save(folder / "slice_50.png")  # sizes may differ here
    assert image_folder.read_named(folder)["slice_50.png"].shape == (3, 9)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_gray_images_in_other_clothes(tmp_path, mode):
    Image.fromarray(PIXELS[0]).convert(mode).save(tmp_path / "a.png")
    np.testing.assert_array_equal(image_folder.read_png(tmp_path / "a.png"), PIXELS[0])


def test_black_and_white_images(tmp_path):
    Image.fromarray(PIXELS[0] > 127).save(tmp_path / "a.png")
    np.testing.assert_array_equal(
        image_folder.read_png(tmp_path / "a.png"), np.where(PIXELS[0] > 127, 255, 0)
    )


def test_files_that_cannot_be_used(tmp_path):
    path = tmp_path / "a.png"
    with pytest.raises(UserError, match=r"a\.png: cannot be read \(No such file"):
        image_folder.read_png(path)
    path.write_text("hello")
    with pytest.raises(UserError, match=r"a\.png: is no image"):
        image_folder.read_png(path)
    Image.fromarray(PIXELS[0]).save(path)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(UserError, match=r"a\.png: cannot be read"):
        image_folder.read_png(path)
    Image.fromarray(np.stack([PIXELS[0], PIXELS[1], PIXELS[2]], -1)).save(path)
    with pytest.raises(UserError, match=r"a\.png: is in colour .*; convert it"):
        image_folder.read_png(path)
    Image.fromarray(np.stack([PIXELS[0], PIXELS[1]], -1), mode=None).save(path)
    with pytest.raises(UserError, match="partly transparent"):
        image_folder.read_png(path)


def test_folders_that_cannot_be_used(folder, tmp_path):
    empty = tmp_path / "empty"
    with pytest.raises(UserError, match="no such file or folder"):
        image_folder.read_named(empty)
    empty.mkdir()
    with pytest.raises(UserError, match="holds no images"):
        image_folder.read_named(empty)
    with pytest.raises(UserError, match="neither an image nor an IDX file"):
        image_folder.read_named(folder / "notes.txt")
    Image.fromarray(PIXELS[0, :3]).save(folder / "slice_50.png")
    with pytest.raises(UserError, match=r"slice_50.png: 9 x 3 pixels, but slice_00.png has 9 x 6"):
        image_folder.read_folder(folder)


def test_splits_of_a_folder_cover_it_once_and_keep_neighbours_together(folder):
    splits = image_folder.read_splits(folder, validation_share=0.2)
    assert {name: len(split["image"]) for name, split in splits.items()} == {
        "train": 9,
        "validation": 2,
        "test": 1,
    }
    together = np.concatenate([splits[name]["image"] for name in ("train", "validation", "test")])
    np.testing.assert_array_equal(together, PIXELS)


def test_splits_of_digits_have_labels():
    splits = image_folder.read_splits("", validation_share=0.1)
    assert {name: len(split["label"]) for name, split in splits.items()} == {
        "train": 1350,
        "validation": 150,
        "test": 297,
    }


def test_splits_of_bad_places(tmp_path):
    with pytest.raises(UserError, match="no such file or folder"):
        image_folder.read_splits(tmp_path / "absent", 0.1)
    with pytest.raises(UserError, match="holds neither images nor MNIST's train-images-idx3-ubyte"):
        image_folder.read_splits(tmp_path, 0.1)
    Image.fromarray(PIXELS[0]).save(tmp_path / "a.png")
    with pytest.raises(UserError, match="holds 1 images; at least 10"):
        image_folder.read_splits(tmp_path, 0.1)


def save(path, pixels=PIXELS[0]):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def read(folder):
    """What a folder gives, and the warnings."""
    problems = Problems()
    return image_folder.read_named(folder, problems), problems.warnings


def test_sub_folders_and_upper_case_endings_are_read_and_hidden_folders_are_not(tmp_path):
    for name in ("b/a.png", "a.PNG", "b/c/a.Tif", ".git/annex/objects/x/a.png", "__MACOSX/a.png"):
        save(tmp_path / name)
    images, warnings = read(tmp_path)
    assert list(images) == ["a.PNG", "b/a.png", "b/c/a.png"]
    assert warnings == ()
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "again").symlink_to(tmp_path / "b")
    assert len(image_folder.read_named(tmp_path)) == 3  # a folder reached twice is read once


def test_two_files_never_have_one_name(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "a.nii.png")
    assert list(image_folder.read_named(tmp_path)) == ["a.nii.png", "a.png"]
    save(tmp_path / "a.tif")
    with pytest.raises(UserError, match=r"a\.tif: and a\.png would both become a\.png; rename"):
        image_folder.read_named(tmp_path)


def test_a_user_s_own_preview_is_named(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "preview.png")
    images, warnings = read(tmp_path)
    assert list(images) == ["a.png"]
    assert [problem.path for problem in warnings] == [str(tmp_path / "preview.png")]
    with pytest.raises(UserError, match=r"preview\.png: has the name of the contact sheet"):
        image_folder.read_named(tmp_path / "preview.png")


def test_links_to_nothing_and_other_kinds_of_images_are_named(tmp_path):
    save(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "c.gif").write_bytes(b"GIF89a")
    images, warnings = read(tmp_path)
    assert list(images) == ["a.png"]
    text = "\n".join(map(str, warnings))
    assert "b.png: is a link to" in text
    assert "1 files such as c.gif are passed over" in text


def test_all_bad_files_of_a_folder_are_named_at_once(tmp_path):
    for index in range(30):
        pixels = PIXELS[0]
        if index % 2:
            pixels = np.stack([PIXELS[0], PIXELS[1], PIXELS[2]], -1)
        save(tmp_path / f"{index:02d}.png", pixels)
    with pytest.raises(UserError) as caught:
        image_folder.read_named(tmp_path)
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines[:10]] == [
        str(tmp_path / f"{index:02d}.png") for index in range(1, 20, 2)
    ]
    assert lines[10:] == ["and 5 more"]


def test_16_bit_values_of_two_scales_are_refused(tmp_path):
    save(tmp_path / "bright.png", np.full((6, 9), 40_000, np.uint16))
    save(tmp_path / "black.png", np.zeros((6, 9), np.uint16))
    assert image_folder.read_named(tmp_path)["bright.png"].max() == round(40_000 / 257)
    save(tmp_path / "dark.png", np.full((6, 9), 200, np.uint16))
    with pytest.raises(UserError, match=r"dark\.png: has 16-bit values of at most 255, but bright"):
        image_folder.read_named(tmp_path)


@pytest.mark.parametrize("name", ["val", "validation", "Valid"])
def test_folders_of_splits_are_the_splits(tmp_path, name):
    for index in range(12):
        save(tmp_path / ("train" if index < 9 else name) / f"{index:02d}.png", PIXELS[index])
    save(tmp_path / "holdout" / "x.png")
    problems = Problems()
    splits = image_folder.read_splits(tmp_path, 0.5, problems)
    np.testing.assert_array_equal(splits["validation"]["image"], PIXELS[9:])
    np.testing.assert_array_equal(splits["train"]["image"], PIXELS[:8])
    np.testing.assert_array_equal(splits["test"]["image"], PIXELS[8:9])
    assert "holdout" in str(problems.warnings[0])
    save(tmp_path / "test" / "t.png", PIXELS[3])
    splits = image_folder.read_splits(tmp_path, 0.5, Problems())
    np.testing.assert_array_equal(splits["train"]["image"], PIXELS[:9])
    np.testing.assert_array_equal(splits["test"]["image"], PIXELS[3:4])


def test_bad_files_of_all_splits_and_sizes_are_named(tmp_path):
    for index in range(12):
        save(tmp_path / "train" / f"{index:02d}.png", PIXELS[index])
    save(tmp_path / "val" / "small.png", PIXELS[0, :3])
    with pytest.raises(
        UserError, match=r"val/small\.png: 9 x 3 pixels, but train/00\.png has 9 x 6"
    ):
        image_folder.read_splits(tmp_path, 0.1)
    (tmp_path / "train" / "03.png").write_bytes(b"")
    (tmp_path / "val" / "small.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"03\.png.*\n.*small\.png"):
        image_folder.read_splits(tmp_path, 0.1)
    save(tmp_path / "validation" / "x.png")
    with pytest.raises(UserError, match="holds val and validation, both the validation split"):
        image_folder.read_splits(tmp_path, 0.1)


@pytest.mark.parametrize(
    "layout", ["train-images-idx3-ubyte", "MNIST/raw", "TRAIN-IMAGES.IDX3-UBYTE"]
)
def test_digits_as_kaggle_and_torchvision_lay_them_out(tmp_path, layout):
    for prefix in ("train", "t10k"):
        for kind, content in (
            ("images-idx3", struct.pack(">4I", 0x803, *PIXELS.shape) + PIXELS.tobytes()),
            ("labels-idx1", struct.pack(">2I", 0x801, len(PIXELS)) + bytes(range(len(PIXELS)))),
        ):
            name = f"{prefix}-{kind}-ubyte"
            place = {"MNIST/raw": f"MNIST/raw/{name}", "train-images-idx3-ubyte": f"{name}/{name}"}
            place = tmp_path / place.get(layout, name.replace("-idx", ".idx").upper())
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
    splits = image_folder.read_splits(tmp_path, 0.25)
    np.testing.assert_array_equal(splits["train"]["image"], PIXELS[:9])
    np.testing.assert_array_equal(splits["test"]["label"], np.arange(12))
    if layout == "train-images-idx3-ubyte":  # the folder itself, as --data
        named = image_folder.read_named(tmp_path / layout)
        np.testing.assert_array_equal(named["00003.png"], PIXELS[3])
    else:
        with pytest.raises(UserError, match="holds 2 IDX files"):
            image_folder.read_named(tmp_path)


def test_names_too_long_for_the_system_are_one_line(tmp_path):
    for reader in (image_folder.read_named, lambda path: image_folder.read_splits(path, 0.1)):
        with pytest.raises(UserError, match="cannot be read \\(File name too long"):
            reader(tmp_path / ("a" * 5000))


def test_digits_of_two_sizes_are_refused(tmp_path):
    for prefix, images in (("train", PIXELS), ("t10k", PIXELS[:, :5])):
        content = struct.pack(">4I", 0x803, *images.shape) + images.tobytes()
        (tmp_path / f"{prefix}-images-idx3-ubyte").write_bytes(content)
        labels = struct.pack(">2I", 0x801, len(images)) + bytes(len(images))
        (tmp_path / f"{prefix}-labels-idx1-ubyte").write_bytes(labels)
    with pytest.raises(UserError, match="training images of 9 x 6 pixels, test images of 9 x 5"):
        image_folder.read_splits(tmp_path, 0.1)
    for name in ("train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (tmp_path / name).write_bytes(b"12")
    with pytest.raises(UserError, match=r"train-images.*too short.*\n.*t10k-labels.*too short"):
        image_folder.read_splits(tmp_path, 0.1)
