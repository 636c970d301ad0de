"""What passes between the doors and a task: a trained run, and what the user asks to be drawn from it."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import ml_collections
import numpy as np

Splits = Mapping[str, dict[str, np.ndarray]]
Variables = dict[str, Any]


class Run(NamedTuple):
    """A trained run, as sampling and evaluation see it.

    config: what it was trained with. variables: {"params", "buffers"}, the averaged params where the
    run keeps an average. workdir: its directory.
    """

    config: ml_collections.ConfigDict
    variables: Variables
    workdir: Path


@dataclasses.dataclass(frozen=True)
class SamplingOptions:
    """The flags of sample.py, checked.

    mode: the mode's name. out: where files go. seed: of everything random in the call.
    num_samples: how many in all, or None for the mode's own default. factor: multiplies the
    noise of the sampling layer. data: the input, or None for the run's training split. postprocess:
    whether decoded grids are smoothed and cleaned. format: files, webdataset or parquet. shard:
    (index, count), the part of the samples that this process draws.
    """

    mode: str
    out: Path
    seed: int = 0
    num_samples: int | None = None
    factor: float = 1.0
    data: Path | None = None
    postprocess: bool = True
    format: str = "files"
    shard: tuple[int, int] = (0, 1)
