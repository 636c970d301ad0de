"""A finished grid rounded as its set is, and as the JSON of a LASTEN frame."""

import numpy as np
from jaxtyping import Bool, Float, Num


def rounded(points: Num[np.ndarray, "*grids 2"], decimals: int) -> Float[np.ndarray, "*grids 2"]:
    """To so many digits behind the point, 0: to the nearest pixels; halves up."""
    unit = 10**decimals
    return np.floor(np.asarray(points, np.float64) * unit + 0.5) / unit


def written(
    points: Num[np.ndarray, "*grids 2"],
    visible: Bool[np.ndarray, "*grids"],
    size: tuple[int, int],
    decimals: int = 0,
) -> tuple[Num[np.ndarray, "*grids 2"], Bool[np.ndarray, "*grids"]]:
    """Rounded points, (0, 0) where not visible or outside the frame, and which points are left.
    Whole pixels are int32, others float64."""
    places = rounded(points, decimals)
    inside = ((places >= 0) & (places < np.asarray(size))).all(axis=-1)
    shown = visible & inside
    places = np.where(shown[..., np.newaxis], places, 0)
    return places if decimals else places.astype(np.int32), shown


def frame_json(
    points: Num[np.ndarray, "rows columns 2"], shown: Bool[np.ndarray, "rows columns"]
) -> str:
    """`{"k": [x, y], ...}`, as `json.dumps` writes it."""
    keys = np.flatnonzero(shown)
    rows = zip(keys.tolist(), points.reshape(-1, 2)[keys].tolist())
    return "{" + ", ".join([f'"{key}": [{x}, {y}]' for key, (x, y) in rows]) + "}"
