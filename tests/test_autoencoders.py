"""Regularised autoencoders: what each design promises, in closed form."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy import stats

from configs import autoencoder as configs
from lvae import configuration
from lvae.errors import UserError
from lvae.imaging.levels import to_levels
from lvae.imaging.sheets import png
from lvae.models import autoencoders
from lvae.runs import evaluation, loop
from lvae.runs.export.writer import Layout
from lvae.runs.modes import draw
from lvae.tasks import restoring
from lvae.tasks.images.autoencoder import exploring, loss, measures, modes, network
from lvae.tasks.images.autoencoder.data import load_data
from lvae.tasks.images.autoencoder.settings import ConcreteLoss, Settings
from lvae.tasks.images.autoencoder.task import TASK
from lvae.tasks.images.scores import to_images
from lvae.tasks.restoring import Loaded
from lvae.tasks.task import Request, Run

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def splits():
    """The built-in digits."""
    return load_data(settings_of("smoke"))


def settings_of(argument, **fields) -> Settings:
    """Settings of the config; keywords are fields with __ for the dot."""
    config = configs.get_config(argument)
    config.update_from_flattened_dict({key.replace("__", "."): v for key, v in fields.items()})
    return configuration.parse(Settings, config)


def untrained(settings, splits, workdir) -> Run:
    spec = TASK.spec(settings, splits)
    variables = jax.device_get(jax.jit(lambda key: TASK.init(settings, spec, key))(KEY))
    return Run(settings, spec, TASK.prepare(settings, variables, splits), workdir)


def test_the_jacobian_norm_is_the_closed_form_of_a_sigmoid_layer():
    """d sigmoid(W x + b)_j / dx_i = h_j (1 - h_j) W_ij."""
    module = autoencoders.CodeAutoencoder((), 5, 12)
    flat = jax.random.uniform(KEY, (3, 12))
    params = module.init(KEY, flat.reshape(3, 3, 4, 1))
    kernel = np.asarray(params["params"]["encoder_0"]["kernel"])
    code = np.asarray(module.apply(params, flat, method="encode"))
    expected = np.sum(((code * (1 - code))[:, None, :] * kernel[None]) ** 2, axis=(1, 2))
    found = jax.jit(lambda x: loss.jacobian_norms(module, params, x))(flat)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_jacobian_norm_has_a_gradient():
    module = autoencoders.CodeAutoencoder((7,), 4, 12)
    flat = jax.random.uniform(KEY, (2, 12))
    params = module.init(KEY, flat.reshape(2, 3, 4, 1))

    @jax.jit
    def norm(params):
        return jnp.sum(loss.jacobian_norms(module, params, flat))

    gradient = jax.jit(jax.grad(norm))(params)["params"]
    assert all(np.any(gradient[name]["kernel"] != 0) for name in ("encoder_0", "encoder_1"))


def test_bernoulli_divergence_is_that_of_scipy():
    activations = jax.random.uniform(KEY, (6, 3))
    mean = np.asarray(activations, np.float64).mean(axis=0)
    expected = sum(stats.entropy([0.05, 0.95], [m, 1 - m]) for m in mean)
    assert float(loss.bernoulli_divergence(0.05, activations)) == pytest.approx(expected)
    level = jnp.full((6, 3), 0.05)
    assert float(loss.bernoulli_divergence(0.05, level)) == pytest.approx(0.0, abs=1e-6)


def test_the_concrete_selection_sharpens_to_the_chosen_pixels():
    module = autoencoders.ConcreteAutoencoder(3, (4,), 12)
    images = jax.random.uniform(KEY, (2, 3, 4, 1))
    params = module.init(KEY, images, KEY, 1.0)["params"]
    params["selector"] = 50.0 * jax.nn.one_hot(jnp.array([7, 0, 7]), 12)
    variables = {"params": params}
    np.testing.assert_array_equal(module.apply(variables, method="chosen"), [7, 0, 7])
    drawn = module.apply(variables, images, jax.random.key(1), 0.1)
    exact = module.apply(variables, images.reshape(2, 12)[:, [7, 0, 7]], method="decode")
    np.testing.assert_allclose(drawn, exact, rtol=1e-5)


def test_the_temperature_falls_by_an_equal_factor_and_stays():
    steps = jnp.array([0, 1750, 3500, 9000])
    found = jax.vmap(lambda step: loss.temperature(ConcreteLoss(), step))(steps)
    np.testing.assert_allclose(found, [10.0, 1.0, 0.1, 0.1], rtol=1e-5)


def test_the_pixels_of_highest_variance():
    images = np.zeros((4, 2, 3, 1), np.float32)
    images[::2, 0, 1], images[::2, 1, 2], images[::2, 0, 0] = 1.0, 0.5, 0.2
    np.testing.assert_array_equal(network.variance_pixels(images, 2), [1, 5])


def test_the_linear_map_reads_pixels_exactly_where_it_can():
    generator = np.random.default_rng(0)
    flat = generator.random((200, 6)).astype(np.float32)
    flat[:, 3:] = flat[:, :3] @ generator.random((3, 3)).astype(np.float32)
    assert measures.linear_error(flat, flat, np.arange(3)) < 1e-4
    assert measures.linear_error(flat, flat, np.arange(2)) > 1e-3


@pytest.mark.parametrize("design", configs.DESIGNS)
def test_a_step_has_a_finite_loss_and_evaluation_its_numbers(design, splits, tmp_path):
    run = untrained(settings_of(f"{design}:smoke"), splits, tmp_path)
    batch = {"image": jnp.asarray(splits["train"]["image"][:4])}
    value_of = jax.value_and_grad(TASK.loss(run.settings, run.spec), has_aux=True)
    (value, (parts, buffers)), gradient = jax.jit(value_of)(
        run.variables["params"], run.variables["buffers"], batch, KEY, jnp.int32(0)
    )
    assert np.isfinite(value)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(gradient))
    assert parts["reconstruction"].shape == (4,)
    assert buffers == {}
    result = evaluation.thorough(TASK, run, splits)
    own = {
        "sparse": {"mean_activation", "active_share", "dead_units", "jacobian_norm"},
        "contractive": {"mean_activation", "active_share", "dead_units", "jacobian_norm"},
        "concrete": {"distinct_pixels", "linear_mse", "variance_linear_mse"},
        "variational": {"divergence", "active_latents", "noisy_psnr", "noisy_ssim", "noisy_mse"},
    }
    names = {"psnr", "ssim", "mse", "images", *own[design]}
    assert set(result) == names | {f"test_{name}" for name in names}
    assert result["images"] == 16
    assert all(np.isfinite(number) for number in result.values())
    watched = evaluation.while_training(TASK, run, splits)
    assert set(watched) == {f"validation_{name}" for name in names - {"images"}}


@pytest.mark.parametrize(
    ("design", "field", "weight"),
    [
        ("sparse", "sparsity", 2.0),
        ("contractive", "contraction", 3.0),
        ("variational", "divergence", 0.5),
    ],
)
def test_the_loss_is_cross_entropy_and_the_weighted_term(design, field, weight, splits, tmp_path):
    """Terms are nats per image: over the 784 pixels of a digit."""
    settings = settings_of(f"{design}:smoke", **{f"loss__{field}": weight})
    run = untrained(settings, splits, tmp_path)
    batch = {"image": jnp.asarray(splits["train"]["image"][:4])}
    value, (parts, _) = jax.jit(TASK.loss(settings, run.spec))(
        run.variables["params"], {}, batch, KEY, jnp.int32(0)
    )
    term = {"contractive": "jacobian"}.get(design, field)
    expected = np.mean(parts["reconstruction"]) + weight * np.mean(parts[term]) / 784
    assert float(value) == pytest.approx(float(expected), rel=1e-5)
    assert weight * np.mean(parts[term]) / 784 > 1e-5 * float(value)  # it is seen


def test_fixed_pixels_are_those_of_highest_variance(splits, tmp_path):
    settings = settings_of("concrete:smoke", model__selection="variance")
    run = untrained(settings, splits, tmp_path)
    expected = network.variance_pixels(to_images(splits["train"]["image"]), 8)
    np.testing.assert_array_equal(run.variables["buffers"]["pixels"], expected)
    module = network.network(settings, run.spec)
    images = to_images(splits["test"]["image"][:3])
    values = network.codes(module, run.variables, images)
    np.testing.assert_array_equal(values, images.reshape(3, -1)[:, expected])
    initial = TASK.init(settings, run.spec, KEY)["buffers"]["pixels"]  # what prepare fills
    assert (initial.shape, initial.dtype) == (expected.shape, expected.dtype)


def test_batches_do_not_change_what_comes_out(splits, tmp_path):
    """65 images: a whole batch and one that is filled up."""
    run = untrained(settings_of("variational:smoke"), splits, tmp_path)
    module = network.network(run.settings, run.spec)
    images = to_images(splits["test"]["image"][:65])
    whole = network.reconstruct(module, run.variables, images)
    assert whole.shape == images.shape
    last = network.reconstruct(module, run.variables, images[64:])
    np.testing.assert_allclose(whole[64:], last, atol=1e-6)


def test_a_trained_run_draws_where_its_data_are_not(tmp_path, monkeypatch):
    """Moved, too: the size of the images is in the run directory."""
    summary = loop.train(TASK, configs.get_config("variational:smoke"), tmp_path / "here")
    assert {"validation_psnr", "validation_divergence"} <= set(summary["evaluation"])
    figures = {path.stem for path in (tmp_path / "here" / "figures").iterdir()}
    assert figures == {"losses", "reconstructions", "manifold"}
    shutil.move(tmp_path / "here", tmp_path / "there")
    loaded = restoring.load(tmp_path / "there")

    def gone(settings):
        raise UserError("no such folder")

    monkeypatch.setattr(modes, "load_data", gone)
    request = Request("prior", seed=2, num_samples=70)  # a batch of 64 and six
    whole, part = tmp_path / "whole", tmp_path / "part"
    draw(loaded, request, whole)
    draw(loaded, request, part, Layout(shard=(1, 2)))
    for number in (35, 69):
        file = f"{number:05d}.png"
        assert (part / file).read_bytes() == (whole / file).read_bytes()
    samples = json.loads((whole / ".lvae" / "manifest.json").read_text())["samples"]
    run = loaded.run
    module = network.network(run.settings, run.spec)
    code = np.array([samples[69]["code"]], np.float32)
    decoded = network.decode(module, run.variables, code, (28, 28))[0, ..., 0]
    found = np.asarray(Image.open(whole / "00069.png"))
    np.testing.assert_allclose(found, 255 * decoded, atol=0.51)  # half a level
    with pytest.raises(UserError, match="cannot write it; choose files or webdataset"):
        draw(loaded, request, tmp_path / "table", Layout(format="parquet"))


def test_reconstruct_keeps_names_and_refuses_other_sizes(splits, tmp_path):
    config = configs.get_config("sparse:smoke")
    run = untrained(configuration.parse(Settings, config), splits, tmp_path)
    loaded = Loaded(TASK, config, run)
    source, out = tmp_path / "in", tmp_path / "out"
    (source / "sub").mkdir(parents=True)
    for name, digit in zip(("a.png", "sub/b.png"), splits["test"]["image"]):
        (source / name).write_bytes(png(digit))
    draw(loaded, Request("reconstruct", data=source), out)
    module = network.network(run.settings, run.spec)
    expected = network.reconstruct(module, run.variables, to_images(splits["test"]["image"][:2]))
    for name, image in zip(("a.png", "sub/b.png"), to_levels(expected[..., 0])):
        np.testing.assert_array_equal(np.asarray(Image.open(out / name)), image)
    draw(loaded, Request("reconstruct", num_samples=2), tmp_path / "default")
    assert (tmp_path / "default" / "00001.png").read_bytes() == (out / "sub/b.png").read_bytes()
    (source / "c.png").write_bytes(png(np.zeros((28, 30), np.uint8)))
    with pytest.raises(UserError, match=r"c.png has 30 x 28 pixels; .* trained on 28 x 28"):
        draw(loaded, Request("reconstruct", data=source), tmp_path / "refused")
    with pytest.raises(UserError, match=r"the sparse autoencoder of .* has no prior"):
        draw(loaded, Request("prior"), tmp_path / "refused")
    with pytest.raises(UserError, match="has no latent space"):
        exploring.EXPLORER.encode(run, splits["test"])
    assert not (tmp_path / "refused").exists()


def test_the_explorer_goes_from_images_to_codes_and_back(splits, tmp_path):
    run = untrained(settings_of("variational:smoke"), splits, tmp_path)
    explorer = TASK.explore
    some = {name: values[:3] for name, values in splits["test"].items()}
    mean, deviation = explorer.encode(run, some)
    assert mean.shape == deviation.shape == (3, 8)
    assert np.all(deviation > 0)
    rendered = explorer.render(run, explorer.decode(run, mean))
    module = network.network(run.settings, run.spec)
    expected = network.reconstruct(module, run.variables, to_images(some["image"]))
    np.testing.assert_array_equal(rendered, to_levels(expected[..., 0]))
    assert explorer.label in some


def test_variants_combine_and_an_unknown_one_lists_the_known():
    assert configs.get_config() == configs.get_config("variational")
    assert configs.get_config("smoke") == configs.get_config("variational:smoke")
    assert configs.get_config("sparse:smoke").model.to_dict() == {
        "design": "sparse",
        "code": 8,
        "hidden": (),
    }
    with pytest.raises(ValueError, match="'denoising': no such variant; there are sparse, contr"):
        configs.get_config("denoising")


@pytest.mark.parametrize(
    ("argument", "field", "value", "message"),
    [
        ("sparse", "loss.target_activation", 1.0, "must be in"),
        ("sparse", "loss.sparsity", -1.0, "sparsity=-1.0: must be at least 0"),
        ("contractive", "evaluation.jacobian_images", 0, "jacobian_images=0: must be at least 1"),
        ("concrete", "model.selection", "first", "'first' is none of learned, variance"),
        ("concrete", "loss.last_temperature", 11.0, "must fall and stay above 0"),
        ("variational", "model.code", 0, "code=0: must be at least 1"),
        ("variational", "model.design", "sparse", "divergence: no such field"),
    ],
)
def test_settings_that_cannot_be(argument, field, value, message):
    with pytest.raises(UserError, match=message):
        settings_of(argument, **{field: value})


def test_a_design_has_no_field_of_another():
    groups = {design: configs.get_config(design).to_dict() for design in configs.DESIGNS}
    assert {design: set(group["loss"]) for design, group in groups.items()} == {
        "sparse": {"sparsity", "target_activation"},
        "contractive": {"contraction"},
        "concrete": {"first_temperature", "last_temperature", "annealing_steps"},
        "variational": {"divergence"},
    }
    assert [design for design, group in groups.items() if "sampling" in group] == ["variational"]
    groups["sparse"]["sampling"] = {"samples": 3}
    with pytest.raises(UserError, match=r"sampling: goes with model\.design=variational"):
        configuration.parse(Settings, groups["sparse"])


def test_more_pixels_than_there_are_cannot_be_selected():
    with pytest.raises(UserError, match="code=785: images of 28 x 28 have fewer pixels"):
        load_data(settings_of("concrete", model__code=785))
