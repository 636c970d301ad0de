"""Registration: the loss by hand, augmentation within its bounds, training sets, the match mode."""

import dataclasses
import functools
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import lvae
from configs.registration import get_config
from lvae import configuration
from lvae.data.lasten import write_frames
from lvae.errors import UserError
from lvae.figures.canvas import COLOURS
from lvae.figures.registration import matches, overlay
from lvae.grids.rendering import render
from lvae.runs import evaluation, loop, modes
from lvae.runs.export.writer import Layout
from lvae.storage import records
from lvae.tasks import restoring
from lvae.tasks.grids.registration import network
from lvae.tasks.grids.registration.augmentation import augment
from lvae.tasks.grids.registration.canvas import canvas_of
from lvae.tasks.grids.registration.detection import detect_points
from lvae.tasks.grids.registration.settings import Settings
from lvae.tasks.grids.registration.task import TASK
from lvae.tasks.task import NoOptions, Request, Run

# Compiles five times faster.
quick = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def config_of(**changes):
    config = get_config("smoke").unlock()
    for name, value in changes.items():
        group, field = name.split("__")
        config[group][field] = value
    return config.lock()


def small(**changes):
    return configuration.parse(Settings, config_of(**changes))


def usual():
    """Settings of the experiment itself."""
    return configuration.parse(Settings, get_config())


@pytest.fixture(scope="module")
def splits():
    return TASK.load_data(small())


@pytest.fixture(scope="module")
def spec(splits):
    return TASK.spec(small(), splits)


@pytest.fixture(scope="module")
def variables(spec):
    return quick(lambda key: TASK.init(small(), spec, key))(jax.random.key(0))


@pytest.fixture
def loaded(spec, variables, tmp_path):
    """An untrained run, as the mode runner gets it."""
    return restoring.Loaded(TASK, config_of(), Run(small(), spec, variables, tmp_path))


def test_loss_is_the_mean_squared_distance_over_visible_points(splits, spec, variables):
    """With a network that says the same everywhere, the loss is known."""
    settings = small(augmentation__share=0.0)
    canvas = canvas_of(settings, spec)
    constant = jax.tree.map(jnp.zeros_like, variables["params"])
    constant["Dense_0"]["bias"] = jnp.array([0.5, -0.25])
    batch = {name: splits["train"][name][:2] for name in ("points", "visible")}
    value, (parts, buffers) = quick(TASK.loss(settings, spec))(
        constant, variables["buffers"], batch, jax.random.key(0), 0
    )
    unit = settings.model.unit * np.sqrt(np.prod(spec.facts["pitch"]))
    moved = batch["points"] + unit * np.array([0.5, -0.25])
    squared = ((moved - canvas.rays()) ** 2).sum(-1)[batch["visible"]]
    np.testing.assert_allclose(parts["squared_error_px2"], squared.mean(), rtol=1e-5)
    np.testing.assert_allclose(value, squared.mean() / canvas.fixed**2, rtol=1e-5)
    assert jax.tree.structure(buffers) == jax.tree.structure(variables["buffers"])


def test_displacement_is_read_at_the_points_pixel(spec):
    canvas = canvas_of(small(), spec)
    field = np.zeros((1, 48, 48, 2), np.float32)
    field[0, 40, 7] = [1.0, 2.0]  # row 40, column 7: x in [112, 128), y in [640, 656)
    points = np.array([[[112, 640], [127, 655], [128, 640], [112, 656]]], np.float32)
    read = network.displacements(jnp.asarray(field), jnp.asarray(points), canvas)
    unit = small().model.unit * np.sqrt(np.prod(spec.facts["pitch"]))
    np.testing.assert_allclose(read[0] / unit, [[1, 2], [1, 2], [0, 0], [0, 0]], rtol=1e-6)


