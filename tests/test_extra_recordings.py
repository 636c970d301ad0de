"""Simulated recordings beside real ones of another lens and frame."""

import numpy as np
import pytest

from lvae.data.recordings.lasten import write_frames
from lvae.data.recordings.pitch import pitch
from lvae.data.simulator import SimulatorSettings, simulate_recordings
from lvae.tasks.grids.data import load_recordings
from lvae.tasks.grids.settings import DataSettings

ZOOM, MIDDLE = np.array([3.0, 1.2]), np.array([1000.0, 500.0])


@pytest.mark.parametrize("decimals", [0, 2])
def test_simulated_recordings_have_the_sets_pitch_place_and_rounding(tmp_path, decimals):
    made = simulate_recordings(SimulatorSettings(3, 0, 0, 4, rows=10, columns=14), 3)
    points = MIDDLE + ZOOM * (made["points"] - made["points"][made["visible"]].mean(0))
    write_frames(tmp_path, made["id"], points, made["visible"], decimals=decimals)
    settings = DataSettings(
        path=str(tmp_path),
        rows=10,
        columns=14,
        width=1920,
        height=1080,
        recording_length=4,
        extra_recordings=6,
    )
    train = load_recordings(settings)["train"]
    real, extra = (
        {name: train[name][train["real"] == kind] for name in ("points", "visible")}
        for kind in (True, False)
    )
    assert len(extra["points"]) == 12
    # Medians over some 1,500 spacings, which rounding to whole pixels moves by little.
    np.testing.assert_allclose(pitch(**extra), pitch(**real), rtol=0.01)
    centre, wanted = (one["points"][one["visible"]].mean(0) for one in (extra, real))
    np.testing.assert_allclose(centre, wanted, atol=1.0)
    seen = extra["points"][extra["visible"]]
    assert (seen == np.rint(seen)).all() == (decimals == 0)
    assert not extra["points"][~extra["visible"]].any()
    x = np.where(extra["visible"], extra["points"][..., 0], np.nan)
    for frame in x:
        for row in frame:
            assert (np.diff(row[np.isfinite(row)]) > 0).all()


def test_without_real_recordings_they_stay_as_they_were():
    settings = DataSettings(
        training_recordings=1, validation_recordings=0, test_recordings=0, extra_recordings=2
    )
    train = load_recordings(settings)["train"]
    extra = train["points"][~train["real"]]
    assert (extra == np.rint(extra)).all()
    assert extra.max() < 768
