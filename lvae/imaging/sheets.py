"""8-bit gray images as PNG bytes, and many of them on one contact sheet."""

import struct
import zlib
from collections.abc import Sequence

import numpy as np
from isal import isal_zlib
from jaxtyping import UInt8
from PIL import Image

Gray = UInt8[np.ndarray, "_ _"]  # of one image: (height, width), which may differ among several

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FILTER_UP = 2  # every byte less the one above


def png(image: UInt8[np.ndarray, "height width"]) -> bytes:
    """An 8-bit grayscale PNG, the same bytes for the same image.

    Pillow tries five filters on every line, which takes most of its time. Moving images are smooth:
    one filter does as well. ISA-L deflates five times faster than zlib's run lengths and packs
    moving images a little smaller (58.6 for 63.4 kB at 768 x 768).
    """
    height, width = image.shape
    lines = np.empty((height, width + 1), np.uint8)
    lines[:, 0] = _FILTER_UP
    lines[0, 1:] = image[0]
    np.subtract(image[1:], image[:-1], out=lines[1:, 1:])
    packed = isal_zlib.compress(lines.data, 1)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    return _PNG_SIGNATURE + b"".join(_chunk(kind, content) for kind, content in chunks)


def contact_sheet(
    images: Sequence[Gray | None],
    columns: int = 6,
    *,
    smallest: int = 0,
    largest: int = 192,
    gap: int = 4,
    ground: int = 255,
    lift: float = 1.0,
) -> UInt8[np.ndarray, "sheet_height sheet_width"]:
    """Images side by side, row by row, each at the top left of its place.

    A column is as wide as its widest image and a row as high as its highest.

    Args:
      images: of any sizes; None leaves a place empty. No images at all give an empty sheet.
      columns: images per row; fewer if there are not as many.
      smallest: pixels. Images whose longest side is below that are enlarged, all by one whole
        factor, the largest that keeps every side at or below it.
      largest: pixels. An image with a longer side is shrunk to it, each pixel a mean.
      gap: pixels between images and around the sheet; 0: edge to edge.
      ground: level of the gaps and of empty places.
      lift: factor of the levels of shrunk images. Means dim dots that are a few pixels wide; 1.6
        makes those of moving images bright again.
    """
    factor = _factor([image for image in images if image is not None], smallest)
    shown = [None if image is None else _scaled(image, factor, largest, lift) for image in images]
    columns = max(1, min(columns, len(shown)))
    sizes = [(0, 0) if image is None else image.shape for image in shown]
    tops = _starts(
        [_largest(sizes[at : at + columns], 0) for at in range(0, len(sizes), columns)], gap
    )
    lefts = _starts([_largest(sizes[at::columns], 1) for at in range(columns)], gap)
    sheet = np.full((max(tops[-1], 1), max(lefts[-1], 1)), ground, np.uint8)
    for number, image in enumerate(shown):
        if image is not None:
            top, left = tops[number // columns], lefts[number % columns]
            sheet[top : top + image.shape[0], left : left + image.shape[1]] = image
    return sheet


def stacked(groups: Sequence[Sequence[Gray]], columns: int = 6) -> list[Gray | None]:
    """The images of groups in the order that shows each group from top to bottom in a column.

    Args:
      groups: such as pairs of a noisy and a cleaned image; all of one length.
      columns: groups side by side; further groups go into a band of rows below.

    Returns:
      For each band the first images of its groups, then the second ones, and so on, with None where
      the last band has no group: the argument of `contact_sheet`, with the same number of columns.
    """
    columns = max(1, min(columns, len(groups)))
    ordered: list[Gray | None] = []
    for start in range(0, len(groups), columns):
        band = groups[start : start + columns]
        for row in zip(*band, strict=True):
            ordered += [*row, *[None] * (columns - len(band))]
    return ordered


def _factor(images: Sequence[Gray], smallest: int) -> int:
    longest = max((max(image.shape) for image in images), default=1)
    return max(1, smallest // longest)


def _scaled(image: Gray, factor: int, largest: int, lift: float) -> Gray:
    height, width = image.shape
    scale = largest / max(height, width)
    if scale >= 1.0:
        return np.kron(image, np.ones((factor, factor), np.uint8))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))
    return small if lift == 1.0 else np.minimum(255, small * np.float32(lift)).astype(np.uint8)


def _starts(lengths: Sequence[int], gap: int) -> list[int]:
    """First pixel of every place, then the length of the whole, gaps around and between."""
    ends = gap + np.cumsum(np.asarray(lengths, int) + gap)
    return [gap, *ends.tolist()]


def _largest(sizes: Sequence[tuple[int, ...]], axis: int) -> int:
    return max((size[axis] for size in sizes), default=0)


def _chunk(kind: bytes, content: bytes) -> bytes:
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))
