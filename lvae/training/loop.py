"""Trains a task into a run directory; the same command resumes it, bit for bit."""

import importlib
import math
import sys
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import numpy as np

from lvae import atomic, configuration
from lvae.errors import UserError
from lvae.keys import stream
from lvae.training import devices, order, records
from lvae.training.checkpoints import Checkpoints, abstract
from lvae.training.progress import Progress
from lvae.training.provenance import provenance
from lvae.training.settings import TrainingSettings, make_optimizer
from lvae.training.state import inference_variables, init_state, make_dispatch, make_step

# Needed once the network is trained, or while it is compiled, and slow to import: 3 s together.
SLOW_IMPORTS = ("tensorboardX", "matplotlib.figure", "sklearn.manifold")
# Of a program that runs once: compiles three times faster.
QUICK: dict[str, str | bool] = {"xla_backend_optimization_level": "1"}


def import_beside() -> None:
    """Imports in a thread what is needed later, while JAX compiles and trains."""
    threading.Thread(
        target=lambda: [importlib.import_module(name) for name in SLOW_IMPORTS]
    ).start()


def train_and_evaluate(config: Any, workdir: Path, task: ModuleType) -> dict[str, Any]:
    """Trains until the config's last step, from the newest checkpoint in `workdir` if there is one.

    Args:
      config: a ConfigDict as the files in configs/ give.
      workdir: the run directory; created if absent.
      task: a module that offers what CONTRIBUTING.md lists under "A task".

    Returns:
      The final evaluation, which is also in `workdir/summary.json`.

    Raises:
      UserError: bad data, a directory with another config, a loss that is not finite, a full disk.
    """
    workdir = Path(workdir)
    settings = configuration.section(TrainingSettings, config.training, "training")
    mesh = devices.make_mesh()
    sharding = devices.batch_sharding(mesh, settings.batch_size)
    splits = task.load_data(config)
    train = devices.numeric(splits["train"])
    examples = len(next(iter(train.values())))
    total_steps = settings.total_steps(examples)
    optimizer = make_optimizer(settings, total_steps)

    writes = devices.is_writer()
    if writes:
        atomic.make_folder(workdir)
        records.write_config(workdir, config)
        finished = records.read_summary(workdir)
        if finished is not None:
            print(f"{workdir}: this run is complete; nothing to do", file=sys.stderr)
            return finished

        import_beside()

    replicated = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())

    def initial(key):
        return init_state(task.init(config, splits, key), optimizer, settings)

    state_shapes = jax.eval_shape(initial, jax.random.key(0))
    step = make_step(task.make_loss(config, splits), optimizer, settings)
    dispatch = jax.jit(
        make_dispatch(step, lambda batch: jax.lax.with_sharding_constraint(batch, sharding)),
        donate_argnums=0,
        out_shardings=(jax.tree.map(lambda _: replicated, state_shapes), replicated),
    )
    order_key = stream(config.seed, "order")
    # Made by a program on all devices: keys cannot be sent to those of other hosts.
    step_key = jax.jit(lambda: stream(config.seed, "step"), out_shardings=replicated)()

    with Checkpoints(workdir, settings.keep_checkpoints) as checkpoints:
        if checkpoints.latest_step() is None:
            now = 0
            seeded = jax.jit(lambda: initial(stream(config.seed, "init")), out_shardings=replicated)
            state = seeded.lower().compile(QUICK)()
        else:
            now, state = checkpoints.restore(abstract(state_shapes, replicated))
        data = devices.replicate(train, mesh)
        evaluation = None
        with (
            records.Records(workdir, now, enabled=writes) as rows,
            Progress(now, total_steps, enabled=writes) as progress,
        ):
            progress.note(_opening(workdir, config, state, examples, now, total_steps, mesh))
            window: list[Any] = []
            compiled: set[int] = set()
            while now < total_steps:
                count = steps_to_boundary(now, total_steps, settings)
                start = time.perf_counter()
                indices = order.batch_indices(order_key, now, count, settings.batch_size, examples)
                state, metrics = dispatch(state, data, devices.replicate(indices, mesh), step_key)
                metrics = devices.to_host(metrics)
                now += count
                progress.advance(now, time.perf_counter() - start, count in compiled)
                compiled.add(count)
                refuse_non_finite(metrics["loss"], now - count, workdir, checkpoints.latest_step())
                window.append(metrics)
                last = now == total_steps
                if last or now % settings.log_every == 0:
                    row = mean_over_steps(window)
                    window = []
                    rows.write(now, "train", row)
                    rows.write_speed(now, progress.steps_per_second())
                    progress.report({"loss": float(row["loss"])} | _scalars(row))
                if writes and (
                    last or (settings.evaluate_every and now % settings.evaluate_every == 0)
                ):
                    variables = devices.to_host(inference_variables(state))
                    evaluation = task.evaluate(config, variables, splits)
                    rows.write(now, "validation", evaluation)
                    progress.report(records.plain(evaluation))
                if last or now % settings.checkpoint_every == 0:
                    checkpoints.save(now, state)

        if not writes:
            return {}
        variables = devices.to_host(inference_variables(state))
        if evaluation is None:  # killed between the last checkpoint and the summary
            evaluation = task.evaluate(config, variables, splits)
        task.figures(config, variables, splits, workdir / "figures")
        summary = {
            "step": now,
            "parameters": count_parameters(variables["params"]),
            "evaluation": records.plain(evaluation),
            "provenance": provenance(),
        }
        records.write_summary(workdir, summary)
        return summary


def steps_to_boundary(now: int, total_steps: int, settings: TrainingSettings) -> int:
    """Steps of the next dispatch: as many as allowed, but never past a row of metrics."""
    boundary = min(total_steps, (now // settings.log_every + 1) * settings.log_every)
    return min(settings.steps_per_dispatch, boundary - now)


def mean_over_steps(window: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Means over the steps of a row."""
    return {
        name: np.mean(np.concatenate([metrics[name] for metrics in window]), axis=0)
        for name in window[0]
    }


def _scalars(row: dict[str, np.ndarray]) -> dict[str, float]:
    return {name: float(value) for name, value in row.items() if np.ndim(value) == 0}


def refuse_non_finite(losses: np.ndarray, first_step: int, workdir: Path, kept: int | None) -> None:
    """Raises a UserError that names the step if a loss is NaN or infinite; `kept`: the last checkpoint."""
    wrong = np.flatnonzero(~np.isfinite(losses))
    if not len(wrong):
        return
    state = "no checkpoint yet" if kept is None else f"the state of step {kept} is kept"
    raise UserError(
        f"{workdir}: the loss became {losses[wrong[0]]} at step {first_step + int(wrong[0]) + 1} "
        f"({state}); lower config.training.learning_rate or set config.training.gradient_clip"
    )


def _opening(
    workdir: Path, config: Any, state: Any, examples: int, now: int, total_steps: int, mesh: Any
) -> str:
    resumed = f", resumed at step {now}" if now else ""
    return (
        f"{workdir}: {config.task}, {count_parameters(state['params']):,} parameters, {examples} training "
        f"examples, {total_steps} steps on {mesh.size} {jax.default_backend()} device(s){resumed}"
    )


def count_parameters(params: Any) -> int:
    """Numbers in a tree of arrays."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
