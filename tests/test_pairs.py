"""The loss of pairs of changed copies."""

import jax
import jax.numpy as jnp
import numpy as np

from lvae.tasks.patches.pairs import contrast


def test_the_contrast_is_the_cross_entropy_of_the_partner():
    random = np.random.default_rng(0)
    first, second = jnp.asarray(random.normal(size=(2, 5, 2)), jnp.float32)
    codes = np.concatenate([first, second]).astype(np.float64)
    nats = []
    for place in range(10):
        others = [other for other in range(10) if other != place]
        weights = {
            other: 1 / (1 + ((codes[place] - codes[other]) ** 2).sum() / 0.3**2) for other in others
        }
        nats.append(-np.log(weights[(place + 5) % 10] / sum(weights.values())))
    expected = np.mean(nats) + (codes.mean(0) ** 2).sum()
    np.testing.assert_allclose(contrast(first, second, 0.3), expected, rtol=1e-5)


def test_partners_are_drawn_together_and_others_apart():
    first = jnp.asarray([[-0.5, -0.25], [0.5, -0.25]])
    second = jnp.asarray([[-0.5, 0.25], [0.5, 0.25]])
    pull = -jax.grad(contrast)(first, second, 1.0)
    assert (pull[:, 1] > 0).all()  # towards the partner
    assert pull[0, 0] < 0 < pull[1, 0]  # away from the other pair
    assert np.isfinite(jax.grad(contrast)(first, first, 1.0)).all()  # codes that coincide
