"""Which samples a process writes, cut into the parts that are finished together."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from lvae.runs.export import formats
from lvae.tasks.task import Plan

FILES_AT_A_TIME = 64  # loose files: samples between two notes in the journal


@dataclasses.dataclass(frozen=True)
class Part:
    """Samples that are finished together: a packed file, or some loose files. number: its own, the
    same in every shard. indices: of its samples."""

    number: int
    indices: range


@dataclasses.dataclass(frozen=True)
class Parts:
    """Which samples this process writes, and into which files."""

    plan: Plan
    format: str
    shard: tuple[int, int]
    samples_per_file: int

    @property
    def length(self) -> int:
        """Samples in a part."""
        return FILES_AT_A_TIME if self.format == "files" else self.samples_per_file

    @property
    def own(self) -> range:
        """Indices of this shard: an equal stretch of the samples, or of the packed files. Where there
        are enough samples it holds whole blocks, so that no block is drawn by two shards."""
        index, count = self.shard
        samples, block = len(self.plan.names), self.plan.block
        if self.format == "files":
            cuts = [samples * cut // count for cut in (index, index + 1)]
            if samples >= block * count:
                cuts = [cut if cut == samples else round(cut / block) * block for cut in cuts]
            return range(*cuts)
        files = -(-samples // self.length)
        first, last = files * index // count, files * (index + 1) // count
        return range(min(samples, first * self.length), min(samples, last * self.length))

    def __iter__(self) -> Iterator[Part]:
        start = self.own.start
        while start < self.own.stop:
            number = start // self.length
            stop = min(self.own.stop, (number + 1) * self.length)
            yield Part(number, range(start, stop))
            start = stop

    def is_there(self, out: Path, part: Part) -> bool:
        """Whether all files of a part exist."""
        names = [self.plan.names[index] for index in part.indices]
        paths = formats.paths(out, self.format, part.number, names, self.plan.suffixes)
        return all(path.exists() for path in paths)
