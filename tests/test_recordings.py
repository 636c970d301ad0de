"""Recordings in folders of any kind, their splits, their frames' size and their pitch."""

import statistics

import numpy as np
import pytest
from PIL import Image

from lvae.data.problems import Problems
from lvae.data.recordings.frames import GridGeometry
from lvae.data.recordings.lasten import write_frames
from lvae.data.recordings.pitch import LASTEN_PITCH, pitch
from lvae.data.recordings.reading import measured_geometry, read_data_set, read_frames
from lvae.data.recordings.splits import parse_fold
from lvae.errors import UserError

SMALL = GridGeometry(rows=3, columns=4, width=64, height=80, recording_length=4, minimum_visible=2)


def grids(count: int, first: float = 10.0) -> tuple[np.ndarray, np.ndarray]:
    """`count` regular grids of 3 x 4, pitch 8 along x and 6 along y; the frame's number is in x."""
    x, y = np.meshgrid(first + 8.0 * np.arange(4), 60 - 6.0 * np.arange(3))
    points = np.stack([x, y], -1) + np.stack([np.arange(count), np.zeros(count)], -1)[:, None, None]
    return points, np.ones((count, 3, 4), bool)


def write_recording(folder, ids, first: float = 10.0) -> None:
    write_frames(folder, ids, *grids(len(ids), first))


def test_a_folder_per_recording_of_any_length(tmp_path):
    write_recording(tmp_path / "b", range(3), 11)
    write_recording(tmp_path / "a10", range(5), 12)
    write_recording(tmp_path / "a2", [100, 7], 13)
    (tmp_path / ".git").mkdir()
    write_recording(tmp_path / ".git" / "annex", range(3))
    (tmp_path / "notes").mkdir()
    frames = read_frames(tmp_path, SMALL)
    assert frames.names == ("a2", "a10", "b")
    assert frames.recording.tolist() == [0, 0, 1, 1, 1, 1, 1, 2, 2, 2]
    # Their ids overlap: each is behind its recording's number, with the digits of 100.
    assert frames.ids.tolist() == [7, 100, 1000, 1001, 1002, 1003, 1004, 2000, 2001, 2002]
    assert frames.points[:, 0, 0, 0].tolist() == [14, 13, 12, 13, 14, 15, 16, 11, 12, 13]


def test_ids_that_stand_for_one_frame_stay(tmp_path):
    write_recording(tmp_path / "first", [5, 6])
    write_recording(tmp_path / "second", [1, 2])
    assert read_frames(tmp_path, SMALL).ids.tolist() == [5, 6, 1, 2]


def test_folders_in_the_split_folders(tmp_path, capsys):
    for name in ("train/one", "train/two", "val/three"):
        write_recording(tmp_path / name, range(3))
    splits = read_data_set(tmp_path, SMALL)
    assert {name: frames.names for name, frames in splits.items()} == {
        "train": ("one", "two"),
        "validation": ("three",),
    }
    assert not capsys.readouterr().err
    write_recording(tmp_path / "test" / "two", range(2))
    read_data_set(tmp_path, SMALL)
    assert "recording two is in train/ and in test/" in capsys.readouterr().err
    write_recording(tmp_path / "validation", range(2))
    with pytest.raises(UserError, match="holds validation/ and val/; keep one of the two"):
        read_data_set(tmp_path, SMALL)


def test_frames_beside_folders_of_frames_are_named(tmp_path, capsys):
    write_recording(tmp_path, range(4))
    write_recording(tmp_path / "more", range(4))
    assert len(read_frames(tmp_path, SMALL)) == 4
    assert f"{tmp_path}: holds frames and a folder more/ of frames" in capsys.readouterr().err


def test_problems_of_all_splits_are_found(tmp_path):
    write_recording(tmp_path / "train", range(4))
    write_recording(tmp_path / "test", range(4))
    (tmp_path / "train" / "1.json").write_text("[]")
    (tmp_path / "test" / "2.json").write_text("{}")
    problems = Problems()
    with pytest.raises(UserError):
        read_data_set(tmp_path, SMALL, problems=problems)
    assert [problem.path for problem in problems.errors] == [
        str(tmp_path / "train" / "1.json"),
        str(tmp_path / "test" / "2.json"),
    ]


