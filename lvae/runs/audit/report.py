"""audit.json, audit.md and its pictures."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lvae import atomic
from lvae.figures import audit as drawn
from lvae.figures import canvas
from lvae.imaging.sheets import contact_sheet, png
from lvae.runs.audit import verdict
from lvae.runs.audit.auditing import Audit
from lvae.runs.audit.material import taken
from lvae.tasks.restoring import Loaded

PAIRS = 6  # samples that are shown beside the training example that they are nearest to

_EXPLAINED = """
## How to read this

- **near copies**: share of the set that lies as near to a training {unit} as its own examples lie to each other, and
  less than half-way to the next {unit}. Anything above what held-out {unit}s have is a finding.
- **memorised**: share of the set that is nearest to a training {unit} rather than to a held-out one. A generator that
  remembers nobody has the share *chance*; the p value counts all ways to call as many {unit}s "training".
- **farther than held out**: chance that a sample lies farther from the training {unit}s than a held-out {unit} does.
  0.5 is what new {unit}s would have; the p value is that of a lower chance.
- **membership by the set**: AUROC of telling training {unit}s from held-out ones by how much denser the set is around
  them than real data are. 0.5: it tells nothing.
- **authentic**: share of the set that is farther from its nearest training example than that one is from other
  {unit}s. There is no right value: hold it against the held-out row.
- **told apart**: AUROC of a classifier that tells the set from real examples; a measure of fidelity, not of privacy.
  0.5: it cannot. **covered**: share of real examples that have a sample near them.
- Each test alone gives a false alarm one time in twenty, where there is nothing to find.

