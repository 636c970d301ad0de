"""Audits of images: distances by NumPy, and two systems from end to end."""

import io
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from lvae import configuration, experiments
from lvae.runs import labels
from lvae.runs.audit import auditing, measures
from lvae.runs.members import QUICK
from lvae.tasks import image_auditing, registry
from lvae.tasks.image_auditing import distances, flat, image_features, images_of
from lvae.tasks.patches.pictures import as_trained, upright
from lvae.tasks.restoring import Loaded
from lvae.tasks.task import Run


def noise(count, height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, height, width), np.uint8)


def averaged(images, factor):
    """By loops."""
    rows, columns = (side // factor for side in images.shape[1:])
    small = np.zeros((len(images), rows, columns))
    for row in range(rows):
        for column in range(columns):
            down, across = row * factor, column * factor
            block = images[:, down : down + factor, across : across + factor]
            small[:, row, column] = block.mean((1, 2))
    return small


@pytest.mark.parametrize(("height", "width", "factor"), [(28, 28, 1), (70, 40, 3)])
def test_distances_are_root_mean_squares_of_averaged_pixels(height, width, factor):
    first, second = noise(3, height, width), noise(4, height, width, 1)
    one, other = averaged(first, factor), averaged(second, factor)
    expected = np.sqrt(((one[:, None] - other[None]) ** 2).mean((2, 3)))
    found = distances(first, second, mirrored=False)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    vectors = np.linalg.norm(flat(first)[:, None] - flat(second)[None], axis=-1)
    np.testing.assert_allclose(vectors, expected, rtol=1e-4)


def test_a_mirrored_copy_is_a_copy_only_where_training_mirrors():
    images = noise(2, 28, 28)
    turned = images[:, :, ::-1]
    # Squares of single precision: of 255 ** 2, 24 bits, and their root.
    rounding = np.sqrt(255**2 * 784 * 2**-23)
    assert np.diag(distances(turned, images, mirrored=True)).max() < rounding
    assert np.diag(distances(turned, images, mirrored=False)).min() > 50


@pytest.mark.parametrize("shape", [(28, 28), (70, 40), (128, 128)])
def test_images_of_vectors_have_these_vectors(shape):
    images = images_of(flat(noise(3, *shape)), shape)
    assert images.shape == (3, *shape)
    np.testing.assert_array_equal(images_of(flat(images), shape), images)


def test_features_tell_noise_from_its_blur():
    images = noise(40, 28, 28)
    smooth = np.round(images.mean((1, 2), keepdims=True) + images // 8).astype(np.uint8)
    apart = image_features(images).mean(0) - image_features(smooth).mean(0)
    assert np.abs(apart).max() > 1
    assert np.isfinite(image_features(np.zeros((1, 28, 28), np.uint8))).all()


def test_a_picture_of_another_size_and_what_is_no_picture_are_refused():
    file = io.BytesIO()
    Image.fromarray(noise(1, 20, 30)[0]).save(file, "PNG")
    found = image_auditing._read(file.getvalue(), (20, 30))
    np.testing.assert_array_equal(found, noise(1, 20, 30)[0])
    with pytest.raises(ValueError, match="it has 30 x 20 pixels, not 28 x 28"):
        image_auditing._read(file.getvalue(), (28, 28))
    with pytest.raises(ValueError, match="no PNG file"):
        image_auditing._read(file.getvalue()[:40], (20, 30))


def untrained(name):
    """A model as it is before it is trained."""
    config = experiments.read(name)
    task = registry.find(config.task)
    settings = configuration.parse(task.settings, config)
    splits = task.load_data(settings)
    spec = task.spec(settings, splits)
    init = jax.jit(lambda: task.init(settings, spec, jax.random.key(0)))
    variables = task.prepare(settings, jax.device_get(init.lower().compile(QUICK)()), splits)
    return Loaded(task, config, Run(settings, spec, variables, Path("RUN"))), splits


@pytest.mark.parametrize(
    ("name", "unit", "scores"),
    [
        ("patches:smoke", "case", ["reconstruction", "elbo"]),
        ("autoencoder:variational:smoke", "image", ["reconstruction", "elbo"]),
    ],
)
def test_systems_that_draw_images_are_audited(name, unit, scores, monkeypatch):
    monkeypatch.setattr(measures, "TREES", 2)
    loaded, splits = untrained(name)
    result = auditing.audit(loaded, auditing.Wanted(num_samples=40)).result
    assert result["valid"]
    assert result["label"] == labels.NEW
    assert (result["unit"], result["measure"]) == (unit, "grey levels")
    assert result["sets"]["prior"]["near_copies"]["value"] == 0  # it knows nobody
    assert list(result["model"]) == scores
    assert result["groups"]["training"]["offered"] == len(splits["train"]["image"])


def test_real_patches_lie_as_drawn_ones_are_written():
    loaded, splits = untrained("patches:smoke")
    settings, images = loaded.run.settings, splits["train"]["image"]
    np.testing.assert_array_equal(as_trained(settings, upright(settings, images)), images)
    real = loaded.task.audit.real(loaded.run, splits["train"])
    np.testing.assert_array_equal(real["image"], upright(settings, images))
    assert not np.array_equal(real["image"], images)
