"""Registration from points alone: training frames, the loss by hand, a trained run, --mode=match."""

import functools
import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from configs.registration_points import get_config
from lvae import configuration
from lvae.data.recordings.lasten import write_frames
from lvae.errors import UserError
from lvae.grids.labelling import UNMATCHED
from lvae.grids.rendering import render
from lvae.models.point_network import REACH, Evidence, Links
from lvae.runs import loop, modes
from lvae.runs.export.writer import Layout
from lvae.tasks import restoring
from lvae.tasks.grids.registration_points.clutter import hide_runs, sink, with_strays
from lvae.tasks.grids.registration_points.loss import surprise
from lvae.tasks.grids.registration_points.matching import (
    TOGETHER,
    match_as_one,
    match_points,
    with_neighbours,
)
from lvae.tasks.grids.registration_points.modes import MatchOptions
from lvae.tasks.grids.registration_points.recordings import open_recording
from lvae.tasks.grids.registration_points.settings import PointAugmentationSettings, Settings
from lvae.tasks.grids.registration_points.task import TASK
from lvae.tasks.task import Request

quick = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def config_of(**changes):
    config = get_config("smoke").unlock()
    for name, value in changes.items():
        group, field = name.split("__")
        config[group][field] = value
    return config.lock()


@pytest.fixture(scope="module")
def splits():
    return TASK.load_data(configuration.parse(Settings, config_of()))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """A run of a few steps: enough to tell rows and columns of an upright grid."""
    workdir = tmp_path_factory.mktemp("points") / "run"
    loop.train(TASK, config_of(), workdir)
    return restoring.load(workdir)


def test_training_leaves_numbers_and_pictures(loaded):
    workdir = loaded.run.workdir
    summary = json.loads((workdir / "summary.json").read_text())
    assert 0 < summary["evaluation"]["validation_accuracy"] <= 1
    assert {path.name for path in (workdir / "figures").iterdir()} == {"losses.png", "matches.png"}


def test_measures_are_those_of_the_labels(loaded, splits):
    numbers = TASK.evaluate(loaded.run, splits, "validation", True)
    held_out = splits["validation"]
    truth = [np.flatnonzero(seen) for seen in held_out["visible"]]
    points = [grid.reshape(-1, 2)[rays] for grid, rays in zip(held_out["points"], truth)]
    found = match_points(loaded.run, points)
    right = [np.mean(one.ray == rays) for one, rays in zip(found, truth)]
    assert numbers["repaired_accuracy"] == pytest.approx(np.mean(right))
    assert numbers["faultless_frames"] == np.mean(np.array(right) == 1)
    assert numbers["worst_accuracy"] <= numbers["accuracy"]
    assert len(numbers["recordings"]["tracked_accuracy"]) == 1


def test_runs_are_hidden_in_half_of_the_frames_and_more_than_single_points():
    settings = PointAugmentationSettings(runs=0.2, run_length=1.0)
    visible = jnp.ones((64, 18, 18), bool)
    kept = np.asarray(quick(lambda key: hide_runs(key, visible, settings))(jax.random.key(0)))
    whole = kept.all((1, 2))
    assert 16 <= whole.sum() <= 48  # 32 on average, deviation 4
    lost = ~kept[~whole]
    # With certain growth every lost point has a lost neighbour in its row.
    beside = np.roll(lost, 1, 2) | np.roll(lost, -1, 2)
    assert np.all(beside[lost])
    still = PointAugmentationSettings(runs=0.0)
    assert np.asarray(hide_runs(jax.random.key(0), visible, still)).all()


@pytest.mark.parametrize("sign", [1, -1])
def test_sunken_points_are_torn_from_one_side_and_keep_their_order(sign):
    row, column = np.mgrid[:18, :18]
    flat = np.stack([20.0 * column + 100, 600 - 25.0 * row], -1).astype(np.float32)
    points = jnp.asarray(np.repeat(flat[None], 64, axis=0))
    visible = jnp.ones((64, 18, 18), bool)
    settings = PointAugmentationSettings(sunken=1.0, sunken_rows=3.0 * sign)
    sunk = quick(lambda key: sink(key, points, visible, settings))
    moved, seen = map(np.asarray, sunk(jax.random.key(0)))
    away = moved - flat
    rows_on = -sign * away[..., 1] / 25
    assert rows_on.min() > -1e-4
    assert 2 < rows_on.max() <= 3.0001
    assert np.mean(rows_on.max((1, 2)) > 0.5) > 0.5  # of frames: nearer to the next row
    assert np.all((rows_on > 1e-3).any(1).sum(1) <= 2)  # columns
    assert np.all(np.diff(moved[..., 1], axis=1) < -12)  # the order along columns stays
    assert np.all(np.abs(away[..., 0]) <= 0.25 * 20 * rows_on + 1e-3)
    lost = ~seen[:, ::-sign]  # from the end that points are moved to
    assert 0.1 < lost.any((1, 2)).mean() < 0.7
    assert np.all(lost[:, 1:] <= lost[:, :-1])
    assert lost.sum((1, 2)).max() <= 2 * 4
    still = quick(lambda key: sink(key, points, visible, PointAugmentationSettings(sunken=0.0)))
    kept = still(jax.random.key(0))
    np.testing.assert_array_equal(kept[0], points)
    assert kept[1].all()


