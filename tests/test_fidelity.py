"""Measures of drawn frames, on frames of which it is known what should be found."""

from pathlib import Path

import numpy as np
import pytest

from configs import default
from lvae import configuration
from lvae.data.simulator import SimulatorSettings, simulate_recordings
from lvae.metrics.memorised import memorised_share, rms_distances
from lvae.tasks.grids.data import load_recordings, real_frames
from lvae.tasks.grids.vae import fidelity as measured
from lvae.tasks.grids.vae.fidelity import Drawn, all_real_frames, fidelity
from lvae.tasks.grids.vae.settings import Settings
from lvae.tasks.grids.vae.task import spec
from lvae.tasks.task import Run

FIELDS = ("points", "visible")
DATA = {
    "data.training_recordings": 6,
    "data.validation_recordings": 2,
    "data.test_recordings": 2,
    "data.recording_length": 4,
    "data.extra_recordings": 3,
    "data.extra_length": 2,
    "data.calibration": "lasten",
}


@pytest.fixture(scope="module", autouse=True)
def few():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measured, "SAMPLES", 120)
        patch.setattr(measured, "_HALVES", 2)
        yield


@pytest.fixture(scope="module")
def splits():
    return load_recordings(settings().data)


@pytest.fixture(scope="module")
def others():
    """Recordings of the same population: nothing tells them from the real ones."""
    arrays = simulate_recordings(SimulatorSettings(30, 0, 0, 4), 77)
    return Drawn(arrays["points"], arrays["visible"], arrays["recording"])


def settings():
    return configuration.parse(Settings, configuration.changed(default.get_config("smoke"), DATA))


def run_of(splits):
    """No network is needed to measure frames."""
    return Run(settings(), spec(settings(), splits), {}, Path("nowhere"))


@pytest.fixture(scope="module")
def found(splits, others):
    train, validation = real_frames(splits), splits["validation"]
    noise = np.random.default_rng(0).standard_normal(others.points.shape)
    return fidelity(
        run_of(splits),
        splits,
        {
            "same": others,
            "shaken": others._replace(points=others.points + 2 * noise),
            "trained": Drawn(train["points"], train["visible"], train["recording"]),
            "unseen": Drawn(validation["points"], validation["visible"]),
        },
    )


def test_frames_of_the_same_population_are_not_told_apart_and_shaken_ones_are(found):
    low, high = found["same_two_sample_auroc_interval"]
    assert low < 0.5 < high + 0.1  # ten recordings
    assert found["shaken_two_sample_auroc"] > 0.95 > found["same_two_sample_auroc"] + 0.2
    assert 0 < found["real_two_sample_auroc"] < 0.9
    assert "simulator_two_sample_auroc" in found


def test_copies_stay_with_their_source(found):
    assert found["trained_memorised_share"] == pytest.approx(1.0)
    assert found["copies_memorised_share"] == pytest.approx(1.0)
    assert found["unseen_memorised_share"] == 0.0
    assert found["chance_memorised_share"] == pytest.approx(6 / 8)
    assert (
        0 < found["same_memorised_share"] < 1
    )  # two unseen recordings: chance alone varies widely


def test_new_recordings_of_a_population_are_at_chance_on_average():
    """Of eight recordings, six of them trained on: 6/8 of new ones have a trained one nearest. Single
    sets of eight scatter by 0.15."""
    shares = []
    for seed in range(16):
        known = simulate_recordings(SimulatorSettings(8, 0, 0, 4), 1000 + seed)
        new = simulate_recordings(SimulatorSettings(30, 0, 0, 4), 5000 + seed)
        trained, group = known["recording"] < 6, known["recording"]
        apart = rms_distances(*(made[name] for made in (new, known) for name in FIELDS))
        found = memorised_share(
            apart[:, trained], apart[:, ~trained], group[trained], group[~trained]
        )
        shares.append(found.share)
    error = np.std(shares, ddof=1) / np.sqrt(len(shares))
    assert error < 0.06
    assert abs(np.mean(shares) - 6 / 8) < 3 * error


def test_noise_strays_across_the_rays_lines(found):
    """Noise of 2 px adds to a frame's own strays as squares do."""
    own, shaken = found["same_epipolar_px"], found["shaken_epipolar_px"]
    assert 0.6 < own < 1.4  # labels scatter by 0.7 px across
    assert shaken == pytest.approx(np.hypot(own, 2.0), rel=0.15)


def test_what_needs_more_recordings_is_left_out(splits, others):
    one = {"train": {name: array[:4] for name, array in splits["train"].items()}}
    found = fidelity(run_of(one), one, {"same": others})
    assert sorted(found) == ["same_epipolar_px"]
    two = one | {"validation": {n: a[:4] for n, a in splits["validation"].items()}}
    found = fidelity(run_of(two), two, {"same": others})
    assert "same_two_sample_auroc" in found
    assert "real_two_sample_auroc" not in found  # four recordings make two halves


def test_all_real_recordings_are_counted_through(splits):
    real = all_real_frames(splits)
    starts = np.flatnonzero(np.diff(real["recording"], prepend=-1))
    assert starts.tolist() == list(range(0, 40, 4))
    assert len(np.unique(real["recording"])) == 10  # of all splits, none twice
    assert len(real["points"]) == 40  # the simulated ones that are mixed in are not real
