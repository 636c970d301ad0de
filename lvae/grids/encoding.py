"""A finished grid as bytes: its points as LASTEN JSON, its moving image as an 8-bit grayscale
PNG."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Int, Num

from lvae.grids import rendering
from lvae.imaging.sheets import contact_sheet, png

__all__ = ["Encoded", "contact_sheet", "encode", "frame_json", "png", "whole_pixels"]


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
