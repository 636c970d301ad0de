"""Sentences that the cards of a set share, in whatever form they are written."""

from collections.abc import Mapping
from typing import Any

from lvae.runs.cards.facts import SetFacts

FILL_IN = "To be filled in by whoever shares this set"
LIMITS = (
    "Not for diagnosis, and not for decisions about a patient.",
    "Never a test set: measure on real recordings that no model was trained on.",
    "What was rare in the training data is rarer here, or missing; what was wrong there may be here.",
    "Samples are no independent observations: they add no patients, and no statistical power.",
)
UNKNOWN = (
    "consent and ethics approval of the source recordings",
    "patients: number, age, sex, diagnosis, and how they were chosen",
    "devices, sites and years of the source recordings",
    "who labelled them, and how well",
)
USE = "Training and testing of programs, beside real data or before them."


def described(facts: SetFacts) -> str:
    """The set in two sentences."""
    return (
        f"{facts.samples} synthetic samples that a generative model drew (lvae {facts.version}, task "
        f"{facts.task}, mode {facts.mode}: {facts.help}) They are {facts.label}."
    )


def sources(facts: SetFacts) -> str:
    """What the model was trained on."""
    if facts.built_in:
        return (
            f"The model was trained on {facts.examples} examples that are built in or simulated; no "
            "file of its user's is behind them."
        )
    counted = ""
    if facts.audit is not None:
        unit, training = facts.audit["unit"], facts.audit["groups"]["training"]
        counted = f", of which {training['offered']} are of {training['groups']} {unit}s"
    return f"The model was trained on {facts.examples} examples{counted}."


def made(facts: SetFacts) -> str:
    """Which part of the set is synthetic, and how."""
    if facts.new:
        return "All samples are synthetic: codes drawn from the model's prior, decoded."
    return (
        "All samples are synthetic, but each is made from a real example, which it resembles by "
        "design: treat them as data of those people."
    )


def privacy(facts: SetFacts) -> str:
    """What is known of what the set gives away."""
    if facts.audit is None:
        return (
            "Not audited: whether samples repeat what the model was trained on is not known. Run "
            "lvae audit before sharing."
        )
    return audited(facts.audit)


def audited(audit: Mapping[str, Any]) -> str:
    """What an audit found, in a sentence."""
    if not audit["valid"]:
        return "An audit was made and is not valid; nothing follows from it."
    if audit["flagged"]:
        return f"An audit found leaks: {', '.join(audit['findings'])}."
    return "An audit found no leak of the size that it can find; see the table. It is no proof."
