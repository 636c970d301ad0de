"""Two vocal folds under a laser grid: rays, the surface they meet, and the camera that sees them.

Lengths in mm, in the camera's frame (x to the right, y down, z forward); image coordinates in px.

The surface is given as the projector sees it: height above a sphere round the projector as a
function of the direction of the ray, (u, v) in [-1, 1] over the grid, u with the column and v with
the row. A surface in that form meets each ray exactly once, so that no intersection is searched
for, and an edge that overhangs what lies behind it is a jump in height. Shape parameters come as a
mapping of name to number: `lvae.data.population` lists them.
"""

from collections.abc import Mapping

import numpy as np

Shape = Mapping[str, float]

# A published calibration of such an endoscope: x_projector = ROTATION @ x_camera + TRANSLATION.
ROTATION = np.array(
    [[0.97633, 0.08034, 0.20079], [-0.06930, 0.99570, -0.06142], [-0.20486, 0.04606, 0.97771]]
)
TRANSLATION = np.array([-8.31, 4.40, -7.47])  # mm
FOCAL_LENGTH = 613.0  # px of the sensor
DISTORTION = (-0.39, 0.92, -0.0095, -0.0034)  # radial k1, k2, tangential p1, p2; k3 = 0
SENSOR_WIDTH = 256  # px of the sensor; a square of this width becomes the frame
INTER_RAY_ANGLE = 0.0131  # rad between neighbours of the grid of 18 x 18
RAYS = 18  # of that grid; other grids divide the same field of view
# How the grid is turned in the projector and the image on the screen. The set's epipolar lines give
# both: a point stays on its ray's line whatever the tissue does (to 1 px in the training part).
GRID_ROLL = np.radians(239.2)
IMAGE_TURN = np.radians(120.8)
SHELF_DROP = 0.5  # mm; a tissue in front that lies deeper than this would be hidden by the folds
STAND_OFF = 32.0  # mm from the projector to the middle of the folds


def grid_coordinates(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """u and v of every ray, each (rows, columns) in [-1, 1]; row 0 has v = -1."""
    u, v = np.meshgrid(np.linspace(-1, 1, columns), np.linspace(-1, 1, rows))
    return u, v


def projector_position() -> np.ndarray:
    """Where the rays leave, (3,) mm: the camera's frame looks back along the calibration."""
    return -ROTATION.T @ TRANSLATION


def ray_directions(rows: int, columns: int) -> np.ndarray:
    """Unit vectors (rows, columns, 3) of a grid that fills the field of view of 18 x 18 rays."""
    u, v = grid_coordinates(rows, columns)
    half = INTER_RAY_ANGLE * (RAYS - 1) / 2
    directions = np.stack([np.tan(u * half), -np.tan(v * half), np.ones_like(u)], -1)
    turned = directions @ _turn(GRID_ROLL).T @ ROTATION
    return turned / np.linalg.norm(turned, axis=-1, keepdims=True)


def project(
    height: np.ndarray, directions: np.ndarray, turn: float, magnification: float
) -> tuple[np.ndarray, np.ndarray]:
    """Frame coordinates (x, y) of the points at `height`, px, the optical axis at (0, 0).

    Args:
      height: mm above the sphere of radius `STAND_OFF` round the projector, (..., rows, columns).
      directions: of the rays, (rows, columns, 3).
      turn: of the endoscope about its axis, rad.
      magnification: px of the frame over px of the sensor.
    """
    point = (STAND_OFF - height)[..., None] * directions + projector_position()
    x, y = point[..., 0] / point[..., 2], point[..., 1] / point[..., 2]
    k1, k2, p1, p2 = DISTORTION
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + k2 * r2)
    xy = 2 * x * y
    x, y = (
        x * radial + p1 * xy + p2 * (r2 + 2 * x * x),
        y * radial + p1 * (r2 + 2 * y * y) + p2 * xy,
    )
    scale = FOCAL_LENGTH * magnification
    cosine, sine = scale * np.cos(IMAGE_TURN + turn), scale * np.sin(IMAGE_TURN + turn)
    return cosine * x - sine * y, sine * x + cosine * y


def glottis(shape: Shape, v: np.ndarray, opening: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The midline and the half width of the gap at each height v of the grid, in units of u.

    Below its apex the glottis is closed, above it the gap widens, most in the top row; as it opens
    the apex wanders down. `opening` broadcasts against v.
    """
    middle = shape["midline"] + shape["midline_lean"] * v
    middle = middle + shape["midline_bend"] * (v * v - 1 / 3)
    above = v - shape["apex"] + shape["apex_stroke"] * opening
    half_width = shape["gap"] * (np.logaddexp(0, 16 * above) / 16) ** shape["gap_power"]
    return middle, half_width + shape["gap_flare"] * np.exp(25 * (np.minimum(v, 1) - 1))


def fold_height(
    shape: Shape, u: np.ndarray, v: np.ndarray, opening: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Height of the folds, mm, and how far u lies outside the gap (negative: in it).

    A smooth base (tilt, bend, twist); from it each fold falls off towards its medial edge, broadly
    (`fall`) and then sharply at the edge itself (`lip`); below a ragged line across the bottom rows
    another tissue lies in front (`shelf`).
    """
    base = shape["tilt_u"] * u + shape["tilt_v"] * v
    uu, vv = u * u - 1 / 3, v * v - 1 / 3
    base = base + shape["bend_u"] * uu + shape["bend_v"] * vv + shape["twist"] * u * v
    base = base + shape["skew_u"] * u * (u * u - 0.6) + shape["skew_v"] * v * (v * v - 0.6)
    base = base + shape["twist_u"] * uu * v + shape["twist_v"] * u * vv

    middle, half_width = glottis(shape, v, opening)
    outside = np.abs(u - middle) - half_width
    distance = np.maximum(outside, 0)
    left = u < middle
    depth = np.where(
        left,
        shape["fall_left"] * (1 + (shape["fall_rise"] - shape["fall_rise_difference"]) * v),
        shape["fall_right"] * (1 + (shape["fall_rise"] + shape["fall_rise_difference"]) * v),
    )
    depth = depth + shape["fall_bulge"] * vv
    width = np.where(left, shape["width_left"], shape["width_right"])
    width = np.exp(width + shape["width_rise"] * v)
    fall = depth * np.exp(-((distance / width) ** np.exp(shape["fall_power"])))
    fall = fall + shape["lip"] * np.exp(-distance / np.exp(shape["lip_width"]))

    on_shelf = _shelf(shape, u, v)
    height = base - fall * (1 - shape["shelf_fill"] * on_shelf)
    step = np.maximum(shape["shelf"] + shape["shelf_tilt"] * u, -SHELF_DROP)
    return height + on_shelf * step, outside


def shelf_edge(shape: Shape, u: np.ndarray) -> np.ndarray:
    """The height v below which the tissue in front is hit."""
    edge = shape["shelf_edge"] + shape["shelf_lean"] * u + shape["shelf_bend"] * (u * u - 1 / 3)
    edge = edge + shape["shelf_wave"] * np.cos(1.5 * np.pi * (u + 1))
    return edge + shape["shelf_ripple"] * np.cos(2 * np.pi * (u + 1))


def _shelf(shape: Shape, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """1 on the tissue in front, 0 on the folds, over a seventh of a row's pitch between them."""
    return 1 / (1 + np.exp(np.clip((v - shelf_edge(shape, u)) / 0.015, -30, 30)))


def _turn(angle: float) -> np.ndarray:
    """Rotation about the z axis, (3, 3)."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
