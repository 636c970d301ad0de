"""Streams of random numbers: by name, and by the index of a sample."""

import jax
import numpy as np

from lvae.keys import per_index, stream


def data(key):
    return jax.random.key_data(key).tolist()


def test_streams_differ_by_seed_and_name():
    streams = [data(stream(seed, name)) for seed in (0, 1) for name in ("prior", "training")]
    assert len({tuple(one) for one in streams}) == 4
    assert data(stream(1, "prior")) == data(stream(1, "prior"))


def test_the_key_of_a_sample_depends_on_its_index_alone():
    key = stream(3, "prior")
    keys = per_index(key, np.array([5, 0, 70_000]))
    assert data(keys) == [data(jax.random.fold_in(key, index)) for index in (5, 0, 70_000)]
