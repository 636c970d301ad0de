"""The calibration of a laser endoscope: a camera, and a projector that sends a fan of rays.

`camera_calibration.json` holds "Intrinsic" (3 x 3) and "DistortionCoefficients" (k1, k2, p1, p2,
k3); `laser_calibration.json` "Rotation" (3 x 3) and "Translation" (3, mm), with which
x_projector = Rotation @ x_camera + Translation, "Alpha" (rad between neighbouring rays) and
"Dimensions" (rays along the two axes of the fan). Lengths in mm in the camera's frame (x to the
right, y down, z forward), image coordinates in px.
"""

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from lvae.data.problems import Problems, collecting, refused
from lvae.data.recordings.lasten import read_json_object

CAMERA_FILE = "camera_calibration.json"
LASER_FILE = "laser_calibration.json"
_NOT_A_ROTATION = 1e-3  # largest entry of R R^T - 1 that printed digits explain
_STEPS = 8  # of Newton's method; five suffice where a lens can be undone


class Camera(NamedTuple):
    """intrinsic: px; the last row 0, 0, 1. distortion: k1, k2, p1, p2, k3 (Brown, 1966, as in
    OpenCV). turn: of the image about its principal point after the lens, rad; 0 where frames are
    the sensor's."""

    intrinsic: Float[np.ndarray, "3 3"]
    distortion: tuple[float, float, float, float, float]
    turn: float = 0.0


class Laser(NamedTuple):
    """rotation, translation (mm): from the camera to the projector. alpha: rad between rays.
    dimensions: rays along the first and the second axis of the fan. roll: of the fan in the
    projector, rad."""

    rotation: Float[np.ndarray, "3 3"]
    translation: Float[np.ndarray, "3"]
    alpha: float
    dimensions: tuple[int, int]
    roll: float = 0.0


class Calibration(NamedTuple):
    """Of one endoscope."""

    camera: Camera
    laser: Laser


class Rays(NamedTuple):
    """origin: where all rays leave, mm. directions: unit vectors, grid axes as of the labels."""

    origin: Float[np.ndarray, "3"]
    directions: Float[np.ndarray, "*grid 3"]


def read_calibration(folder: str | Path, problems: Problems | None = None) -> Calibration:
    """The calibration in `folder`.

    Raises:
      UserError: names everything that is wrong: a file is missing or is not JSON; a field is
        missing, has another shape, is not finite; a focal length is not positive; the rotation is
        none; the fan is not narrower than a half turn, as with an angle in degrees.
    """
    folder = Path(folder)
    camera, laser = None, None
    with collecting(problems) as found:
        with found.skipping():
            camera = _camera(folder / CAMERA_FILE)
        with found.skipping():
            laser = _laser(folder / LASER_FILE)
    assert camera is not None
    assert laser is not None
    return Calibration(camera, laser)


def fan(laser: Laser) -> Rays:
    """The rays in the camera's frame, (first, second, 3), indexed as "Dimensions" are.

    `oriented(directions, orientation)` puts them in the order of a set's labels.
    """
    first, second = (
        np.tan(laser.alpha * (np.arange(count) - (count - 1) / 2)) for count in laser.dimensions
    )
    x, y = np.meshgrid(first, second, indexing="ij")
    directions = np.stack([x, y, np.ones_like(x)], axis=-1)
    directions = directions @ rotation_about_z(laser.roll).T @ laser.rotation
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    return Rays(-laser.rotation.T @ laser.translation, directions)


def project(
    camera: Camera, positions: Float[np.ndarray, "*points 3"]
) -> Float[np.ndarray, "*points 2"]:
    """Image coordinates of positions in front of the camera, px."""
    return to_pixels(camera, positions[..., :2] / positions[..., 2:])