def test_inputs_are_scaled_and_the_fixed_image_is_the_regular_grid(splits, spec):
    canvas = canvas_of(usual(), spec)
    frames = (splits["train"][name][:2] for name in ("points", "visible"))
    images = network.moving_images(*frames, canvas)
    both = np.asarray(network.inputs(jnp.asarray(images), canvas))
    assert both.shape == (2, 192, 192, 2)
    assert both[..., 0].min() == pytest.approx(-1)
    # Within 1.5 grey levels of the written image, averaged over 4 x 4 px.
    drawn = render(canvas.rays(), np.ones((18, 18), bool)).reshape(192, 4, 192, 4).mean((1, 3))
    np.testing.assert_allclose(both[0, ..., 1], 2 * drawn / 255 - 1, atol=2 * 1.5 / 255)


def augmented(points, visible, settings):
    """NumPy arrays in and out."""
    change = quick(lambda *frames: augment(jax.random.key(0), *frames, (768, 768), settings))
    moved, kept = change(points, visible)
    return np.asarray(moved), np.asarray(kept)


def test_augmentation_stays_in_the_frame_and_within_its_bounds(splits):
    settings = dataclasses.replace(usual().augmentation, probability=1.0)
    points = np.repeat(splits["train"]["points"], 16, axis=0)
    visible = np.repeat(splits["train"]["visible"], 16, axis=0)
    moved, kept = augmented(points, visible, settings)
    assert np.all(kept <= visible)
    assert np.all((moved[kept] >= 5) & (moved[kept] < 768))
    np.testing.assert_array_equal(moved, np.floor(moved))
    changed = np.any(moved != points, axis=(1, 2, 3))
    assert changed.mean() > 0.5
    lost = 1 - kept.sum((1, 2)) / visible.sum((1, 2))
    assert 0 < lost[changed].mean() < 0.2
    # The affine part, by least squares: its singular values lie within scale times shear.
    for before, after, seen in zip(points[changed], moved[changed], kept[changed]):
        design = np.concatenate([before[seen], np.ones((seen.sum(), 1))], axis=1)
        linear = np.linalg.lstsq(design, after[seen])[0][:2]
        stretch = np.linalg.svd(linear)[1]
        # shear of 10 degrees stretches by at most 1.092; the half-sine warp by 0.15 pi at most
        assert stretch.max() < 1.25 * 1.092 * (1 + 0.15 * np.pi)
        assert stretch.min() > 0.8 / 1.092 / (1 + 0.15 * np.pi)


def still(**changes):
    """Settings that change nothing but what is named, and that always."""
    nothing = dict.fromkeys(
        ("rotation", "warp_x", "warp_y", "shear", "translation", "jitter", "dropout"), 0.0
    )
    settings = small().augmentation
    return dataclasses.replace(settings, probability=1.0, scale=1.0, **nothing | changes)


def test_relief_is_scaled_about_the_flat_grid(splits):
    points, visible = splits["train"]["points"], splits["train"]["visible"]
    moved, kept = augmented(points, visible, still(relief=1.5))
    np.testing.assert_array_equal(kept, visible)
    row, column = np.mgrid[:18, :18]
    for before, after, seen in zip(points, moved, visible):
        design = np.stack([np.ones_like(row), row, column], axis=-1)[seen]
        pose = np.linalg.lstsq(design, before[seen])[0]
        uneven = before[seen] - design @ pose
        change = after[seen] - before[seen]
        factor = 1 + (change * uneven).sum() / (uneven**2).sum()
        assert 1 / 1.5 < factor < 1.5
        assert abs(factor - 1) > 1e-3
        # Whole px: half a px of rounding at most, and what the ridge of the fit leaves.
        np.testing.assert_allclose(change, (factor - 1) * uneven, atol=0.6)


def test_a_mirror_exchanges_left_and_right_and_the_rays_with_them(splits):
    points, visible = splits["train"]["points"], splits["train"]["visible"]
    moved, kept = augmented(points, visible, still(mirror=1.0))
    np.testing.assert_array_equal(kept, visible[:, :, ::-1])
    np.testing.assert_array_equal(moved[kept][:, 0], 768 - points[:, :, ::-1, 0][kept])
    np.testing.assert_array_equal(moved[kept][:, 1], points[:, :, ::-1, 1][kept])


