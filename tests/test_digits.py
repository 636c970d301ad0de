"""IDX files in every state of health, and the built-in digits."""

import gzip
import struct

import numpy as np
import pytest

from lvae.data import digits
from lvae.errors import UserError

IMAGES = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)  # height and width differ
LABELS = np.array([7, 0, 9], np.uint8)


def idx(array: np.ndarray, magic: int) -> bytes:
    return struct.pack(f">{1 + array.ndim}I", magic, *array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(IMAGES, 0x803))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(LABELS, 0x801))
    return tmp_path


def test_reads_plain_files(folder):
    images, labels = digits.read_digits(str(folder))
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)
    assert images.dtype == np.uint8
    assert labels.dtype == np.int32


def test_reads_gzipped_and_dotted_names(tmp_path):
    (tmp_path / "t10k-images.idx3-ubyte").write_bytes(idx(IMAGES, 0x803))
    packed = gzip.compress(idx(LABELS, 0x801), mtime=0)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(packed)
    images, labels = digits.read_digits(tmp_path, "test")
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (idx(IMAGES, 0x801), "magic number 0x00000801, expected 0x00000803"),
        (idx(IMAGES, 0x803)[:-1], "75 bytes, but its header .* asks for 76; the file is truncated"),
        (idx(IMAGES, 0x803) + b"x", "longer than its header says"),
        (idx(IMAGES, 0x803)[:7], "7 bytes, too short for the header"),
        (b"", "0 bytes, too short"),
        (gzip.compress(idx(IMAGES, 0x803), mtime=0)[:-9], "damaged or truncated"),
        (gzip.compress(idx(IMAGES, 0x803), mtime=0)[:12] + b"\xff" * 40, "damaged or truncated"),
    ],
)
def test_damaged_image_files(folder, content, message):
    (folder / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(UserError, match=message) as raised:
        digits.read_digits(folder)
    assert "train-images-idx3-ubyte" in str(raised.value)


def test_counts_that_differ(folder):
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(LABELS[:2], 0x801))
    with pytest.raises(UserError, match="2 labels for the 3 images in train-images-idx3-ubyte"):
        digits.read_digits(folder)


def test_missing_places(folder):
    with pytest.raises(UserError, match="no such folder"):
        digits.read_digits(folder / "absent")
    with pytest.raises(UserError, match="holds no t10k-images-idx3-ubyte or t10k"):
        digits.read_digits(folder, "test")
    with pytest.raises(UserError, match=r"cannot be read \(No such file"):
        digits.read_images(folder / "absent")


def test_unknown_split(folder):
    with pytest.raises(ValueError, match="'validation': expected one of train, test"):
        digits.read_digits(folder, "validation")


def test_built_in_digits_fill_the_place_of_mnist():
    images, labels = digits.read_digits("")
    held_out, held_out_labels = digits.read_digits("", "test")
    assert images.shape == (1500, 28, 28)
    assert held_out.shape == (297, 28, 28)
    assert images.dtype == np.uint8
    assert set(labels) == set(held_out_labels) == set(range(10))
    assert images.max() == 255
    assert images[:, :4].max() == 0  # the margin


def test_real_digits(mnist):
    for split, count in (("train", 7000), ("test", 1000)):
        images, labels = digits.read_digits(mnist, split)
        assert images.shape[1:] == (28, 28)
        assert len(images) == len(labels) == count or len(images) > count
        assert set(labels) == set(range(10))