@pytest.mark.parametrize(("recordings", "folds"), [(3, 3), (7, 3), (7, 5), (10, 5)])
def test_every_recording_is_held_out_once(tmp_path, recordings, folds):
    for number in range(recordings):
        write_recording(tmp_path / f"r{number}", range(2 + number % 3))
    tested, validated = [], []
    for index in range(1, folds + 1):
        splits = read_data_set(tmp_path, SMALL, folds=f"{index}/{folds}")
        names = {name: list(frames.names) for name, frames in splits.items()}
        everything = names["train"] + names["validation"] + names["test"]
        assert sorted(everything) == sorted(f"r{number}" for number in range(recordings))
        assert sum(map(len, splits.values())) == sum(2 + n % 3 for n in range(recordings))
        tested.append(names["test"])
        validated.append(names["validation"])
    assert sorted(name for names in tested for name in names) == sorted(
        f"r{number}" for number in range(recordings)
    )
    assert max(map(len, tested)) - min(map(len, tested)) <= 1
    assert validated == tested[1:] + tested[:1]


def test_folds_pool_training_and_validation_and_leave_the_test_folder_alone(tmp_path, capsys):
    write_recording(tmp_path / "train", range(8))
    write_recording(tmp_path / "validation", range(8, 14))
    write_recording(tmp_path / "test", range(16, 20))
    capsys.readouterr()
    splits = read_data_set(tmp_path, SMALL, folds="3/4")
    # Four recordings; the last lacks two frames.
    assert splits["test"].ids.tolist() == [8, 9, 10, 11]
    assert splits["validation"].ids.tolist() == [12, 13]
    assert splits["train"].ids.tolist() == list(range(8))
    assert f"{tmp_path / 'test'}: left out of the folds" in capsys.readouterr().err


def test_a_recording_in_two_folders_is_one_fold(tmp_path):
    write_recording(tmp_path / "train", [0, 1, 4, 5, 6, 7, 8])
    write_recording(tmp_path / "validation", [2, 3])
    splits = read_data_set(tmp_path, SMALL, folds="1/3")
    assert sorted(splits["test"].ids.tolist()) == [0, 1, 2, 3]


@pytest.mark.parametrize("text", ["0/3", "4/3", "1/2", "1", "1/3/5", "a/3", "-1/3", "1 / 3"])
def test_a_fold_that_is_none_is_refused(text):
    with pytest.raises(UserError, match=r"data.folds: '.*' is no fold; expected i/n"):
        parse_fold(text)


def test_more_folds_than_recordings_are_refused(tmp_path):
    write_recording(tmp_path, range(16))
    with pytest.raises(UserError, match="4 recordings, too few for 5 folds"):
        read_data_set(tmp_path, SMALL, folds="1/5")


