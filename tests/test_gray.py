"""Gray images as other tools store them: what is read, and what is refused with which words."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from lvae.data.gray import MOST_PIXELS, read_gray, read_scaled, to_8_bits
from lvae.errors import UserError

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9)).astype(np.uint8)


def chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def png(width, height, depth, colour, rows: bytes, *extra: bytes) -> bytes:
    """A PNG file written by hand: what Pillow does not write can be tested too."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(extra) + data


def indexed(indices: np.ndarray, palette: np.ndarray, *extra: bytes) -> bytes:
    rows = b"".join(b"\0" + row.tobytes() for row in indices)
    height, width = indices.shape
    return png(width, height, 8, 3, rows, chunk(b"PLTE", palette.tobytes()), *extra)


@pytest.mark.parametrize("ending", [".png", ".PNG", ".tif", ".TIFF", ".bmp", ".pgm"])
def test_lossless_formats_give_their_pixels(tmp_path, ending):
    for mode in ("L",) if ending == ".pgm" else ("L", "RGB"):
        Image.fromarray(PIXELS).convert(mode).save(tmp_path / f"a{ending}")
        np.testing.assert_array_equal(read_gray(tmp_path / f"a{ending}"), PIXELS)


def test_jpeg_is_read_as_pillow_reads_it(tmp_path):
    for mode in ("L", "RGB"):
        Image.fromarray(PIXELS).convert(mode).save(tmp_path / "a.jpg", quality=95)
        decoded = read_gray(tmp_path / "a.jpg")
        with Image.open(tmp_path / "a.jpg") as image:
            np.testing.assert_array_equal(decoded, np.asarray(image.convert("L")))


def test_palettes_are_looked_up_with_and_without_opaque_transparency(tmp_path):
    levels = np.array([200, 30, 90, 255], np.uint8)
    indices = PIXELS % 4
    palette = np.repeat(levels[:, None], 3, 1)
    for extra in ((), (chunk(b"tRNS", b"\xff\xff\xff\xff"),), (chunk(b"tRNS", b"\xff"),)):
        (tmp_path / "a.png").write_bytes(indexed(indices, palette, *extra))
        np.testing.assert_array_equal(read_gray(tmp_path / "a.png"), levels[indices])


def test_a_transparent_entry_is_refused_where_it_is_used(tmp_path):
    palette = np.repeat(np.array([[0], [80], [160], [9]], np.uint8), 3, 1)
    see_through = chunk(b"tRNS", b"\xff\xff\xff\x00")  # the last of four
    (tmp_path / "a.png").write_bytes(indexed(PIXELS % 3, palette, see_through))
    np.testing.assert_array_equal(read_gray(tmp_path / "a.png"), 80 * (PIXELS % 3))
    (tmp_path / "a.png").write_bytes(indexed(PIXELS % 4, palette, see_through))
    with pytest.raises(UserError, match="partly transparent"):
        read_gray(tmp_path / "a.png")


