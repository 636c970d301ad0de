"""Recordings in the HLE layout: small files in its form, in every orientation."""

import json
import struct

import numpy as np
import pytest

from lvae.data.recordings.frame_size import avi_size
from lvae.data.recordings.frames import GridGeometry
from lvae.data.recordings.orientation import ORIENTATIONS, find_orientation, ordered_share, oriented
from lvae.data.recordings.reading import read_data_set, read_frames
from lvae.data.simulator import SimulatorSettings, simulate_recordings
from lvae.errors import UserError

GEOMETRY = GridGeometry(rows=6, columns=8, width=256, height=512, minimum_visible=10)
OFFSET = (3.5, -2.25)


def scenes(frames: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Bent and jittered grids of 6 x 8 with a tenth of the points missing: points, visible."""
    rng = np.random.default_rng(seed)
    v, u = np.meshgrid(np.arange(6.0), np.arange(8.0), indexing="ij")
    points = np.stack([60 + 15 * u + v, 400 - 20 * v + 0.5 * u * u], -1)
    points = points + rng.normal(0, 0.8, (frames, 6, 8, 2))
    return points.astype(np.float32), rng.random((frames, 6, 8)) > 0.1


def stored(points: np.ndarray, visible: np.ndarray, orientation) -> np.ndarray:
    """As a file orders them: an array that `oriented` brings back, NaN where missing."""
    values = np.where(visible[..., None], points.astype(np.float64) - OFFSET, np.nan)
    for flip, axis in ((orientation.rows_flipped, 1), (orientation.columns_flipped, 2)):
        values = np.flip(values, axis) if flip else values
    return np.swapaxes(values, 1, 2) if orientation.transposed else values


def write_recording(folder, values: np.ndarray, *, size=(256, 512), offset=OFFSET) -> None:
    folder.mkdir(parents=True)
    recording = {"2DPoints": values.tolist(), "Offset": list(offset), "3DPoints": [[[1.0, 2, 3]]]}
    (folder / f"{folder.name}.json").write_text(json.dumps(recording))
    if size:
        (folder / f"{folder.name}.avi").write_bytes(avi_header(*size))


def avi_header(width: int, height: int) -> bytes:
    """The start of an AVI file as cameras write it: RIFF, a list hdrl, its chunk avih."""
    avih = struct.pack("<14I", 250, 0, 0, 16, 10, 0, 1, 0, width, height, 0, 0, 0, 0)
    hdrl = b"hdrl" + b"avih" + struct.pack("<I", len(avih)) + avih
    junk = b"JUNK" + struct.pack("<I", 3) + b"abc\0"  # chunks have even lengths
    body = b"AVI " + junk + b"LIST" + struct.pack("<I", len(hdrl)) + hdrl
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=str)
def test_every_orientation_comes_back_the_same(tmp_path, orientation):
    lengths = (3, 5)
    made = [scenes(length, seed) for seed, length in enumerate(lengths)]
    for name, (points, visible) in zip(("one", "two"), made):
        write_recording(tmp_path / name, stored(points, visible, orientation))
    frames = read_frames(tmp_path, GEOMETRY)
    points = np.concatenate([grids for grids, _ in made])
    visible = np.concatenate([seen for _, seen in made])
    assert frames.names == ("one", "two")
    assert frames.recording.tolist() == [0] * 3 + [1] * 5
    assert frames.ids.tolist() == [0, 1, 2, 10, 11, 12, 13, 14]
    assert np.array_equal(frames.visible, visible)
    # Files hold doubles, offset taken off and added again: float32 of 400 px is 3e-5 px.
    assert np.abs(frames.points - np.where(visible[..., None], points, 0)).max() < 1e-4


@pytest.mark.parametrize("orientation", ORIENTATIONS[::3], ids=str)
@pytest.mark.parametrize("flat", [False, True])
def test_the_unpacked_form(tmp_path, orientation, flat):
    points, visible = scenes(12)
    values = stored(points, visible, orientation) + OFFSET
    folder = tmp_path / "one" / "points2d"
    folder.mkdir(parents=True)
    for number, frame in enumerate(values):
        np.save(folder / f"{number}.npy", frame.reshape(-1, 2) if flat else frame)
    frames = read_frames(tmp_path, GEOMETRY)
    assert frames.names == ("one",)
    assert np.array_equal(frames.visible, visible)
    # The tenth comes after the ninth, not after the first.
    assert np.abs(frames.points - np.where(visible[..., None], points, 0)).max() < 1e-4


def test_zeros_and_points_outside_the_frame_are_missing(tmp_path):
    points, visible = scenes(2)
    values = stored(points, np.ones_like(visible), ORIENTATIONS[0])
    values[0, 2, 3] = 0
    values[0, 0, 0] = (-50, 200)
    values[1, 5, 7] = (256 - OFFSET[0], 300)  # one past the last column
    values[1, 0, 1, 1] = np.inf
    write_recording(tmp_path / "one", values)
    frames = read_frames(tmp_path / "one", GEOMETRY)
    assert np.argwhere(~frames.visible).tolist() == [[0, 0, 0], [0, 2, 3], [1, 0, 1], [1, 5, 7]]
    assert not frames.points[~frames.visible].any()


def test_the_size_is_the_videos(tmp_path):
    write_recording(tmp_path / "one", stored(*scenes(2), ORIENTATIONS[0]))
    write_recording(tmp_path / "two", stored(*scenes(2), ORIENTATIONS[0]), size=(300, 512))
    unknown = GridGeometry(rows=6, columns=8, width=0, height=0, minimum_visible=10)
    assert len(read_frames(tmp_path / "one", unknown)) == 2
    with pytest.raises(
        UserError, match=r"two\.avi: frames of 300 x 512, the config says 256 x 512; give"
    ):
        read_frames(tmp_path, unknown)


def test_a_wrong_size_and_a_wrong_grid_are_named_at_once(tmp_path):
    # 6 x 8 points of frames of 256 x 512 behind a config that says 18 x 18 and 768 x 768.
    for name in ("one", "two"):
        write_recording(tmp_path / name, stored(*scenes(2), ORIENTATIONS[3]))
    with pytest.raises(UserError) as caught:
        read_frames(tmp_path, GridGeometry())
    size, grid = str(caught.value).splitlines()
    assert size.startswith(f"{tmp_path}: videos of 256 x 512, the config says 768 x 768; give")
    assert size.endswith("--config.data.width=256 --config.data.height=512")
    assert grid.endswith("give --config.data.rows=6 --config.data.columns=8")


def test_an_avi_header_by_opencv_is_read(tmp_path):
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / "a.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no AVI")
    writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    assert avi_size(path) == (64, 48)


@pytest.mark.parametrize("content", [b"", b"RIFF", avi_header(256, 512)[:80], avi_header(0, 512)])
def test_a_file_that_is_no_video_is_refused(tmp_path, content):
    (tmp_path / "a.avi").write_bytes(avi_header(256, 512))
    assert avi_size(tmp_path / "a.avi") == (256, 512)
    (tmp_path / "a.avi").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.avi: no header of an AVI video"):
        avi_size(tmp_path / "a.avi")


def test_recordings_are_split_whole(tmp_path):
    for number in range(6):
        write_recording(tmp_path / f"r{number}", stored(*scenes(2 + number), ORIENTATIONS[5]))
    splits = read_data_set(tmp_path, GEOMETRY)
    assert [frames.names for frames in splits.values()] == [
        ("r0", "r1", "r2", "r3"),
        ("r4",),
        ("r5",),
    ]
    assert read_data_set(tmp_path, GEOMETRY, folds="2/6")["test"].names == ("r1",)


def test_a_file_per_recording_in_one_folder_and_calibration_beside(tmp_path):
    for name in ("one", "two"):
        write_recording(tmp_path / name, stored(*scenes(2), ORIENTATIONS[2]))
        (tmp_path / name / f"{name}.json").rename(tmp_path / f"{name}.json")
    (tmp_path / "laser_calibration.json").write_text("{}")
    assert read_frames(tmp_path, GEOMETRY).names == ("one", "two")


def test_a_recording_named_by_a_number_is_no_frame(tmp_path):
    write_recording(tmp_path / "7", stored(*scenes(4), ORIENTATIONS[0]))
    assert len(read_frames(tmp_path, GEOMETRY)) == 4


def test_frames_without_labels_are_left_out_by_name(tmp_path, capsys):
    points, visible = scenes(5)
    visible[[1, 4]] = False
    write_recording(tmp_path / "one", stored(points, visible, ORIENTATIONS[0]))
    frames = read_frames(tmp_path, GEOMETRY)
    assert frames.ids.tolist() == [0, 2, 3]
    assert (
        "2 of 5 frames have fewer than 10 visible points (the first: 1)" in capsys.readouterr().err
    )


def test_a_set_out_of_order_is_refused(tmp_path):
    points, visible = scenes(4)
    mixed = (
        np.random.default_rng(0).permuted(points.reshape(4, 48, 2), axis=1).reshape(points.shape)
    )
    write_recording(tmp_path / "bad", stored(mixed, visible, ORIENTATIONS[0]))
    write_recording(tmp_path / "good", stored(points, visible, ORIENTATIONS[0]))
    with pytest.raises(
        UserError, match=r"put 99% of neighbouring points in order.*of bad [0-9.]+%"
    ):
        read_frames(tmp_path, GEOMETRY)


@pytest.mark.parametrize("swaps", [4, 5])
def test_order_is_wanted_of_99_per_cent(tmp_path, swaps):
    """A swap of the first two points of a row puts one of 410 pairs out of order."""
    points = np.zeros((5, 6, 8, 2))
    points[..., 0] = 60 + 15 * np.arange(8.0)
    points[..., 1] = 400 - 20 * np.arange(6.0)[:, None]
    points[0, :swaps, [0, 1]] = points[0, :swaps, [1, 0]]
    visible = np.ones(points.shape[:-1], bool)
    assert ordered_share(points, visible) == pytest.approx(1 - swaps / 410)
    write_recording(tmp_path / "one", stored(points, visible, ORIENTATIONS[0]))
    if swaps == 4:
        assert len(read_frames(tmp_path, GEOMETRY)) == 5
    else:
        with pytest.raises(UserError, match=r"in order .*the best orders 98\.8%"):
            read_frames(tmp_path, GEOMETRY)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"2DPoints": [[[[1, 2, 3]]]]},
            "points of shape 1 x 1 x 1 x 3; expected frames x X x Y x 2",
        ),
        ({"2DPoints": [[[[1, 2]]], [[[1, 2], [3, 4]]]]}, "2DPoints is no array of numbers"),
        ({"2DPoints": [[[["a", 2]]]]}, "2DPoints is no array of numbers"),
        ({"2DPoints": None}, "points of shape a single number"),
        ({"2DPoints": []}, "points of shape 0"),
        ({"Offset": [1]}, "Offset is [1]; expected two finite numbers"),
        ({"Offset": [1, float("nan")]}, "Offset is [1, nan]; expected two finite numbers"),
    ],
)
def test_a_bad_recording_is_named(tmp_path, change, words):
    write_recording(tmp_path / "one", stored(*scenes(2), ORIENTATIONS[0]))
    path = tmp_path / "one" / "one.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UserError) as caught:
        read_frames(tmp_path, GEOMETRY)
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_recordings_are_named_together(tmp_path):
    for name in ("a", "b", "c"):
        write_recording(tmp_path / name, stored(*scenes(2), ORIENTATIONS[0]))
    (tmp_path / "a" / "a.json").write_text('{"2DPoints": [1')
    (tmp_path / "c" / "c.json").write_text('{"2DPoints": [1]}')
    with pytest.raises(UserError) as caught:
        read_frames(tmp_path, GEOMETRY)
    assert [line.split(":")[0].rpartition("/")[2] for line in str(caught.value).splitlines()] == [
        "a.json",
        "c.json",
    ]


def test_a_grid_of_another_shape_is_named_with_the_right_values(tmp_path):
    write_recording(tmp_path / "one", stored(*scenes(2), ORIENTATIONS[6]))
    other = GridGeometry(rows=8, columns=6, width=256, height=512, minimum_visible=10)
    with pytest.raises(
        UserError, match=r"a grid of 6 rows and 8 columns, the config says 8 and 6; give .*rows=6"
    ):
        read_frames(tmp_path, other)


@pytest.mark.parametrize("degrees", [-40, -15, 0, 20, 40])
def test_a_grid_at_a_slant_keeps_the_orientation_of_the_upright_one(degrees):
    """At 30 degrees a grid is in order both upright and lying; it is read as the nearer one."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    x, y = np.meshgrid(10.0 * np.arange(7), -10.0 * np.arange(5))
    points = (np.stack([x, y], -1) @ turn)[None]
    visible = np.ones((1, 5, 7), bool)
    for orientation in ORIENTATIONS:
        values = stored(points, visible, orientation)
        found, share = find_orientation(values, np.isfinite(values).all(-1))
        assert share == 1
        assert found == orientation


def test_simulated_frames_are_found_upright():
    arrays = simulate_recordings(SimulatorSettings(2, 0, 0, recording_length=3), 0)
    orientation, share = find_orientation(arrays["points"], arrays["visible"])
    assert orientation == ORIENTATIONS[0]
    assert share == 1
    assert oriented(arrays["points"], ORIENTATIONS[4]).shape == arrays["points"].shape
