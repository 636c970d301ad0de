"""README.md of a data set: a dataset card as the Hugging Face Hub reads it."""

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from lvae.runs.audit import tables
from lvae.runs.cards import wording
from lvae.runs.cards.facts import CHECKSUMS, SetFacts, name
from lvae.runs.export import journal

BEGIN, END = "<!-- audit: written by lvae audit -->", "<!-- end of the audit -->"
SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)  # classes of the Hub


def readme(facts: SetFacts) -> str:
    """The card."""
    return "\n".join(
        [
            *front_matter(facts),
            f"# {name(facts)}",
            "",
            wording.described(facts),
            "",
            "![a contact sheet](preview.png)",
            "",
            *_facts(facts),
            *_files(facts),
            "## Where it comes from",
            "",
            wording.sources(facts),
            wording.made(facts),
            "",
            "Not known to the program that wrote this card, and to be filled in:",
            "",
            *(f"- {line}" for line in wording.UNKNOWN),
            "",
            "## Privacy",
            "",
            *audit_section(facts.audit, wording.privacy(facts)),
            *_measured(facts),
            "## Limits",
            "",
            *(f"- {line}" for line in wording.LIMITS),
            "",
        ]
    )


def front_matter(facts: SetFacts) -> list[str]:
    """What the Hub and `datasets` read: among it, which files are the data. Strings are written as
    JSON has them, which YAML reads."""
    pictures = [globs for suffix, globs in facts.patterns.items() if suffix.endswith(".png")]
    chosen = facts.patterns.get("") or (pictures or [[]])[0]
    return [
        "---",
        f"pretty_name: {json.dumps(name(facts))}",
        "license: other",
        f"license_name: {json.dumps(wording.FILL_IN)}",
        "annotations_creators: [machine-generated]",
        "source_datasets: [original]",
        "tags: [synthetic, medical, lvae]",
        f"size_categories: [{size_class(facts.samples)}]",
        "configs:",
        "- config_name: default",
        "  data_files:",
        "  - split: train",
        "    path:",
        *(f"    - {json.dumps(glob)}" for glob in chosen),
        "---",
        "",
    ]


def size_class(count: int) -> str:
    """The Hub's word for a number of samples."""
    if count < SIZES[0]:
        return "n<1K"
    for low, high in itertools.pairwise(SIZES):
        if count < high:
            return f"{_short(low)}<n<{_short(high)}"
    return "10M<n<100M"


def _short(number: int) -> str:
    return f"{number // 1_000_000}M" if number >= 1_000_000 else f"{number // 1_000}K"


def _facts(facts: SetFacts) -> list[str]:
    return [
        "| | |",
        "| --- | --- |",
        f"| samples | {facts.samples}, one split: `train` |",
        f"| licence | {wording.FILL_IN} |",
        f"| contact | {wording.FILL_IN} |",
        f"| mode | `{facts.mode}`: {facts.label} |",
        f"| synthetic share | {facts.samples} of {facts.samples} |",
        f"| seed | {facts.seed} |",
        f"| layout | `{facts.format}` |",
        f"| drawn by | lvae {facts.version}, task `{facts.task}` |",
        f"| use | {wording.USE} |",
        "",
        "Drawn again, byte for byte, by",
        "",
        "```",
        facts.command,
        "```",
        "",
    ]


def _files(facts: SetFacts) -> Iterator[str]:
    yield from ("## Files", "")
    for suffix, globs in facts.patterns.items():
        shown = f"`{globs[0]}`" if len(globs) == 1 else f"{len(globs)} files `*{suffix}`"
        yield f"- {shown}"
    yield "- `preview.png`: some of the samples, no sample itself"
    yield f"- `{journal.FOLDER}/manifest.json`: seed, config, versions, where every sample comes from"
    sums = f"{journal.FOLDER}/{CHECKSUMS}"
    yield f"- `{sums}`: SHA-256 of all files; `sha256sum -c {sums}` checks them"
    yield ""
    read = "the pictures; labels lie beside them" if facts.format == "files" else "the samples"
    yield f'`datasets.load_dataset("FOLDER")` gives {read}. `mlcroissant` reads `croissant.json`.'
    yield ""


def audit_section(audit: Mapping[str, Any] | None, sentence: str) -> list[str]:
    """The part of the card that `lvae audit --samples=FOLDER` writes anew."""
    lines = [BEGIN, "", sentence, ""]
    if audit is not None:
        lines += [
            *(f"- {line}" for line in tables.power_lines(audit)),
            "",
            *tables.table(audit),
            "",
        ]
        lines += [*tables.model_table(audit), ""]
    return [*lines, END, ""]


def with_audit(text: str, audit: Mapping[str, Any], sentence: str) -> str | None:
    """A card with this audit in the place of the former; None where it has no such place."""
    before, found, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        return None
    return before + "\n".join(audit_section(audit, sentence)[:-1]) + after


def _measured(facts: SetFacts) -> list[str]:
    if not facts.measured:
        return []
    lines = [f"- {key}: {value:.6g}" for key, value in facts.measured.items()]
    return ["## The model's measures when training ended", "", *lines, ""]