def test_folds_of_lasten(lasten):
    splits = read_data_set(lasten, GridGeometry(), folds="5/5")
    assert np.unique(splits["test"].ids // 20).tolist() == [8, 9]
    assert np.unique(splits["validation"].ids // 20).tolist() == [0, 1]
    assert np.unique(splits["train"].ids // 20).tolist() == [2, 3, 4, 5, 6, 7]


def test_the_frames_size_is_that_of_an_image_beside_them(tmp_path, lasten):
    write_recording(tmp_path / "train" / "one", range(4))
    unknown = GridGeometry(rows=3, columns=4, width=0, height=0, minimum_visible=2)
    with pytest.raises(UserError, match="no video or image that tells the frames' size"):
        read_frames(tmp_path / "train", unknown)
    Image.new("L", (50, 70)).save(tmp_path / "train" / "one" / "0_mov.png")
    geometry = measured_geometry(tmp_path, unknown)
    assert (geometry.width, geometry.height) == (50, 70)
    assert len(read_data_set(tmp_path, unknown)["train"]) == 4
    lastens = measured_geometry(lasten, GridGeometry(width=0, height=0))
    assert (lastens.width, lastens.height) == (768, 768)
    with pytest.raises(ValueError, match="height is 0"):
        GridGeometry(width=5, height=0)


def test_the_pitch_of_a_regular_grid():
    points, visible = grids(5)
    assert pitch(points, visible) == (8, 6)
    assert pitch(points[0], visible[0]) == (8, 6)
    # Points out of reach of each other do not count: without every other column no neighbour is.
    visible[..., ::2] = False
    with pytest.raises(ValueError, match="no visible neighbours"):
        pitch(points, visible)


def test_the_pitch_does_not_see_missing_points():
    rng = np.random.default_rng(0)
    x, y = np.meshgrid(100 + 7.5 * np.arange(20), 400 - 11.25 * np.arange(15))
    points = np.broadcast_to(np.stack([x, y], -1), (30, 15, 20, 2)).copy()
    visible = rng.random((30, 15, 20)) > 0.4
    points[~visible] = 0
    assert pitch(points, visible) == (7.5, 11.25)
    # It scales with the frame, and a warp of a tenth of the neighbours does not move a median.
    points[:, :, 5:7] += (300, 0)
    assert pitch(points / 3, visible) == pytest.approx((2.5, 3.75))


@pytest.mark.parametrize("spacing", [5.9, 6.2, 6.5, 18.66])
def test_the_pitch_of_whole_pixels_is_no_whole_number(spacing):
    """Of many frames at any offset; steps of a rounded grid are the spacing rounded up or down."""
    rng = np.random.default_rng(0)
    x = spacing * np.arange(18.0) + rng.uniform(0, 1, (200, 18, 1))
    y = -spacing * np.arange(18.0)[:, None] + rng.uniform(0, 1, (200, 1, 18))
    points = np.rint(np.stack([x + 0 * y, y + 0 * x], -1) + 300)
    # A share p of the steps is rounded up: 0.5 - (0.5 - p) / (1 - p) or so is within 0.15 of p.
    found = pitch(points, np.ones((200, 18, 18), bool))
    assert found == pytest.approx((spacing, spacing), abs=0.15)


def test_the_pitch_is_the_grouped_median():
    rng = np.random.default_rng(1)
    steps = rng.integers(3, 12, (40, 1, 30))
    points = np.zeros((40, 2, 31, 2))
    points[:, :, 1:, 0] = np.cumsum(steps, axis=-1)
    points[:, 1, :, 1] = -8
    expected = statistics.median_grouped(np.repeat(steps, 2, 1).ravel().tolist())
    assert pitch(points, np.ones(points.shape[:3], bool)) == pytest.approx((expected, 8))


def test_the_pitch_of_lasten(lasten):
    train = read_data_set(lasten, GridGeometry())["train"]
    assert pitch(train.points, train.visible) == pytest.approx(LASTEN_PITCH, abs=0.005)


def wide(rows: int, columns: int) -> np.ndarray:
    """Six regular grids with a little unrest that turns no neighbours about."""
    x, y = np.meshgrid(100.0 + 30 * np.arange(columns), 700.0 - 40 * np.arange(rows))
    unrest = np.random.default_rng(0).uniform(-5, 5, (6, rows, columns, 2))
    return np.stack([x, y], -1)[None] + unrest


@pytest.mark.parametrize("cells", [(10, 14), (14, 10), (7, 7)])
def test_frames_of_another_grid_are_refused_with_its_rows_and_columns(tmp_path, cells):
    points = wide(*cells)
    write_frames(tmp_path, range(6), points, np.ones(points.shape[:3], bool))
    rows, columns = cells
    with pytest.raises(UserError, match=f"data.rows={rows} --config.data.columns={columns}: then"):
        read_frames(tmp_path, GridGeometry(minimum_visible=40))
    fitting = GridGeometry(rows, columns, minimum_visible=40)
    assert np.array_equal(read_frames(tmp_path, fitting).points, np.rint(points))


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        (lambda grids: grids[:, ::-1], "number rows from the bottom of the image: then 100.0%"),
        (lambda grids: grids[:, :, ::-1], "number columns from the left: then 100.0%"),
        (lambda grids: np.swapaxes(grids, 1, 2), "number along the other axis first: then"),
    ],
)
def test_points_numbered_from_another_corner_are_refused(tmp_path, change, remedy):
    points = change(wide(8, 8))
    write_frames(tmp_path, range(6), points, np.ones(points.shape[:3], bool))
    with pytest.raises(UserError, match=remedy):
        read_frames(tmp_path, GridGeometry(rows=8, columns=8, minimum_visible=40))


def test_disorder_that_no_numbering_mends_and_empty_rows_are_warned_of(tmp_path, capsys):
    points = wide(8, 8)
    everywhere = np.ones(points.shape[:3], bool)
    write_frames(
        tmp_path / "a", range(6), np.random.default_rng(0).permuted(points, axis=2), everywhere
    )
    geometry = GridGeometry(rows=8, columns=8, minimum_visible=40)
    read_frames(tmp_path / "a", geometry)
    assert "of neighbouring points are in order" in capsys.readouterr().err
    write_frames(tmp_path / "b", range(6), points, everywhere & (np.arange(8) < 6)[:, None])
    read_frames(tmp_path / "b", geometry)
    assert "--config.data.rows=6 --config.data.columns=8" in capsys.readouterr().err
