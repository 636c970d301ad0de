"""Damaged and odd files, drawn from a seed: what readers must refuse in one line, or read rightly.

`python -m pytest tests/test_damaged_files.py` tries a few hundred; longer runs draw more.
"""

import gzip
import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

EXTREMES = (0, 1, 127, 128, 255)
WORDS = (0, 1, -1, 2**15 - 1, -(2**15), 2**31 - 1)


class Whole(NamedTuple):
    """A file that is in order. name: of the file. content: its bytes. values: what a reader gives.

    checked: the format has checksums, so that what a reader gives after damage is `values` or
    nothing.
    """

    name: str
    content: bytes
    values: np.ndarray
    checked: bool


def damaged(content: bytes, random: np.random.Generator) -> bytes:
    """A copy with one to three mishaps: cut, bits tipped over, parts lost, doubled or blank."""
    kinds: tuple[Callable[[bytearray, np.random.Generator], None], ...] = (
        _cut,
        _tip_bits,
        _tip_bits,
        _lose,
        _double,
        _blank,
        _add,
        _extreme_header,
        _extreme_header,
    )
    changed = bytearray(content)
    for _ in range(random.integers(1, 4)):
        kinds[random.integers(len(kinds))](changed, random)
    return bytes(changed)


def _place(content: bytearray, random: np.random.Generator, longest: int = 1) -> tuple[int, int]:
    """Start and length of a part; half of them in the first 400 bytes, where headers are."""
    end = len(content) if random.random() < 0.5 else min(400, len(content))
    return int(random.integers(max(end, 1))), int(random.integers(1, longest + 1))


def _cut(content: bytearray, random: np.random.Generator) -> None:
    start, _ = _place(content, random)
    del content[start:]


def _tip_bits(content: bytearray, random: np.random.Generator) -> None:
    for _ in range(random.integers(1, 9)):
        start, _ = _place(content, random)
        if start < len(content):
            content[start] ^= 1 << int(random.integers(8))


def _lose(content: bytearray, random: np.random.Generator) -> None:
    start, length = _place(content, random, 60)
    del content[start : start + length]


def _double(content: bytearray, random: np.random.Generator) -> None:
    start, length = _place(content, random, 60)
    content[start:start] = content[start : start + length]


def _blank(content: bytearray, random: np.random.Generator) -> None:
    start, length = _place(content, random, 60)
    length = len(content[start : start + length])
    content[start : start + length] = bytes([int(random.choice(EXTREMES))]) * length


def _add(content: bytearray, random: np.random.Generator) -> None:
    content += random.bytes(int(random.integers(1, 200)))


def _extreme_header(content: bytearray, random: np.random.Generator) -> None:
    """Two or four bytes of the header become a number at the end of its range."""
    start, _ = _place(content[:400], random)
    number = int(random.choice(WORDS))
    kind = (
        ("<i", ">i")[random.integers(2)]
        if random.random() < 0.5 or abs(number) > 2**15 - 1
        else "<h"
    )
    packed = struct.pack(kind, number)
    if start + len(packed) <= len(content):
        content[start : start + len(packed)] = packed


def with_checksums(content: bytes) -> bytes:
    """A PNG whose chunks' checksums are right again, so that a decoder gets to see the damage."""
    fresh, place = content[:8], 8
    while place + 8 <= len(content):
        (length,) = struct.unpack_from(">I", content, place)
        body = content[place + 4 : place + 8 + length]
        if len(body) < 4 + length:
            break
        fresh += content[place : place + 4] + body + struct.pack(">I", zlib.crc32(body))
        place += 12 + length
    return fresh + content[place:]


def gray_values(random: np.random.Generator) -> UInt8[np.ndarray, "height width"]:
    """Pixels with some structure, so that compression has something to do."""
    height, width = random.integers(3, 30, 2)
    ramp = np.add.outer(np.arange(height) * 7, np.arange(width) * 5) % 256
    noise = random.integers(0, 20, (height, width))
    return ((ramp + noise) % 256).astype(np.uint8)


