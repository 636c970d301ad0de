"""The LASTEN reader: what it reads, how it splits, and what it refuses, with which words."""

import json

import numpy as np
import pytest

from lvae.data import lasten as layout
from lvae.data.lasten import GridGeometry
from lvae.errors import UserError

SMALL = GridGeometry(rows=2, columns=3, width=100, height=80, recording_length=4, minimum_visible=2)


def write(folder, number, frame=None):
    folder.mkdir(parents=True, exist_ok=True)
    frame = {"0": [10, 70], "1": [20, 71], "5": [31, 60]} if frame is None else frame
    (folder / f"{number}.json").write_text(frame if isinstance(frame, str) else json.dumps(frame))


def test_points_land_in_their_row_and_column(tmp_path):
    write(tmp_path, 10)
    write(tmp_path, 9, {"4": [20.5, 30], "3": [10, 40]})
    (tmp_path / "fix.json").write_text("not a frame")
    (tmp_path / "manifest-0-of-2.json").write_text("not a frame")
    (tmp_path / "9_mov.png").write_bytes(b"")
    frames = layout.read_frames(tmp_path, SMALL)
    assert frames.ids.tolist() == [9, 10]  # by number, not by name
    assert frames.points.dtype == np.float32
    assert frames.points.shape == (2, 2, 3, 2)
    assert frames.points[0, 1].tolist() == [[10, 40], [20.5, 30], [0, 0]]
    assert frames.visible[0].tolist() == [[False] * 3, [True, True, False]]
    assert frames.points[1, 1, 2].tolist() == [31, 60]


def test_a_recording_is_a_run_of_consecutive_ids(tmp_path, capsys):
    for number in (4, 5, 6, 7, 12, 13, 15):
        write(tmp_path, number)
    frames = layout.read_frames(tmp_path, SMALL)
    assert frames.recording.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert capsys.readouterr().err.splitlines() == [
        f"warning: {tmp_path}: recording 3 (ids 12-15) is incomplete: 1 of 4 frames missing, the first 14"
    ]


@pytest.mark.parametrize(
    ("recordings", "expected"),
    [(1, [1, 0, 0]), (2, [1, 1, 0]), (3, [1, 1, 1]), (8, [6, 1, 1]), (12, [8, 2, 2])],
)
def test_loose_frames_are_split_by_whole_recordings(tmp_path, recordings, expected):
    for number in range(4 * recordings):
        write(tmp_path, number)
    splits = layout.read_data_set(tmp_path, SMALL)
    counts = [len(splits[name]) // 4 if name in splits else 0 for name in layout.SPLITS]
    assert counts == expected
    start = 0
    for frames in splits.values():
        assert frames.ids.tolist() == list(range(start, start + len(frames)))
        assert frames.recording.tolist() == [index // 4 for index in range(len(frames))]
        start += len(frames)


def test_folders_are_the_splits(tmp_path, capsys):
    for number in range(4):
        write(tmp_path / "train", number)
        write(tmp_path / "validation", number + 4)
    splits = layout.read_data_set(tmp_path, SMALL)
    assert list(splits) == ["train", "validation"]
    assert splits["validation"].ids.tolist() == [4, 5, 6, 7]
    assert not capsys.readouterr().err


def test_a_recording_in_two_splits_is_named(tmp_path, capsys):
    for number in range(2):
        write(tmp_path / "train", number)
        write(tmp_path / "test", number + 2)
    layout.read_data_set(tmp_path, SMALL)
    assert "recording 0 (ids 0-3) is in train/ and in test/" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[1, 2]", ["17.json: holds a JSON list", "expected an object"]),
        ('{"0": [1, 2]', ["17.json: not valid JSON", "line 1"]),
        (
            '{"0": [1, 2], "6": [3, 4]}',
            ['17.json: key "6" is outside the grid of 2 x 3', "keys 0 to 5"],
        ),
        ('{"-1": [1, 2]}', ['key "-1" is outside']),
        ('{"01": [1, 2]}', ['key "01" is outside']),
        ('{"k": [1, 2]}', ['key "k" is outside']),
        ('{"0": [1, 2, 3]}', ["key 0 holds [1, 2, 3]; expected two finite numbers"]),
        ('{"0": ["1", 2]}', ['key 0 holds ["1", 2]']),
        ('{"0": [true, 2]}', ["key 0 holds [true, 2]"]),
        ('{"0": [NaN, 2]}', ["key 0 holds [NaN, 2]"]),
        ('{"0": [1, Infinity]}', ["key 0 holds [1, Infinity]"]),
        ('{"0": null}', ["key 0 holds null"]),
        ('{"0": [100, 2]}', ["key 0 at [100, 2] lies outside the frame of 100 x 80"]),
        ('{"0": [1, -0.5]}', ["key 0 at [1, -0.5] lies outside the frame"]),
        ('{"0": [1, 2]}', ["17.json: 1 visible points, fewer than the minimum of 2"]),
        ("\udcff", ["17.json: not valid JSON"]),
    ],
)
def test_a_bad_frame_is_named_with_the_value(tmp_path, content, words):
    write(tmp_path, 16)
    (tmp_path / "17.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError) as caught:
        layout.read_frames(tmp_path, SMALL)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda path: None, "no such folder"),
        (lambda path: path.mkdir(), "no frames in it"),
        (lambda path: path.write_text(""), "not a folder"),
        (lambda path: write(path / "validation", 0), "holds validation/ but no train/"),
        (lambda path: (path / "train").mkdir(parents=True), "train: no frames in it"),
        (lambda path: write(path, "notes"), "'notes' is no frame id"),
        (lambda path: (write(path, "7"), write(path, "07")), "the same id as 07.json"),
    ],
)
def test_a_bad_folder_is_named(tmp_path, prepare, words):
    path = tmp_path / "recordings"
    prepare(path)
    with pytest.raises(UserError, match="recordings") as caught:
        layout.read_data_set(path, SMALL)
    assert words in str(caught.value)