def test_augmentation_that_always_leaves_the_frame_changes_nothing(splits):
    settings = dataclasses.replace(small().augmentation, probability=1.0, translation=50.0)
    points, visible = splits["train"]["points"][:2], splits["train"]["visible"][:2]
    moved, kept = augmented(points, visible, settings)
    np.testing.assert_array_equal(moved, points)
    np.testing.assert_array_equal(kept, visible)


def test_training_sets(tmp_path, splits):
    real = splits["train"]
    assert set(splits) == {"train", "validation"}
    write_frames(tmp_path, [40000, 40001], real["points"][:2] + 1, real["visible"][:2])
    mixed = TASK.load_data(small(training_set__generated=str(tmp_path), data__extra_recordings=3))
    train = mixed["train"]
    assert len(train["id"]) == 4 + 2 + 3 * 2
    assert len(np.unique(train["recording"])) == 2 + 2 + 3
    np.testing.assert_array_equal(
        train["points"][4][real["visible"][0]], real["points"][0][real["visible"][0]] + 1
    )
    np.testing.assert_array_equal(mixed["validation"]["points"], splits["validation"]["points"])

    alone = small(training_set__real=False, data__extra_recordings=3)
    assert len(TASK.load_data(alone)["train"]["id"]) == 6
    with pytest.raises(UserError, match="no frames to train on"):
        TASK.load_data(small(training_set__real=False))
    with pytest.raises(UserError, match="early_share"):
        TASK.load_data(small(training_set__early_share=0.5))


def test_all_seeds_see_the_same_data(splits):
    other = TASK.load_data(dataclasses.replace(small(), seed=7))
    for name, values in splits["train"].items():
        np.testing.assert_array_equal(other["train"][name], values)


# Of the rows, six: both runs are of 6 steps, of which the first 3 are early.
@pytest.mark.parametrize("counted", [{"steps": 6}, {"steps": 0, "epochs": 2}])
def test_simulated_frames_first(counted, splits, variables):
    """Half of the steps see simulated frames only, the other half real ones only, whether the run
    counts steps or epochs."""
    shared = {"augmentation__share": 0.0}
    counted = {f"training__{name}": value for name, value in counted.items()}
    early = small(training_set__early_share=0.5, data__extra_recordings=3, **shared, **counted)
    both = TASK.load_data(early)
    train = both["train"]
    assert len(train["points"]) == 6
    np.testing.assert_array_equal(train["points"][:4], splits["train"]["points"])
    np.testing.assert_array_equal(train["points"][4:], splits["train"]["points"][:2])
    spec = TASK.spec(early, both)  # one pitch for both
    loss, plain = quick(TASK.loss(early, spec)), quick(TASK.loss(small(**shared), spec))
    batch = {name: train[name][:2] for name in spec.fields}
    state = variables["params"], variables["buffers"]
    expected = {
        prefix: plain(
            *state,
            {name: batch[prefix + name] for name in ("points", "visible")},
            jax.random.key(0),
            0,
        )[0]
        for prefix in ("early_", "")
    }
    assert abs(expected["early_"] / expected[""] - 1) > 1e-3  # else nothing is tested
    for step, prefix in ((0, "early_"), (2, "early_"), (3, ""), (5, "")):
        got = loss(*state, batch, jax.random.key(0), step)[0]
        np.testing.assert_allclose(got, expected[prefix], rtol=1e-6)


def test_evaluation_of_a_network_that_moves_nothing(splits, spec, variables, tmp_path):
    still = jax.tree.map(jnp.zeros_like, variables["params"])
    run = Run(small(), spec, {"params": still, "buffers": variables["buffers"]}, tmp_path)
    result = TASK.evaluate(run, splits, "validation", True)
    held_out = splits["validation"]
    distance = np.linalg.norm(held_out["points"] - canvas_of(small(), spec).rays(), axis=-1)
    by_frame = [frame[seen].mean() for frame, seen in zip(distance, held_out["visible"])]
    np.testing.assert_allclose(result["error_px"], np.mean(by_frame) / 2, rtol=1e-6)
    assert result["worst_accuracy"] == min(result["recordings"]["accuracy"])


