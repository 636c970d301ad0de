"""Images into files: PNGs, IDX files, and a preview of pairs."""

import gzip
import struct
from pathlib import Path

import numpy as np
from PIL import Image

from lvae import atomic


def to_levels(image: np.ndarray) -> np.ndarray:
    """(height, width, 1) float as (height, width) uint8."""
    return np.round(np.clip(image[..., 0], 0.0, 1.0) * 255.0).astype(np.uint8)


def write_png(path: Path, levels: np.ndarray) -> None:
    """8-bit grayscale, (height, width)."""
    with atomic.replacing(path) as temporary:
        Image.fromarray(levels).save(temporary)


def write_idx(path: Path, images: np.ndarray) -> None:
    """An IDX3 file of (N, height, width) uint8, gzipped if its name ends so."""
    content = struct.pack(">4I", 0x803, *images.shape) + images.tobytes()
    atomic.write_bytes(path, gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def write_preview(path: Path, above: list[np.ndarray], below: list[np.ndarray]) -> None:
    """Two rows on gray, images of a column one above the other, small ones enlarged."""
    if not above:
        return
    gap = 4
    factor = max(1, 84 // max(max(image.shape) for image in above))
    above, below = (
        [np.kron(image, np.ones((factor, factor), np.uint8)) for image in row]
        for row in (above, below)
    )
    height = max(image.shape[0] for image in above)
    width = sum(image.shape[1] + gap for image in above) + gap
    sheet = np.full((2 * height + 3 * gap, width), 128, np.uint8)
    left = gap
    for top_image, bottom_image in zip(above, below):
        rows, columns = top_image.shape
        sheet[gap : gap + rows, left : left + columns] = top_image
        sheet[2 * gap + height : 2 * gap + height + rows, left : left + columns] = bottom_image
        left += columns + gap
    write_png(path, sheet)
