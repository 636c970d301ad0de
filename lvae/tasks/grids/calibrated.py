"""What a run knows of the endoscope: how far frames stray across epipolar lines, and points in mm.

`config.data.calibration` names a folder of calibration files, of which frames are the sensor's own;
or it is "lasten": frames are squares of the sensor of a system as LASTEN's, turned and enlarged,
with the published calibration. What is needed of it lies in spec.json.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Real

from lvae.data import folds
from lvae.data.recordings import epipolar as sensor
from lvae.data.recordings.calibration import (
    Calibration,
    Camera,
    Laser,
    read_calibration,
    triangulated,
)
from lvae.data.recordings.epipolar import find_ray_orientation, rays_of_labels
from lvae.data.recordings.orientation import Orientation
from lvae.data.recordings.published import LASTEN_VIEW, PUBLISHED
from lvae.errors import UserError
from lvae.metrics import epipolar
from lvae.tasks.grids.scale import scale_of
from lvae.tasks.grids.settings import LASTEN, RecordingSettings
from lvae.tasks.task import Spec, Split

_FRAMES = 50  # that decide which ray is whose; one would do
_PASSES = 0.25  # pitches that a point may lie from its ray's line: 5 deviations of LASTEN's labels
_LASTEN_WIDTH = 768  # px, of the frames that `LASTEN_VIEW` is of


class Endoscope(NamedTuple):
    """calibration: None for one as LASTEN's, whose frames are turned and enlarged squares of the
    sensor. orientation: of the laser's fan to the labels."""

    calibration: Calibration | None
    orientation: Orientation


def calibration_of(settings: RecordingSettings) -> Calibration | None:
    """What the simulator films with; None: the built-in endoscope, which is as LASTEN's."""
    if settings.calibration in ("", LASTEN):
        return None
    return read_calibration(settings.calibration)


def measured_endoscope(settings: RecordingSettings, train: Split) -> dict[str, Any]:
    """The fact of spec.json, {} without a calibration.

    Raises:
      UserError: the calibration is bad or of another grid.
    """
    if settings.calibration == LASTEN:
        return {"endoscope": {}}
    calibration = calibration_of(settings)
    if calibration is None:
        return {}
    some = np.linspace(0, len(train["points"]) - 1, min(_FRAMES, len(train["points"])), dtype=int)
    order = find_ray_orientation(calibration, train["points"][some], train["visible"][some])
    camera, laser = calibration
    return {
        "endoscope": {
            "intrinsic": camera.intrinsic.tolist(),
            "distortion": list(camera.distortion),
            "rotation": laser.rotation.tolist(),
            "translation": laser.translation.tolist(),
            "alpha": laser.alpha,
            "dimensions": list(laser.dimensions),
            "orientation": list(order),
        }
    }


def endoscope_of(spec: Spec) -> Endoscope | None:
    """The endoscope of a run; None where none is known.

    Raises:
      UserError: spec.json is damaged.
    """
    fact = spec.facts.get("endoscope")
    if fact is None:
        return None
    if not fact:
        return Endoscope(None, Orientation())
    try:
        return _endoscope(fact)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"spec.json: endoscope: {type(error).__name__} {error}; bring it back, or train again"
        ) from error


def epipolar_px(
    spec: Spec,
    points: Float[np.ndarray, "frames rows columns 2"],
    visible: Bool[np.ndarray, "frames rows columns"],
) -> float | None:
    """Mean over frames of the root mean square distance of points from their rays' lines, px; None
    without a calibration."""
    known = endoscope_of(spec)
    if known is None:
        return None
    if known.calibration is None:
        return float(np.nanmean(_published_strays(spec, points, visible).px))
    rays = rays_of_labels(known.calibration.laser, known.orientation)
    return float(np.nanmean(sensor.epipolar_px(points, visible, known.calibration.camera, rays)))


def epipolar_strays(
    spec: Spec,
    points: Float[np.ndarray, "frames rows columns 2"],
    visible: Bool[np.ndarray, "frames rows columns"],
) -> Float[np.ndarray, "frames rows columns"] | None:
    """Signed distance of every point from its ray's line, px, NaN where missing; None without a
    calibration."""
    known = endoscope_of(spec)
    if known is None:
        return None
    if known.calibration is None:
        return _published_strays(spec, points, visible).across
    rays = rays_of_labels(known.calibration.laser, known.orientation)
    off = sensor.strays(known.calibration.camera, rays, points.astype(np.float64))
    return np.where(visible, off, np.nan)


def possible_rays(
    spec: Spec, points: Real[np.ndarray, "points 2"]
) -> Bool[np.ndarray, "points rays"] | None:
    """Whether a ray's line passes each point; None without a calibration whose frames are the
    sensor's."""
    known = endoscope_of(spec)
    if known is None or known.calibration is None:
        return None
    rays = rays_of_labels(known.calibration.laser, known.orientation)
    one_by_one = points.astype(np.float64)[:, None, None]
    off = sensor.strays(known.calibration.camera, rays, one_by_one)
    return (np.abs(off) <= _PASSES * scale_of(spec).point).reshape(len(points), -1)


def _published_strays(spec: Spec, points: np.ndarray, visible: np.ndarray) -> epipolar.Strays:
    """By the endoscope of LASTEN."""
    scale = scale_of(spec)
    directions = folds.ray_directions(scale.rows, scale.columns)
    lines = epipolar.epipolar_lines(directions, folds.projector_position())
    lens = PUBLISHED.camera
    zoom = LASTEN_VIEW.zoom * min(scale.frame) / _LASTEN_WIDTH
    camera = epipolar.Camera(lens.intrinsic, lens.distortion, lens.turn, zoom)
    return epipolar.epipolar_strays(points.astype(np.float64), visible, lines, camera)


def in_mm(
    spec: Spec, points: Float[np.ndarray, "*frames rows columns 2"]
) -> tuple[Float[np.ndarray, "*frames rows columns 3"], Float[np.ndarray, "*frames rows columns"]]:
    """Points in the camera's frame and how far their ray and their line of sight pass each other,
    mm; NaN where points are NaN.

    Raises:
      UserError: the run has no calibration whose frames are the sensor's.
    """
    known = endoscope_of(spec)
    if known is None or known.calibration is None:
        raise UserError("points in mm need a run with config.data.calibration=DIR")
    rays = rays_of_labels(known.calibration.laser, known.orientation)
    return triangulated(known.calibration.camera, rays, points)


def _endoscope(fact: Mapping[str, Any]) -> Endoscope:
    k1, k2, p1, p2, k3 = fact["distortion"]
    first, second = fact["dimensions"]
    camera = Camera(np.array(fact["intrinsic"], float).reshape(3, 3), (k1, k2, p1, p2, k3))
    rotation = np.array(fact["rotation"], float).reshape(3, 3)
    translation = np.array(fact["translation"], float).reshape(3)
    laser = Laser(rotation, translation, float(fact["alpha"]), (first, second))
    return Endoscope(Calibration(camera, laser), Orientation(*fact["orientation"]))
