"""Calibration files, the camera against OpenCV's, and depth that comes back from labels."""

import json

import numpy as np
import pytest

from lvae.data import folds, optics
from lvae.data.recordings.calibration import (
    Calibration,
    Rays,
    epipolar_lines,
    fan,
    lines_of_sight,
    project,
    read_calibration,
    strays,
    to_pixels,
    to_plane,
    triangulated,
)
from lvae.data.recordings.epipolar import epipolar_px, find_ray_orientation, rays_of_labels
from lvae.data.recordings.frames import GridGeometry
from lvae.data.recordings.orientation import ORIENTATIONS, oriented
from lvae.data.recordings.published import LASTEN_VIEW, PUBLISHED, PUBLISHED_ORIENTATION
from lvae.data.recordings.reading import read_data_set
from lvae.data.simulator import SimulatorSettings, simulate_recordings
from lvae.errors import UserError

CAMERA = {
    "Intrinsic": [[613.35, 0, 160.32], [0, 614.07, 286.74], [0, 0, 1]],
    "DistortionCoefficients": [[-0.39, 0.92, -0.0095, -0.0034, 0.02]],  # a row, as OpenCV writes it
}
LASER = {
    "Rotation": folds.ROTATION.tolist(),
    "Translation": [[-8.31], [4.40], [-7.47]],  # a column
    "Alpha": 0.0131,
    "Dimensions": [18, 18],
}
SENSOR = SimulatorSettings(3, 0, 0, 4, width=256, height=512, whole_pixels=False, label_noise=0.0)


def write(folder, camera=CAMERA, laser=LASER) -> None:
    (folder / "camera_calibration.json").write_text(json.dumps(camera))
    (folder / "laser_calibration.json").write_text(json.dumps(laser))


@pytest.fixture
def calibration(tmp_path) -> Calibration:
    write(tmp_path)
    return read_calibration(tmp_path)


def test_files_are_read(calibration):
    assert calibration.camera.intrinsic.tolist() == CAMERA["Intrinsic"]
    assert calibration.camera.distortion == (-0.39, 0.92, -0.0095, -0.0034, 0.02)
    assert calibration.laser.translation.tolist() == [-8.31, 4.40, -7.47]
    assert calibration.laser.dimensions == (18, 18)


@pytest.mark.parametrize(
    ("file", "field", "value", "words"),
    [
        ("camera", "Intrinsic", [[613, 0, 1], [0, -614, 2], [0, 0, 1]], "Intrinsic is [[613.0"),
        ("camera", "Intrinsic", [[613, 0], [0, 614]], "expected 3 x 3 finite numbers"),
        ("camera", "DistortionCoefficients", [1, 2], "expected 5 finite numbers"),
        ("camera", "DistortionCoefficients", None, "DistortionCoefficients is None"),
        ("laser", "Rotation", (2 * np.eye(3)).tolist(), "Rotation is none"),
        ("laser", "Rotation", np.diag([1, 1, -1]).tolist(), "the determinant is -1"),
        ("laser", "Translation", [1, float("nan"), 2], "expected 3 finite numbers"),
        ("laser", "Alpha", 13.1, "wider than half a turn"),
        ("laser", "Alpha", -0.1, "Alpha is -0.1"),
        ("laser", "Dimensions", [18, 1], "Dimensions is [18, 1]"),
        ("laser", "Dimensions", [18, 17.5], "Dimensions is [18, 17.5]"),
    ],
)
def test_a_bad_field_is_named(tmp_path, file, field, value, words):
    files = {"camera": CAMERA, "laser": LASER}
    write(tmp_path, **(files | {file: files[file] | {field: value}}))
    with pytest.raises(UserError) as caught:
        read_calibration(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / file}_calibration.json: ")
    assert words in str(caught.value)


def test_all_that_is_wrong_is_named(tmp_path):
    (tmp_path / "camera_calibration.json").write_text('{"fx": 613}')
    with pytest.raises(UserError) as caught:
        read_calibration(tmp_path)
    first, second = str(caught.value).splitlines()
    assert "camera_calibration.json: Intrinsic is missing; it has fx" in first
    assert "laser_calibration.json: cannot be read (No such file" in second


