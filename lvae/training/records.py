"""What a run writes of itself: config.json, metrics.jsonl, metrics.csv, TensorBoard events."""

import csv
import functools
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lvae import atomic, configuration
from lvae.errors import UserError

METRICS = "metrics.jsonl"
TABLE = "metrics.csv"
CONFIG = "config.json"
SUMMARY = "summary.json"


class Records:
    """Appends rows of metrics to `workdir`; use as a context manager.

    With `enabled` False (every process but the first) it does nothing.

    Rows hold what the computation gave and nothing of the clock, so that two runs can be compared
    byte by byte. Rows of steps after `step` are dropped at the start: the resumed run writes them again.
    """

    def __init__(self, workdir: Path, step: int, enabled: bool = True):
        self._enabled = enabled
        if not enabled:
            return
        self._workdir = workdir
        rows = [row for row in read_metrics(workdir) if row["step"] <= step]
        atomic.write_text(workdir / METRICS, "".join(_line(row) for row in rows))
        self._file = (workdir / METRICS).open("a", encoding="utf-8")
        self._step = step

    @functools.cached_property
    def _events(self) -> Any:
        """Opened with the first row: until then `import_beside` has imported the package."""
        from tensorboardX import SummaryWriter

        return SummaryWriter(
            str(self._workdir / "tensorboard"), purge_step=self._step + 1 if self._step else None
        )

    def __enter__(self) -> "Records":
        return self

    def __exit__(self, *_: object) -> None:
        if not self._enabled:
            return
        self._file.close()
        self._events.close()
        write_table(self._workdir)

    def write(self, step: int, kind: str, metrics: Mapping[str, Any]) -> None:
        """Adds a row; `kind` is "train" or "validation"."""
        if not self._enabled:
            return
        row = {"step": step, "kind": kind, **{key: plain(metrics[key]) for key in sorted(metrics)}}
        try:
            self._file.write(_line(row))
            self._file.flush()
        except OSError as error:
            raise UserError(
                f"{self._workdir / METRICS}: cannot be written ({error.strerror}); "
                "free some space, then run the same command again"
            ) from error
        for name, value in row.items():
            if isinstance(value, float) and math.isfinite(value):
                self._events.add_scalar(f"{kind}/{name}", value, step)

    def write_speed(self, step: int, steps_per_second: float) -> None:
        """The clock goes to TensorBoard only: rows stay comparable."""
        if self._enabled:
            self._events.add_scalar("speed/steps_per_second", steps_per_second, step)


def plain(value: Any) -> Any:
    """Numbers, lists and dicts that JSON can hold, from arrays."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, str | bool | int | type(None)):
        return value
    array = np.asarray(value)
    return array.item() if array.ndim == 0 else [plain(item) for item in array]


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row) + "\n"


def read_metrics(workdir: Path) -> list[dict[str, Any]]:
    """The whole rows of metrics.jsonl; a last line that a kill cut short is left out."""
    path = workdir / METRICS
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def write_table(workdir: Path) -> None:
    """metrics.csv: one line a step, the scalars of its rows side by side."""
    merged: dict[int, dict[str, Any]] = {}
    for row in read_metrics(workdir):
        prefix = "" if row["kind"] == "train" else f"{row['kind']}_"
        cells = merged.setdefault(row["step"], {"step": row["step"]})
        for name, value in row.items():
            if name not in ("step", "kind") and isinstance(value, int | float):
                cells[f"{prefix}{name}"] = value
    columns = list(dict.fromkeys(name for cells in merged.values() for name in cells))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(merged.values())
    atomic.write_text(workdir / TABLE, text.getvalue())


def write_config(workdir: Path, config: Mapping[str, Any]) -> None:
    """Writes config.json, or checks that the one there is the same.

    Raises:
      UserError: the directory holds a run of another config.
    """
    path = workdir / CONFIG
    if path.exists():
        changed = configuration.differences(read_config(workdir), config)
        if changed:
            raise UserError(
                f"{workdir}: holds a run of another config ({'; '.join(changed)}); "
                "choose another --workdir, or delete this one"
            )
        return
    atomic.write_text(path, configuration.to_json(config))


def read_config(workdir: Path) -> Any:
    """The config of the run in `workdir`, locked.

    Raises:
      UserError: there is none, or it is no JSON.
    """
    path = workdir / CONFIG
    try:
        return configuration.from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"{path}: there is no trained run here; train first, or name another --workdir"
        ) from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); train again") from error


def write_summary(workdir: Path, summary: Mapping[str, Any]) -> None:
    """summary.json, written last: it says that the run is complete."""
    atomic.write_text(workdir / SUMMARY, json.dumps(summary, indent=2) + "\n")


def read_summary(workdir: Path) -> dict[str, Any] | None:
    """What `write_summary` wrote, or None while the run is not complete."""
    path = workdir / SUMMARY
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
