"""A function of one batch, or a method of a network, applied to any number of rows in batches of one
size: one compilation."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import flax.linen as nn
import jax
import numpy as np
from jaxtyping import Array, PyTree

Result = TypeVar("Result")  # an array or a pytree of arrays, leading axis = row


def in_batches(function: Callable[..., Result], *arrays: np.ndarray, size: int) -> Result:
    """`function` over the leading axis of the arrays, `size` rows at a time.

    The last batch is filled up with copies of its last row, which is valid input whatever the
    function, and what they give is cut off again. So each row's result must not depend on the
    other rows of its batch. Without any rows the function runs once, on zeros, to learn the shapes.

    Args:
      function: of as many arrays as are given, `size` rows each, to an array or a pytree of arrays
        whose leading axis is the row.
      arrays: with equally many rows.
      size: rows per batch.

    Returns:
      What the function gives, with as many rows as the arrays, as NumPy arrays.

    Raises:
      ValueError: there are no arrays, they differ in length, or the size is below 1.
    """
    counts = {len(array) for array in arrays}
    if len(counts) != 1 or size < 1:
        raise ValueError(
            f"arrays of {[len(array) for array in arrays]} rows in batches of {size}: expected one "
            "length and a size of at least 1"
        )
    count = counts.pop()
    parts = []
    for start in range(0, max(count, 1), size):
        kept = min(size, count - start)
        batches = [_filled(array[start : start + size], size) for array in arrays]
        parts.append(
            jax.tree.map(lambda part, kept=kept: np.asarray(part)[:kept], function(*batches))
        )
    return jax.tree.map(lambda *pieces: np.concatenate(pieces), *parts)


def apply_in_batches(
    module: nn.Module, params: PyTree, *arrays: np.ndarray, method: str, size: int = 64
) -> Any:
    """A method of a network over any number of rows, compiled once for each network and method.

    Args:
      module: the network; its fields must be hashable, as numbers and tuples are.
      params: of the network.
      arrays: what the method takes; with equally many rows.
      method: its name, such as "decode".
      size: rows per batch.

    Returns:
      What the method gives, as NumPy arrays; see `in_batches`.
    """
    return in_batches(functools.partial(_applied, module, method, params), *arrays, size=size)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _applied(module: nn.Module, method: str, params: PyTree, *arrays: Array) -> Any:
    return module.apply({"params": params}, *arrays, method=method)


def _filled(batch: np.ndarray, size: int) -> np.ndarray:
    """`size` rows: those of the batch, then copies of its last."""
    if len(batch) == size:
        return batch
    if len(batch) == 0:
        return np.zeros((size, *batch.shape[1:]), batch.dtype)
    return np.concatenate([batch, np.repeat(batch[-1:], size - len(batch), axis=0)])
