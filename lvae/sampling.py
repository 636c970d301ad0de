"""The door behind sample.py: a run directory and a mode in, files out."""

import dataclasses
from pathlib import Path

import jax

from lvae import tasks
from lvae.errors import UserError
from lvae.tasks.interface import Run, SamplingOptions
from lvae.training import records
from lvae.training.restore import restore_variables


def load_run(workdir: Path) -> Run:
    """The trained run in `workdir`; creates nothing.

    Raises:
      UserError: there is no run, no checkpoint, or a damaged one.
    """
    config = records.read_config(workdir)
    return Run(config, restore_variables(workdir, config, tasks.find(config.task)), workdir)


def sample(workdir: Path, options: SamplingOptions) -> None:
    """Runs the mode `options.mode` of the run's task.

    With several processes each takes its own shard.

    Raises:
      UserError: an unknown mode, bad input, no run, a full disk.
    """
    config = records.read_config(workdir)
    task = tasks.find(config.task)
    if options.mode not in task.MODES:
        raise UserError(
            f"--mode={options.mode}: no such mode; the task {config.task} of {workdir} offers "
            f"{', '.join(task.MODES)}"
        )
    if jax.process_count() > 1:
        options = dataclasses.replace(options, shard=(jax.process_index(), jax.process_count()))
    task.MODES[options.mode](load_run(workdir), options)


def parse_shard(text: str) -> tuple[int, int]:
    """(index, count) from "i/n".

    Raises:
      UserError: not of that form, or the index is not below the count.
    """
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
        raise UserError(f"--shard={text}: write i/n with 0 <= i < n, as in --shard=0/4")
    return int(index), int(count)
