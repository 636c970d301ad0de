"""Registration: the loss by hand, augmentation within its bounds, training sets, the match mode."""

import dataclasses
import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from configs.registration import get_config
from lvae.data.lasten import write_frames
from lvae.errors import UserError
from lvae.grids.rendering import render
from lvae.tasks import registration
from lvae.tasks.interface import Run, SamplingOptions
from lvae.tasks.registration import network
from lvae.tasks.registration.augmentation import augment
from lvae.tasks.registration.detection import detect_points
from lvae.tasks.registration.settings import settings_of

# Compiles five times faster.
quick = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def small(**changes):
    config = get_config("smoke").unlock()
    for name, value in changes.items():
        group, field = name.split("__")
        config[group][field] = value
    return config.lock()


@pytest.fixture(scope="module")
def splits():
    return registration.load_data(small())


@pytest.fixture(scope="module")
def variables(splits):
    return quick(lambda key: registration.init(small(), splits, key))(jax.random.key(0))


def test_loss_is_the_mean_squared_distance_over_visible_points(splits, variables):
    """With a network that says the same everywhere, the loss is known."""
    config = small(augmentation__share=0.0)
    settings = settings_of(config)
    constant = jax.tree.map(jnp.zeros_like, variables["params"])
    constant["Dense_0"]["bias"] = jnp.array([0.5, -0.25])
    loss = registration.make_loss(config, splits)
    batch = {name: splits["train"][name][:2] for name in ("points", "visible")}
    value, (parts, buffers) = quick(loss)(
        constant, variables["buffers"], batch, jax.random.key(0), 0
    )
    moved = batch["points"] + settings.model.unit * np.array([0.5, -0.25])
    squared = ((moved - settings.rays()) ** 2).sum(-1)[batch["visible"]]
    np.testing.assert_allclose(parts["squared_error_px2"], squared.mean(), rtol=1e-5)
    np.testing.assert_allclose(value, squared.mean() / settings.fixed.pitch**2, rtol=1e-5)
    assert jax.tree.structure(buffers) == jax.tree.structure(variables["buffers"])


def test_displacement_is_read_at_the_points_pixel():
    settings = settings_of(small())
    field = np.zeros((1, 48, 48, 2), np.float32)
    field[0, 40, 7] = [1.0, 2.0]  # row 40, column 7: x in [112, 128), y in [640, 656)
    points = np.array([[[112, 640], [127, 655], [128, 640], [112, 656]]], np.float32)
    read = network.displacements(jnp.asarray(field), jnp.asarray(points), settings)
    np.testing.assert_array_equal(read[0] / settings.model.unit, [[1, 2], [1, 2], [0, 0], [0, 0]])


def test_inputs_are_scaled_and_the_fixed_image_is_the_regular_grid(splits):
    settings = settings_of(get_config())
    images = network.moving_images(
        splits["train"]["points"][:2], splits["train"]["visible"][:2], settings
    )
    both = np.asarray(network.inputs(jnp.asarray(images), settings))
    assert both.shape == (2, 192, 192, 2)
    assert both[..., 0].min() == pytest.approx(-1)
    # Within 1.5 grey levels of the written image, averaged over 4 x 4 px.
    drawn = render(settings.rays(), np.ones((18, 18), bool)).reshape(192, 4, 192, 4).mean((1, 3))
    np.testing.assert_allclose(both[0, ..., 1], 2 * drawn / 255 - 1, atol=2 * 1.5 / 255)


def test_augmentation_stays_in_the_frame_and_within_its_bounds(splits):
    settings = dataclasses.replace(settings_of(get_config()).augmentation, probability=1.0)
    points = np.repeat(splits["train"]["points"], 16, axis=0)
    visible = np.repeat(splits["train"]["visible"], 16, axis=0)
    moved, kept = (
        np.asarray(array)
        for array in quick(lambda key: augment(key, points, visible, (768, 768), settings))(
            jax.random.key(0)
        )
    )
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
    settings = settings_of(small()).augmentation
    return dataclasses.replace(settings, probability=1.0, scale=1.0, **nothing | changes)


def test_relief_is_scaled_about_the_flat_grid(splits):
    points, visible = splits["train"]["points"], splits["train"]["visible"]
    moved, kept = quick(lambda key: augment(key, points, visible, (768, 768), still(relief=1.5)))(
        jax.random.key(0)
    )
    np.testing.assert_array_equal(kept, visible)
    row, column = np.mgrid[:18, :18]
    for before, after, seen in zip(points, np.asarray(moved), visible):
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
    moved, kept = quick(lambda key: augment(key, points, visible, (768, 768), still(mirror=1.0)))(
        jax.random.key(0)
    )
    np.testing.assert_array_equal(kept, visible[:, :, ::-1])
    seen = np.asarray(kept)
    np.testing.assert_array_equal(moved[..., 0][seen], 768 - points[:, :, ::-1, 0][seen])
    np.testing.assert_array_equal(moved[..., 1][seen], points[:, :, ::-1, 1][seen])


def test_augmentation_that_always_leaves_the_frame_changes_nothing(splits):
    settings = dataclasses.replace(
        settings_of(small()).augmentation, probability=1.0, translation=50.0
    )
    points, visible = splits["train"]["points"][:2], splits["train"]["visible"][:2]
    moved, kept = quick(lambda key: augment(key, points, visible, (768, 768), settings))(
        jax.random.key(0)
    )
    np.testing.assert_array_equal(moved, points)
    np.testing.assert_array_equal(kept, visible)