def test_the_validation_split_is_reported_and_the_test_split_has_its_name(
    splits, spec, variables, tmp_path
):
    three = {**splits, "test": {name: rows[:1] for name, rows in splits["train"].items()}}
    result = evaluation.thorough(TASK, Run(small(), spec, variables, tmp_path), three)
    assert result["error_px"] == result["validation_error_px"] != result["test_error_px"]
    assert len(result["recordings"]["accuracy"]) == len(result["test_recordings"]["accuracy"]) == 1


def test_a_trained_run_matches_where_its_data_are_not(tmp_path, splits, monkeypatch):
    """From training to matches; the run directory is moved and its recordings are gone."""
    summary = loop.train(TASK, config_of(), tmp_path / "first")
    rows = records.read_metrics(tmp_path / "first")
    assert [row["step"] for row in rows if row["kind"] == "train"] == [2, 4]
    assert summary["evaluation"]["validation_error_px"] == rows[-1]["validation_error_px"]
    pictures = {path.name for path in (tmp_path / "first" / "figures").iterdir()}
    assert pictures == {"losses.png", "matches.png"}
    (tmp_path / "elsewhere").mkdir()
    moved = shutil.move(tmp_path / "first", tmp_path / "elsewhere" / "run")
    monkeypatch.chdir(tmp_path)
    loaded = restoring.load(moved)
    averages = loaded.run.variables["buffers"]["batch_stats"]["ConvolutionBlock_0"]["BatchNorm_0"]
    assert np.all(averages["mean"] != 0)  # as training left them, not as init did
    held_out = splits["validation"]
    assert TASK.evaluate(loaded.run, splits, "validation", False)["error_px"] == pytest.approx(
        summary["evaluation"]["validation_error_px"], rel=1e-5
    )
    source = tmp_path / "in"
    source.mkdir()
    for name in ("1", "2"):
        image = render(held_out["points"][0], held_out["visible"][0])
        Image.fromarray(image).save(source / f"{name}_mov.png")
    modes.draw(loaded, Request("match", data=source), tmp_path / "out")
    assert (tmp_path / "out" / "preview.png").exists()


def test_detection_finds_what_was_drawn(splits):
    points, visible = splits["train"]["points"][0], splits["train"]["visible"][0]
    found = detect_points(render(points, visible))
    assert {tuple(point) for point in found} == {tuple(point) for point in points[visible]}
    assert detect_points(np.zeros((32, 32), np.uint8)).shape == (0, 2)


def test_an_overlay_joins_the_points_of_neighbouring_rays():
    grid = np.array([[[10, 30], [30, 30]], [[10, 10], [np.nan, np.nan]]])
    picture = overlay(np.full((40, 40), 100, np.uint8), grid).astype(int)
    along_row, along_column, nothing = picture[30, 20], picture[20, 10], picture[20, 30]
    np.testing.assert_array_equal(nothing, [50, 50, 50])  # dimmed; the fourth point is absent
    assert along_row[0] > along_row[2]  # orange
    assert along_column[2] > along_column[0]  # blue
    assert np.any(np.all(picture == [90, 255, 90], axis=-1))  # ray 0 is marked


def test_wrong_matches_are_orange(spec):
    """All points at their places but two, which have changed theirs."""
    rays = canvas_of(small(), spec).rays()
    flat = rays.reshape(1, -1, 2)
    warped = flat.copy()
    warped[0, [5, 6]] = flat[0, [6, 5]]
    figure = matches(rays[None], np.ones((1, 18, 18), bool), warped, rays, [7], (768, 768))
    above, below = figure.axes
    assert above.get_title() == "frame 7: 99.4% right"
    for axis, places in ((above, flat[0, [5, 6]]), (below, flat[0, [6, 5]])):
        (wrong,) = (line for line in axis.lines if line.get_color() == COLOURS[1])
        np.testing.assert_array_equal(wrong.get_xydata(), places)


