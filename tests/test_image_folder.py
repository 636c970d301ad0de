"""Images from PNG files, folders and IDX files, in every state of health."""

import struct

import numpy as np
import pytest
from PIL import Image

from lvae.data import image_folder
from lvae.errors import UserError

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 6, 9)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    for index, pixels in enumerate(PIXELS):
        Image.fromarray(pixels).save(tmp_path / f"slice_{index:02d}.png")
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / ".slice_99.png").write_text("half written")
    Image.fromarray(PIXELS[0, :2]).save(tmp_path / "preview.png")  # sampling's contact sheet
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
    with pytest.raises(UserError, match=r"a\.png: is in colour; convert it"):
        image_folder.read_png(path)
    Image.fromarray(np.stack([PIXELS[0], PIXELS[1]], -1), mode=None).save(path)
    with pytest.raises(UserError, match="partly transparent"):
        image_folder.read_png(path)
    Image.fromarray(PIXELS[0].astype(np.uint16) * 257).save(path)
    with pytest.raises(UserError, match="mode I;16; convert it to 8-bit"):
        image_folder.read_png(path)


def test_folders_that_cannot_be_used(folder, tmp_path):
    empty = tmp_path / "empty"
    with pytest.raises(UserError, match="no such file or folder"):
        image_folder.read_named(empty)
    empty.mkdir()
    with pytest.raises(UserError, match="holds no PNG files"):
        image_folder.read_named(empty)
    with pytest.raises(UserError, match="neither a PNG nor an IDX file"):
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
    with pytest.raises(UserError, match="holds no train-images-idx3-ubyte"):
        image_folder.read_splits(tmp_path, 0.1)
    Image.fromarray(PIXELS[0]).save(tmp_path / "a.png")
    with pytest.raises(UserError, match="holds 1 images; at least 10"):
        image_folder.read_splits(tmp_path, 0.1)
