"""Training steps of a shipped config as the training loop runs them, without evaluation and records."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from lvae import configuration, experiments
from lvae.keys import stream
from lvae.runs import order
from lvae.runs.optimizer import make_optimizer
from lvae.runs.state import init_state, make_dispatch, make_step
from lvae.tasks import registry
from lvae.tasks.task import numeric


class Steps(NamedTuple):
    """run: trains `count` steps on, and waits for their losses. examples: of the training split."""

    run: Callable[[], None]
    count: int
    examples: int


def of_config(experiment: str, changes: Mapping[str, Any] | None = None) -> Steps:
    """The steps of a config with changed fields; the first call of `run` compiles.

    Args:
      experiment: NAME[:VARIANT].
      changes: values by field, as "data.path".
    """
    config = configuration.changed(experiments.read(experiment), dict(changes or {}))
    task = registry.find(config.task)
    everything = configuration.parse(task.settings, config)
    settings, splits = everything.training, task.load_data(everything)
    spec = task.spec(everything, splits)
    optimizer = make_optimizer(settings, settings.total_steps(spec.examples))
    init = jax.jit(lambda key: task.init(everything, spec, key))
    variables = task.prepare(everything, init(stream(0, "init")), splits)
    # Copies: params and their average begin as one buffer, which cannot be donated twice.
    state = jax.tree.map(jax.numpy.copy, init_state(variables, optimizer, settings))
    step = make_step(task.loss(everything, spec), optimizer, settings)
    dispatch = jax.jit(make_dispatch(step), donate_argnums=0)
    data = jax.device_put(numeric(splits["train"]))
    count = min(settings.steps_per_dispatch, settings.log_every)
    held = {"state": state, "now": 0}

    def run() -> None:
        rows = order.batch_indices(
            jax.random.key(1), held["now"], count, settings.batch_size, spec.examples
        )
        held["state"], metrics = dispatch(held["state"], data, rows, jax.random.key(2))
        held["now"] += count
        np.asarray(metrics["loss"])

    return Steps(run, count, spec.examples)
