"""Which examples a step sees."""

import jax
import numpy as np
from jaxtyping import Array, Int, Key


def batch_indices(
    key: Key[Array, ""], first_step: int, steps: int, batch_size: int, examples: int
) -> Int[np.ndarray, "steps batch"]:
    """The examples of `steps` consecutive batches, from `first_step` on.

    The order is one endless stream, a fresh shuffle of all examples after another, of which every
    step takes the next `batch_size`: each example is seen once an epoch, no batch is short, and the
    answer depends on the key and the step alone, so that a resumed run sees what it would have seen.
    """
    first = first_step * batch_size
    positions = np.arange(first, first + steps * batch_size)
    epochs = positions // examples
    order = np.empty_like(positions)
    for epoch in np.unique(epochs):
        here = epochs == epoch
        shuffled = np.asarray(_shuffled(key, int(epoch), examples))
        order[here] = shuffled[positions[here] % examples]
    return order.reshape(steps, batch_size).astype(np.int32)


@jax.jit(static_argnames="examples")
def _shuffled(
    key: Key[Array, ""], epoch: int | Int[Array, ""], examples: int
) -> Int[Array, " examples"]:
    return jax.random.permutation(jax.random.fold_in(key, epoch), examples)