def test_stray_points_come_behind_the_others_and_about_them():
    points = np.random.default_rng(0).uniform(100, 300, (64, 9, 2)).astype(np.float32)
    visible = np.ones((64, 9), bool)
    visible[:, 0] = False
    points[:, 0] = 0  # where missing
    frames = jnp.asarray(points), jnp.asarray(visible)
    more, there = quick(lambda key: with_strays(key, *frames, 5))(jax.random.key(0))
    np.testing.assert_array_equal(more[:, :9], points)
    np.testing.assert_array_equal(there[:, :9], visible)
    strays = np.asarray(there[:, 9:])
    assert 16 <= (strays.sum(1) > 0).sum() <= 48
    assert strays.sum(1).max() == 5
    assert np.all(np.asarray(more[:, 9:])[strays] > 80)


def test_nothing_is_surprising_to_who_knows_and_log_n_to_who_does_not():
    rows, columns, extra = 5, 6, 2
    count = rows * columns + extra
    number = np.arange(count)
    row, column = np.minimum(number // columns, rows - 1), number % columns
    neighbour = np.where(column < columns - 1, number + 1, number)[None, :, None]
    neighbour = np.repeat(np.minimum(neighbour, count - 1), 8, axis=2)
    links = Links(jnp.asarray(neighbour), jnp.ones((1, count, 8), bool))
    away = np.stack([row, column], -1)
    steps = away[neighbour[0]] - away[:, None]  # points, directions, axis
    of_ray = number < rows * columns
    knows = Evidence(
        *(
            jnp.asarray(array[None], jnp.float32)
            for array in (
                60.0 * (row[:, None] == np.arange(rows)),
                60.0 * (column[:, None] == np.arange(columns)),
                np.where(of_ray, 60.0, -60.0),
                60.0 * (steps[..., None] + REACH == np.arange(2 * REACH + 1)),
            )
        ),
        links,
    )
    present = jnp.ones((1, count), bool)
    nats_of = quick(lambda said: surprise(said, present, rows, columns))
    parts = nats_of(knows)
    for name, nats in parts.items():
        assert abs(float(nats)) < 1e-6, name
    blank = Evidence(*(jnp.zeros_like(part) for part in knows[:4]), links)
    parts = nats_of(blank)
    expected = {"row": rows, "column": columns, "belongs": 2, "row_step": 5, "column_step": 5}
    for name, choices in expected.items():
        np.testing.assert_allclose(parts[f"{name}_nats"], np.log(choices), rtol=1e-5)


def test_the_loss_is_the_sum_of_its_parts_and_has_a_gradient(loaded):
    lines = (loaded.run.workdir / "metrics.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if "loss" in row]
    assert rows
    for row in rows:
        nats = [value for name, value in row.items() if name.endswith("_nats")]
        assert len(nats) == 5
        np.testing.assert_allclose(row["loss"], sum(nats), rtol=1e-5)
        assert 0 < row["gradient_norm"] < np.inf


def frame_of(splits, row=0):
    seen = splits["validation"]["visible"][row]
    return splits["validation"]["points"][row], seen


def read_labels(out, *names):
    return [json.loads((out / f"{name}.json").read_text()) for name in names]


def test_match_reads_points_images_or_both(tmp_path, splits, loaded):
    """The same points from a labelled frame, a list, an image, and an image with its points."""
    points, seen = frame_of(splits)
    pixels = points[seen].astype(int)
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    write_frames(source, [1], points[None], seen[None])
    shuffled = np.random.default_rng(0).permutation(pixels).tolist()
    (source / "2.json").write_text(json.dumps(shuffled))
    image = Image.fromarray(render(points, seen))
    for name in ("3", "10"):
        image.save(source / f"{name}_mov.png")
    (source / "10.json").write_text(json.dumps(shuffled))
    modes.draw(loaded, Request("match", data=source, options=MatchOptions(video=False)), out)
    labels = read_labels(out, "1", "2", "3", "10")
    assert labels[0] == labels[1] == labels[2] == labels[3]
    assert len(labels[0]) > 100
    samples = json.loads((out / ".lvae" / "manifest.json").read_text())["samples"]
    assert [one["name"] for one in samples] == ["1", "2", "3", "10"]
    for one in samples:
        assert one["points"] == len(pixels)
        assert one["matched"] + len(one["left_out"]) == len(pixels)
        assert 0 <= one["least_certainty"] <= one["certainty"] <= 1


def test_match_reads_pages_of_any_size_and_shards_change_nothing(tmp_path, splits, loaded):
    pages = [
        Image.fromarray(render(*frame_of(splits, row), (768, 768))).resize((384, 384))
        for row in (0, 1)
    ]
    film = tmp_path / "film.tif"
    pages[0].save(film, save_all=True, append_images=pages[1:])
    request = Request("match", data=film, options=MatchOptions())
    modes.draw(loaded, request, tmp_path / "whole")
    with Image.open(tmp_path / "whole" / "film_0_match.png") as picture:
        assert picture.size == (384, 384)
    for index in range(2):
        modes.draw(loaded, request, tmp_path / "parts", Layout(shard=(index, 2)))
    for name in ("film_0.json", "film_1.json"):
        one, other = ((tmp_path / folder / name).read_bytes() for folder in ("whole", "parts"))
        assert one == other


def test_match_reads_a_video(tmp_path, splits, loaded):
    """Written by OpenCV without loss; a frame is the same whatever was read before it."""
    cv2 = pytest.importorskip("cv2")
    film = tmp_path / "film.avi"
    codec = cv2.VideoWriter_fourcc(*"FFV1")
    writer = cv2.VideoWriter(str(film), codec, 25, (768, 768), isColor=False)
    images = [render(*frame_of(splits, row)) for row in (0, 1)]
    for image in [*images, images[0]]:
        writer.write(image)
    writer.release()
    recording = open_recording(film, (768, 768))
    assert list(recording.names) == ["film_0", "film_1", "film_2"]
    for place in (1, 0, 2, 1):
        np.testing.assert_array_equal(recording.read(place).image, images[place % 2])
    modes.draw(loaded, Request("match", data=film, options=MatchOptions()), tmp_path / "out")
    first, last = (json.loads((tmp_path / "out" / f"film_{n}.json").read_text()) for n in (0, 2))
    assert first == last
    assert len(first) > 100
    film.write_bytes(film.read_bytes()[:300])
    with pytest.raises(UserError, match="holds no frames"):
        open_recording(film, (768, 768))


def test_a_video_without_opencv_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    (tmp_path / "film.MP4").write_bytes(b"")
    with pytest.raises(UserError, match=r"pip install 'lvae\[video\]'"):
        open_recording(tmp_path / "film.MP4", (768, 768))


def test_blocks_of_a_long_recording_are_those_of_the_whole(splits, loaded):
    """What the mode labels block by block is what `match_points` labels at once."""
    points = [frame_of(splits, row % 2) for row in range(TOGETHER + 3)]
    points = [grid[seen] for grid, seen in points]
    whole = match_points(loaded.run, points, in_time=True)
    for start, end in ((0, TOGETHER), (TOGETHER, TOGETHER + 3)):
        first, last = with_neighbours(start, end, len(points))
        part = match_as_one(loaded.run, points[first:last])[start - first : end - first]
        for one, other in zip(part, whole[start:end], strict=True):
            np.testing.assert_array_equal(one.ray, other.ray)


def test_corrections_stay(splits, loaded):
    points, seen = frame_of(splits)
    pixels, truth = points[seen], np.flatnonzero(seen)
    known = {0: int(truth[0]), 5: UNMATCHED, 9: int(truth[9])}
    (found,) = match_points(loaded.run, [pixels], [known])
    assert {point: int(found.ray[point]) for point in known} == known


def test_no_points_and_one(loaded):
    none, one = match_points(loaded.run, [np.zeros((0, 2)), np.array([[10.0, 20.0]])])
    assert len(none.ray) == 0
    assert len(one.ray) == 1
    assert match_points(loaded.run, []) == []


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda folder: folder, "no frames in it"),
        (lambda folder: folder / "absent", "no such folder or file"),
        (lambda folder: folder.joinpath("film.tif").write_bytes(b"no image"), "film.tif"),
        (lambda folder: folder.joinpath("1.json").write_text("[[1]]"), "1.json"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path, loaded, prepare, message):
    made = prepare(tmp_path)
    data = made if not isinstance(made, int) else tmp_path
    if message == "film.tif":
        data = tmp_path / "film.tif"
    with pytest.raises(UserError, match=message):
        modes.draw(loaded, Request("match", data=data, options=MatchOptions()), tmp_path / "out")
