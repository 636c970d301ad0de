"""What a run writes of itself: config.json, spec.json, metrics.jsonl, metrics.csv, TensorBoard
events, summary.json."""

import contextlib
import csv
import io
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_collections
import numpy as np

from lvae import atomic, configuration
from lvae.errors import UserError
from lvae.storage.events import Events
from lvae.storage.trackers import Tracker, opened

METRICS = "metrics.jsonl"
TABLE = "metrics.csv"
CONFIG = "config.json"
SPEC = "spec.json"
SUMMARY = "summary.json"

Row = dict[str, Any]  # "step", "kind" ("train" or "evaluation"), and numbers by name


class Records:
    """Appends rows of metrics to `workdir`; use as a context manager.

    With `enabled` False (every process but the first) it does nothing.

    Rows hold what the computation gave and nothing of the clock, so that two runs can be compared
    byte by byte. Rows of steps after `step` are dropped at the start: the resumed run writes them
    again. TensorBoard gets the same numbers, and so do `trackers`.
    """

    def __init__(
        self, workdir: Path, step: int, enabled: bool = True, trackers: Sequence[str] = ()
    ):
        self._enabled = enabled
        if not enabled:
            return
        self._workdir = workdir
        rows, damaged = _metrics(workdir)
        rows = [row for row in rows if row["step"] <= step]
        if damaged > 1:  # one is what a kill cuts short
            print(
                f"warning: {workdir / METRICS}: {damaged} lines from a damaged one on are dropped",
                file=sys.stderr,
            )
        atomic.write_text(workdir / METRICS, "".join(_line(row) for row in rows))
        try:
            self._file = (workdir / METRICS).open("a", encoding="utf-8")
        except OSError as error:
            raise _not_written(workdir / METRICS, error) from error
        others = opened(trackers, workdir, read_config(workdir).to_dict()) if trackers else []
        self._trackers: list[Tracker] = [Events(workdir / "tensorboard", step), *others]

    def __enter__(self) -> "Records":
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        if not self._enabled:
            return
        try:
            self._file.close()
            for tracker in self._trackers:
                tracker.close()
            write_table(self._workdir)
        except (OSError, UserError) as error:
            if kind is None:  # else the first trouble is what is reported
                raise _not_written(self._workdir / METRICS, error) from error

    def write(self, step: int, kind: str, metrics: Mapping[str, Any]) -> None:
        """Adds a row; `kind` is "train" or "evaluation".

        Raises:
          UserError: the disk is full.
        """
        if not self._enabled:
            return
        row = {"step": step, "kind": kind, **{key: plain(metrics[key]) for key in sorted(metrics)}}
        with self._writing():
            self._file.write(_line(row))
            self._file.flush()
            for name, value in row.items():
                if isinstance(value, float) and math.isfinite(value):
                    self._add(f"{kind}/{name}", value, step)

    def write_speed(self, step: int, steps_per_second: float) -> None:
        """The clock goes to the trackers only: rows stay comparable."""
        if self._enabled:
            with self._writing():
                self._add("speed/steps_per_second", steps_per_second, step)

    def _add(self, name: str, value: float, step: int) -> None:
        for tracker in self._trackers:
            tracker.add(name, value, step)

    def flush(self) -> None:
        """All rows are on the disk, as they must be before a checkpoint of their step."""
        if self._enabled:
            with self._writing():
                os.fsync(self._file.fileno())
                for tracker in self._trackers:
                    tracker.flush()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise _not_written(self._workdir / METRICS, error) from error


def _not_written(path: Path, error: OSError | UserError) -> UserError:
    if isinstance(error, UserError):
        return error
    return UserError(
        f"{path}: cannot be written ({_reason(error)}); free some space, then run the same command "
        "again"
    )


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


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


def read_metrics(workdir: Path) -> list[Row]:
    """The whole rows of metrics.jsonl; from the first damaged one on (a kill cuts the last short)
    they are left out.

    Raises:
      UserError: the file cannot be read.
    """
    rows, _ = _metrics(workdir)
    return rows