def test_training_sets(tmp_path, splits):
    real = splits["train"]
    assert set(splits) == {"train", "validation"}
    write_frames(tmp_path, [40000, 40001], real["points"][:2] + 1, real["visible"][:2])
    config = small(training_set__generated=str(tmp_path), data__extra_recordings=3)
    mixed = registration.load_data(config)
    train = mixed["train"]
    assert len(train["id"]) == 4 + 2 + 3 * 2
    assert len(np.unique(train["recording"])) == 2 + 2 + 3
    np.testing.assert_array_equal(
        train["points"][4][real["visible"][0]], real["points"][0][real["visible"][0]] + 1
    )
    np.testing.assert_array_equal(mixed["validation"]["points"], splits["validation"]["points"])

    alone = small(training_set__real=False, data__extra_recordings=3)
    assert len(registration.load_data(alone)["train"]["id"]) == 6
    with pytest.raises(UserError, match="no frames to train on"):
        registration.load_data(small(training_set__real=False))
    with pytest.raises(UserError, match="early_share"):
        registration.load_data(small(training_set__early_share=0.5))


def test_simulated_frames_first(splits, variables):
    """Half of the 4 steps see simulated frames only, the other half real ones only."""
    config = small(training_set__early_share=0.5, data__extra_recordings=3, augmentation__share=0.0)
    train = registration.load_data(config)["train"]
    assert len(train["points"]) == 6
    np.testing.assert_array_equal(train["points"][:4], splits["train"]["points"])
    np.testing.assert_array_equal(train["points"][4:], splits["train"]["points"][:2])
    loss = quick(registration.make_loss(config, {}))
    plain = quick(registration.make_loss(small(augmentation__share=0.0), {}))
    batch = {name: value[:2] for name, value in train.items()}
    state = variables["params"], variables["buffers"]
    for step, prefix in ((1, "early_"), (2, "")):
        one = {name: batch[prefix + name] for name in ("points", "visible")}
        got = loss(*state, batch, jax.random.key(0), step)[0]
        want = plain(*state, one, jax.random.key(0), step)[0]
        np.testing.assert_allclose(got, want, rtol=1e-6)


def test_evaluation_of_a_network_that_moves_nothing(splits, variables):
    still = jax.tree.map(jnp.zeros_like, variables["params"])
    result = registration.evaluate(
        small(), {"params": still, "buffers": variables["buffers"]}, splits, thorough=True
    )
    held_out = splits["validation"]
    distance = np.linalg.norm(held_out["points"] - settings_of(small()).rays(), axis=-1)
    by_frame = [frame[seen].mean() for frame, seen in zip(distance, held_out["visible"])]
    np.testing.assert_allclose(result["error_px"], np.mean(by_frame) / 2, rtol=1e-6)
    assert result["worst_accuracy"] == min(result["recordings"]["accuracy"])


def test_detection_finds_what_was_drawn(splits):
    points, visible = splits["train"]["points"][0], splits["train"]["visible"][0]
    found = detect_points(render(points, visible))
    assert {tuple(point) for point in found} == {tuple(point) for point in points[visible]}
    assert detect_points(np.zeros((32, 32), np.uint8)).shape == (0, 2)


def test_match_names_every_point_once(tmp_path, splits, variables):
    """From points in any order, from a labelled frame, from the image alone: the same labels."""
    points, visible = splits["validation"]["points"][0], splits["validation"]["visible"][0]
    pixels = points[visible].astype(int)
    source = tmp_path / "in"
    source.mkdir()
    shuffled = np.random.default_rng(0).permutation(pixels).tolist()
    for name in ("1", "2", "10"):
        Image.fromarray(render(points, visible)).save(source / f"{name}_mov.png")
    (source / "1.json").write_text(json.dumps(shuffled))
    write_frames(source, [2], points[None], visible[None])
    run = Run(small(), variables, tmp_path)
    options = SamplingOptions(mode="match", out=tmp_path / "out", data=source)
    registration.MODES["match"](run, options)
    labelled = [json.loads((options.out / f"{name}.json").read_text()) for name in ("1", "2", "10")]
    assert labelled[0] == labelled[1] == labelled[2]
    assert sorted(labelled[0].values()) == sorted(pixels.tolist())
    assert all(0 <= int(key) < 324 for key in labelled[0])
    with Image.open(options.out / "10_match.png") as picture:
        assert picture.size == (768, 768)
    manifest = json.loads((options.out / "manifest.json").read_text())
    assert [sample["points_from"] for sample in manifest["samples"]] == ["file", "file", "image"]


def test_match_refuses_bad_input(tmp_path, variables):
    run = Run(small(), variables, tmp_path)

    def match(**changes):
        options = SamplingOptions(mode="match", out=tmp_path / "out", **changes)
        registration.MODES["match"](run, options)

    with pytest.raises(UserError, match="--data"):
        match()
    with pytest.raises(UserError, match="no moving images"):
        match(data=tmp_path)
    Image.new("L", (64, 64)).save(tmp_path / "3_mov.png")
    with pytest.raises(UserError, match=r"3_mov.png: 64 x 64 px"):
        match(data=tmp_path)
    Image.new("L", (768, 768)).save(tmp_path / "3_mov.png")
    (tmp_path / "3.json").write_text("[[1, 2], [3, 900]]")
    with pytest.raises(UserError, match=r"3.json: \[3, 900\] is no point"):
        match(data=tmp_path)


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(UserError, match="multiple of the network"):
        settings_of(small(model__size=100))
    with pytest.raises(UserError, match="leaves the frame"):
        settings_of(small(fixed__pitch=64.0))
