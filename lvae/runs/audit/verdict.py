"""Which numbers are a leak, and whether the audit could have seen one."""

from collections.abc import Mapping
from typing import Any

from lvae.runs.audit.material import COPYING
from lvae.runs.audit.measures import ALPHA

# name of a finding: what it says
FINDINGS = {
    "near copies": "samples as near to a training {unit} as its own examples are",
    "memorised share": "more samples nearest to training {unit}s than chance gives",
    "nearer than held out": "samples nearer to training {unit}s than held-out ones are",
    "membership by the set": "the set tells which {unit}s were trained on",
    "membership by reconstruction": "the model's reconstruction error tells it",
    "membership by elbo": "the model's evidence lower bound tells it",
    "membership by likelihood": "the likelihood that the model gives tells it",
}


def of_set(row: Mapping[str, Any], expected: float) -> list[str]:
    """Names of what is found in a set. expected: share of held-out examples that are near-copies of
    training examples: what the population itself gives."""
    found = {
        "near copies": row["near_copies"]["low"] > expected,
        "memorised share": row["memorised"]["p_value"] < ALPHA,
        "nearer than held out": row["farther_than_held_out"]["p_value"] < ALPHA,
        "membership by the set": row["membership"]["p_value"] < ALPHA,
    }
    return [name for name, is_there in found.items() if is_there]  # nan is no finding


def of_model(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Names of what is found in the model."""
    return [f"membership by {name}" for name, row in rows.items() if row["p_value"] < ALPHA]


def missed_controls(sets: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Controls that copy and were not flagged: the audit would not have seen a leak."""
    return [name for name in COPYING if not sets[name]["findings"]]
