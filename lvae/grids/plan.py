"""Which samples a process writes, cut into the parts that are finished together."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from lvae.errors import UserError
from lvae.grids import formats

FILES_AT_A_TIME = 64  # loose files: samples between two notes in the journal


@dataclasses.dataclass(frozen=True)
class Part:
    """Samples that are finished together: a packed file, or some loose files. number: its own, the
    same in every shard. indices: of its samples."""

    number: int
    indices: range


@dataclasses.dataclass(frozen=True)
class Plan:
    """Which samples this process writes, and into which files."""

    ids: Sequence[int]
    format: str
    shard: tuple[int, int]
    samples_per_file: int
    images: bool

    def __post_init__(self) -> None:
        formats.check(self.format)
        index, count = self.shard
        if count < 1 or not 0 <= index < count:
            raise UserError(f"--shard={index}/{count}: must be i/n with i from 0 to n - 1")
        if self.samples_per_file < 1:
            raise ValueError(f"samples_per_file is {self.samples_per_file}; it must be at least 1")
        if not isinstance(self.ids, range) and (np.diff(np.asarray(self.ids)) <= 0).any():
            raise ValueError("ids do not increase")

    @property
    def length(self) -> int:
        """Samples in a part."""
        return FILES_AT_A_TIME if self.format == "files" else self.samples_per_file

    @property
    def own(self) -> range:
        """Indices of this shard: an equal stretch of the samples, or of the packed files."""
        index, count = self.shard
        samples = len(self.ids)
        if self.format == "files":
            return range(samples * index // count, samples * (index + 1) // count)
        files = -(-samples // self.length)
        first, last = files * index // count, files * (index + 1) // count
        return range(min(samples, first * self.length), min(samples, last * self.length))

    def parts(self) -> Iterator[Part]:
        start = self.own.start
        while start < self.own.stop:
            number = start // self.length
            stop = min(self.own.stop, (number + 1) * self.length)
            yield Part(number, range(start, stop))
            start = stop

    def paths(self, out: Path, part: Part) -> Iterator[Path]:
        ids = [self.ids[index] for index in part.indices]
        return formats.paths(out, self.format, part.number, ids, self.images)

    def is_there(self, out: Path, part: Part) -> bool:
        return all(path.exists() for path in self.paths(out, part))
