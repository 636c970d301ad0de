"""A fold of the cross-validation, and the table over all of them."""

import json

import numpy as np
import pytest

import lvae
from benchmarks import cross_validation, scales
from benchmarks.trained import Job, rows_of
from configs import default
from lvae.configuration import changed
from lvae.data.recordings.lasten import write_frames
from lvae.data.recordings.reading import read_data_set
from lvae.data.simulator import SimulatorSettings, simulate_recordings
from lvae.errors import UserError
from lvae.runs import loop
from lvae.tasks.grids.vae import fidelity


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Six recordings of four frames, labels of two decimals."""
    folder = tmp_path_factory.mktemp("recordings")
    arrays = simulate_recordings(SimulatorSettings(6, 0, 0, 4, whole_pixels=False), 5)
    write_frames(folder, arrays["id"], arrays["points"], arrays["visible"], decimals=2)
    return folder


@pytest.fixture(scope="module")
def job(recordings, tmp_path_factory):
    config = changed(
        default.get_config("smoke"),
        {"data.path": str(recordings), "data.recording_length": 4, "data.folds": "2/3"},
    )
    workdir = tmp_path_factory.mktemp("runs") / "fold-2-of-3"
    return Job(config, workdir, cross_validation.measured)


@pytest.fixture(scope="module")
def rows(job):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fidelity, "SAMPLES", 60)
        return rows_of(job)


def test_a_fold_is_trained_once_and_measured_on_what_it_never_saw(job, rows, monkeypatch):
    assert [row["frames"] for row in rows] == [
        "8-11",
        "12-15",
    ]  # the second third of the recordings
    for row in rows:
        assert row["by chance"] == pytest.approx(2 / 3)  # two recordings trained on, and this one
        for name in ("prior told apart, AUROC", "simulator told apart, AUROC"):
            assert 0 <= row[name] <= 1
        assert 0 <= row["nearest to training"] <= 1
        assert row["error, px"] > 10 * row["error, pitches"] > 0  # a pitch is about 20 px
        assert row["coverage"] > 0
    for module, name in ((loop, "_trained"), (cross_validation, "held_out_rows")):
        monkeypatch.setattr(module, name, lambda *_: pytest.fail("done before"))
    assert rows_of(job) == rows
    assert json.loads((job.workdir / "measures.json").read_text())["rows"] == rows


@pytest.mark.parametrize("mode", ["prior", "reconstruct"])
def test_samples_of_sub_pixel_recordings_are_sub_pixel(job, rows, mode, tmp_path):
    drawn = lvae.load(job.workdir).draw(mode, 8, seed=1)
    hundredths = 100 * drawn["points"][drawn["visible"]].astype(np.float64)
    # float32 coordinates below 768 are right to 3e-5 px.
    np.testing.assert_allclose(hundredths, np.rint(hundredths), atol=100 * 3.1e-5)
    parts = np.rint(hundredths).astype(int) % 100
    assert len(np.unique(parts)) > 50


def test_means_are_over_recordings():
    rows = [
        {"fold": "1/3", "frames": "0-3", "error, px": 1.0},
        {"fold": "2/3", "frames": "4-7", "error, px": 2.0},
        {"fold": "2/3", "frames": "8-11", "error, px": 6.0},
    ]
    *same, mean, spread = cross_validation.with_means(rows)
    assert same == rows
    assert mean == {"fold": "mean", "error, px": 3.0}
    assert spread["error, px"] == pytest.approx(np.std([1.0, 2.0, 6.0], ddof=1))


def test_flags_that_are_none_are_refused():
    with pytest.raises(UserError, match="--fold=3: no such flag"):
        cross_validation.main(["--data=x", "--fold=3"])


def test_recordings_a_third_as_large_are_thirds(tmp_path):
    arrays = simulate_recordings(SimulatorSettings(1, 0, 0, 20), 5)
    write_frames(tmp_path / "in" / "train", arrays["id"], arrays["points"], arrays["visible"])
    for width, height in scales.FRAMES[1:]:
        out = tmp_path / f"{width}x{height}"
        scales.write_smaller(tmp_path / "in", out, width, height)
        geometry = default.get_config().data
        small = read_data_set(
            out,
            scales.GridGeometry(geometry.rows, geometry.columns, width, height, 20, 100),
        )["train"]
        np.testing.assert_array_equal(small.visible, arrays["visible"])
        moved = 3 * (small.points - [0, (height - 256) / 2])
        # Three decimals of a third.
        np.testing.assert_allclose(
            moved[small.visible], arrays["points"][small.visible], atol=3 * 0.00051 + 3e-4
        )


def test_every_grid_and_frame_is_a_valid_config(tmp_path):
    (tmp_path / "data").mkdir()
    jobs = scales.grid_jobs(default.get_config(), tmp_path)
    assert [job.workdir.name for job in jobs] == ["18x18", "7x7", "10x14", "14x14", "31x31"]
    rows = scales.over_first(
        [{"run": "a", "error, pitches": 0.1}, {"run": "b", "error, pitches": 0.2}]
    )
    assert [row["over 18 x 18"] for row in rows] == [1.0, 2.0]
    lengths = dict.fromkeys(scales.LENGTHS, 1.5)
    rows = scales.in_large_px([{"run": "a"} | lengths, {"run": "b"} | dict.fromkeys(lengths, 0.51)])
    assert rows[1]["error, px"] == pytest.approx(1.53)
    assert rows[2] == pytest.approx({"run": "b over a"} | dict.fromkeys(lengths, 1.02))
