"""Tables of the docs from files that benchmarks write, so that a page cannot disagree with a run.

    python -m benchmarks.cross_validation --data=DIR --result=cross_validation
    python -m benchmarks.results              brings the tables of all pages up to date
    python -m benchmarks.results --check      exits with status 1 and names the pages that are not
    lvae evaluate --workdir=RUN > FILE
    python -m benchmarks.results --evaluation=FILE --run=RUN --data=LASTEN --result=NAME --measures=A,B

docs/results/NAME.json holds the rows of a table and what they were measured with: command, config,
data, seeds, date, machine, versions. In a page the table stands between <!-- result NAME --> and
<!-- end of result -->, with a line below it that says the same.
"""

import argparse
import datetime
import json
import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import report
from lvae import atomic
from lvae.errors import UserError
from lvae.runs.provenance import versions

DOCS = Path(__file__).resolve().parent.parent / "docs"
FOLDER = DOCS / "results"
FIELDS = ("command", "config", "data", "seeds", "date", "machine", "versions", "rows")
BLOCK = re.compile(r"<!-- result ([a-z0-9_]+) -->\n.*?<!-- end of result -->", re.DOTALL)

Rows = Sequence[Mapping[str, Any]]


def write(
    name: str,
    rows: Rows,
    *,
    command: str,
    config: str,
    data: str,
    seeds: Sequence[int],
    folder: Path = FOLDER,
) -> Path:
    """Writes the file of a result.

    Args:
      name: of the file, without .json.
      rows: of the table; keys are the columns. A list of numbers is one value per seed.
      command: that gives them, with DIR for folders.
      config: experiment with its variants.
      data: what it was measured on.
      seeds: of everything random.
      folder: where to.
    """
    content = {
        "command": command,
        "config": config,
        "data": data,
        "seeds": list(seeds),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{len(os.sched_getaffinity(0))} cores, {platform.machine()}",
        "versions": versions(),
        "rows": [dict(row) for row in rows],
    }
    path = folder / f"{name}.json"
    atomic.write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")
    return path


def read(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """The file of a result.

    Raises:
      UserError: there is none, or a field is missing.
    """
    path = folder / f"{name}.json"
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); run its benchmark") from error
    missing = [field for field in FIELDS if field not in content]
    if missing:
        raise UserError(f"{path}: has no {', '.join(missing)}; run its benchmark anew")
    return content


def as_markdown(content: Mapping[str, Any]) -> str:
    """The table, and the line that says where it is from."""
    rows = [{name: _cell(value) for name, value in row.items()} for row in content["rows"]]
    seeds = ", ".join(map(str, content["seeds"]))
    told = content["versions"]
    return (
        f"{report.table(rows)}\n\n"
        f"*`{content['command']}`; {content['data']}; seed{'s' * (len(content['seeds']) > 1)} {seeds}; "
        f"{content['date']}, {content['machine']}, jax {told['jax']}, lvae {told['lvae']}.*"
    )


def _cell(value: Any) -> Any:
    if isinstance(value, list):  # by seed
        return f"{sum(value) / len(value):.4g} ({min(value):.4g} to {max(value):.4g})"
    return value


def updated(page: str, folder: Path = FOLDER) -> str:
    """The text of a page with its tables as the files have them.

    Raises:
      UserError: see `read`.
    """

    def block(found: re.Match[str]) -> str:
        table = as_markdown(read(found[1], folder))
        return f"<!-- result {found[1]} -->\n{table}\n<!-- end of result -->"

    return BLOCK.sub(block, page)


def of_evaluation(numbers: Mapping[str, Any], measures: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of what `lvae evaluate` prints, with an interval where one was measured.

    Raises:
      UserError: there is no such number.
    """
    rows = []
    for name in measures:
        if not isinstance(numbers.get(name), (int, float)):
            raise UserError(f"{name}: lvae evaluate gave no such number")
        low, high = numbers.get(f"{name}_interval") or (None, None)
        interval = "" if low is None else f"{low:.3g} to {high:.3g}"
        rows.append({"measure": f"`{name}`", "value": float(numbers[name]), "interval": interval})
    return rows


def main() -> None:
    """Parses the flags; writes a result, or rewrites pages, or names those that differ."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing")
    parser.add_argument("--evaluation", type=Path, help="output of lvae evaluate, for --result")
    parser.add_argument("--run", type=Path, help="run directory that was evaluated")
    parser.add_argument("--data", default="", help="what it was measured on, in words")
    parser.add_argument("--result", default="", help="name of the file to write")
    parser.add_argument("--measures", default="", help="numbers to show, with commas")
    chosen = parser.parse_args()
    if chosen.evaluation:
        numbers = json.loads(chosen.evaluation.read_text().splitlines()[-1])
        config = json.loads((chosen.run / "config.json").read_text())
        rows = of_evaluation(numbers, chosen.measures.split(","))
        command = "lvae evaluate --workdir=RUN"
        told = {"config": str(config["task"]), "data": chosen.data, "seeds": [config["seed"]]}
        write(chosen.result, rows, command=command, **told)
    _rewrite(chosen.check)


def _rewrite(check: bool) -> None:
    """Brings pages up to date, or only names them."""
    stale = []
    for path in sorted(DOCS.rglob("*.md")):
        page = path.read_text(encoding="utf-8")
        if updated(page) != page:
            stale.append(str(path.relative_to(DOCS)))
            if not check:
                atomic.write_text(path, updated(page))
    print("\n".join(stale) or "all tables are those of their files")
    sys.exit(bool(stale) and check)


if __name__ == "__main__":
    main()
