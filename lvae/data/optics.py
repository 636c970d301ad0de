"""Where a laser endoscope images the surface of `lvae.data.folds`: the built-in endoscope, whose
frames are like LASTEN's, or one of a given calibration."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from lvae.data import folds
from lvae.data.problems import refused
from lvae.data.recordings.calibration import Calibration, Camera, Rays, fan, project
from lvae.data.recordings.orientation import LEAST_ORDERED, find_orientation, oriented

LASTEN_SIZE = 768  # px; lengths of an image are given for frames of this width and height
_STAND_OFFS = np.arange(10.0, 120.5, 0.5)  # mm, those that a given endoscope is tried at


class Placement(NamedTuple):
    """Of a square image of 768 px in a frame: frame px = scale * image px + shift. It is as large as
    fits, in the middle."""

    width: int
    height: int
    scale: float
    shift: np.ndarray  # x, y in px of the frame

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """First x, y that the frame shows and first that it no longer shows, px of the image; the
        frame's first line of pixels is left out, as 0 means missing."""
        beyond = np.array([self.width, self.height])
        return 1 - self.shift / self.scale, (beyond - self.shift) / self.scale


def placement(width: int, height: int) -> Placement:
    """The placement in a frame of this size."""
    scale = min(width, height) / LASTEN_SIZE
    shift = (np.array([width, height]) - scale * LASTEN_SIZE) / 2
    return Placement(width, height, scale, shift)


class Endoscope(NamedTuple):
    """rays: (rows, columns, 3), row 0 at the bottom of the image. stand_off: mm from the projector
    to the middle of the folds. relief: heights over those of the built-in system, which lights a
    smaller patch or a larger. camera: None for the built-in one, of which turn, zoom and place vary
    from recording to recording."""

    rays: Rays
    stand_off: float
    relief: float
    camera: Camera | None


def built_in(rows: int, columns: int) -> Endoscope:
    """The system of `lvae.data.folds` with any grid in the same field of view."""
    rays = Rays(folds.projector_position(), folds.ray_directions(rows, columns))
    return Endoscope(rays, folds.STAND_OFF, 1.0, None)


def calibrated(
    calibration: Calibration, rows: int, columns: int, width: int, height: int
) -> Endoscope:
    """The calibrated system at the distance from the folds at which most rays fall into the frame,
    and of those at which their middle is nearest to the frame's.

    Raises:
      UserError: its fan has other rows and columns, or nowhere falls into the frame in order.
    """
    camera, laser = calibration
    origin, directions = fan(laser)
    frame = np.array([width, height])
    images = np.stack([project(camera, origin + d * directions) for d in _STAND_OFFS])
    inside = np.all((images >= 0) & (images < frame), axis=-1)
    from_middle = np.linalg.norm(images.mean((1, 2)) - frame / 2, axis=-1)
    best = int(np.lexsort((from_middle, -inside.sum((1, 2))))[0])
    orientation, share = find_orientation(images[best][None], inside[best][None])
    if share < LEAST_ORDERED:
        raise refused(
            "calibration",
            f"no distance at which the laser's points lie in order in a frame of {width} x {height}",
            "give the calibration and the frame size of one system",
        )
    directions = oriented(directions, orientation)
    if directions.shape[:2] != (rows, columns):
        raise refused(
            "calibration",
            f"a fan of {directions.shape[0]} rows and {directions.shape[1]} columns in the image, "
            f"the config says {rows} and {columns}",
            f"give --config.data.rows={directions.shape[0]} "
            f"--config.data.columns={directions.shape[1]}",
        )
    stand_off = float(_STAND_OFFS[best])
    lit = stand_off * laser.alpha * (max(laser.dimensions) - 1)
    relief = lit / (folds.STAND_OFF * folds.INTER_RAY_ANGLE * (folds.RAYS - 1))
    return Endoscope(Rays(origin, directions), stand_off, relief, camera)


def image(
    endoscope: Endoscope,
    height: np.ndarray,
    shape: Mapping[str, float],
    time: np.ndarray,
    place: Placement,
) -> tuple[np.ndarray, np.ndarray]:
    """Where the points at `height`, mm, are imaged, (frames, rows, columns, 2) px of the image of
    768 px, and their positions, (frames, rows, columns, 3) mm in the camera's frame."""
    origin, directions = endoscope.rays
    distance = endoscope.stand_off - endoscope.relief * height
    positions = distance[..., np.newaxis] * directions + origin
    if endoscope.camera is not None:
        return (project(endoscope.camera, positions) - place.shift) / place.scale, positions
    magnification = np.exp(shape["zoom"]) * LASTEN_SIZE / folds.SENSOR_WIDTH
    x, y = folds.project(height, directions, np.radians(shape["turn"]), magnification)
    points = np.stack(
        [
            x + (shape["axis_x"] + shape["drift_x"] * time),
            y + (shape["axis_y"] + shape["drift_y"] * time),
        ],
        -1,
    )
    return points, positions