def _metrics(workdir: Path) -> tuple[list[Row], int]:
    """The rows up to the first damaged one, and how many lines there are from that one on."""
    path = workdir / METRICS
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return [], 0
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({_reason(error)}); check its rights") from error
    if not lines[-1]:
        lines.pop()
    rows: list[Row] = []
    for place, line in enumerate(lines):
        row = _row(line)
        if row is None:
            return rows, len(lines) - place
        rows.append(row)
    return rows, 0


def _row(line: bytes) -> Row | None:
    """A row, or None if the line is not one that `Records.write` wrote."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or row.get("kind") not in ("train", "evaluation"):
        return None
    whole_numbers = [value for value in row.values() if isinstance(value, int)]
    if type(row.get("step")) is not int or row["step"] < 0 or max(map(abs, whole_numbers)) > 2**63:
        return None
    return row


def write_table(workdir: Path) -> None:
    """metrics.csv: one line per step, the scalars of its rows side by side."""
    merged: dict[int, dict[str, Any]] = {}
    for row in read_metrics(workdir):
        cells = merged.setdefault(row["step"], {"step": row["step"]})
        for name, value in row.items():
            if name not in ("step", "kind") and isinstance(value, int | float):
                cells[name] = value
    columns = list(dict.fromkeys(name for cells in merged.values() for name in cells))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(merged.values())
    atomic.write_text(workdir / TABLE, text.getvalue())


def write_config(workdir: Path, config: ml_collections.ConfigDict) -> None:
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


def read_config(workdir: Path) -> ml_collections.ConfigDict:
    """The config of the run in `workdir`, locked.

    Raises:
      UserError: there is none, or it is no JSON object.
    """
    values = read_object(workdir / CONFIG, _NO_RUN)
    try:
        return ml_collections.ConfigDict(values).lock()
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{workdir / CONFIG}: is no config ({reason}); {_RETRAIN}") from error


def read_spec(workdir: Path) -> dict[str, Any]:
    """What `write_spec` wrote.

    Raises:
      UserError: there is none, or it is no JSON object.
    """
    return read_object(workdir / SPEC, _NO_RUN)


def write_spec(workdir: Path, spec: Mapping[str, Any]) -> None:
    """spec.json, once: a resumed run keeps the one that it began with.

    Raises:
      UserError: the data are others than those the run began with.
    """
    path = workdir / SPEC
    if not path.exists():
        atomic.write_text(path, json.dumps(spec, indent=2) + "\n")
        return
    changed = configuration.differences(read_spec(workdir), json.loads(json.dumps(spec)))
    if changed:
        raise UserError(
            f"{workdir}: was begun on other data ({changed[0]}); bring them back, choose another "
            "--workdir, or delete this one"
        )


def write_summary(workdir: Path, summary: Mapping[str, Any]) -> None:
    """summary.json, written last: it says that the run is complete."""
    atomic.write_text(workdir / SUMMARY, json.dumps(summary, indent=2) + "\n")


def read_summary(workdir: Path) -> dict[str, Any] | None:
    """What `write_summary` wrote, or None while the run is not complete.

    Raises:
      UserError: it is no JSON object.
    """
    path = workdir / SUMMARY
    if not path.exists():
        return None
    return read_object(
        path, "", "delete it, then train again: that goes on from the last checkpoint"
    )


_RETRAIN = "bring it back, or delete it and train again"
_NO_RUN = "there is no trained run here; train first, or name another --workdir"


def read_object(path: Path, absent: str, remedy: str = _RETRAIN) -> dict[str, Any]:
    """A file that holds a JSON object. absent: what to say where there is none.

    Raises:
      UserError: there is none, or it holds something else; with the remedy.
    """
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path}: {absent}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read ({_reason(error)}); {remedy}") from error
    if not isinstance(content, dict):
        raise UserError(
            f"{path}: holds a JSON {type(content).__name__}; expected an object; {remedy}"
        )
    return content