def read_labels(out, *names):
    return [json.loads((out / f"{name}.json").read_text()) for name in names]


def test_match_names_every_point_once(tmp_path, splits, loaded):
    """From points in any order, from a labelled frame, from the image alone: the same labels."""
    points, visible = splits["validation"]["points"][0], splits["validation"]["visible"][0]
    pixels = points[visible].astype(int)
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    shuffled = np.random.default_rng(0).permutation(pixels).tolist()
    for name in ("1", "2", "10"):
        Image.fromarray(render(points, visible)).save(source / f"{name}_mov.png")
    (source / "1.json").write_text(json.dumps(shuffled))
    write_frames(source, [2], points[None], visible[None])
    modes.draw(loaded, Request("match", data=source, options=NoOptions()), out)
    labelled = read_labels(out, "1", "2", "10")
    assert labelled[0] == labelled[1] == labelled[2]
    assert sorted(labelled[0].values()) == sorted(pixels.tolist())
    assert all(0 <= int(key) < 324 for key in labelled[0])
    found = lvae.TrainedRun(loaded).match(source)
    assert found["name"].tolist() == ["1", "2", "10"]
    for points_found, seen, labels in zip(found["points"], found["visible"], labelled):
        rays = np.flatnonzero(seen.ravel())
        assert rays.tolist() == sorted(map(int, labels))
        expected = [labels[str(ray)] for ray in rays]
        np.testing.assert_array_equal(points_found.reshape(-1, 2)[rays], expected)
        assert not points_found[~seen].any()
    with Image.open(out / "10_match.png") as picture:
        assert (picture.mode, picture.size) == ("RGB", (768, 768))
    manifest = json.loads((out / ".lvae" / "manifest.json").read_text())
    assert manifest["samples"] == [
        {"name": name, "points": len(pixels), "matched": len(pixels), "points_from": source}
        for name, source in (("1", "file"), ("2", "file"), ("10", "image"))
    ]


def test_no_points_and_more_points_than_rays(tmp_path, loaded):
    source = tmp_path / "in"
    source.mkdir()
    for name in ("1", "2"):
        Image.new("L", (768, 768)).save(source / f"{name}_mov.png")
    many = [[x, y] for x in range(20, 420, 20) for y in range(20, 420, 20)]
    (source / "2.json").write_text(json.dumps(many))
    modes.draw(loaded, Request("match", data=source), tmp_path / "out")
    none, named = read_labels(tmp_path / "out", "1", "2")
    assert none == {}
    assert len(named) == len({tuple(point) for point in named.values()}) == 324
    assert all(point in many for point in named.values())
    manifest = json.loads((tmp_path / "out" / ".lvae" / "manifest.json").read_text())
    assert [(one["points"], one["matched"]) for one in manifest["samples"]] == [(0, 0), (400, 324)]


def test_shards_and_blocks_do_not_change_matches(tmp_path, splits, loaded):
    """Nine images, eight per block, in one go and in two shards: the same bytes."""
    source = tmp_path / "in"
    source.mkdir()
    frames = splits["train"]
    for number in range(9):
        image = render(frames["points"][number % 4], frames["visible"][number % 4])
        Image.fromarray(image).save(source / f"{number}_mov.png")
    request = Request("match", data=source)
    modes.draw(loaded, request, tmp_path / "whole")
    for index in range(2):
        modes.draw(loaded, request, tmp_path / "parts", Layout(shard=(index, 2)))
    for number in range(9):
        for suffix in (".json", "_match.png"):
            one, other = (tmp_path / name / f"{number}{suffix}" for name in ("whole", "parts"))
            assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("kind", ["16 bits", "palette", "RGB"])
