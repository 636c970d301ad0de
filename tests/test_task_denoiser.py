"""The denoiser task: corruption, restoration of any size, the modes and what evaluation prints."""

import dataclasses
import json
import tarfile
from pathlib import Path
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from configs import denoise_conv, denoise_images, denoise_mlp
from lvae import configuration
from lvae.data.digits import read_images
from lvae.errors import UserError
from lvae.imaging.noise import KINDS, Corruption
from lvae.imaging.sheets import png
from lvae.runs import evaluation
from lvae.runs.export.journal import merge
from lvae.runs.export.writer import Layout
from lvae.runs.modes import draw
from lvae.tasks.images import corruption, files
from lvae.tasks.images.denoiser import data, loss, measures, network, pictures
from lvae.tasks.images.denoiser.settings import Settings
from lvae.tasks.images.denoiser.task import TASK
from lvae.tasks.images.settings import Noise
from lvae.tasks.restoring import Loaded
from lvae.tasks.task import Request, Run

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def splits():
    """The built-in digits."""
    return data.load_data(settings_from(denoise_conv.get_config("smoke")))


@pytest.fixture(scope="module")
def loaded(splits, tmp_path_factory):
    """An untrained run on the built-in digits."""
    config = denoise_conv.get_config("smoke")
    settings = settings_from(config)
    spec = TASK.spec(settings, splits)
    variables = jax.jit(lambda key: TASK.init(settings, spec, key))(KEY)
    run = Run(settings, spec, jax.device_get(variables), tmp_path_factory.mktemp("run"))
    return Loaded(TASK, config, run)


@pytest.fixture
def run(loaded):
    return loaded.run


def settings_from(config) -> Settings:
    return configuration.parse(Settings, config)


def changed(argument=None, **fields) -> Settings:
    """Settings of denoise_conv; keywords are fields with __ for the dot."""
    config = denoise_conv.get_config(argument)
    config.update_from_flattened_dict({key.replace("__", "."): v for key, v in fields.items()})
    return settings_from(config)


def settings_of(**changes):
    return dataclasses.replace(changed().corruption, **changes)


def identity(settings, params, tiles):
    """In place of the network."""
    return tiles


def test_the_kinds_of_a_config_are_those_that_can_be_drawn():
    assert get_args(Noise) == KINDS


def test_a_batch_has_every_kind_in_equal_shares():
    """Salt and pepper leaves values of 0.5 or 0 or 1; Gaussian noise almost never."""
    settings = settings_of(
        noises=("salt_and_pepper", "gaussian"), salt_and_pepper=(0.1, 0.1), gaussian=(0.1, 0.1)
    )
    images = jnp.full((7, 16, 16, 1), 0.5)
    noisy = np.asarray(jax.jit(corruption.corrupt_batch, static_argnums=2)(KEY, images, settings))
    plain = np.isin(noisy, [0.0, 0.5, 1.0]).all(axis=(1, 2, 3))
    np.testing.assert_array_equal(plain, [True] * 3 + [False] * 4)
    assert len(np.unique(noisy[3:].std(axis=(1, 2, 3)))) == 4


def test_levels_cover_their_range_and_clipping_its_share():
    settings = settings_of(uniform=(0.5, 1.5), blur=(0.0, 0.0), clip_share=0.25)
    images = jnp.zeros((400, 11, 11, 1))
    noisy = np.asarray(jax.jit(corruption.corrupt_batch, static_argnums=2)(KEY, images, settings))
    clipped = noisy.min(axis=(1, 2, 3)) == 0.0
    assert abs(clipped.mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 400)
    deviation = noisy[~clipped].std(axis=(1, 2, 3)) * np.sqrt(3)  # the half-range of each image
    assert deviation.min() < 0.65
    assert deviation.max() > 1.35
    assert abs(deviation.mean() - 1.0) < 0.1


def test_without_kinds_nothing_is_done():
    images = jax.random.uniform(KEY, (2, 8, 8, 1))
    assert corruption.corrupt_batch(KEY, images, settings_of(noises=())) is images


