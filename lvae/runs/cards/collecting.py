"""What a run knows of a set that it draws."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lvae.runs.cards import facts
from lvae.runs.cards.facts import SetFacts
from lvae.runs.export import journal
from lvae.runs.export.writer import PREVIEW
from lvae.runs.labels import label
from lvae.storage import records
from lvae.tasks.restoring import Loaded
from lvae.tasks.task import Plan

AUDIT = "audit/audit.json"  # of a run directory
OWN = (PREVIEW, "README.md", "croissant.json", "manifest.json")


def set_facts(loaded: Loaded, plan: Plan, header: journal.Header) -> SetFacts:
    """Of a set with this header of its manifest.

    Raises:
      UserError: a record of the run cannot be read.
    """
    task, config, run = loaded
    mode, format = str(header["mode"]), str(header["export"]["format"])
    summary = records.read_summary(run.workdir) if run.workdir.is_dir() else None
    return SetFacts(
        task=str(config.task),
        mode=mode,
        help=task.modes[mode].help,
        label=label(task, mode),
        new=task.modes[mode].new,
        samples=len(plan.names),
        seed=header["seed"],
        version=str(header.get("versions", {}).get("lvae", "of an unknown version")),
        format=format,
        suffixes=list(plan.suffixes),
        patterns=facts.patterns(plan.names, plan.suffixes, format, {*OWN, *plan.extras}),
        command=facts.command(header),
        examples=run.spec.examples,
        built_in=not config.get("data", {}).get("path"),
        measured=facts.numbers(summary),
        audit=audit_of(run.workdir, mode),
    )


def audit_of(workdir: Path, mode: str | None = None) -> Mapping[str, Any] | None:
    """What the run's audit says; with a mode, only if it is about samples of that mode.

    Raises:
      UserError: it cannot be read.
    """
    if not (workdir / AUDIT).is_file():
        return None
    found = records.read_object(workdir / AUDIT, "", "audit the run again, or delete it")
    return found if mode in (None, found.get("mode")) else None
