"""The variables of a finished or unfinished run, for sampling and evaluation."""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from lvae import configuration
from lvae.training import checkpoints, devices, state
from lvae.training.settings import TrainingSettings, make_optimizer


def restore_variables(workdir: Path, config: Any, task: ModuleType) -> dict[str, Any]:
    """{"params", "buffers"} of the newest checkpoint as host arrays; the averaged params if kept.

    Shapes come from the task's own `init`, so that a checkpoint of another model is found out. Where
    `init` does not look at the data, neither does this: the run works where its data are not.

    Raises:
      UserError: there is no checkpoint, it is damaged, or it is of another model.
    """
    settings = configuration.section(TrainingSettings, config.training, "training")
    optimizer = make_optimizer(settings, 1)  # its shapes do not depend on the number of steps
    splits = _LoadedWhenRead(lambda: task.load_data(config))
    shapes = jax.eval_shape(
        lambda key: state.init_state(task.init(config, splits, key), optimizer, settings),
        jax.random.key(0),
    )
    here = devices.local_mesh()
    abstract = checkpoints.abstract(shapes, NamedSharding(here, PartitionSpec()))
    restored = checkpoints.load_variables(workdir, abstract)
    return devices.to_host(state.inference_variables(restored))


class _LoadedWhenRead(Mapping[str, dict[str, np.ndarray]]):
    """The splits of a data set, loaded at the first look into them."""

    def __init__(self, load: Callable[[], Mapping[str, dict[str, np.ndarray]]]):
        self._load = load

    @cached_property
    def _splits(self) -> Mapping[str, dict[str, np.ndarray]]:
        return self._load()

    def __getitem__(self, name: str) -> dict[str, np.ndarray]:
        return self._splits[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._splits)

    def __len__(self) -> int:
        return len(self._splits)
