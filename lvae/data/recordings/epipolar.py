"""Which ray of a calibrated fan belongs to which label, and how far labels stray across the lines
of their rays.

Whatever the tissue does, a ray's point stays on one line of the image: what strays from it is error
of the label, or no picture of this endoscope.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Num

from lvae.data.problems import refused
from lvae.data.recordings.calibration import (
    Calibration,
    Camera,
    Laser,
    Rays,
    fan,
    rotation_about_z,
    strays,
)
from lvae.data.recordings.orientation import ORIENTATIONS, Orientation, oriented


class View(NamedTuple):
    """How frames show the sensor: turned (rad) and enlarged about the camera's principal point,
    which comes to lie at x, y of the frame (px)."""

    turn: float
    zoom: float
    x: float
    y: float


def rays_of_labels(laser: Laser, orientation: Orientation) -> Rays:
    """The fan in the order of the labels, (rows, columns, 3)."""
    origin, directions = fan(laser)
    return Rays(origin, oriented(directions, orientation))


def find_ray_orientation(
    calibration: Calibration,
    points: Num[np.ndarray, "frames rows columns 2"],
    visible: Bool[np.ndarray, "frames rows columns"],
) -> Orientation:
    """The order of the fan with which labels, in px of the sensor, stray least from their rays'
    lines (median over points).

    Raises:
      UserError: the calibration is of a fan with other rows and columns.
    """
    medians = {}
    for orientation in ORIENTATIONS:
        rays = rays_of_labels(calibration.laser, orientation)
        if rays.directions.shape[:2] == visible.shape[1:]:
            off = np.abs(strays(calibration.camera, rays, points.astype(np.float64)))[visible]
            medians[orientation] = float(np.median(np.where(np.isfinite(off), off, np.inf)))
    if not medians:
        raise refused(
            "calibration",
            f"a fan of {' x '.join(map(str, calibration.laser.dimensions))} rays for labels of "
            f"{visible.shape[1]} rows and {visible.shape[2]} columns",
            "give the calibration of this set's own endoscope",
        )
    return min(medians, key=lambda orientation: medians[orientation])


def epipolar_px(
    points: Num[np.ndarray, "frames rows columns 2"],
    visible: Bool[np.ndarray, "frames rows columns"],
    camera: Camera,
    rays: Rays,
    view: View | None = None,
) -> Float[np.ndarray, " frames"]:
    """Root mean square of the distances of each frame's visible points from their rays' lines, px of
    the frame.

    Args:
      rays: in the order of the labels.
      view: None where frames are the sensor's. Otherwise where the search starts for the view of
        each frame: its turn, zoom and place are chosen such that the points stray least.
    """
    off = np.zeros(len(points))
    for index, (grid, seen) in enumerate(zip(points.astype(np.float64), visible)):
        shown = Rays(rays.origin, rays.directions[seen])
        across = _least_strays(camera, shown, grid[seen], view)
        off[index] = np.sqrt(np.mean(across**2))
    return off


def to_sensor(
    camera: Camera, points: Float[np.ndarray, "*points 2"], view: View
) -> Float[np.ndarray, "*points 2"]:
    """Points of a frame, px, as the sensor has them."""
    turned = (points - np.array([view.x, view.y])) @ rotation_about_z(view.turn)[:2, :2]
    return turned / view.zoom + camera.intrinsic[:2, 2]


def _least_strays(camera: Camera, rays: Rays, points: np.ndarray, start: View | None) -> np.ndarray:
    """Distances, px of the frame, in the view in which their squares are least."""
    from scipy.optimize import least_squares  # slow to import

    if start is None:
        return strays(camera, rays, points)
    scale = np.array([0.01, 0.01 * start.zoom, 1.0, 1.0])  # what each parameter changes by

    def distances(change: np.ndarray) -> np.ndarray:
        view = View(*(np.array(start) + scale * change).tolist())
        return view.zoom * strays(camera, rays, to_sensor(camera, points, view))

    return least_squares(distances, np.zeros(4), method="lm").fun
