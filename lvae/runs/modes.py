"""The mode runner: a run and a request in, a data set out. The same for every task."""

import dataclasses
from pathlib import Path

import jax

from lvae import configuration
from lvae.errors import UserError
from lvae.runs.cards import writing
from lvae.runs.cards.collecting import set_facts
from lvae.runs.cards.facts import write_facts
from lvae.runs.export import formats, journal
from lvae.runs.export.writer import Layout, Summary, write_data_set
from lvae.runs.progress import Progress
from lvae.runs.provenance import versions
from lvae.tasks.restoring import Loaded
from lvae.tasks.task import Mode, Plan, Request, Task


def find_mode(task: Task, name: str, where: str) -> Mode:
    """The mode of that name.

    Raises:
      UserError: the task has none; `where` says whose task it is.
    """
    if name not in task.modes:
        raise UserError(f"--mode={name}: no such mode; {where} offers {', '.join(task.modes)}")
    return task.modes[name]


def draw(loaded: Loaded, request: Request, out: Path, layout: Layout = Layout()) -> Summary:  # noqa: B008
    """Draws what is asked for into `out`.

    With several processes each takes its own shard.

    Raises:
      UserError: an unknown mode, a format that it cannot write, bad input, a folder that holds
        something else, a full disk.
    """
    mode = check(loaded, request, out, layout)
    if jax.process_count() > 1:
        here = (jax.process_index(), jax.process_count())
        layout = dataclasses.replace(layout, shard=here)
    if request.options is None:
        request = dataclasses.replace(request, options=mode.options())
    plan = planned(loaded, request)
    with Progress(0, len(plan.names)) as progress:
        summary = write_data_set(
            out,
            plan,
            described(loaded, request),
            layout,
            versions=versions(),
            progress=progress.drawn,
        )
        if layout.card:
            write_about(loaded, plan, out, layout)
        progress.note(str(summary))
    return summary


def write_about(loaded: Loaded, plan: Plan, out: Path, layout: Layout) -> None:
    """The cards of a finished set; for a shard, what whoever merges it needs for them.

    Raises:
      UserError: a record cannot be read, or the folder cannot be written.
    """
    whole, own = journal.find_manifest(out), journal.manifest_path(out, layout.shard)
    header = journal.read_header(whole or own)
    assert header is not None  # a manifest has one
    if whole is None:
        write_facts(out, layout.shard, set_facts(loaded, plan, header))
    elif not writing.are_there(out):
        writing.write_cards(out, set_facts(loaded, plan, header))


def check(loaded: Loaded, request: Request, out: Path, layout: Layout) -> Mode:
    """The mode that is asked for, if it can be drawn into `out`.

    Raises:
      UserError: an unknown mode, a format that it cannot write, the folder of the input.
    """
    mode = find_mode(loaded.task, request.mode, f"the task {loaded.config.task}")
    formats.check(layout.format, mode.formats, request.mode)
    if request.data is not None:
        refuse_input_folder(request.data, out)
    return mode


def planned(loaded: Loaded, request: Request) -> Plan:
    """What is drawn for a request, whose options are given.

    Raises:
      UserError: an unknown mode, bad input, nothing to draw.
    """
    mode = find_mode(loaded.task, request.mode, f"the task {loaded.config.task}")
    plan = mode.plan(loaded.run, request)
    if not len(plan.names):
        raise UserError(f"--num_samples, --data: nothing to draw for --mode={request.mode}")
    return plan


def described(loaded: Loaded, request: Request) -> dict[str, object]:
    """What identifies a data set: another request may not go to the same folder."""
    return {
        "mode": request.mode,
        "seed": request.seed,
        "num_samples": request.num_samples,
        "data": str(request.data) if request.data else None,
        "options": vars(request.options) if request.options is not None else {},
        "config": configuration.to_dict(loaded.config),
    }


def refuse_input_folder(data: Path, out: Path) -> None:
    """Raises a UserError where `out` is the folder of the input."""
    source = data.resolve()
    if out.resolve() in (source, source.parent if source.is_file() else source):
        raise UserError(
            f"--out={out}: holds the input, which is never written over; choose another folder"
        )


def parse_shard(text: str) -> tuple[int, int]:
    """(index, count) from "i/n".

    Raises:
      UserError: not of that form, or the index is not below the count.
    """
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
        raise UserError(f"--shard={text}: write i/n with 0 <= i < n, as in --shard=0/4")
    return int(index), int(count)
