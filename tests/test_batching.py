from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lvae.models.batching import apply_in_batches, in_batches


class Both(NamedTuple):
    total: np.ndarray
    pair: dict


def rows(count, width=3):
    return np.arange(count * width, dtype=np.float32).reshape(count, width)


@pytest.mark.parametrize("count", [1, 4, 5, 8, 11])
def test_the_result_is_that_of_one_call_on_everything(count):
    """Several arrays in, a pytree out, whatever is left for the last batch."""

    def function(values, numbers):
        return Both(values.sum(axis=1), {"product": values * numbers[:, None], "number": numbers})

    numbers = np.arange(count, dtype=np.int32)[::-1]
    found = in_batches(function, rows(count), numbers, size=4)
    expected = function(rows(count), numbers)
    assert isinstance(found, Both)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    assert all(type(leaf) is np.ndarray for leaf in jax.tree.leaves(found))


def test_every_batch_has_one_size_and_holds_rows_of_the_input_only():
    seen = []

    def function(values):
        seen.append(values)
        return values

    in_batches(function, rows(7), size=3)
    assert [batch.shape for batch in seen] == [(3, 3)] * 3
    np.testing.assert_array_equal(seen[-1], rows(7)[[6, 6, 6]])


def test_a_jitted_function_is_traced_once():
    traces = []

    @jax.jit
    def function(values):
        traces.append(values.shape)
        return jnp.sqrt(values)

    found = in_batches(function, rows(10), size=4)
    np.testing.assert_allclose(found, np.sqrt(rows(10)), rtol=1e-6)
    assert traces == [(4, 3)]


def test_no_rows_give_empty_results_of_the_right_shape():
    found = in_batches(lambda values: (values[:, :2], values[:, 0] > 0), rows(0), size=4)
    assert [(part.shape, part.dtype) for part in found] == [((0, 2), np.float32), ((0,), np.bool_)]


@pytest.mark.parametrize("arrays", [(), (rows(3), rows(4))])
def test_arrays_of_different_lengths_and_none_are_refused(arrays):
    with pytest.raises(ValueError, match="expected one length"):
        in_batches(lambda *values: values[0], *arrays, size=2)


def test_a_size_of_zero_is_refused():
    with pytest.raises(ValueError, match="batches of 0"):
        in_batches(lambda values: values, rows(3), size=0)


class Scale(nn.Module):
    """Counts how often it is traced, by method."""

    traced = []  # noqa: RUF012  # shared on purpose

    def setup(self):
        self.factor = self.param("factor", nn.initializers.constant(3.0), ())

    def times(self, values, numbers):
        Scale.traced.append(values.shape)
        return self.factor * values, numbers + 1

    def over(self, values):
        return values / self.factor


def test_a_method_of_a_network_is_applied_to_all_rows_and_compiled_once():
    module, params = Scale(), {"factor": np.float32(3.0)}
    for _ in range(2):
        found = apply_in_batches(module, params, rows(5), np.arange(5), method="times", size=2)
        np.testing.assert_array_equal(found[0], 3 * rows(5))
        np.testing.assert_array_equal(found[1], np.arange(1, 6))
    assert Scale.traced == [(2, 3)]
    other = apply_in_batches(module, {"factor": np.float32(2.0)}, rows(3), method="over")
    np.testing.assert_array_equal(other, rows(3) / 2)  # the params are arguments, not constants