def test_the_camera_is_opencvs(calibration):
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(0)
    positions = rng.uniform((-8, -16, 30), (8, 16, 60), (500, 3))
    coefficients = np.array(calibration.camera.distortion)
    intrinsic = calibration.camera.intrinsic
    expected = cv2.projectPoints(positions, np.zeros(3), np.zeros(3), intrinsic, coefficients)[0]
    assert np.abs(project(calibration.camera, positions) - expected[:, 0]).max() < 1e-9


def test_the_lens_is_undone(calibration):
    rng = np.random.default_rng(0)
    plane = rng.uniform(-0.4, 0.4, (500, 2))
    turned = calibration.camera._replace(turn=2.1)
    for camera in (calibration.camera, turned):
        assert np.abs(to_plane(camera, to_pixels(camera, plane)) - plane).max() < 1e-9
    assert np.abs(to_pixels(turned, plane) - to_pixels(calibration.camera, plane)).max() > 10


def test_the_fan_is_the_simulators():
    """The published system, its roll included, is the built-in one."""
    rays = rays_of_labels(PUBLISHED.laser, PUBLISHED_ORIENTATION)
    assert np.abs(rays.directions - folds.ray_directions(18, 18)).max() < 1e-12
    assert np.abs(rays.origin - folds.projector_position()).max() < 1e-12


def test_neighbouring_rays_are_alpha_apart(calibration):
    """Counted from the middle of the fan. The published rotation has five digits."""
    laser = calibration.laser._replace(dimensions=(5, 7))
    directions = fan(laser).directions
    assert directions.shape == (5, 7, 3)
    assert np.arccos(directions[2, 3] @ directions[3, 3]) == pytest.approx(0.0131, rel=1e-4)
    assert np.arccos(directions[2, 3] @ directions[2, 6]) == pytest.approx(3 * 0.0131, rel=1e-4)
    # The middle ray is the projector's z axis, seen from the camera.
    assert directions[2, 3] == pytest.approx(laser.rotation[2], abs=1e-4)


def test_points_of_a_ray_lie_on_its_line(calibration):
    rays = fan(calibration.laser)
    lines = epipolar_lines(rays)
    for distance in (25.0, 40.0, 70.0):
        positions = rays.origin + distance * rays.directions
        plane = positions[..., :2] / positions[..., 2:]
        assert np.abs((plane * lines[..., :2]).sum(-1) + lines[..., 2]).max() < 1e-12
        pixels = project(calibration.camera, positions)
        assert np.abs(strays(calibration.camera, rays, pixels)).max() < 1e-6
        # A step of 0.1 px across the line in the image is 0.1 px of stray, whatever the lens does
        # (to a thousandth: the foot is found in the undistorted plane).
        step = project(calibration.camera, positions + 0.01 * rays.directions) - pixels
        across = np.stack([-step[..., 1], step[..., 0]], -1)
        across /= np.linalg.norm(across, axis=-1, keepdims=True)
        moved = np.abs(strays(calibration.camera, rays, pixels + 0.1 * across))
        assert moved == pytest.approx(0.1, rel=0.05)


def test_lines_that_miss_each_other_are_met_in_the_middle(calibration):
    rays = Rays(np.array([10.0, 0.0, 0.0]), np.array([[[0.0, 0.0, 1.0]]]))
    camera = calibration.camera._replace(distortion=(0.0,) * 5)
    pixels = project(camera, np.array([[[10.0, 3.0, 40.0]]]))
    # The line of sight through (10, 3, 40) and the line x = 10, y = 0: by least squares.
    sight = lines_of_sight(camera, pixels)[0, 0]
    system = np.stack([sight, -rays.directions[0, 0]], axis=1)
    (t, s), *_ = np.linalg.lstsq(system, rays.origin, rcond=None)
    first, second = t * sight, rays.origin + s * rays.directions[0, 0]
    position, gap = triangulated(camera, rays, pixels)
    assert position[0, 0] == pytest.approx((first + second) / 2)
    assert gap[0, 0] == pytest.approx(np.linalg.norm(first - second))


