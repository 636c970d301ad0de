"""An audit as tables in Markdown."""

from collections.abc import Mapping
from typing import Any


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