@pytest.mark.parametrize("kind", ["gaussian", "salt_and_pepper"])
def test_numbered_noise_depends_on_the_number_alone(kind):
    images = jnp.full((4, 8, 8, 1), 0.5)
    draw = jax.jit(corruption.corrupt_numbered, static_argnums=(3, 4))
    settings = settings_of(noises=KINDS)
    noisy, strength, _ = draw(KEY, images, jnp.array([5, 3, 9, 3]), kind, settings)
    np.testing.assert_array_equal(noisy[1], noisy[3])
    assert strength[1] == strength[3] != strength[0]
    alone, _, _ = draw(KEY, images[:1], jnp.array([9]), kind, settings)
    np.testing.assert_array_equal(alone[0], noisy[2])


def test_large_images_are_tiled_without_seams(run, monkeypatch):
    """A network that returns its input returns the image; one that adds a constant, the sum."""
    settings = run.settings
    image = np.random.default_rng(0).random((2, 61, 90, 1)).astype(np.float32)
    monkeypatch.setattr(network, "_restore_tiles", identity)
    found = network.restore(settings, None, image)
    np.testing.assert_allclose(found.images, image, atol=1e-6)
    assert found.noise is None
    monkeypatch.setattr(network, "_restore_tiles", lambda s, p, tiles: tiles + 0.25)
    found = network.restore(settings, None, image)
    np.testing.assert_allclose(found.images, image + 0.25, atol=1e-6)


def test_convolutions_take_small_images_whole_and_large_ones_in_few_squares(monkeypatch):
    settings = settings_from(denoise_images.get_config("smoke"))
    sides = []

    def twice(settings, params, tiles):
        sides.append((len(tiles), tiles.shape[1]))
        return np.concatenate([tiles, np.full_like(tiles, 0.125)], axis=-1)

    monkeypatch.setattr(network, "_restore_tiles", twice)
    for shape in ((30, 70), (288, 90), (300, 40)):
        image = np.random.default_rng(0).random((1, *shape, 1)).astype(np.float32)
        found = network.restore(settings, None, image)
        np.testing.assert_allclose(found.images, image, atol=1e-6)
        np.testing.assert_allclose(found.noise, [0.125], rtol=1e-6)
    assert sides == [(1, 96), (1, 288), (2, 288)]


def test_batches_of_one_size_serve_any_count(run):
    settings = run.settings
    images = np.random.default_rng(0).random((11, 28, 28, 1)).astype(np.float32)
    found = network.restore(settings, run.variables["params"], images)
    expected = network.restore(settings, run.variables["params"], images[9:])
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one[9:], other, atol=1e-6)
    assert found.images.min() >= 0.0
    assert found.images.max() <= 1.0


@pytest.mark.parametrize("argument", [None, "mixture", "smoke", "mixture:smoke"])
def test_what_is_measured_is_of_the_kinds_and_levels_that_are_trained(argument):
    settings = changed(argument)
    trained = settings.corruption
    for kind, strength, blur in settings.evaluation.levels:
        assert kind in trained.noises
        assert trained.strength(kind)[0] <= strength <= trained.strength(kind)[1]
        assert blur <= trained.blur[1]
    growing = [strength for _, strength, _ in settings.evaluation.growing]
    np.testing.assert_allclose(growing, growing[1] * np.arange(6), rtol=1e-12)
    assert {kind for kind, _, _ in settings.evaluation.shown} == set(trained.noises)


def test_the_reference_configs_are_those_of_the_reference():
    conv, mlp = denoise_conv.get_config("reference"), denoise_mlp.get_config("reference")
    assert conv.model.to_dict() == {"design": "pyramid"}  # no widths: they are its own
    assert (conv.training.batch_size, conv.training.steps) == (256, 11500)
    assert (conv.corruption.uniform, conv.corruption.blur) == ((0.01, 1.5), (0.0, 2.0))
    assert (mlp.training.optimizer, mlp.training.learning_rate, mlp.training.epochs) == (
        "sgd",
        5e-4,
        1700,
    )
    assert settings_from(mlp).model.hidden == (256, 128, 128, 64, 128, 128, 256)
    with pytest.raises(ValueError, match="'fast': no such variant; there are mixture, reference"):
        denoise_conv.get_config("fast")
    with pytest.raises(ValueError, match="'fast': no such variant; there are reference, smoke"):
        denoise_mlp.get_config("fast")


