"""The denoiser task: corruption, restoration of any size, the modes and what evaluation prints."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from configs import denoise_conv, denoise_mlp
from lvae.data.digits import read_images
from lvae.errors import UserError
from lvae.imaging.noise import KINDS, Corruption
from lvae.tasks import denoiser
from lvae.tasks.denoiser import corruption, files, measures, restoring
from lvae.tasks.denoiser.settings import CorruptionSettings, read
from lvae.tasks.interface import Run, SamplingOptions

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """An untrained run on the built-in digits."""
    config = denoise_conv.get_config("smoke")
    splits = denoiser.load_data(config)
    variables = jax.jit(lambda key: denoiser.init(config, splits, key))(KEY)
    return Run(config, variables, tmp_path_factory.mktemp("run"))


def settings_of(**changes):
    config = denoise_conv.get_config()
    values = dict(config.corruption) | changes
    return CorruptionSettings(
        **{k: tuple(v) if k != "clip_share" else v for k, v in values.items()}
    )


def identity(settings, params, tiles):
    """In place of the network."""
    return tiles


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
    settings = read(run.config)
    image = np.random.default_rng(0).random((2, 61, 90, 1)).astype(np.float32)
    monkeypatch.setattr(restoring, "_restore_tiles", identity)
    np.testing.assert_allclose(restoring.restore(settings, None, image), image, atol=1e-6)
    monkeypatch.setattr(restoring, "_restore_tiles", lambda s, p, tiles: tiles + 0.25)
    np.testing.assert_allclose(restoring.restore(settings, None, image), image + 0.25, atol=1e-6)


def test_batches_of_one_size_serve_any_count(run):
    settings = read(run.config)
    images = np.random.default_rng(0).random((11, 28, 28, 1)).astype(np.float32)
    found = restoring.restore(settings, run.variables["params"], images)
    expected = restoring.restore(settings, run.variables["params"], images[9:])
    np.testing.assert_allclose(found[9:], expected, atol=1e-6)
    assert found.min() >= 0.0
    assert found.max() <= 1.0


@pytest.mark.parametrize("argument", [None, "mixture", "reference", "smoke"])
def test_every_config_of_denoise_conv_can_be_read(argument):
    settings = read(denoise_conv.get_config(argument))
    assert len(settings.evaluation.corruptions("growing")) in (6, len(settings.evaluation.growing))


def test_the_reference_configs_are_those_of_the_reference():
    conv, mlp = denoise_conv.get_config("reference"), denoise_mlp.get_config("reference")
    assert (conv.model.design, conv.training.batch_size, conv.training.steps) == (
        "pyramid",
        256,
        11500,
    )
    assert (conv.corruption.uniform, conv.corruption.blur) == ((0.01, 1.5), (0.0, 2.0))
    assert (mlp.training.optimizer, mlp.training.learning_rate, mlp.training.epochs) == (
        "sgd",
        5e-4,
        1700,
    )
    assert read(mlp).model.hidden == (256, 128, 128, 64, 128, 128, 256)
    with pytest.raises(ValueError, match="unknown argument 'fast'; known: mixture, reference"):
        denoise_conv.get_config("fast")
    with pytest.raises(ValueError, match="unknown argument 'fast'; known: reference, smoke"):
        denoise_mlp.get_config("fast")


def test_the_loss_is_that_of_the_clean_image(run):
    splits = denoiser.load_data(run.config)
    batch = {"image": jnp.asarray(splits["train"]["image"][:4])}
    loss = jax.jit(denoiser.make_loss(run.config, splits))
    value, (parts, _) = loss(run.variables["params"], {}, batch, KEY, 0)
    assert float(value) == pytest.approx(float(np.mean(parts["cross_entropy"])), rel=1e-6)
    silent = jax.tree.map(jnp.zeros_like, run.variables["params"])  # every logit is 0
    value, (parts, _) = loss(silent, {}, batch, KEY, 0)
    assert float(value) == pytest.approx(np.log(2), rel=1e-5)
    clean = splits["train"]["image"][:4] / 255.0
    np.testing.assert_allclose(
        parts["squared_error"], ((clean - 0.5) ** 2).mean(axis=(1, 2)), rtol=1e-4
    )


def test_random_tiles_are_squares_of_their_image():
    images = jnp.arange(3 * 9 * 11, dtype=jnp.float32).reshape(3, 9, 11, 1)
    cut = jax.jit(denoiser._random_tiles, static_argnums=2)
    tiles = np.asarray(cut(KEY, images, 4))
    for tile, image in zip(tiles[..., 0], np.asarray(images)[..., 0]):
        row, column = np.argwhere(image == tile[0, 0])[0]
        np.testing.assert_array_equal(tile, image[row : row + 4, column : column + 4])
    corners = {int(np.asarray(cut(jax.random.key(i), images, 4))[0, 0, 0, 0]) for i in range(12)}
    assert len(corners) > 3


def test_evaluation_prints_what_is_promised(run, monkeypatch):
    few = {"clip": {}, "box": {"size": (3, 5)}, "total_variation": {"weight": (0.1, 0.3)}}
    monkeypatch.setattr(measures.classical, "GRIDS", few)
    config = run.config
    splits = denoiser.load_data(config)
    result = denoiser.evaluate(config, run.variables, splits, thorough=True)
    flat = ("psnr", "ssim", "noisy_psnr", "noisy_ssim", "best_classical_psnr")
    flat += ("best_classical_ssim", "training_mse", "accuracy", "noisy_accuracy")
    levels = result["levels"]
    for name in flat:
        assert np.isfinite(result[name])
        if name != "training_mse":
            assert result[name] == pytest.approx(np.mean([row[name] for row in levels]))
    assert len(levels) == len(config.evaluation.levels)
    for row in levels:
        for name in ("psnr", "ssim"):
            of_methods = [method[name] for method in row["classical"].values()]
            assert row[f"best_classical_{name}"] == max(of_methods)
    assert result["clean_accuracy"] > 0.6  # of 16 digits; chance is 0.1
    json.dumps(result, allow_nan=False)


def test_a_level_has_the_same_noise_every_time():
    images = np.zeros((2, 16, 16, 1), np.float32)
    level = Corruption("blur_uniform", 0.4, 0.5)
    first = measures.corrupted(0, "evaluation", images, level)
    np.testing.assert_array_equal(first, measures.corrupted(0, "evaluation", images, level))
    assert np.any(first != measures.corrupted(0, "tuning", images, level))
    # uniform in +-0.4: variance 0.16 / 3, its estimate from 512 values has 4 % standard error
    assert np.var(first) == pytest.approx(0.16 / 3, rel=0.2)


def test_denoise_keeps_names_and_sizes(run, tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    generator = np.random.default_rng(0)
    shapes = {"a.png": (28, 28), "b.png": (40, 33), "c.png": (20, 50)}
    for name, shape in shapes.items():
        Image.fromarray(generator.integers(0, 256, shape).astype(np.uint8)).save(source / name)
    denoiser.MODES["denoise"](run, SamplingOptions("denoise", out, data=source))
    assert sorted(file.name for file in out.iterdir()) == [*shapes, "preview.png"]
    for name, (height, width) in shapes.items():
        with Image.open(out / name) as image:
            assert image.size == (width, height)
            assert image.mode == "L"
    one = tmp_path / "one"
    denoiser.MODES["denoise"](run, SamplingOptions("denoise", one, data=source / "b.png"))
    assert (one / "b.png").read_bytes() == (out / "b.png").read_bytes()
    for data in (source, source / "b.png"):
        with pytest.raises(UserError, match="holds the input, which is never"):
            denoiser.MODES["denoise"](run, SamplingOptions("denoise", source, data=data))


def test_denoise_of_an_idx_file_gives_pngs_and_an_idx_file(run, tmp_path):
    digits = np.random.default_rng(0).integers(0, 256, (3, 28, 28)).astype(np.uint8)
    source = tmp_path / "t10k-images-idx3-ubyte.gz"
    files.write_idx(source, digits)
    np.testing.assert_array_equal(read_images(source), digits)
    out = tmp_path / "out"
    denoiser.MODES["denoise"](run, SamplingOptions("denoise", out, data=source))
    cleaned = read_images(out / source.name)
    for index in range(3):
        with Image.open(out / f"{index:05d}.png") as image:
            np.testing.assert_array_equal(np.asarray(image), cleaned[index])


def test_corrupt_writes_a_set_that_says_what_was_done(run, tmp_path, capsys):
    out = tmp_path / "set"
    options = SamplingOptions("corrupt", out, seed=3, num_samples=5)
    denoiser.MODES["corrupt"](run, options)
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["seed"] == 3
    assert [sample["file"] for sample in manifest["samples"]] == [f"{i:05d}.png" for i in range(5)]
    sample = manifest["samples"][4]
    assert sample["noise"] == "blur_uniform"
    for name, (low, high) in (
        ("strength", run.config.corruption.uniform),
        ("blur", run.config.corruption.blur),
    ):
        assert low <= sample[name] <= high
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    denoiser.MODES["corrupt"](run, options)
    assert "complete; nothing to do" in capsys.readouterr().out
    half = dataclasses.replace(options, out=tmp_path / "half", shard=(1, 2))
    denoiser.MODES["corrupt"](run, half)
    assert (half.out / "00003.png").read_bytes() == before["00003.png"]
    assert not (half.out / "00002.png").exists()
    with pytest.raises(UserError, match="holds a set with seed=3, this one has 4"):
        denoiser.MODES["corrupt"](run, dataclasses.replace(options, seed=4))


def test_configs_that_cannot_be(run):
    for change, message in [
        (("corruption.noises", ("snow",)), "'snow' is none of gaussian"),
        (("corruption.uniform", (1.0, 0.5)), r"uniform=\(1.0, 0.5\): must be \(lowest"),
        (("model.design", "unet"), "design='unet': must be one of hourglass"),
        (("loss.cross_entropy", 0.0), "one weight must be above 0"),
        (("evaluation.levels", (("rain", 1.0, 0.0),)), "is not .kind, strength, blur."),
        (("data.validation_share", 1.0), "must be in"),
        (("data.tile", 64), "tile=64: the images of the built-in set have 28 x 28"),
        (("corruption.noises", ()), "noises: is empty"),
    ]:
        config = denoise_conv.get_config("smoke")
        config.update_from_flattened_dict({change[0]: change[1]})
        with pytest.raises(UserError, match=message):
            denoiser.load_data(config)
