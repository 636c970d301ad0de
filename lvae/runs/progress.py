"""How far a run is: a live line on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Mapping
from typing import Any

from lvae import cluster


class Progress:
    """Rate and remaining time, neither of which counts compiling and evaluating.

    Use as a context manager. Writes to stderr: stdout is for results.
    """

    def __init__(self, first_step: int, total_steps: int, enabled: bool = True):
        self._total = total_steps
        self._step = first_step
        self._seconds = 0.0
        self._counted = 0
        self._enabled = enabled
        self._live = None
        if enabled and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn

            self._live = Progress(
                TextColumn("{task.completed:.0f}/{task.total:.0f}"),
                BarColumn(),
                TextColumn("{task.fields[note]}"),
                console=Console(stderr=True),
            )
            self._bar = self._live.add_task("", total=total_steps, completed=first_step, note="")

    def __enter__(self) -> "Progress":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def note(self, text: str) -> None:
        """One line that stays; of a call on a cluster it also goes to the command."""
        if self._enabled:
            cluster.tell(text)
        if self._live:
            self._live.console.print(text, markup=False, highlight=False)
        elif self._enabled:
            print(text, file=sys.stderr, flush=True)

    def advance(self, step: int, seconds: float, counts: bool) -> None:
        """Says that `step` is done; `counts` is False for a dispatch that also compiled."""
        if counts:
            self._seconds += seconds
            self._counted += step - self._step
        self._step = step
        if self._live:
            self._live.update(self._bar, completed=step, note=self._rate())

    def drawn(self, done: int, total: int) -> None:
        """Samples written so far; `total` is what this process writes."""
        self._total = total
        self._step = done
        if self._live:
            self._live.update(self._bar, completed=done, total=total)

    def report(self, metrics: Mapping[str, Any]) -> None:
        """A row of metrics, where no live line shows the rate."""
        numbers = [
            f"{name} {value:.4g}" for name, value in metrics.items() if isinstance(value, float)
        ]
        rate = "" if self._live else f", {self._rate()}"
        self.note(f"step {self._step}/{self._total}: {', '.join(numbers[:8])}{rate}")

    def steps_per_second(self) -> float:
        """Since the start; 0 while nothing has been counted."""
        return self._counted / self._seconds if self._seconds else 0.0

    def _rate(self) -> str:
        rate = self.steps_per_second()
        if not rate:
            return "compiling"
        left = time.strftime("%H:%M:%S", time.gmtime((self._total - self._step) / rate))
        return f"{rate:.4g} steps/s, {left} left"