No finding is no proof: an attack that is not listed here, or a leak smaller than the one named above, stays unseen.
"""


def write(audit: Audit, loaded: Loaded, out: Path) -> None:
    """Everything into `out`, audit.json last: it says that the audit is complete."""
    result, known, sets = audit
    auditor = known.auditor
    nearest = {
        name: auditor.distances(known.run, one.examples, known.train.examples).min(1)
        for name, one in sets.items()
    }
    unit, limit = auditor.unit, float(np.median(known.limits))
    canvas.save(drawn.distances(nearest, auditor.measure, unit, limit), out / "distances.png")
    rows = {name: row["memorised"] for name, row in result["sets"].items()}
    canvas.save(drawn.shares(rows, unit), out / "memorised.png")
    scores = {
        name: (row["training_scores"], row["held_out_scores"])
        for name, row in result["model"].items()
    }
    canvas.save(drawn.memberships(scores, unit), out / "membership.png")
    pairs = nearest_pairs(audit, loaded, nearest[result["set"]])
    if pairs is not None:
        atomic.write_bytes(out / "nearest.png", png(pairs))
    atomic.write_text(out / "audit.md", page(result, pairs is not None))
    atomic.write_text(out / "audit.json", json.dumps(result, indent=2, allow_nan=False) + "\n")


def nearest_pairs(audit: Audit, loaded: Loaded, nearest: np.ndarray) -> np.ndarray | None:
    """The samples nearest to training, above each the example that it is nearest to."""
    known, compared = audit.known, audit.sets[audit.result["set"]]
    rows = np.argsort(nearest)[:PAIRS]
    closest = taken(compared.examples, rows)
    to_train = known.auditor.distances(known.run, closest, known.train.examples)
    sources = taken(known.train.examples, to_train.argmin(1))
    bands = [_images(loaded, part) for part in (sources, closest)]
    if any(band is None for band in bands):
        return None
    return contact_sheet([image for band in bands for image in band or ()], len(rows), smallest=112)


def _images(loaded: Loaded, examples: Mapping[str, np.ndarray]) -> list[np.ndarray] | None:
    if "image" in examples:
        return list(examples["image"])
    if loaded.task.explore is None:
        return None
    return list(loaded.task.explore.render(loaded.run, examples))


def page(result: Mapping[str, Any], pictured: bool) -> str:
    """audit.md."""
    unit, groups = result["unit"], result["groups"]
    training, held_out = groups["training"], groups["held_out"]
    lines = [
        f"# Audit of `{result['set']}`",
        "",
        f"**{verdict_line(result)}**",
        "",
        f"- the set: {result['label']}; {result['sets'][result['set']]['examples']} samples",
        f"- compared with {training['groups']} training {unit}s ({_counted(training)}) and "
        f"{held_out['groups']} held-out ones ({_counted(held_out)})",
        *(
            f"- finding: {name}: {verdict.FINDINGS[name].format(unit=unit)}"
            for name in result["findings"]
        ),
        *(f"- {line}" for line in power_lines(result)),
        *(f"- note: {line}" for line in warnings(result)),
        "",
        "## The set, beside controls",
        "",
        *table(result),
        "",
        "The first row is the set. Copies, noisy copies and the PCA mixture must be flagged; the simulator saw no "
        f"{unit}, and held-out {unit}s are what new ones look like.",
        "",
        "![distances](distances.png)",
        "",
        "![memorised](memorised.png)",
        "",
        *(_pictured(unit) if pictured else ()),
        "## The model",
        "",
        *model_table(result),
        "",
        "![membership](membership.png)",
        _EXPLAINED.format(unit=unit),
    ]
    return "\n".join(lines)


def _pictured(unit: str) -> list[str]:
    return [
        f"Above: training examples; below each: the sample nearest to it, of all samples the {PAIRS} nearest.",
        "",
        f"![nearest samples and the {unit}s that they are nearest to](nearest.png)",
        "",
    ]


def verdict_line(result: Mapping[str, Any]) -> str:
    """The outcome in a sentence."""
    if not result["valid"]:
        missed = ", ".join(result["missed_controls"])
        return f"NOT VALID: the audit did not flag {missed}, which copy; nothing follows from it."
    if result["flagged"]:
        return f"FLAGGED: {', '.join(result['findings'])}."
    return "Not flagged: no test found a leak of the size that it can find."


def power_lines(result: Mapping[str, Any]) -> list[str]:
    """The smallest leaks that could have been found."""
    smallest, unit = result["smallest_leak"], result["unit"]
    auroc, copied = smallest["auroc"], smallest["copied_share"]
    return [
        f"smallest leak that could be found: near-copies, a share of {smallest['near_copies']:.2%} of the set; "
        + (
            f"samples drawn towards training {unit}s, {copied:.0%} of the set; "
            if copied is not None
            else f"samples drawn towards training {unit}s: none, there are too few {unit}s; "
        )
        + (
            f"membership, an AUROC of {auroc:.2f} (each found four times out of five)"
            if auroc is not None
            else f"membership: none, there are too few {unit}s"
        ),
        f"the smallest p value that so many {unit}s can give is {smallest['p_value']:.3g}",
    ]


def warnings(result: Mapping[str, Any]) -> list[str]:
    """Controls that do not copy and were flagged."""
    return [
        f"the control `{name}` is flagged by {', '.join(row['findings'])}: that test says less here"
        for name in ("held out", "simulator")
        if (row := result["sets"].get(name)) and row["findings"]
    ]


def table(result: Mapping[str, Any]) -> list[str]:
    """A row per set."""
    measure = result["measure"]
    lines = [
        f"| set | flagged by | near copies | memorised (chance) | p | nearest training, {measure}: least, median | "
        "nearest held-out | farther than held out | p | membership by the set | p | authentic | told apart | covered |",
        "|" + " --- |" * 14,
    ]
    for name, row in result["sets"].items():
        memory, farther, member = row["memorised"], row["farther_than_held_out"], row["membership"]
        cells = [
            name,
            ", ".join(row["findings"]) or "-",
            _interval(row["near_copies"], "value"),
            f"{_interval(memory, 'share')} ({memory['chance']:.2f})",
            _number(memory["p_value"]),
            _nearest(row["nearest_training"]),
            _nearest(row["nearest_held_out"]),
            _interval(farther, "value"),
            _number(farther["p_value"]),
            _interval(member, "value"),
            _number(member["p_value"]),
            _interval(row.get("authentic"), "value"),
            _interval(row["told_apart"], "value"),
            _number((row["coverage"] or {}).get("coverage")),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def model_table(result: Mapping[str, Any]) -> list[str]:
    """A row per score."""
    lines = [
        "| trained on or not, by | AUROC | p | smallest that could be found |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| {name} | {_interval(row, 'value')} | {_number(row['p_value'])} | {_number(row['smallest'])} |"
        for name, row in result["model"].items()
    ]
    return lines


def _counted(part: Mapping[str, int]) -> str:
    if part["examples"] == part["offered"]:
        return f"{part['examples']} examples"
    return f"{part['examples']} of {part['offered']} examples, chosen at random"


def _interval(row: Mapping[str, Any] | None, name: str) -> str:
    if not row or row[name] is None:
        return "-"
    if row["low"] is None:
        return f"{row[name]:.3g}"
    return f"{row[name]:.3g} [{row['low']:.2g}, {row['high']:.2g}]"


def _nearest(row: Mapping[str, float]) -> str:
    return f"{row['least']:.3g}, {row['p50']:.3g}" if row else "-"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"
