"""Pictures of rebuilt frames: of any size of frames and any number of recordings."""

import numpy as np
import pytest

from lvae.figures import laser_grid
from lvae.tasks.grids.vae import pictures


@pytest.mark.parametrize("size", [(768, 768), (1920, 1080), (256, 512)])
def test_frames_are_drawn_as_wide_and_high_as_they_are(size):
    width, height = size
    x, y = np.meshgrid(np.linspace(0.2, 0.8, 7) * width, np.linspace(0.8, 0.2, 5) * height)
    points = np.stack([x, y], -1)[None].repeat(3, 0)
    seen = np.ones((3, 5, 7), bool)
    figure = laser_grid.reconstructions(points, seen, points, seen, np.arange(3), size)
    overlay, image, *_, grid_map = figure.axes
    assert overlay.get_ylim() == (height, 0)
    inches = {axis: axis.get_window_extent() for axis in (overlay, image, grid_map)}
    cell = inches[image].width / 3.1  # three frames and two gaps of a twentieth
    assert inches[image].height / cell == pytest.approx(height / width)
    assert inches[overlay].height == pytest.approx(inches[image].height)
    assert inches[grid_map].height / cell == pytest.approx(5 / 7)


@pytest.mark.parametrize(
    ("lengths", "frames"),
    [
        ([30], [0, 7, 15, 22]),
        ([2], [0, 1]),
        ([5, 4], [0, 2, 5, 7]),
        ([3] * 8, [0, 3, 6, 9, 12, 15, 18, 21]),
    ],
)
def test_few_recordings_show_several_frames(lengths, frames):
    recording = np.repeat(np.arange(len(lengths)), lengths)
    assert pictures._spread_out(recording).tolist() == frames


def test_of_many_recordings_some_are_shown():
    shown = pictures._spread_out(np.repeat(np.arange(200), 3))
    assert len(shown) == pictures.MOST_SHOWN
    assert {int(shown[0]), int(shown[-1])} == {0, 597}
