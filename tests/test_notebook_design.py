"""The notebook's design: its input, its loss, its size, against plain NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import notebook as notebook_config
from lvae import configuration
from lvae.data.recordings.pitch import Pitch
from lvae.errors import UserError
from lvae.tasks.grids.scale import Scale
from lvae.tasks.grids.vae import drawing, notebook
from lvae.tasks.grids.vae.settings import Settings
from lvae.tasks.task import Spec

SPEC = Spec({}, 4)
SCALE = Scale((768, 768), Pitch(19.0, 23.0), 18, 18)


def settings_of(argument=None, **data) -> Settings:
    config = configuration.to_dict(notebook_config.get_config(argument))
    config["data"] |= data
    return configuration.parse(Settings, config)


def test_input_is_scaled_and_ringed_with_missing_points_at_zero():
    points = jnp.full((1, 18, 18, 2), 364.0)
    visible = jnp.ones((1, 18, 18), bool).at[0, 3, 4].set(False)
    grids = np.asarray(notebook.to_input(points, visible, 728.0))
    assert grids.shape == (1, 20, 20, 2)
    assert grids[0, 1:-1, 1:-1].max() == 0.5
    np.testing.assert_array_equal(grids[0, 4, 5], 0.0)
    ring = grids.copy()
    ring[:, 1:-1, 1:-1] = 0
    assert not ring.any()


def test_loss_is_the_notebooks():
    generator = np.random.default_rng(0)
    logits, mean, log_variance = (
        generator.normal(size=(2, 20, 20, 2)),
        *generator.normal(size=(2, 2, 8)),
    )
    targets = generator.uniform(size=(2, 20, 20, 2))
    output = 1 / (1 + np.exp(-logits))
    entropy = -(targets * np.log(output) + (1 - targets) * np.log(1 - output))
    got = notebook.mean_cross_entropy(jnp.asarray(logits), jnp.asarray(targets))
    np.testing.assert_allclose(got, entropy.mean(axis=(1, 2, 3)), rtol=1e-5)
    coding = -0.5 * 0.2 * (1 + log_variance - mean**2 - np.exp(log_variance)).mean(axis=1)
    got = notebook.coding_loss(jnp.asarray(mean), jnp.asarray(log_variance), 0.2)
    np.testing.assert_allclose(got, coding, rtol=1e-5)


def test_network_has_the_notebooks_size():
    settings = settings_of()
    variables = jax.eval_shape(lambda key: notebook.init(settings, SPEC, key), jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == 115_362


def test_a_grid_that_the_network_cannot_have_is_named():
    with pytest.raises(UserError, match="7 x 18"):
        notebook.init(settings_of(rows=7), SPEC, jax.random.key(0))


def test_a_point_decoded_at_the_border_is_missing():
    settings = settings_of("smoke")
    variables = notebook.init(settings, SPEC, jax.random.key(0))
    points, logits, noise = notebook.decode(settings, SCALE, variables, jnp.zeros((1, 8)))
    assert noise is None
    assert points.shape == (1, 18, 18, 2)
    np.testing.assert_array_equal(np.asarray(logits) > 0, np.all(np.asarray(points) > 5.0, axis=-1))
    assert drawing.design_of(settings) is notebook.NOTEBOOK
