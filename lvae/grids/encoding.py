"""A finished grid in whole pixels, and as the JSON of a LASTEN frame."""

import numpy as np
from jaxtyping import Bool, Int, Num


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