def test_the_loss_is_that_of_the_clean_image(run, splits):
    batch = {"image": jnp.asarray(splits["train"]["image"][:4])}
    value_of = jax.jit(TASK.loss(run.settings, run.spec))
    value, (parts, _) = value_of(run.variables["params"], {}, batch, KEY, 0)
    terms = np.mean(parts["cross_entropy"]) + np.mean(parts["noise_nats"])
    assert float(value) == pytest.approx(float(terms), rel=1e-5)


def test_a_network_that_says_nothing_costs_what_a_half_costs(run, splits):
    settings = changed("smoke", model__design="hourglass")
    batch = {"image": jnp.asarray(splits["train"]["image"][:4])}
    silent = jax.tree.map(jnp.zeros_like, run.variables["params"])  # every logit is 0
    del silent["NoiseLevel_0"]
    silent["Conv_0"]["kernel"] = silent["Conv_0"]["kernel"][:, :, :16]
    silent["Conv_2"]["kernel"] = silent["Conv_2"]["kernel"][:, :, :28]
    silent["Conv_3"] = {name: one[..., :4] for name, one in silent["Conv_3"].items()}
    value, (parts, _) = jax.jit(TASK.loss(settings, run.spec))(silent, {}, batch, KEY, 0)
    assert "noise_nats" not in parts
    assert float(value) == pytest.approx(np.log(2), rel=1e-5)
    clean = splits["train"]["image"][:4] / 255.0
    np.testing.assert_allclose(
        parts["squared_error"], ((clean - 0.5) ** 2).mean(axis=(1, 2)), rtol=1e-4
    )


def test_the_estimate_of_noise_costs_least_where_it_is_the_mean_change():
    change = jnp.asarray([0.1, -0.3, 0.2, 0.0]).reshape(1, 2, 2, 1)  # mean size 0.15
    cost = [float(loss.surprise(change, jnp.full((1, 2, 2, 1), b))[0]) for b in (0.14, 0.15, 0.16)]
    assert cost[1] == min(cost)
    assert cost[1] == pytest.approx(np.log(0.15) + 1, rel=1e-6)


def test_a_share_of_the_levels_is_low():
    settings = settings_of(noises=("gaussian",), gaussian=(0.1, 0.5), low_share=1.0)
    numbers, images = jnp.arange(2000), jnp.zeros((2000, 1, 1, 1))
    _, strength, _ = jax.jit(corruption.corrupt_numbered, static_argnums=(3, 4))(
        KEY, images, numbers, "gaussian", settings
    )
    place = (np.asarray(strength) - 0.1) / 0.4
    assert 0 <= place.min() <= place.max() <= 1
    # the cube of a uniform number has mean 1/4 and variance 1/7 - 1/16
    assert place.mean() == pytest.approx(0.25, abs=5 * np.sqrt((1 / 7 - 1 / 16) / 2000))
    half = settings_of(noises=("gaussian",), gaussian=(0.1, 0.5), low_share=0.5)
    _, strength, _ = jax.jit(corruption.corrupt_numbered, static_argnums=(3, 4))(
        KEY, images, numbers, "gaussian", half
    )
    place = (np.asarray(strength) - 0.1) / 0.4
    assert place.mean() == pytest.approx(0.375, abs=5 * np.sqrt(1 / 9 / 2000))


def test_random_tiles_are_squares_of_their_image():
    images = jnp.arange(3 * 9 * 11, dtype=jnp.float32).reshape(3, 9, 11, 1)
    cut = jax.jit(loss.random_tiles, static_argnums=2)
    tiles = np.asarray(cut(KEY, images, 4))
    for tile, image in zip(tiles[..., 0], np.asarray(images)[..., 0]):
        row, column = np.argwhere(image == tile[0, 0])[0]
        np.testing.assert_array_equal(tile, image[row : row + 4, column : column + 4])
    corners = {int(np.asarray(cut(jax.random.key(i), images, 4))[0, 0, 0, 0]) for i in range(12)}
    assert len(corners) > 3


