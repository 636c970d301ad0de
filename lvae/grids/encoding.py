"""A finished grid as bytes: its points as LASTEN JSON, its moving image as an 8-bit grayscale
PNG."""

import dataclasses
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int, Num, UInt8
from PIL import Image

from lvae.grids import rendering

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FILTER_UP = 2  # every byte less the one above


@dataclasses.dataclass(frozen=True)
class Encoded:
    """One sample, ready to be written.

    id: its number. pixels: whole pixels, (0, 0) where nothing is shown. shown: the points that are
    written. text: the JSON. image: the PNG, or None in a data set without images.
    """

    id: int
    pixels: Int[np.ndarray, "rows columns 2"]
    shown: Bool[np.ndarray, "rows columns"]
    text: str
    image: bytes | None


def encode(
    number: int,
    points: Num[np.ndarray, "rows columns 2"],
    visible: Bool[np.ndarray, "rows columns"],
    size: tuple[int, int],
    images: bool,
) -> Encoded:
    """Rounds the points to whole pixels, drops those outside the frame, and draws what is left, so
    that JSON and image say the same."""
    pixels, shown = whole_pixels(points, visible, size)
    image = png(rendering.render(pixels, shown, size)) if images else None
    return Encoded(number, pixels, shown, frame_json(pixels, shown), image)


def whole_pixels(
    points: Num[np.ndarray, "*grids 2"], visible: Bool[np.ndarray, "*grids"], size: tuple[int, int]
) -> tuple[Int[np.ndarray, "*grids 2"], Bool[np.ndarray, "*grids"]]:
    """The nearest pixels, (0, 0) where not visible or outside the frame, and which points are
    left."""
    rounded = np.floor(np.asarray(points, np.float64) + 0.5)
    inside = ((rounded >= 0) & (rounded < np.asarray(size))).all(axis=-1)
    shown = visible & inside
    return np.where(shown[..., np.newaxis], rounded, 0).astype(np.int32), shown


def frame_json(
    pixels: Int[np.ndarray, "rows columns 2"], shown: Bool[np.ndarray, "rows columns"]
) -> str:
    """`{"k": [x, y], ...}`, as `json.dumps` writes it."""
    keys = np.flatnonzero(shown)
    rows = zip(keys.tolist(), pixels.reshape(-1, 2)[keys].tolist())
    return "{" + ", ".join([f'"{key}": [{x}, {y}]' for key, (x, y) in rows]) + "}"


def png(image: UInt8[np.ndarray, "height width"]) -> bytes:
    """An 8-bit grayscale PNG, the same bytes for the same image.

    Pillow tries five filters on every line, which takes most of its time. Moving images are smooth:
    one filter and run-length deflate write the same size in under half the time.
    """
    height, width = image.shape
    lines = np.empty((height, width + 1), np.uint8)
    lines[:, 0] = _FILTER_UP
    lines[0, 1:] = image[0]
    np.subtract(image[1:], image[:-1], out=lines[1:, 1:])
    deflate = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_RLE)
    packed = deflate.compress(lines.data) + deflate.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    return _PNG_SIGNATURE + b"".join(_chunk(kind, content) for kind, content in chunks)


def contact_sheet(
    images: Sequence[UInt8[np.ndarray, "height width"]], columns: int = 6, cell: int = 192
) -> UInt8[np.ndarray, "sheet_height sheet_width"]:
    """Images side by side, row by row, each reduced to at most `cell` pixels, white lines between
    them."""
    gap = 4
    small = []
    for image in images:
        height, width = image.shape
        scale = min(1.0, cell / max(height, width))
        shape = (max(1, round(width * scale)), max(1, round(height * scale)))
        small.append(np.asarray(Image.fromarray(image).resize(shape, Image.Resampling.BOX)))
    columns = max(1, min(columns, len(small)))
    rows = -(-len(small) // columns)
    high, wide = small[0].shape if small else (cell, cell)
    sheet = np.full(
        (max(1, rows) * (high + gap) + gap, columns * (wide + gap) + gap), 255, np.uint8
    )
    for index, image in enumerate(small):
        row, column = divmod(index, columns)
        top, left = gap + row * (high + gap), gap + column * (wide + gap)
        sheet[top : top + high, left : left + wide] = image
    return sheet


def _chunk(kind: bytes, content: bytes) -> bytes:
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))
