"""What a run writes of itself: config.json, spec.json, metrics.jsonl, metrics.csv, TensorBoard
events, summary.json."""

import csv
import functools
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_collections
import numpy as np

from lvae import atomic, configuration
from lvae.errors import UserError

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
    again.
    """

    def __init__(self, workdir: Path, step: int, enabled: bool = True):
        self._enabled = enabled
        self._opened = False
        if not enabled:
            return
        self._workdir = workdir
        rows = [row for row in read_metrics(workdir) if row["step"] <= step]
        atomic.write_text(workdir / METRICS, "".join(_line(row) for row in rows))
        self._file = (workdir / METRICS).open("a", encoding="utf-8")
        self._step = step

    @functools.cached_property
    def _events(self) -> Any:
        """Opened with the first row: until then `loop.import_beside` has imported the package."""
        from tensorboardX import SummaryWriter

        self._opened = True
        return SummaryWriter(
            str(self._workdir / "tensorboard"), purge_step=self._step + 1 if self._step else None
        )

    def __enter__(self) -> "Records":
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        if not self._enabled:
            return
        try:
            self._file.close()
            if self._opened:
                self._events.close()
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
        try:
            self._file.write(_line(row))
            self._file.flush()
            for name, value in row.items():
                if isinstance(value, float) and math.isfinite(value):
                    self._events.add_scalar(f"{kind}/{name}", value, step)
        except OSError as error:
            raise _not_written(self._workdir / METRICS, error) from error

    def write_speed(self, step: int, steps_per_second: float) -> None:
        """The clock goes to TensorBoard only: rows stay comparable."""
        if self._enabled:
            self._events.add_scalar("speed/steps_per_second", steps_per_second, step)


def _not_written(path: Path, error: OSError | UserError) -> UserError:
    reason = getattr(error, "strerror", None) or str(error)
    return UserError(
        f"{path}: cannot be written ({reason}); free some space, then run the same command again"
    )


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
    path = workdir / METRICS
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check its rights") from error
    rows: list[Row] = []
    for line in lines:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not isinstance(row, dict) or not isinstance(row.get("step"), int):
            break
        if not isinstance(row.get("kind"), str):
            break
        rows.append(row)
    return rows


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
    return ml_collections.ConfigDict(_read_object(workdir / CONFIG, _NO_RUN)).lock()


def read_spec(workdir: Path) -> dict[str, Any]:
    """What `write_spec` wrote.

    Raises:
      UserError: there is none, or it is no JSON object.
    """
    return _read_object(workdir / SPEC, _NO_RUN)


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
    return _read_object(path, "")


_NO_RUN = "there is no trained run here; train first, or name another --workdir"


def _read_object(path: Path, absent: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path}: {absent}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{path}: cannot be read ({error}); bring it back, or delete it and train again"
        ) from error
    if not isinstance(content, dict):
        raise UserError(
            f"{path}: holds a JSON {type(content).__name__}; expected an object; bring it back, or "
            "delete it and train again"
        )
    return content
