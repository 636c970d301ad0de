"""What every benchmark prints: the machine, the versions, a table."""

import importlib.metadata
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


def machine() -> str:
    """Processor, cores, memory and Python, on one line."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return (
        f"{model}, {len(os.sched_getaffinity(0))} cores, {pages:.0f} GiB, "
        f"{platform.system()}, Python {platform.python_version()}"
    )


def versions(*packages: str) -> str:
    """`name version` of each package that is installed."""
    found = []
    for package in packages:
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{package} absent")
    return ", ".join(found)


def seconds(function: Callable[[], Any], repeats: int = 5, warmup: int = 1) -> list[float]:
    """Wall-clock seconds of each counted call of `function`, which must wait for its own result."""
    for _ in range(warmup):
        function()
    measured = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        measured.append(time.perf_counter() - start)
    return measured


def median(measured: Sequence[float]) -> float:
    """The figure to quote."""
    return statistics.median(measured)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """A Markdown table; columns are the keys of the rows, numbers to four digits."""
    if not rows:
        return ""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[_cell(row.get(column, "")) for column in columns] for row in rows]
    widths = [
        max(len(column), *(len(line[index]) for line in cells))
        for index, column in enumerate(columns)
    ]
    lines = [
        "| " + " | ".join(column.ljust(width) for column, width in zip(columns, widths)) + " |",
        "| " + " | ".join("-" * width for width in widths) + " |",
    ]
    lines += [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |"
        for line in cells
    ]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
