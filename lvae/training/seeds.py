"""Several seeds of one config at once, by `vmap`: one compilation, fuller matrix products.

Each seed's run directory is what training it alone leaves (config, metrics, checkpoint, summary), but
for figures, and to rounding: a product of many is not summed in the order of a product of one.
"""

import copy
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lvae import atomic, configuration
from lvae.keys import stream
from lvae.training import devices, loop, order, records
from lvae.training.checkpoints import Checkpoints
from lvae.training.progress import Progress
from lvae.training.provenance import provenance
from lvae.training.settings import TrainingSettings, make_optimizer
from lvae.training.state import inference_variables, init_state, make_dispatch, make_step


def train_seeds(
    config: Any, seeds: Sequence[int], workdir: Path, task: ModuleType
) -> list[dict[str, Any]]:
    """Trains `config` once for every seed, into `workdir/seed-N`.

    Returns:
      The final evaluation of every seed. A seed that is complete already is left alone.

    Raises:
      UserError: as `loop.train_and_evaluate`; a loss that is not finite names no seed's state kept,
        since checkpoints are written at the end only.
    """
    settings = configuration.section(TrainingSettings, config.training, "training")
    folders = {seed: Path(workdir) / f"seed-{seed}" for seed in seeds}
    configs = {seed: _with_seed(config, seed) for seed in seeds}
    open_seeds = [seed for seed in seeds if records.read_summary(folders[seed]) is None]
    if open_seeds:
        for seed in open_seeds:
            atomic.make_folder(folders[seed])
            records.write_config(folders[seed], configs[seed])
        splits = task.load_data(config)
        states, rows = _trained(config, open_seeds, settings, splits, task)
        for number, seed in enumerate(open_seeds):
            state = jax.tree.map(lambda leaf, number=number: leaf[number], states)
            _record(configs[seed], folders[seed], settings, state, rows[number], splits, task)
    else:
        print(f"{workdir}: these runs are complete; nothing to do", file=sys.stderr)
    return [(records.read_summary(folders[seed]) or {})["evaluation"] for seed in seeds]


def _trained(config: Any, seeds: Sequence[int], settings: Any, splits: Any, task: ModuleType):
    """(states stacked over seeds, rows of metrics by seed)."""
    train = devices.numeric(splits["train"])
    examples = len(next(iter(train.values())))
    total_steps = settings.total_steps(examples)
    optimizer = make_optimizer(settings, total_steps)
    step = make_step(task.make_loss(config, splits), optimizer, settings)
    dispatch = jax.jit(jax.vmap(make_dispatch(step), in_axes=(0, None, 0, 0)), donate_argnums=0)
    initial = jax.jit(
        jax.vmap(lambda key: init_state(task.init(config, splits, key), optimizer, settings))
    )
    states = initial(jnp.stack([stream(seed, "init") for seed in seeds]))
    keys = jnp.stack([stream(seed, "step") for seed in seeds])
    data = jax.device_put(train)
    rows: list[list[tuple[int, dict[str, Any]]]] = [[] for _ in seeds]
    window: list[Any] = []
    now = 0
    with Progress(0, total_steps) as progress:
        progress.note(f"{len(seeds)} seeds at once, {total_steps} steps each")
        while now < total_steps:
            count = loop.steps_to_boundary(now, total_steps, settings)
            start = time.perf_counter()
            indices = np.stack(
                [
                    order.batch_indices(
                        stream(seed, "order"), now, count, settings.batch_size, examples
                    )
                    for seed in seeds
                ]
            )
            states, metrics = dispatch(states, data, indices, keys)
            window.append(jax.tree.map(np.asarray, metrics))
            now += count
            progress.advance(now, time.perf_counter() - start, now > count)
            if now == total_steps or now % settings.log_every == 0:
                for number in range(len(seeds)):
                    own = [
                        {name: value[number] for name, value in metrics.items()}
                        for metrics in window
                    ]
                    rows[number].append((now, loop.mean_over_steps(own)))
                window = []
                progress.report({"loss": float(np.mean([own[-1][1]["loss"] for own in rows]))})
    return states, rows


def _record(config, workdir, settings, state, rows, splits, task) -> None:
    """What a run of one seed leaves."""
    with records.Records(workdir, 0) as writer:
        for step, row in rows:
            writer.write(step, "train", row)
        step = int(state["step"])
        if not np.isfinite(rows[-1][1]["loss"]):
            loop.refuse_non_finite(np.asarray([rows[-1][1]["loss"]]), step - 1, workdir, None)
        variables = jax.tree.map(np.asarray, inference_variables(state))
        evaluation = task.evaluate(config, variables, splits)
        writer.write(step, "validation", evaluation)
    with Checkpoints(workdir, settings.keep_checkpoints) as checkpoints:
        checkpoints.save(step, state)
    records.write_summary(
        workdir,
        {
            "step": step,
            "parameters": loop.count_parameters(variables["params"]),
            "evaluation": records.plain(evaluation),
            "provenance": provenance(),
        },
    )


def _with_seed(config: Any, seed: int) -> Any:
    changed = copy.deepcopy(config)
    changed.seed = seed
    return changed
