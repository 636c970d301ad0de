"""One seed, many independent streams of random numbers, each found by its name."""

import zlib

import jax
from jaxtyping import Array, Key


def stream(seed: int, name: str) -> Key[Array, ""]:
    """The key of the stream `name` under `seed`.

    Streams are found by name, not by the order in which they are asked for, so that adding one
    changes no other. Fold in the step or the sample's index before drawing.
    """
    return jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()))
