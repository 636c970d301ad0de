"""The text about a trained model that goes with it wherever its file goes."""

from collections.abc import Mapping
from typing import Any

from lvae.runs.rows import count_parameters
from lvae.tasks.restoring import Loaded
from lvae.version import __version__


def model_card(loaded: Loaded, summary: Mapping[str, Any] | None) -> str:
    """Markdown: what the model is, what it learned from, how good it was, how it is used.

    It holds no path of the machine that it was trained on. summary: of a complete run, or None.
    """
    task, config, run = loaded
    fields = ", ".join(
        f"{name} {' x '.join(map(str, field.shape)) or 'one number'} {field.dtype}"
        for name, field in run.spec.fields.items()
    )
    source = "files" if config.get("data", {}).get("path") else "built-in or simulated examples"
    lines = [
        f"# A model of lvae: {config.task}",
        "",
        f"- task: `{config.task}`, seed {run.settings.seed}, written by lvae {__version__}",
        f"- parameters: {count_parameters(run.variables['params']):,}",
        f"- trained on: {run.spec.examples} examples from {source}",
        f"- an example: {fields}",
        f"- steps: {summary['step'] if summary else 'not complete yet'}",
        "",
        "## Use",
        "",
        "`lvae sample --model=FILE --mode=MODE`, or `lvae.load(FILE)` in Python. Modes:",
        "",
        *(f"- `{name}`: {mode.help}" for name, mode in task.modes.items()),
        "",
        "Neither the run directory nor the training data are needed, unless a mode starts from frames",
        "or images: name them with `--data`.",
        "",
    ]
    numbers = _numbers(summary)
    if numbers:
        lines += ["## Measured when training ended", ""]
        lines += [f"- {name}: {value:.6g}" for name, value in numbers.items()]
        lines += [""]
    lines += [
        "## Limits",
        "",
        "Drawn samples resemble the training data; they are for training and testing other programs,",
        "not for diagnosis. A model can repeat what it was trained on: measure that before sharing a",
        "model of patients' data.",
        "",
    ]
    return "\n".join(lines)


def _numbers(summary: Mapping[str, Any] | None) -> dict[str, float]:
    measured = (summary or {}).get("evaluation")
    if not isinstance(measured, Mapping):
        return {}
    return {
        name: float(value)
        for name, value in measured.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
