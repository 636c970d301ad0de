"""Trains a task into a run directory, or several seeds of it into one directory each.

The same command resumes, bit for bit. Several seeds are one program with a seed axis (`vmap`): each
leaves what training it alone leaves, to rounding, since a product of many is not summed in the
order of a product of one.
"""

import contextlib
import copy
import importlib
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import jax
import ml_collections
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree

from lvae import atomic, configuration
from lvae.errors import UserError
from lvae.keys import stream
from lvae.runs import devices, evaluation, members, order
from lvae.runs.cards.model_card import write_model_card
from lvae.runs.members import Member
from lvae.runs.optimizer import make_optimizer
from lvae.runs.progress import Progress
from lvae.runs.provenance import provenance
from lvae.runs.rows import (
    Window,
    count_parameters,
    refuse_non_finite,
    steps_to_boundary,
    write_rows,
)
from lvae.runs.state import State, inference_variables, init_state, make_dispatch, make_step
from lvae.storage import records
from lvae.storage.checkpoints import Checkpoints
from lvae.storage.lock import only_trainer
from lvae.storage.trackers import check
from lvae.tasks.restoring import Loaded
from lvae.tasks.task import Run, Spec, Splits, Task, numeric, spec_from_json, spec_to_json
from lvae.tasks.training_settings import TrainingSettings

# Needed once the network is trained, or while it is compiled, and slow to import: 3 s together.
SLOW_IMPORTS = ("tensorboardX", "matplotlib.figure", "sklearn.manifold")

Config: TypeAlias = ml_collections.ConfigDict
Advance = Callable[[State, int, int], tuple[State, list[dict[str, np.ndarray]]]]


def train(
    task: Task[Any], config: Config, workdir: Path, trackers: Sequence[str] = ()
) -> dict[str, Any]:
    """Trains until the config's last step, from the newest checkpoint in `workdir` if there is one.

    Args:
      task: what to train.
      config: as the files in configs/ give.
      workdir: the run directory; created if absent.
      trackers: where numbers go beside TensorBoard, see `lvae.storage.trackers`.

    Returns:
      The summary, which is also in `workdir/summary.json`.

    Raises:
      UserError: bad data, a directory with another config or another trainer, a loss that is not
        finite, a full disk.
    """
    members_of_one = [_member(task, config, Path(workdir))]
    (summary,) = _train_members(task, members_of_one, Path(workdir), trackers)
    return summary


