"""What a run keeps of its endoscope: points in mm and distances from lines, through spec.json."""

import dataclasses
import json

import numpy as np
import pytest
from test_calibration import write

from lvae.data.recordings.calibration import fan, project
from lvae.data.recordings.epipolar import rays_of_labels
from lvae.data.simulator import SimulatorSettings, simulate_recordings
from lvae.errors import UserError
from lvae.tasks.grids.calibrated import (
    calibration_of,
    endoscope_of,
    epipolar_px,
    in_mm,
    measured_endoscope,
    possible_rays,
)
from lvae.tasks.grids.data import load_recordings
from lvae.tasks.grids.settings import DataSettings
from lvae.tasks.task import spec_from_json, spec_of, spec_to_json


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibration")
    write(folder)
    return DataSettings(calibration=str(folder), width=256, height=512)


@pytest.fixture(scope="module")
def recordings(settings):
    """Labels in whole pixels of a known depth, without any other error."""
    chosen = SimulatorSettings(2, 0, 0, 4, width=256, height=512, label_noise=0.0)
    return simulate_recordings(chosen, 0, calibration_of(settings))


def kept(settings, train):
    """The spec of a run on these frames, as spec.json gives it back."""
    facts = {"frame": [256, 512], "pitch": [6.0, 8.0], **measured_endoscope(settings, train)}
    text = json.dumps(spec_to_json(spec_of({"train": train}, **facts)))
    return spec_from_json(json.loads(text))


def test_known_depth_comes_back_to_what_rounding_explains(settings, recordings):
    points, visible = recordings["points"].astype(np.float64), recordings["visible"]
    spec = kept(settings, recordings)
    positions, apart = in_mm(spec, np.where(visible[..., None], points, np.nan))
    assert np.isnan(positions[~visible]).all()
    error = np.linalg.norm(positions - recordings["position"], axis=-1)
    # One px along its line is so many mm along the ray; rounding moves a label by at most 0.71 px.
    known = endoscope_of(spec)
    rays = rays_of_labels(known.calibration.laser, known.orientation)
    here, there = (
        project(known.calibration.camera, recordings["position"] + step * rays.directions)
        for step in (0.0, 0.1)
    )
    per_pixel = 0.1 / np.linalg.norm(there - here, axis=-1)
    assert (error < 0.05 + 1.1 * np.sqrt(0.5) * per_pixel)[visible].all()
    # Another order of the fan would meet each line of sight at the wrong depth, if at all.
    assert np.median(error[visible]) < 0.5 < recordings["position"][visible].std()
    # Rounding is uniform over a pixel: 1 / sqrt(12) px across any line, where frames may only be
    # moved, turned and enlarged as a whole to come nearer.
    assert epipolar_px(spec, points, visible) == pytest.approx(1 / np.sqrt(12), rel=0.1)
    assert np.nanmax(apart) < 0.5


def test_the_ray_of_a_point_is_possible_and_most_others_are_not(settings, recordings):
    points, visible = recordings["points"][0], recordings["visible"][0]
    spec = kept(settings, recordings)
    possible = possible_rays(spec, points[visible])
    own = np.flatnonzero(visible)
    assert possible[np.arange(len(own)), own].all()
    # A quarter of 7 px to either side of a line, of rays some 6 px apart across their lines.
    assert possible.mean() < 0.25
    assert (
        possible_rays(kept(DataSettings(width=256, height=512), recordings), points[visible])
        is None
    )


def test_what_spec_json_keeps_is_the_calibration(settings, recordings):
    read, back = calibration_of(settings), endoscope_of(kept(settings, recordings)).calibration
    np.testing.assert_array_equal(fan(read.laser)[1], fan(back.laser)[1])
    where = recordings["position"][0]
    np.testing.assert_array_equal(project(read.camera, where), project(back.camera, where))


def test_without_a_calibration_that_part_is_off(recordings):
    plain = kept(DataSettings(width=256, height=512), recordings)
    assert "endoscope" not in plain.facts
    assert endoscope_of(plain) is None
    assert epipolar_px(plain, recordings["points"], recordings["visible"]) is None
    with pytest.raises(UserError, match=r"config\.data\.calibration=DIR"):
        in_mm(plain, recordings["points"])
    turned = kept(DataSettings(calibration="lasten"), recordings)
    with pytest.raises(UserError, match=r"config\.data\.calibration=DIR"):
        in_mm(turned, recordings["points"])  # frames are no sensor's


@pytest.mark.parametrize(
    "change", [{"intrinsic": [1, 2]}, {"alpha": "wide"}, {"distortion": [0.1]}, {"orientation": 3}]
)
def test_a_damaged_fact_is_an_error(settings, recordings, change):
    spec = kept(settings, recordings)
    damaged = spec.facts["endoscope"] | change
    with pytest.raises(UserError, match=r"spec\.json: endoscope: .*train again"):
        endoscope_of(spec._replace(facts={**spec.facts, "endoscope": damaged}))


def test_the_simulator_films_with_the_calibration(settings):
    """Simulated training data and the recordings mixed in keep to the rays of the endoscope."""
    data = dataclasses.replace(
        settings,
        training_recordings=1,
        validation_recordings=0,
        test_recordings=0,
        recording_length=2,
        extra_recordings=2,
    )
    train = load_recordings(data)["train"]
    spec = kept(data, train)
    for real in (True, False):
        chosen = train["real"] == real
        # Labels have an error of 0.66 px of 768, a third of that here, beside their rounding.
        across = epipolar_px(spec, train["points"][chosen], train["visible"][chosen])
        assert 0.2 < across < 0.6