def test_simulated_depth_comes_back(calibration):
    """Without rounding to float32's precision; with it within what half a px explains."""
    arrays = simulate_recordings(SENSOR, 0, calibration)
    points, visible = arrays["points"].astype(np.float64), arrays["visible"]
    assert visible.mean() > 0.8
    rays = rays_of_labels(
        calibration.laser, find_ray_orientation(calibration, arrays["points"], visible)
    )
    positions, gap = triangulated(calibration.camera, rays, points)
    error = np.linalg.norm(positions - arrays["position"], axis=-1)
    assert error[visible].max() < 0.05
    assert gap[visible].max() < 1e-3
    assert epipolar_px(points, visible, calibration.camera, rays).max() < 1e-3

    # One px is so many mm along each ray; rounding moves a label by at most 0.71 px.
    step = project(calibration.camera, arrays["position"] + 0.1 * rays.directions)
    per_pixel = 0.1 / np.linalg.norm(step - points, axis=-1)
    positions, gap = triangulated(calibration.camera, rays, np.rint(points))
    error = np.linalg.norm(positions - arrays["position"], axis=-1)
    assert (error < 0.05 + 1.1 * np.sqrt(0.5) * per_pixel)[visible].all()
    assert error[visible].mean() > 0.05
    # Rounding strays by 1 / sqrt(12) px across any line.
    stray = epipolar_px(np.rint(points), visible, calibration.camera, rays)
    assert stray.mean() == pytest.approx(1 / np.sqrt(12), rel=0.05)


@pytest.mark.parametrize("orientation", ORIENTATIONS[1::3], ids=str)
def test_the_fans_order_is_found_from_the_labels(calibration, orientation):
    arrays = simulate_recordings(SENSOR, 0, calibration)
    points, visible = arrays["points"], arrays["visible"]
    first = find_ray_orientation(calibration, points, visible)
    again = find_ray_orientation(
        calibration, oriented(points, orientation), oriented(visible, orientation, first=-2)
    )
    rays = rays_of_labels(calibration.laser, first).directions
    assert rays_of_labels(calibration.laser, again).directions == pytest.approx(
        oriented(rays, orientation)
    )


def test_a_fan_of_another_grid_is_refused(calibration):
    with pytest.raises(UserError, match="a fan of 18 x 18 rays for labels of 5 rows and 6 columns"):
        find_ray_orientation(calibration, np.ones((1, 5, 6, 2)), np.ones((1, 5, 6), bool))
    with pytest.raises(UserError, match=r"a fan of 18 rows and 18 columns .* says 7 and 7; give"):
        optics.calibrated(calibration, 7, 7, 256, 512)
    with pytest.raises(UserError, match="no distance at which the laser's points lie in order"):
        optics.calibrated(calibration, 18, 18, 20, 20)


def test_unequal_rows_and_columns_of_a_fan(calibration):
    narrow = calibration._replace(laser=calibration.laser._replace(dimensions=(10, 14)))
    endoscope = optics.calibrated(narrow, 14, 10, 256, 512)
    assert endoscope.rays.directions.shape == (14, 10, 3)


def test_lastens_strays_are_what_was_measured(lasten):
    """1.06 px in training frames, 1.31 in validation frames, by another program; 0.02 is left for
    what the two minimise."""
    rays = rays_of_labels(PUBLISHED.laser, PUBLISHED_ORIENTATION)
    splits = read_data_set(lasten, GridGeometry())
    for name, expected in (("train", 1.06), ("validation", 1.31)):
        frames = splits[name]
        off = epipolar_px(frames.points, frames.visible, PUBLISHED.camera, rays, LASTEN_VIEW)
        assert off.mean() == pytest.approx(expected, abs=0.02)