def test_however_an_image_is_stored_its_points_are_the_same(kind, tmp_path, splits, loaded):
    image = render(splits["train"]["points"][0], splits["train"]["visible"][0])
    shuffled = np.random.default_rng(0).permutation(256).astype(np.uint8)
    stored = {
        "16 bits": lambda: Image.fromarray(image.astype(np.uint16) * 257),
        "palette": lambda: Image.fromarray(np.argsort(shuffled).astype(np.uint8)[image], "P"),
        "RGB": lambda: Image.fromarray(np.repeat(image[..., None], 3, axis=2)),
    }[kind]()
    if kind == "palette":
        stored.putpalette(np.repeat(shuffled, 3).tolist())
    source = tmp_path / "in"
    source.mkdir()
    Image.fromarray(image).save(source / "1_mov.png")
    stored.save(source / "2_mov.png")
    with Image.open(source / "2_mov.png") as written:
        assert written.mode != "L"
    modes.draw(loaded, Request("match", data=source), tmp_path / "out")
    plain, other = read_labels(tmp_path / "out", "1", "2")
    assert len(plain) > 250
    assert plain == other


def test_match_refuses_bad_input(tmp_path, loaded):
    source = tmp_path / "in"
    source.mkdir()

    def match(**changes):
        modes.draw(loaded, Request("match", **changes), tmp_path / "out")

    with pytest.raises(UserError, match="--data"):
        match()
    with pytest.raises(UserError, match="no such folder"):
        match(data=tmp_path / "nowhere")
    with pytest.raises(UserError, match="no moving images"):
        match(data=source)
    Image.new("L", (64, 64)).save(source / "3_mov.png")
    with pytest.raises(UserError, match=r"3_mov.png: 64 x 64 px"):
        match(data=source)
    Image.new("L", (768, 768)).save(source / "3_mov.png")
    for content, word in (
        ("[[1, 2], [3, 900]]", r"3.json: \[3, 900\] is no point"),
        ("[[1, 2], [3, NaN]]", "is no point"),
        ("3", "holds int"),
        ("[[1, 2", "not readable as JSON"),
    ):
        (source / "3.json").write_text(content)
        with pytest.raises(UserError, match=word):
            match(data=source)


def test_match_refuses_other_formats_and_the_folder_of_its_input(tmp_path, loaded):
    source = tmp_path / "in"
    source.mkdir()
    Image.new("L", (768, 768)).save(source / "3_mov.png")
    request = Request("match", data=source)
    with pytest.raises(UserError, match="webdataset: --mode=match cannot write it; choose files"):
        modes.draw(loaded, request, tmp_path / "out", Layout("webdataset"))
    with pytest.raises(UserError, match="holds the input"):
        modes.draw(loaded, request, source)
    assert [path.name for path in source.iterdir()] == ["3_mov.png"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"model__size": 32, "model__levels": 6}, r"config.model: size=32: must be a multiple of"),
        ({"model__filters": 0}, "filters=0: must be at least 1"),
        ({"fixed__pitch": 0.0}, "pitch=0.0: must be above 0"),
        ({"training_set__early_share": 1.0}, "early_share"),
        ({"augmentation__share": 1.5}, "share=1.5"),
        ({"augmentation__shear": 90.0}, "shear=90.0"),
        ({"augmentation__proposals": 0}, "proposals=0"),
        ({"augmentation__jitter": -0.1}, "jitter=-0.1: must be at least 0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(change, word):
    with pytest.raises(UserError, match=word):
        small(**change)


def test_variants_are_combined_and_keep_what_they_do_not_name():
    both = configuration.parse(Settings, get_config("posed:smoke"))
    posed = configuration.parse(Settings, get_config("posed"))
    assert both.augmentation == dataclasses.replace(posed.augmentation, proposals=2)
    assert both.model == small().model
    assert posed.augmentation.scale == usual().augmentation.scale
    with pytest.raises(ValueError, match="posed, full, smoke"):
        get_config("ful")