def test_evaluation_prints_what_is_promised(run, splits, monkeypatch):
    few = {"clip": {}, "box": {"size": (3, 5)}, "total_variation": {"weight": (0.1, 0.3)}}
    monkeypatch.setattr(measures.classical, "GRIDS", few)
    result = evaluation.thorough(TASK, run, splits)
    flat = ("psnr", "ssim", "noisy_psnr", "noisy_ssim", "best_classical_psnr")
    flat += ("best_classical_ssim", "accuracy", "noisy_accuracy")
    levels = result["levels"]
    for name in flat:
        assert result[name] == result[f"test_{name}"]
        assert result[name] == pytest.approx(np.mean([row[name] for row in levels]))
    assert len(levels) == len(run.settings.evaluation.levels)
    for row in levels:
        for name in ("psnr", "ssim"):
            of_methods = [method[name] for method in row["classical"].values()]
            assert row[f"best_classical_{name}"] == max(of_methods)
    assert result["clean_accuracy"] > 0.6  # of 16 digits; chance is 0.1
    assert result["train_mse"] != result["mse"] == result["test_mse"]
    json.dumps(result, allow_nan=False)


def test_training_digits_are_measured_as_held_out_ones_are(run, splits):
    few = {"image": splits["train"]["image"][:8]}
    train = TASK.evaluate(run, {"train": few}, "train", True)
    assert train == TASK.evaluate(run, {"validation": few}, "validation", False)
    scores = {"psnr", "ssim", "mse", "noisy_psnr", "noisy_ssim", "noisy_mse"}
    assert scores | {"true_noise", "estimated_noise"} == set(train)


def test_a_level_has_the_same_noise_every_time():
    images = np.zeros((2, 16, 16, 1), np.float32)
    level = Corruption("blur_uniform", 0.4, 0.5)
    first = corruption.corrupted(0, "evaluation", images, level)
    np.testing.assert_array_equal(first, corruption.corrupted(0, "evaluation", images, level))
    assert np.any(first != corruption.corrupted(0, "tuning", images, level))
    # uniform in +-0.4: variance 0.16 / 3, its estimate from 512 values has 4 % standard error
    assert np.var(first) == pytest.approx(0.16 / 3, rel=0.2)


def write_images(folder: Path, shapes: dict[str, tuple[int, int]]) -> Path:
    generator = np.random.default_rng(0)
    for name, shape in shapes.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(png(generator.integers(0, 256, shape).astype(np.uint8)))
    return folder


def pngs(folder: Path) -> dict[str, bytes]:
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.png")}
    return {name: path.read_bytes() for name, path in found.items() if name != "preview.png"}


def test_denoise_keeps_names_and_sizes(loaded, tmp_path):
    shapes = {"a.png": (28, 28), "b.v1.png": (40, 33), "sub/c.png": (20, 50)}
    source, out = write_images(tmp_path / "in", shapes), tmp_path / "out"
    draw(loaded, Request("denoise", data=source), out)
    assert set(pngs(out)) == set(shapes)
    for name, (height, width) in shapes.items():
        with Image.open(out / name) as image:
            assert image.size == (width, height)
            assert image.mode == "L"
    samples = json.loads((out / ".lvae" / "manifest.json").read_text())["samples"]
    assert [sample["source"] for sample in samples] == list(shapes)
    one = tmp_path / "one"
    draw(loaded, Request("denoise", data=source / "b.v1.png"), one)
    assert (one / "b.v1.png").read_bytes() == (out / "b.v1.png").read_bytes()
    for given in (source, source / "b.v1.png"):
        with pytest.raises(UserError, match="holds the input, which is never"):
            draw(loaded, Request("denoise", data=given), source)