def train_seeds(
    task: Task[Any],
    config: Config,
    seeds: Sequence[int],
    workdir: Path,
    trackers: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Trains `config` once for every seed, all at once, into `workdir/seed-N`.

    A seed that is complete already is left alone.

    Returns:
      The summary of every seed.

    Raises:
      UserError: as `train`.
    """
    workdir = Path(workdir)
    everyone = [_member(task, with_seed(config, seed), workdir / f"seed-{seed}") for seed in seeds]
    return _train_members(task, everyone, workdir, trackers)


def _member(task: Task[Any], config: Config, workdir: Path) -> Member:
    return Member(config, configuration.parse(task.settings, config), workdir)


def with_seed(config: Config, seed: int) -> Config:
    """A copy of the config with this seed."""
    changed = copy.deepcopy(config)
    changed.seed = seed
    return changed


def _train_members(
    task: Task[Any], everyone: Sequence[Member], workdir: Path, trackers: Sequence[str]
) -> list[dict[str, Any]]:
    """Trains the members that are not complete."""
    check(trackers)
    summaries = [_finished(member) for member in everyone]
    left = [member for member, summary in zip(everyone, summaries) if summary is None]
    if not left:
        print(f"{workdir}: this run is complete; nothing to do", file=sys.stderr)
    else:
        with contextlib.ExitStack() as locks:
            if devices.is_writer():
                for member in left:
                    atomic.make_folder(member.workdir)
                    locks.enter_context(only_trainer(member.workdir))
                    _finished(member)  # the config that another trainer may have begun with since
                    atomic.remove_unfinished(member.workdir, member.workdir / "figures")
                import_beside()
            trained = iter(_trained(task, left, workdir, trackers))
            summaries = [next(trained) if summary is None else summary for summary in summaries]
    return [summary for summary in summaries if summary is not None]


def _finished(member: Member) -> dict[str, Any] | None:
    """The summary of a complete run of the same config."""
    if (member.workdir / records.CONFIG).exists():
        records.write_config(member.workdir, member.config)  # the same, or refused
    return records.read_summary(member.workdir)


def import_beside() -> None:
    """Imports in a thread what is needed later, while JAX compiles and trains."""

    def work() -> None:
        with contextlib.suppress(Exception):  # told where it is needed
            for name in SLOW_IMPORTS:
                importlib.import_module(name)

    threading.Thread(target=work, daemon=True).start()


class _Training(NamedTuple):
    """What stays as it is from the first step to the last."""

    task: Task[Any]
    members: Sequence[Member]
    spec: Spec
    splits: Splits
    settings: TrainingSettings
    total_steps: int
    mesh: Mesh
    stores: Sequence[Checkpoints]
    workdir: Path
    trackers: Sequence[str]


def _trained(
    task: Task[Any], left: Sequence[Member], workdir: Path, trackers: Sequence[str]
) -> list[dict[str, Any]]:
    """Trains members, all from one step on; their summaries."""
    settings = left[0].settings.training
    mesh = devices.make_mesh()
    devices.batch_sharding(mesh, settings.batch_size)  # refused before the data are read
    splits = task.load_data(left[0].settings)
    spec = spec_from_json(spec_to_json(task.spec(left[0].settings, splits)))
    if spec.examples < 1:
        raise UserError(f"{workdir}: the training split is empty; name data with config.data.path")
    if devices.is_writer():
        for member in left:  # once the data are read: a mistake in their path begins no run
            records.write_config(member.workdir, member.config)
            records.write_spec(member.workdir, spec_to_json(spec))
    total_steps = settings.total_steps(spec.examples)
    with members.opened(left) as stores:
        training = _Training(
            task, left, spec, splits, settings, total_steps, mesh, stores, workdir, trackers
        )
        states, now = _begun(training)
        states, numbers = _all_steps(training, states, now)
        if not devices.is_writer():
            return [{} for _ in left]
        return [
            _finish(training, member, state, number)
            for member, state, number in zip(left, members.unstack(states, len(left)), numbers)
        ]


def _begun(training: _Training) -> tuple[State, int]:
    """The states to go on from, stacked, and their step."""
    task, left, spec = training.task, training.members, training.spec
    optimizer = make_optimizer(training.settings, training.total_steps)

    def begin(variables: PyTree) -> State:
        return init_state(variables, optimizer, training.settings)

    now = members.common_step(training.stores)
    if now:
        shapes = members.state_shapes(task, left[0], spec, begin)
        states = members.restored_states(training.stores, now, shapes, training.mesh)
    else:
        states = members.first_states(task, left, spec, training.splits, begin, training.mesh)
    return members.stack(states), now


def _advance(training: _Training, states: State) -> Advance:
    """A function that takes the states some steps on, and gives each member's metrics by step."""
    settings, mesh, left = training.settings, training.mesh, training.members
    optimizer = make_optimizer(settings, training.total_steps)
    step = make_step(training.task.loss(left[0].settings, training.spec), optimizer, settings)
    replicated = NamedSharding(mesh, PartitionSpec())
    shardings = (jax.tree.map(lambda _: replicated, states), replicated)
    if len(left) == 1:
        sharding = devices.batch_sharding(mesh, settings.batch_size)
        constrained = make_dispatch(
            step, lambda batch: jax.lax.with_sharding_constraint(batch, sharding)
        )
        dispatch = jax.jit(constrained, donate_argnums=0, out_shardings=shardings)
    else:
        several = jax.vmap(make_dispatch(step), in_axes=(0, None, 0, 0))
        dispatch = jax.jit(several, donate_argnums=0, out_shardings=shardings)
    seeds = [member.settings.seed for member in left]
    orders = [stream(seed, "order") for seed in seeds]
    # Made by a program on all devices: keys cannot be sent to those of other hosts.
    keys = jax.jit(
        lambda: members.stack([stream(seed, "step") for seed in seeds]), out_shardings=replicated
    )()
    examples = training.spec.examples
    data = devices.replicate(numeric(training.splits["train"]), mesh)

    def advance(state: State, now: int, count: int) -> tuple[State, list[dict[str, np.ndarray]]]:
        chosen = [
            order.batch_indices(key, now, count, settings.batch_size, examples) for key in orders
        ]
        indices = chosen[0] if len(chosen) == 1 else np.stack(chosen)
        state, metrics = dispatch(state, data, devices.replicate(indices, mesh), keys)
        return state, members.unstack(devices.to_host(metrics), len(left))

    return advance


def _all_steps(
    training: _Training, states: State, now: int
) -> tuple[State, list[Mapping[str, Any]]]:
    """Steps, rows of metrics, evaluations and checkpoints until the end; the last evaluations."""
    settings, total, writes = training.settings, training.total_steps, devices.is_writer()
    advance = _advance(training, states)
    numbers: list[Mapping[str, Any]] = []
    with contextlib.ExitStack() as opened:
        rows = [
            opened.enter_context(
                records.Records(member.workdir, now, enabled=writes, trackers=training.trackers)
            )
            for member in training.members
        ]
        progress = opened.enter_context(Progress(now, total, enabled=writes))
        progress.note(_opening(training, states, now))
        windows: list[Window] = [[] for _ in rows]
        compiled: set[int] = set()
        while now < total:
            count = steps_to_boundary(now, total, settings)
            start = time.perf_counter()
            states, metrics = advance(states, now, count)
            now += count
            progress.advance(now, time.perf_counter() - start, count in compiled)
            compiled.add(count)
            for member, window, latest in zip(training.members, windows, metrics):
                refuse_non_finite(latest["loss"], now - count, member.workdir, training.stores[0])
                window.append(latest)
            last = now == total
            if last or now % settings.log_every == 0:
                write_rows(rows, windows, now, progress)
            if writes and (last or _due(now, settings.evaluate_every)):
                numbers = _evaluated(training, states)
                for row, measured in zip(rows, numbers):
                    row.write(now, "evaluation", measured)
                progress.report(records.plain(numbers[0]))
            if last or now % settings.checkpoint_every == 0:
                for row in rows:
                    row.flush()
                single = members.unstack(states, len(rows))
                for store, state in zip(training.stores, single):
                    store.save(now, state)
    if writes and not numbers:  # killed between the last checkpoint and the summary
        numbers = _evaluated(training, states)
    return states, numbers


def _due(now: int, every: int) -> bool:
    return every > 0 and now % every == 0


def _runs(training: _Training, states: State) -> list[Run[Any]]:
    """What evaluation and figures see of every member."""
    host = devices.to_host(inference_variables(states))
    return [
        Run(member.settings, training.spec, variables, member.workdir)
        for member, variables in zip(training.members, members.unstack(host, len(training.members)))
    ]


def _evaluated(training: _Training, states: State) -> list[Mapping[str, Any]]:
    return [
        evaluation.while_training(training.task, run, training.splits)
        for run in _runs(training, states)
    ]


def _finish(
    training: _Training, member: Member, state: State, numbers: Mapping[str, Any]
) -> dict[str, Any]:
    """Figures, model card and summary of a member."""
    variables = devices.to_host(inference_variables(state))
    run = Run(member.settings, training.spec, variables, member.workdir)
    evaluation.write_figures(training.task, run, training.splits)
    summary = {
        "step": training.total_steps,
        "parameters": count_parameters(variables["params"]),
        "evaluation": records.plain(numbers),
        "provenance": provenance(),
    }
    write_model_card(Loaded(training.task, member.config, run), summary, None)
    records.write_summary(member.workdir, summary)
    return summary


def _opening(training: _Training, states: State, now: int) -> str:
    count = len(training.members)
    parameters = count_parameters(states["params"]) // count
    resumed = f", resumed at step {now}" if now else ""
    seeds = f", {count} seeds" if count > 1 else ""
    return (
        f"{training.workdir}: {training.members[0].config.task}{seeds}, {parameters:,} parameters, "
        f"{training.spec.examples} training examples, {training.total_steps} steps on "
        f"{training.mesh.size} {jax.default_backend()} device(s){resumed}"
    )
