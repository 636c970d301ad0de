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
from lvae.runs.audit import tables, verdict
from lvae.runs.audit.auditing import Audit
from lvae.runs.audit.material import POPULATION, taken
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
        f"**{tables.verdict_line(result)}**",
        "",
        f"- the set: {result['label']}; {result['sets'][result['set']]['examples']} samples",
        f"- compared with {training['groups']} training {unit}s ({_counted(training)}) and "
        f"{held_out['groups']} held-out ones ({_counted(held_out)})",
        *(
            f"- finding: {name}: {verdict.FINDINGS[name].format(unit=unit)}"
            for name in result["findings"]
        ),
        *(f"- {line}" for line in tables.power_lines(result)),
        *(f"- note: {line}" for line in warnings(result)),
        "",
        "## The set, beside controls",
        "",
        *tables.table(result),
        "",
        "The first row is the set. Copies, noisy copies and the PCA mixture must be flagged. The population is one "
        f"normal distribution of all {unit}s, training and held-out alike; the simulator saw none; held-out {unit}s "
        "are what new ones look like.",
        "",
        "![distances](distances.png)",
        "",
        "![memorised](memorised.png)",
        "",
        *(_pictured(unit) if pictured else ()),
        "## The model",
        "",
        *tables.model_table(result),
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


def warnings(result: Mapping[str, Any]) -> list[str]:
    """Controls that know nobody and were flagged."""
    return [
        f"the control `{name}` is flagged by {', '.join(row['findings'])}: that test says less here"
        for name in ("held out", "simulator", POPULATION)
        if (row := result["sets"].get(name)) and row["findings"]
    ]


def _counted(part: Mapping[str, int]) -> str:
    if part["examples"] == part["offered"]:
        return f"{part['examples']} examples"
    return f"{part['examples']} of {part['offered']} examples, chosen at random"
