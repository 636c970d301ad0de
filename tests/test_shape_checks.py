"""That annotations of shapes and types are checked at all: the project's own pytest options."""

import jax.numpy as jnp
import pytest
from jaxtyping import TypeCheckError

from lvae.imaging.levels import from_levels
from lvae.imaging.pooling import max_pool
from lvae.models.gaussian import normal_kl


def test_arguments_that_do_not_belong_together_are_refused():
    with pytest.raises(TypeCheckError, match="log_variance"):
        normal_kl(jnp.zeros((2, 3)), jnp.zeros((2, 4)))


def test_other_types_and_numbers_of_axes_are_refused():
    with pytest.raises(TypeCheckError, match="levels"):
        from_levels(jnp.zeros((2, 3)))
    with pytest.raises(TypeCheckError, match="images"):
        max_pool(jnp.zeros((4, 4)), 2)
    with pytest.raises(TypeCheckError, match="size"):
        max_pool(jnp.zeros((1, 4, 4, 1)), 2.0)
