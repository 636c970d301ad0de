"""What makes the class-conditional VAE one: both halves see the class, draws depend on their index."""

import dataclasses

import jax
import numpy as np
import pytest
from conditional_digits import data, measures, modes, network
from conditional_digits.settings import ModelSettings, Settings

from lvae.configuration import experiment
from lvae.errors import UserError
from lvae.imaging.levels import from_levels
from lvae.tasks.images.settings import DataSettings
from lvae.tasks.task import Request, Run
from lvae.tasks.training_settings import TrainingSettings

SETTINGS = Settings(TrainingSettings(steps=1), DataSettings(), ModelSettings(3, 16))


@pytest.fixture(scope="module")
def splits():
    return data.load_data(SETTINGS)


@pytest.fixture(scope="module")
def run(splits, tmp_path_factory):
    spec = data.spec(SETTINGS, splits)
    variables = network.init(SETTINGS, spec, jax.random.key(0))
    return Run(SETTINGS, spec, variables, tmp_path_factory.mktemp("run"))


def batch_of(splits, count=6):
    return {name: jax.numpy.asarray(array[:count]) for name, array in splits["train"].items()}


def terms(run, batch, settings=SETTINGS):
    loss = network.loss(settings, run.spec)
    total, (parts, _) = loss(run.variables["params"], {}, batch, jax.random.key(1), 0)
    return float(total), parts


def test_the_class_changes_the_code_and_what_it_decodes_to(run, splits):
    images = from_levels(splits["test"]["image"][:4])[..., None]
    seven, eight = (np.full(4, label, np.int32) for label in (7, 8))
    means = [network.apply(run, images, label, method="encode")[0] for label in (seven, eight)]
    assert np.abs(means[0] - means[1]).max() > 1e-3
    decoded = [network.apply(run, means[0], label, method="decode") for label in (seven, eight)]
    assert np.abs(decoded[0] - decoded[1]).max() > 1e-3


def test_the_loss_is_the_sum_of_its_parts_by_their_weight(run, splits):
    batch = batch_of(splits)
    for weight in (0.0, 2.5):
        model = dataclasses.replace(SETTINGS.model, divergence=weight)
        total, parts = terms(run, batch, dataclasses.replace(SETTINGS, model=model))
        expected = np.mean(parts["reconstruction"] + weight * parts["divergence"])
        np.testing.assert_allclose(total, expected, rtol=1e-6)


def test_the_cross_entropy_is_that_of_the_decoded_pixels(run, splits):
    """The drawn code is computed again from the key, with NumPy's logarithms."""
    batch = batch_of(splits)
    images, labels = from_levels(np.asarray(batch["image"]))[..., None], np.asarray(batch["label"])
    mean, log_variance = network.apply(run, images, labels, method="encode")
    noise = np.asarray(jax.random.normal(jax.random.key(1), mean.shape))
    pixels = network.apply(run, mean + np.exp(log_variance / 2) * noise, labels, method="decode")
    pixels = pixels.astype(np.float64)
    expected = -(images * np.log(pixels) + (1 - images) * np.log(1 - pixels)).sum((1, 2, 3))
    np.testing.assert_allclose(terms(run, batch)[1]["reconstruction"], expected, rtol=1e-4)


def test_draws_depend_on_seed_index_and_class_alone(run):
    def drawn(label, *indices, seed=0):
        plan = modes.prior(run, Request("prior", seed, options=modes.PriorOptions(label)))
        samples = plan.draw(np.array(indices))
        return [(sample.provenance["label"], sample.encode().files[".png"]) for sample in samples]

    assert drawn(7, 3, 4, 5)[1:] == drawn(7, 4, 5)
    assert [label for label, _ in drawn(None, 3, 14)] == [3, 4]
    assert drawn(None, 17) == drawn(7, 17)
    assert drawn(7, 3) != drawn(8, 3)
    assert drawn(7, 3) != drawn(7, 3, seed=1)


def test_a_label_that_was_not_trained_on_is_refused(run):
    with pytest.raises(UserError, match=r"--label=10: .* trained on 0 to 9"):
        modes.prior(run, Request("prior", options=modes.PriorOptions(10)))


def test_reconstructions_are_of_the_test_digits_under_their_labels(run, splits):
    plan = modes.reconstruct(run, Request("reconstruct", num_samples=3))
    samples = plan.draw(np.arange(3))
    assert [sample.provenance["label"] for sample in samples] == splits["test"]["label"][
        :3
    ].tolist()
    picture = samples[2].encode().picture
    np.testing.assert_array_equal(picture[:28], splits["test"]["image"][2])


def test_images_without_labels_are_refused(tmp_path):
    from PIL import Image

    for number in range(20):
        Image.fromarray(np.full((8, 8), number, np.uint8)).save(tmp_path / f"{number:02d}.png")
    settings = dataclasses.replace(SETTINGS, data=DataSettings(str(tmp_path)))
    with pytest.raises(UserError, match="images without labels"):
        data.load_data(settings)


def test_the_measures_of_a_network_that_knows_nothing(run, splits):
    few = {
        name: {field: array[:40] for field, array in split.items()}
        for name, split in splits.items()
    }
    numbers = measures.evaluate(run, few, "test", True)
    assert numbers["drawn_accuracy"] < 0.5 < numbers["real_accuracy"]
    assert 0.0 < numbers["mse"] < 0.5


def test_wrong_values_are_named():
    for name, value in (("latents", 0), ("hidden", 0), ("divergence", -1.0)):
        wrong = {"training": {"steps": 1}, "model": {name: value}}
        with pytest.raises(UserError, match=rf"config.model: {name}={value}: must be at least"):
            experiment("conditional_digits", Settings, wrong, {}, None)