def lines_of_sight(
    camera: Camera, pixels: Float[np.ndarray, "*points 2"]
) -> Float[np.ndarray, "*points 3"]:
    """Unit vectors from the camera through image points."""
    flat = to_plane(camera, pixels)
    directions = np.concatenate([flat, np.ones_like(flat[..., :1])], axis=-1)
    return directions / np.linalg.norm(directions, axis=-1, keepdims=True)


def to_pixels(
    camera: Camera, plane: Float[np.ndarray, "*points 2"]
) -> Float[np.ndarray, "*points 2"]:
    """Image coordinates, px, of points of the plane z = 1, in which straight lines are straight."""
    distorted = _distorted(plane, camera.distortion)[0] @ rotation_about_z(camera.turn)[:2, :2].T
    return distorted @ camera.intrinsic[:2, :2].T + camera.intrinsic[:2, 2]


def to_plane(
    camera: Camera, pixels: Float[np.ndarray, "*points 2"]
) -> Float[np.ndarray, "*points 2"]:
    """The inverse of `to_pixels`, by Newton's method; NaN where the lens cannot be undone."""
    centred = pixels.astype(np.float64) - camera.intrinsic[:2, 2]
    wanted = centred @ np.linalg.inv(camera.intrinsic[:2, :2]).T
    wanted = wanted @ rotation_about_z(camera.turn)[:2, :2]
    plane = wanted.copy()
    for _ in range(_STEPS):
        value, slope = _distorted(plane, camera.distortion)
        with np.errstate(all="ignore"):  # far outside the lens: NaN below
            determinant = slope[..., 0, 0] * slope[..., 1, 1] - slope[..., 0, 1] * slope[..., 1, 0]
            error = value - wanted
            step_x = slope[..., 1, 1] * error[..., 0] - slope[..., 0, 1] * error[..., 1]
            step_y = slope[..., 0, 0] * error[..., 1] - slope[..., 1, 0] * error[..., 0]
            plane = plane - np.stack([step_x, step_y], axis=-1) / determinant[..., np.newaxis]
    with np.errstate(all="ignore"):
        off = np.abs(_distorted(plane, camera.distortion)[0] - wanted).max(-1, keepdims=True)
        return np.where(off < 1e-9, plane, np.nan)


def epipolar_lines(rays: Rays) -> Float[np.ndarray, "*grid 3"]:
    """Where each ray's points lie in the plane z = 1: a x + b y + c = 0 with a^2 + b^2 = 1.

    The ray and the camera span a plane (Hartley and Zisserman, 2004, 9.1).
    """
    normals = np.cross(rays.origin, rays.directions)
    return normals / np.linalg.norm(normals[..., :2], axis=-1, keepdims=True)


def strays(
    camera: Camera, rays: Rays, points: Float[np.ndarray, "*points 2"]
) -> Float[np.ndarray, "..."]:
    """How far points lie across the lines of their rays, px, signed; points and rays are broadcast."""
    lines = epipolar_lines(rays)
    plane = to_plane(camera, points)
    distance = (plane * lines[..., :2]).sum(-1) + lines[..., 2]
    foot = plane - distance[..., np.newaxis] * lines[..., :2]
    return np.sign(distance) * np.linalg.norm(points - to_pixels(camera, foot), axis=-1)


def triangulated(
    camera: Camera, rays: Rays, points: Float[np.ndarray, "*points 2"]
) -> tuple[Float[np.ndarray, "*points 3"], Float[np.ndarray, "*points"]]:
    """Where each point's ray meets the camera's line of sight: the middle of the shortest segment
    between the two lines, mm, and the segment's length, mm. What missing points give is of no use.
    """
    sight = lines_of_sight(camera, points)
    cosine = (sight * rays.directions).sum(-1)
    on_sight, on_ray = sight @ rays.origin, rays.directions @ rays.origin
    sine2 = 1 - cosine**2
    along_sight = (on_sight - cosine * on_ray) / sine2
    along_ray = (cosine * on_sight - on_ray) / sine2
    first = along_sight[..., np.newaxis] * sight
    second = rays.origin + along_ray[..., np.newaxis] * rays.directions
    return (first + second) / 2, np.linalg.norm(first - second, axis=-1)


