"""Simulated recordings as files, read back by the reader of real ones."""

import json

import numpy as np
import pytest
from PIL import Image

from lvae.commands.simulate import write_recordings
from lvae.data.lasten import GridGeometry, read_data_set, regular_grid
from lvae.data.simulator import SimulatorSettings, simulate_splits
from lvae.errors import UserError
from lvae.grids.rendering import render

SETTINGS = SimulatorSettings(
    train_recordings=2, validation_recordings=1, test_recordings=0, recording_length=3
)


def test_files_hold_what_was_simulated(tmp_path):
    assert write_recordings(tmp_path / "out", SETTINGS, 4) == 9
    read = read_data_set(tmp_path / "out", GridGeometry(recording_length=3))
    for name, split in simulate_splits(SETTINGS, 4).items():
        np.testing.assert_array_equal(read[name].points, split["points"])
        np.testing.assert_array_equal(read[name].visible, split["visible"])
        image = np.asarray(Image.open(tmp_path / "out" / name / f"{split['id'][0]}_mov.png"))
        np.testing.assert_array_equal(image, render(split["points"][0], split["visible"][0]))
    fixed = json.loads((tmp_path / "out" / "fix.json").read_text())
    grid = regular_grid()
    assert fixed["0"] == [112, 656]
    assert fixed["323"] == grid[17, 17].tolist()


def test_what_is_there_is_not_written_over(tmp_path):
    write_recordings(tmp_path, SETTINGS, 4)
    with pytest.raises(UserError, match="is there already"):
        write_recordings(tmp_path, SETTINGS, 5)


def test_a_rectangular_frame(tmp_path):
    settings = SimulatorSettings(1, 0, 0, 2, width=256, height=512, rows=10, columns=14)
    write_recordings(tmp_path, settings, 4)
    geometry = GridGeometry(rows=10, columns=14, width=0, height=0, recording_length=2)
    read = read_data_set(tmp_path, geometry)["train"]  # 256 x 512 by its moving images
    split = simulate_splits(settings, 4)["train"]
    np.testing.assert_array_equal(read.points, split["points"])
    image = np.asarray(Image.open(tmp_path / "train" / "1_mov.png"))
    assert image.shape == (512, 256)
    expected = render(split["points"][1], split["visible"][1], (256, 512), scale=1 / 3)
    np.testing.assert_array_equal(image, expected)
    # LASTEN's fixed grid at a third, in the middle of the height: (112, 656) / 3 + (0, 128).
    fixed = json.loads((tmp_path / "fix.json").read_text())
    assert fixed["0"] == [37, 347]
    assert fixed["13"][0] == round((112 + 17 * 32) / 3)
