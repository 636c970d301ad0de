"""Points in mm as files: NumPy's archive, in the order of rays, and the polygon format of viewers."""

import io

import numpy as np
from jaxtyping import Float


def npz(
    positions: Float[np.ndarray, "rows columns 3"],
    errors: Float[np.ndarray, "rows columns"],
    pixels: Float[np.ndarray, "rows columns 2"],
) -> bytes:
    """points_mm, error_mm and points_px, NaN where a ray has no point."""
    content = io.BytesIO()
    np.savez(content, points_mm=positions, error_mm=errors, points_px=pixels)
    return content.getvalue()


def ply(positions: Float[np.ndarray, "points 3"], errors: Float[np.ndarray, " points"]) -> bytes:
    """A cloud of points, mm, with the property `error` (PLY 1.0, binary, little-endian)."""
    header = [
        "ply",
        "format binary_little_endian 1.0",
        "comment mm in the camera's frame: x to the right, y down, z forward",
        f"element vertex {len(positions)}",
        *(f"property float {name}" for name in ("x", "y", "z", "error")),
        "end_header\n",
    ]
    rows = np.concatenate([positions, errors[:, np.newaxis]], axis=1).astype("<f4")
    return "\n".join(header).encode() + rows.tobytes()