def rotation_about_z(angle: float) -> Float[np.ndarray, "3 3"]:
    """By `angle`, rad, from x to y."""
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def _distorted(plane: np.ndarray, coefficients: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The lens on the plane z = 1, (..., 2), and its derivative, (..., 2, 2)."""
    k1, k2, p1, p2, k3 = coefficients
    x, y = plane[..., 0], plane[..., 1]
    with np.errstate(all="ignore"):
        r2 = x * x + y * y
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        growth = 2 * (k1 + r2 * (2 * k2 + r2 * 3 * k3))  # d radial / d r2, twice
        value_x = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
        value_y = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
        xx = radial + x * x * growth + 2 * p1 * y + 6 * p2 * x
        xy = x * y * growth + 2 * p1 * x + 2 * p2 * y
        yy = radial + y * y * growth + 6 * p1 * y + 2 * p2 * x
    slope = np.stack([np.stack([xx, xy], -1), np.stack([xy, yy], -1)], -2)
    return np.stack([value_x, value_y], -1), slope


def _camera(path: Path) -> Camera:
    fields = read_json_object(path)
    intrinsic = _array(path, fields, "Intrinsic", (3, 3))
    if min(intrinsic[0, 0], intrinsic[1, 1]) <= 0 or intrinsic[2].tolist() != [0, 0, 1]:
        raise refused(
            path,
            f"Intrinsic is {intrinsic.tolist()}",
            "expected [[fx, skew, cx], [0, fy, cy], [0, 0, 1]] with fx and fy above 0",
        )
    distortion = _array(path, fields, "DistortionCoefficients", (5,)).tolist()
    return Camera(intrinsic, (*distortion,))


def _laser(path: Path) -> Laser:
    fields = read_json_object(path)
    rotation = _array(path, fields, "Rotation", (3, 3))
    off = np.abs(rotation @ rotation.T - np.eye(3)).max()
    if off > _NOT_A_ROTATION or np.linalg.det(rotation) < 0:
        raise refused(
            path,
            f"Rotation is none: R R^T is off the identity by {off:.2g}, the determinant is "
            f"{np.linalg.det(rotation):.2g}",
            "export the calibration again",
        )
    translation = _array(path, fields, "Translation", (3,))
    dimensions = _array(path, fields, "Dimensions", (2,))
    if (dimensions < 2).any() or (dimensions != np.rint(dimensions)).any():
        raise refused(path, f"Dimensions is {fields['Dimensions']}", "expected two counts of rays")
    alpha = float(_array(path, fields, "Alpha", ()))
    if not 0 < alpha * (dimensions.max() - 1) < np.pi:
        raise refused(
            path,
            f"Alpha is {alpha}: a fan of {int(dimensions.max())} rays is wider than half a turn",
            "expected the angle between neighbouring rays in rad, as 0.0131",
        )
    first, second = dimensions.astype(int).tolist()
    return Laser(rotation, translation, alpha, (first, second))


def _array(path: Path, fields: dict[str, Any], name: str, shape: tuple[int, ...]) -> np.ndarray:
    """One field; nested lists such as [[k1, ...]] or [[x], [y], [z]] are flattened."""
    if name not in fields:
        raise refused(path, f"{name} is missing", f"it has {', '.join(fields) or 'no fields'}")
    try:
        values = np.array(fields[name], dtype=np.float64)
    except (ValueError, TypeError, OverflowError):
        values = np.array([np.nan])
    if values.size != math.prod(shape) or not np.isfinite(values).all():
        what = " x ".join(map(str, shape)) or "one"
        raise refused(path, f"{name} is {fields[name]!r:.60}", f"expected {what} finite numbers")
    return values.reshape(shape)