def test_all_bad_frames_are_named_at_once(tmp_path):
    write(tmp_path, 0)
    for number in range(1, 13):
        write(tmp_path, number, {"0": [10, 500]})
    write(tmp_path, "notes")
    with pytest.raises(UserError) as caught:
        layout.read_frames(tmp_path, SMALL)
    lines = str(caught.value).splitlines()
    assert len(lines) == 11
    assert lines[0].startswith(f"{tmp_path / 'notes.json'}: 'notes' is no frame id")
    assert lines[1].startswith(f"{tmp_path / '1.json'}: key 0 at [10, 500] lies outside")
    assert lines[10] == "and 3 more"


def test_a_point_at_zero_or_without_numbers_is_missing(tmp_path):
    write(tmp_path, 3, '{"0": [0, 0], "1": [NaN, NaN], "2": [0, 5], "3": [5.25, 0], "4": [1, 2]}')
    frames = layout.read_frames(tmp_path, SMALL)
    assert frames.visible[0].tolist() == [[False, False, True], [True, True, False]]
    assert frames.points[0].tolist() == [[[0, 0], [0, 0], [0, 5]], [[5.25, 0], [1, 2], [0, 0]]]


def test_a_geometry_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="minimum_visible is 7"):
        GridGeometry(rows=2, columns=3, minimum_visible=7)
    with pytest.raises(ValueError, match="recording_length is 0"):
        GridGeometry(recording_length=0)


def test_written_frames_read_back(tmp_path):
    rng = np.random.default_rng(0)
    points = rng.integers(1, 80, (8, 2, 3, 2)).astype(np.float32)
    visible = np.ones((8, 2, 3), dtype=bool)
    visible[3, 1, 2] = False
    points[3, 1, 2] = 0
    layout.write_frames(tmp_path / "train", range(100, 108), points + 0.4 * (points > 0), visible)
    frames = layout.read_frames(tmp_path / "train", SMALL)
    assert frames.ids.tolist() == list(range(100, 108))
    assert np.array_equal(frames.points, points)
    assert np.array_equal(frames.visible, visible)


def test_fractions_of_pixels_are_written_as_asked(tmp_path):
    points = np.array([[[[10.125, 60], [20.25, 61.5], [0, 0]], [[11, 50.75], [21, 51], [31, 52]]]])
    visible = points[..., 0] > 0
    layout.write_frames(tmp_path, [7], points, visible, decimals=2)
    assert json.loads((tmp_path / "7.json").read_text())["0"] == [10.13, 60.0]
    frames = layout.read_frames(tmp_path, SMALL)
    assert np.array_equal(frames.visible, visible)
    assert np.abs(frames.points - points).max() <= 0.005 + 1e-6


def test_lasten_is_read_whole(lasten, capsys):
    splits = layout.read_data_set(lasten, GridGeometry())
    assert {name: len(frames) for name, frames in splits.items()} == {
        "train": 160,
        "validation": 40,
    }
    train = splits["train"]
    assert train.ids.tolist() == list(range(160))
    assert np.unique(train.recording).tolist() == list(range(8))
    counts = train.visible.sum(axis=(1, 2))
    assert (counts.min(), counts.max()) == (284, 319)
    assert counts.mean() == pytest.approx(304.6, abs=0.05)
    assert not capsys.readouterr().err


def test_lasten_is_written_as_it_was_read(lasten, tmp_path):
    frames = layout.read_frames(lasten / "validation", GridGeometry())
    layout.write_frames(tmp_path, frames.ids, frames.points, frames.visible)
    for path in sorted(tmp_path.glob("*.json")):
        assert json.loads(path.read_text()) == json.loads(
            (lasten / "validation" / path.name).read_text()
        )


def test_the_regular_grid_is_lastens(lasten):
    fixed = json.loads((lasten / "fix.json").read_text())
    grid = layout.regular_grid().reshape(-1, 2)
    assert {str(key): point for key, point in enumerate(grid.tolist())} == fixed
    assert layout.regular_grid(2, 3, (10, 50), 5).tolist() == [
        [[10, 50], [15, 50], [20, 50]],
        [[10, 45], [15, 45], [20, 45]],
    ]
