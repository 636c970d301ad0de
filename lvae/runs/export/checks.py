"""What is refused before a data set is written into a folder."""

import os
from collections.abc import Collection
from pathlib import Path

from lvae.errors import UserError
from lvae.runs.export import journal
from lvae.tasks.task import Plan


def names(plan: Plan, out: Path, own: Collection[str]) -> None:
    """No two samples are one file, and none is a file of the exporter's own, among them `own`.

    Raises:
      UserError: see above.
    """
    if not isinstance(plan.names, list | tuple):
        return  # counted through
    reserved = {*own, "manifest.json", "README.md", "croissant.json", *plan.extras}
    taken: set[str] = set()
    for name in plan.names:
        for suffix in plan.suffixes:
            file = f"{name}{suffix}"
            if file in reserved:
                raise UserError(
                    f"{out / file}: an input of this name would be written over {file}; rename it"
                )
            if file in taken:
                raise UserError(
                    f"{out / file}: two inputs would both become this file; rename one of them"
                )
            taken.add(file)


def origin(out: Path, plan: Plan) -> None:
    """Refuses to write among files that no record explains: they could be somebody's recordings.

    Raises:
      UserError: see above.
    """
    if not out.is_dir() or journal.records(out):
        return
    known = plan.names if not isinstance(plan.names, list | tuple) else set(plan.names)
    with os.scandir(out) as entries:
        for entry in entries:
            ours = any(
                entry.name.endswith(suffix) and entry.name.removesuffix(suffix) in known
                for suffix in plan.suffixes
            )
            packed = entry.name.startswith("data-") and entry.name.endswith((".tar", ".parquet"))
            # Another shard may have begun since: its record is there before its files.
            if (ours or packed) and not journal.records(out):
                raise UserError(
                    f"{out}: holds {entry.name} but no manifest of a data set drawn here; choose "
                    "another folder"
                )
