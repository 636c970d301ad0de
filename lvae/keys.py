"""One seed, many independent streams of random numbers, each found by its name."""

import zlib

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key


def stream(seed: int, name: str) -> Key[Array, ""]:
    """The key of the stream `name` under `seed`.

    Streams are found by name, not by the order in which they are asked for, so that adding one
    changes no other. Fold in the step or the sample's index before drawing.
    """
    return jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()))


def per_index(key: Key[Array, ""], indices: Int[np.ndarray, " samples"]) -> Key[Array, " samples"]:
    """One key for each sample: of `key` and the sample's own index, whatever is drawn with it."""
    fold = jax.vmap(jax.random.fold_in, (None, 0))
    return fold(key, jnp.asarray(indices, jnp.int32))
