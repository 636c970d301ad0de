"""The text about a trained model: `model_card.md` of a run directory, and a part of every model file."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from lvae import atomic
from lvae.runs.audit import tables
from lvae.runs.cards.facts import numbers
from lvae.runs.rows import count_parameters
from lvae.storage import records
from lvae.tasks.restoring import Loaded
from lvae.tasks.task import Run
from lvae.version import __version__

CARD = "model_card.md"


def model_card(
    loaded: Loaded, summary: Mapping[str, Any] | None, audit: Mapping[str, Any] | None = None
) -> str:
    """Markdown: what the model is, what it learned from, how good it was, what it gives away, how it
    is used.

    It holds no path of the machine that it was trained on. summary: of a complete run, or None.
    audit: what audit.json holds, or None.
    """
    task, config, run = loaded
    lines = [
        f"# A model of lvae: {config.task}",
        "",
        *_facts(loaded, summary),
        "",
        "## Use",
        "",
        "`lvae sample --model=FILE --mode=MODE`, or `lvae.load(FILE)` in Python. Modes:",
        "",
        *(f"- `{name}`: {mode.help}" for name, mode in task.modes.items()),
        "",
        "Only samples of a mode that draws from the prior are new: "
        + (", ".join(f"`{name}`" for name, mode in task.modes.items() if mode.new) or "none here")
        + ". All others are made from somebody's examples, and are as private as those.",
        "",
        "Neither the run directory nor the training data are needed, unless a mode starts from frames",
        "or images: name them with `--data`.",
        "",
        *_settings(config.to_dict()),
        *_measured(summary),
        *_privacy(run, audit),
        "## Limits",
        "",
        "Drawn samples resemble the training data; they are for training and testing other programs,",
        "not for diagnosis, and never a test set.",
        "",
    ]
    return "\n".join(lines)


def write_model_card(
    loaded: Loaded, summary: Mapping[str, Any] | None, audit: Mapping[str, Any] | None
) -> None:
    """model_card.md of a run directory; it follows the run, so that it is written anew.

    Raises:
      UserError: the disk is full.
    """
    atomic.write_text(loaded.run.workdir / CARD, model_card(loaded, summary, audit))


def _facts(loaded: Loaded, summary: Mapping[str, Any] | None) -> list[str]:
    _, config, run = loaded
    fields = ", ".join(
        f"{name} {' x '.join(map(str, field.shape)) or 'one number'} {field.dtype}"
        for name, field in run.spec.fields.items()
    )
    source = "files" if config.get("data", {}).get("path") else "built-in or simulated examples"
    return [
        f"- task: `{config.task}`, seed {run.settings.seed}, written by lvae {__version__}",
        f"- parameters: {count_parameters(run.variables['params']):,}",
        f"- trained on: {run.spec.examples} examples from {source}",
        f"- an example: {fields}",
        *(
            f"- of the training data, {name}: {_short(value)}"
            for name, value in run.spec.facts.items()
            if _short(value)
        ),
        f"- steps: {summary['step'] if summary else 'not complete yet'}",
    ]


def _short(value: Any) -> str:
    """A number or a few, as text; "" of anything longer, and of text, which may name a place."""
    values = value if isinstance(value, list | tuple) else [value]
    plain = all(isinstance(one, int | float) and not isinstance(one, bool) for one in values)
    return ", ".join(f"{one:.6g}" for one in values) if plain and 0 < len(values) <= 6 else ""


def _settings(config: Mapping[str, Any]) -> Iterator[str]:
    """Numbers and choices of the config, group by group; no text of the data group, which names
    places."""
    yield from ("## Config", "")
    for group, values in sorted(config.items()):
        if not isinstance(values, Mapping):
            continue
        shown = [
            f"{name} {value}"
            for name, value in sorted(values.items())
            if not isinstance(value, Mapping) and not (group == "data" and isinstance(value, str))
        ]
        if shown:
            yield f"- {group}: {', '.join(shown)}"
    yield ""


def _measured(summary: Mapping[str, Any] | None) -> list[str]:
    found = numbers(summary)
    if not found:
        return []
    lines = [f"- {name}: {value:.6g}" for name, value in found.items()]
    return ["## Measured when training ended", "", *lines, ""]


def _privacy(run: Run[Any], audit: Mapping[str, Any] | None) -> list[str]:
    lines = ["## Privacy", ""]
    if holds_examples(run):
        lines += [
            "**This model holds its training examples themselves**, among its buffers: whoever gets the",
            "model gets them. Share samples of the mode `prior` rather than the model.",
            "",
        ]
    if audit is None:
        return [
            *lines,
            "Not audited. A model can repeat what it was trained on: run `lvae audit` before you share",
            "the model or what it draws.",
            "",
        ]
    return [
        *lines,
        f"{tables.verdict_line(audit)} (set: `{audit['set']}`, {audit['label']})",
        "",
        *(f"- {line}" for line in tables.power_lines(audit)),
        "",
        *tables.table(audit),
        "",
        *tables.model_table(audit),
        "",
    ]


def holds_examples(run: Run[Any]) -> bool:
    """Whether a buffer has the shape of all training examples of a field of several numbers."""
    kept = {np.shape(leaf) for leaf in jax.tree.leaves(run.variables["buffers"])}
    return any(
        (run.spec.examples, *field.shape) in kept
        for field in run.spec.fields.values()
        if field.shape
    )


def read_summary(workdir: Path) -> dict[str, Any] | None:
    """Of a run directory; None of a model file, and of a run that is not complete."""
    return records.read_summary(workdir) if workdir.is_dir() else None