def whole_images(random: np.random.Generator) -> list[Whole]:
    """A file of each kind of image."""
    values = gray_values(random)
    gray = Image.fromarray(values)
    few = (values // 64).astype(np.uint8)
    indexed = Image.fromarray(few).convert("P")
    indexed.putpalette(np.repeat(np.arange(4, dtype=np.uint8) * 60, 3).tobytes())
    pictures = {
        "l.png": (gray, values, {}),
        "rgb.png": (gray.convert("RGB"), values, {}),
        "rgba.PNG": (gray.convert("RGBA"), values, {}),
        "la.png": (gray.convert("LA"), values, {}),
        "palette.png": (indexed, few * 60, {"transparency": b"\xff\xff\xff\xff"}),
        "bits.png": (Image.fromarray(values > 99), np.where(values > 99, 255, 0), {}),
        "deep.png": (Image.fromarray(values.astype(np.uint16) * 257), values, {}),
        "gray.tif": (gray, values, {}),
        "packed.tiff": (gray, values, {"compression": "tiff_deflate"}),
        "gray.bmp": (gray, values, {}),
        "gray.pgm": (gray, values, {}),
    }
    files = []
    for name, (picture, expected, options) in pictures.items():
        stream = io.BytesIO()
        kind = {"png": "PNG", "tif": "TIFF", "iff": "TIFF", "bmp": "BMP", "pgm": "PPM"}
        picture.save(stream, kind[name.lower()[-3:]], **options)
        expected = expected.astype(np.uint8)
        files.append(Whole(name, stream.getvalue(), expected, name.lower().endswith("png")))
    stream = io.BytesIO()
    gray.save(stream, "JPEG", quality=90)
    decoded = np.asarray(Image.open(io.BytesIO(stream.getvalue())))
    return [*files, Whole("gray.jpg", stream.getvalue(), decoded, False)]


def whole_idx(random: np.random.Generator) -> list[Whole]:
    """IDX files of images and of labels, plain and gzipped."""
    images = random.integers(0, 256, (5, 4, 3)).astype(np.uint8)
    labels = random.integers(0, 10, 5).astype(np.uint8)
    files = []
    for name, magic, values in (
        ("train-images-idx3-ubyte", 0x803, images),
        ("train-labels-idx1-ubyte", 0x801, labels),
    ):
        content = struct.pack(f">{1 + values.ndim}I", magic, *values.shape) + values.tobytes()
        files.append(Whole(name, content, values, False))
        files.append(Whole(f"{name}.gz", gzip.compress(content, mtime=0), values, True))
    return files


def head(random: np.random.Generator) -> Float[np.ndarray, "x y z"]:
    """A ball of 12 mm or so, brighter than its surroundings of 0."""
    shape = random.integers(14, 20, 3)
    places = np.meshgrid(*(np.arange(size) - (size - 1) / 2 for size in shape), indexing="ij")
    inside = sum((place / (size / 2.2)) ** 2 for place, size in zip(places, shape)) < 1
    return np.where(inside, random.integers(80, 200, shape), 0).astype(np.float32)


def whole_volumes(random: np.random.Generator, folder: Path) -> list[Whole]:
    """A file of each kind of volume; written in `folder`, where `g.img` stays: it belongs to g.hdr."""
    values = head(random)
    affine = np.diag([*random.uniform(0.8, 2.5, 3), 1.0])
    images = {
        "a.nii": nibabel.Nifti1Image(values.astype(np.int16), affine),
        "b.nii.gz": nibabel.Nifti1Image(values, affine),
        "c.nii": nibabel.Nifti2Image(values.astype(np.uint8), affine),
        "d.mgz": nibabel.MGHImage(values, affine),
        "e.mgh": nibabel.MGHImage(values.astype(np.int16), affine),
        "g.hdr": nibabel.Nifti1Pair(values, affine),
        "F.NII.GZ": nibabel.Nifti1Image(values.astype(np.uint8), affine),
    }
    files = []
    for name, image in images.items():
        path = folder / name.lower()
        nibabel.save(image, path)
        checked = name.lower().endswith(("gz", ".mgz"))
        files.append(Whole(name, path.read_bytes(), values, checked))
        path.unlink()
    return files


def inside_gzip(content: bytes, random: np.random.Generator) -> bytes:
    """Damage within a gzipped file, packed again: the checksum is right, what it covers is not."""
    return gzip.compress(damaged(gzip.decompress(content), random), mtime=0)
