"""Samples of a plan as arrays, batch by batch, without a file."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Shaped

from lvae.tasks.task import Plan, Sample

Batch = dict[str, Shaped[np.ndarray, "batch ..."]]


def batches(plan: Plan, size: int, start: int = 0) -> Iterator[Batch]:
    """The samples from number `start` on, `size` at a time; the last batch may be smaller.

    Blocks are drawn aligned, as the exporter draws them: a sample has the bytes of its files
    whatever the batch. A batch has the samples' own fields and `name`, what their files are named by.
    """
    kept: list[Mapping[str, np.ndarray]] = []
    for number, sample in _samples(plan, start):
        kept.append({"name": np.array(plan.names[number]), **_fields(sample)})
        if len(kept) == size:
            yield _stacked(kept)
            kept = []
    if kept:
        yield _stacked(kept)


def _samples(plan: Plan, start: int) -> Iterator[tuple[int, Sample]]:
    count = len(plan.names)
    for first in range(start - start % plan.block, count, plan.block):
        numbers = np.arange(first, min(first + plan.block, count))
        for number, sample in zip(numbers.tolist(), plan.draw(numbers)):
            if number >= start:
                yield number, sample


def _fields(sample: Sample) -> Mapping[str, np.ndarray]:
    """A sample's arrays; of one that has none, its picture."""
    return sample.arrays or {"picture": sample.encode().picture}


def _stacked(samples: Sequence[Mapping[str, np.ndarray]]) -> Batch:
    """Field by field along a leading axis; where sizes differ, an array of arrays."""
    stacked: Batch = {}
    for field in samples[0]:
        arrays = [np.asarray(sample[field]) for sample in samples]
        if len({array.shape for array in arrays}) == 1:
            stacked[field] = np.stack(arrays)
        else:
            stacked[field] = np.empty(len(arrays), object)
            stacked[field][:] = arrays
    return stacked
