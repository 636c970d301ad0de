"""The seeds of one training: each a run of its own on the disk, a row of one array on the device."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree

from lvae.keys import stream
from lvae.runs import devices
from lvae.runs.state import State
from lvae.storage import checkpoints
from lvae.storage.checkpoints import Checkpoints
from lvae.tasks.task import Spec, Splits, Task

# Of a program that runs once: compiles three times faster.
QUICK: dict[str, str | bool] = {"xla_backend_optimization_level": "1"}


class Member(NamedTuple):
    """One seed: its config, what the config says, its run directory."""

    config: ml_collections.ConfigDict
    settings: Any  # of the task's own class
    workdir: Path


def stack(trees: Sequence[PyTree]) -> PyTree:
    """One tree with a leading axis of members; of one member its tree as it is."""
    if len(trees) == 1:
        return trees[0]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def unstack(tree: PyTree, count: int) -> list[PyTree]:
    """The inverse of `stack`."""
    if count == 1:
        return [tree]
    return [jax.tree.map(lambda leaf, row=row: leaf[row], tree) for row in range(count)]


@contextlib.contextmanager
def opened(members: Sequence[Member]) -> Iterator[list[Checkpoints]]:
    """The checkpoints of all members. Of several at least two are kept, so that there is a step
    that all of them have, wherever a kill came."""
    with contextlib.ExitStack() as everything:
        yield [
            everything.enter_context(Checkpoints(member.workdir, _kept(members, member)))
            for member in members
        ]


def _kept(members: Sequence[Member], member: Member) -> int:
    kept = member.settings.training.keep_checkpoints
    return kept if len(members) == 1 else max(kept, 2)


def common_step(stores: Sequence[Checkpoints]) -> int:
    """The newest step of which every member has a checkpoint; 0 if there is none."""
    steps = set.intersection(*(set(store.steps()) for store in stores))
    return max(steps, default=0)


def state_shapes(
    task: Task[Any], member: Member, spec: Spec, begin: Callable[[PyTree], State]
) -> PyTree:
    """Shapes and types of a member's state."""
    return jax.eval_shape(
        lambda key: begin(task.init(member.settings, spec, key)), jax.random.key(0)
    )


def first_states(
    task: Task[Any],
    members: Sequence[Member],
    spec: Spec,
    splits: Splits,
    begin: Callable[[PyTree], State],
    mesh: Mesh,
) -> list[State]:
    """Freshly drawn and prepared; the same for a member alone and among others.

    begin: variables -> state, as `init_state`.
    """
    replicated = NamedSharding(mesh, PartitionSpec())
    states = []
    for member in members:
        settings = member.settings
        initial = jax.jit(
            lambda settings=settings: task.init(settings, spec, stream(settings.seed, "init")),
            out_shardings=replicated,
        )
        variables = devices.to_host(initial.lower().compile(QUICK)())
        variables = devices.replicate(task.prepare(settings, variables, splits), mesh)
        states.append(jax.jit(begin, out_shardings=replicated)(variables))
    return states


def restored_states(
    stores: Sequence[Checkpoints], step: int, shapes: PyTree, mesh: Mesh
) -> list[State]:
    """The states of a step."""
    abstract = checkpoints.abstract(shapes, NamedSharding(mesh, PartitionSpec()))
    return [store.restore(step, abstract) for store in stores]