def test_two_inputs_never_become_one_file(loaded, tmp_path):
    source = write_images(tmp_path / "in", {"a.png": (28, 28), "a.PNG": (28, 28)})
    with pytest.raises(UserError, match="two inputs would both become this file"):
        draw(loaded, Request("denoise", data=source), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_network_cleans_what_is_in_the_file(loaded, tmp_path):
    source = write_images(tmp_path / "in", {f"{i}.png": (28, 28) for i in range(3)})
    draw(loaded, Request("denoise", data=source), tmp_path / "out")
    run = loaded.run
    samples = json.loads((tmp_path / "out" / ".lvae" / "manifest.json").read_text())["samples"]
    noted = {sample["source"]: sample["estimated_noise"] for sample in samples}
    for name, content in pngs(source).items():
        levels = np.asarray(Image.open(source / name))
        expected, noise = network.restore(
            run.settings, run.variables["params"], levels[None, ..., None] / np.float32(255)
        )
        assert noted[name] == pytest.approx(255 * noise[0], abs=0.006)
        found = np.asarray(Image.open(tmp_path / "out" / name))
        assert content
        np.testing.assert_allclose(found, 255 * expected[0, ..., 0], atol=0.51)  # half a level


@pytest.mark.parametrize("mode", ["denoise", "corrupt"])
def test_shards_and_formats_hold_the_same_bytes(loaded, tmp_path, mode):
    request = Request(mode, seed=3, num_samples=19)  # batches of 8
    whole, parts, packed = (tmp_path / name for name in ("whole", "parts", "packed"))
    draw(loaded, request, whole)
    for index in (1, 0):
        draw(loaded, request, parts, Layout(shard=(index, 2)))
    assert pngs(parts) == pngs(whole)
    assert merge(parts).read_bytes() == (whole / ".lvae" / "manifest.json").read_bytes()
    assert (parts / "preview.png").read_bytes() == (whole / "preview.png").read_bytes()
    draw(loaded, request, packed, Layout(format="webdataset"))
    with tarfile.open(packed / "data-000000.tar") as archive:
        members = {one.name: archive.extractfile(one).read() for one in archive.getmembers()}
    assert members == pngs(whole)
    with pytest.raises(UserError, match="cannot write it; choose files or webdataset"):
        draw(loaded, request, tmp_path / "table", Layout(format="parquet"))


def test_a_demonstration_shows_held_out_images(loaded, splits, tmp_path):
    draw(loaded, Request("denoise", num_samples=2), tmp_path)
    samples = json.loads((tmp_path / ".lvae" / "manifest.json").read_text())["samples"]
    assert [sample["source"] for sample in samples] == ["test-00000", "test-00001"]
    assert {"noise", "strength", "blur"} <= set(samples[0])
    run = loaded.run
    noisy, _ = corruption.corrupt_one(run.settings.corruption, 0, 1, splits["test"]["image"][1])
    expected, _ = network.restore(run.settings, run.variables["params"], noisy[None])
    found = np.asarray(Image.open(tmp_path / "00001.png"))
    np.testing.assert_allclose(found, 255 * expected[0, ..., 0], atol=0.51)  # half a level


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_denoise_of_an_idx_file_gives_pngs_and_an_idx_file(loaded, tmp_path, ending):
    digits = np.random.default_rng(0).integers(0, 256, (11, 28, 28)).astype(np.uint8)
    source = tmp_path / f"t10k-images-idx3-ubyte{ending}"
    source.write_bytes(files.idx_bytes(digits, bool(ending)))
    np.testing.assert_array_equal(read_images(source), digits)
    out = tmp_path / "out"
    draw(loaded, Request("denoise", data=source), out)
    cleaned = read_images(out / source.name)
    assert len(cleaned) == 11
    for index in range(11):
        with Image.open(out / f"{index:05d}.png") as image:
            np.testing.assert_array_equal(np.asarray(image), cleaned[index])
    assert (out / source.name).read_bytes()[:2] == (b"\x1f\x8b" if ending else b"\0\0")
    packed = tmp_path / "packed"  # no PNGs to make it of
    draw(loaded, Request("denoise", data=source), packed, Layout(format="webdataset"))
    np.testing.assert_array_equal(read_images(packed / source.name), cleaned)
    some = tmp_path / "some"
    draw(loaded, Request("denoise", data=source, num_samples=10), some)
    assert not (some / source.name).exists()


def test_corrupt_writes_a_set_that_says_what_was_done(loaded, splits, tmp_path):
    out, request = tmp_path / "set", Request("corrupt", seed=3, num_samples=5)
    draw(loaded, request, out)
    manifest = json.loads((out / ".lvae" / "manifest.json").read_text())
    assert manifest["seed"] == 3
    assert [sample["name"] for sample in manifest["samples"]] == [f"{i:05d}" for i in range(5)]
    sample = manifest["samples"][4]
    assert (sample["noise"], sample["source"], sample["number"]) == (
        "blur_uniform",
        "train-00004",
        4,
    )
    ranges = loaded.run.settings.corruption
    for name, (low, high) in (("strength", ranges.uniform), ("blur", ranges.blur)):
        assert low <= sample[name] <= high
    clean = splits["train"]["image"][4] / 255.0
    noise = np.asarray(Image.open(out / "00004.png")) / 255.0 - clean
    # black pixels far from ink: half of the uniform noise is cut off at 0
    assert noise[0].max() <= sample["strength"] + 0.002
    before = {file: file.stat().st_mtime_ns for file in out.iterdir()}
    assert draw(loaded, request, out).written == 0
    assert {file: file.stat().st_mtime_ns for file in out.iterdir()} == before
    with pytest.raises(UserError, match=r"holds another data set.*seed: 3 -> 4"):
        draw(loaded, dataclasses.replace(request, seed=4), out)


def test_copies_of_given_images_count_round(loaded, tmp_path):
    source = write_images(tmp_path / "in", {"x.png": (31, 40), "y.png": (28, 28)})
    draw(loaded, Request("corrupt", data=source, num_samples=3), tmp_path / "out")
    samples = json.loads((tmp_path / "out" / ".lvae" / "manifest.json").read_text())["samples"]
    assert [sample["source"] for sample in samples] == ["x.png", "y.png", "x.png"]
    written = pngs(tmp_path / "out")
    assert written["00000.png"] != written["00002.png"]


def test_six_digits_of_six_labels_are_shown(splits):
    shown = pictures.different(splits["test"])
    assert list(splits["test"]["label"][shown]) == [0, 1, 2, 3, 4, 5]
    unlabelled = {"image": splits["test"]["image"][:4]}
    np.testing.assert_array_equal(pictures.different(unlabelled), np.arange(4))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("corruption.noises", ("snow",), "'snow' is none of gaussian"),
        ("corruption.noises", (), "noises: is empty"),
        ("corruption.uniform", (1.0, 0.5), r"uniform=\(1.0, 0.5\): must be \(lowest"),
        ("corruption.uniform", (1.0,), "has 1 entries; expected 2"),
        ("corruption.salt_and_pepper", (0.0, 1.5), "a share is at most 1"),
        ("corruption.clip_share", 1.5, "clip_share=1.5: must be in"),
        ("model.design", "unet", "nothing is known for design='unet'"),
        ("model.channels", 0, "channels=0: must be at least 1"),
        ("model.hidden", (32, 0), "every width must be at least 1"),
        ("loss.cross_entropy", 0.0, "one weight must be above 0"),
        ("loss.ssim", -0.1, "ssim=-0.1: must be at least 0"),
        ("evaluation.levels", (("rain", 1.0, 0.0),), "'rain' is none of gaussian"),
        ("evaluation.levels", (("gaussian", 1.0),), "has 2 entries; expected 3"),
        ("evaluation.levels", (("gaussian", -1.0, 0.0),), "is below 0"),
        ("evaluation.levels", (), "levels: is empty"),
        ("evaluation.images", 0, "images=0: must be at least 1"),
        ("data.validation_share", 1.0, "must be in"),
        ("sampling.overlap", 28, "sampling.overlap=28: must be below data.tile=28"),
    ],
)
def test_settings_that_cannot_be(field, value, message):
    with pytest.raises(UserError, match=message):
        changed("smoke", **{field: value})


def test_designs_have_fields_of_their_own():
    config = configuration.to_dict(denoise_conv.get_config("reference"))
    config["model"]["channels"] = 24
    with pytest.raises(UserError, match=r"config\.model\.channels: no such field"):
        configuration.parse(Settings, config)
    with pytest.raises(UserError, match=r"model\.design=pyramid takes tiles of 28 only"):
        changed("reference", data__tile=24)


def test_images_below_the_tile_are_refused():
    with pytest.raises(UserError, match="tile=64: the images of the built-in set have 28 x 28"):
        data.load_data(changed("smoke", data__tile=64))