def test_one_gray_level_declared_transparent(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.png", transparency=int(PIXELS[0, 0]))
    with pytest.raises(UserError, match="partly transparent"):
        read_gray(tmp_path / "a.png")
    absent = int(np.setdiff1d(np.arange(256), PIXELS)[0])
    Image.fromarray(PIXELS).save(tmp_path / "a.png", transparency=absent)
    np.testing.assert_array_equal(read_gray(tmp_path / "a.png"), PIXELS)


def test_indices_beyond_the_palette_and_coloured_palettes_are_refused(tmp_path):
    palette = np.repeat(np.array([[0], [80], [160]], np.uint8), 3, 1)
    (tmp_path / "a.png").write_bytes(indexed(PIXELS % 4, palette))
    with pytest.raises(UserError, match=r"entry 3 of a palette of 3"):
        read_gray(tmp_path / "a.png")
    palette[1] = (1, 2, 3)
    (tmp_path / "a.png").write_bytes(indexed(PIXELS % 3, palette))
    with pytest.raises(UserError, match=r"is in colour \(\d+ of 54 pixels\); convert"):
        read_gray(tmp_path / "a.png")


def test_one_coloured_pixel_makes_a_colour_image(tmp_path):
    pixels = np.repeat(PIXELS[..., None], 3, 2)
    pixels[2, 3, 0] ^= 1
    Image.fromarray(pixels).save(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"a\.png: is in colour \(1 of 54 pixels\)"):
        read_gray(tmp_path / "a.png")


@pytest.mark.parametrize("ending", [".png", ".tif", ".pgm"])
def test_16_bits_whose_meaning_is_plain(tmp_path, ending):
    deep = np.random.default_rng(1).integers(0, 65536, (6, 9)).astype(np.uint16)
    deep[0, 0] = 65535
    for values, expected in (
        (deep, np.round(deep / 257)),
        (PIXELS.astype(np.uint16) * 257, PIXELS),
        (PIXELS.astype(np.uint16) << 8, PIXELS),
        ((PIXELS // 3).astype(np.uint16) * 257, PIXELS // 3),  # dark, but spread out
        (PIXELS.astype(np.uint16), PIXELS),
        (np.zeros_like(deep), np.zeros_like(PIXELS)),
    ):
        Image.fromarray(values).save(tmp_path / f"a{ending}")
        np.testing.assert_array_equal(read_gray(tmp_path / f"a{ending}"), expected)


def test_16_bits_whose_meaning_is_not_plain_are_refused_with_their_range(tmp_path):
    for highest in (256, 1023, 4095, 32767):  # 10, 12, 15 bits, or a dark image of 16
        values = np.full((6, 9), 7, np.uint16)
        values[0, 0] = highest
        Image.fromarray(values).save(tmp_path / "a.png")
        if highest == 256:
            values[1, 1] = 255  # 256 alone would be a multiple of 256
        with pytest.raises(UserError, match=rf"a\.png: has values from 7 to {highest} "):
            read_gray(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (np.linspace(0, 1, 54, dtype=np.float32).reshape(6, 9), "from 0 to 1 .*mode F"),
        (np.full((6, 9), -4, np.int32), "from -4 to -4"),
        (np.full((6, 9), 70000, np.int32), "from 70000 to 70000"),
    ],
)
def test_deeper_values_are_refused(tmp_path, values, text):
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(UserError, match=text):
        read_gray(tmp_path / "a.tif")


def test_tiffs_in_which_white_is_zero(tmp_path):
    Image.fromarray(255 - PIXELS).save(tmp_path / "a.tif", tiffinfo={262: 0})
    with Image.open(tmp_path / "a.tif") as image:
        assert image.tag_v2[262] == 0
        expected = np.asarray(image)
    np.testing.assert_array_equal(read_gray(tmp_path / "a.tif"), expected)
    deep = PIXELS.astype(np.uint16) * 257
    Image.fromarray(deep).save(tmp_path / "a.tif", tiffinfo={262: 0})
    with Image.open(tmp_path / "a.tif") as image:
        assert image.tag_v2[262] == 0
    with pytest.raises(UserError, match="stores white as 0"):
        read_gray(tmp_path / "a.tif")


def test_16_bits_a_channel_are_refused_rather_than_cut_to_8(tmp_path):
    rows = (b"\0" + b"\1\2" * 3 * 4) * 5
    (tmp_path / "a.png").write_bytes(png(4, 5, 16, 2, rows))
    with pytest.raises(UserError, match="16 bits per channel"):
        read_gray(tmp_path / "a.png")


def test_the_scale_that_was_seen_is_said():
    levels = np.array([[0, 100]])
    assert to_8_bits(levels).scale == "8 in 16"
    assert to_8_bits(levels * 257).scale == to_8_bits(levels * 400).scale == "16"
    assert to_8_bits(levels * 0).scale == "black"
    assert to_8_bits(levels * 10 + 1) is None


def test_what_is_too_large_is_refused_with_size_and_limit(tmp_path):
    # a header is enough: the size is looked at before the pixels are decoded
    (tmp_path / "a.png").write_bytes(png(10_000, 9_000, 8, 0, b""))
    with pytest.raises(UserError, match=rf"10000 x 9000 = 90,000,000 pixels.* {MOST_PIXELS:,}"):
        read_gray(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes(png(14_000, 13_000, 8, 0, b""))
    with pytest.raises(UserError, match=rf"182,?000,?000 pixels.* {MOST_PIXELS:,}"):
        read_gray(tmp_path / "a.png")


def test_a_bit_that_tipped_over_is_seen(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.png", compress_level=0)
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[content.index(b"IDAT") + 20] ^= 4
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.png: cannot be read"):
        read_gray(tmp_path / "a.png")


def test_several_images_in_one_file_and_placeholders(tmp_path):
    first, second = Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)
    first.save(tmp_path / "a.tif", save_all=True, append_images=[second])
    with pytest.raises(UserError, match=r"a\.tif: holds 2 images"):
        read_gray(tmp_path / "a.tif")
    (tmp_path / "a.png").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(UserError, match="Git LFS placeholder; run `git lfs pull`"):
        read_gray(tmp_path / "a.png")
    with pytest.raises(UserError, match="cannot be read"):
        read_scaled(tmp_path)
