"""Samples that were chosen by hand, as a set: files, and a manifest that says how each was drawn."""

import json
from pathlib import Path
from typing import Any

from lvae import atomic, configuration
from lvae.errors import UserError
from lvae.runs.export import journal
from lvae.runs.provenance import versions
from lvae.storage import records
from lvae.tasks.exploring import Drawn
from lvae.tasks.restoring import Loaded


def append(
    out: Path, loaded: Loaded, data: str | None, drawn: Drawn, command: str
) -> tuple[str, int]:
    """Adds a sample to the set in `out`; returns its name, and how many there are now.

    Files first, then the manifest: what a kill leaves half done is written over by the next call.

    Raises:
      UserError: `out` holds something else, or cannot be written.
    """
    manifest, files = journal.manifest_path(out), drawn.files()
    header = _header(loaded, data, drawn, sorted(files))
    atomic.make_folder(out)
    if manifest.exists():
        journal.check_same(header, out, 1, ignore=("versions",))
    else:
        _refuse_strange_files(out)
    with journal.Journal(journal.journal_path(out, journal.WHOLE), header) as book:
        lines: list[str] = []
        if manifest.exists():
            lines = list(journal.finished_lines(manifest))
        else:
            journal.write_manifest(manifest, header, [])
        name = drawn.name or drawn.names[len(lines)]
        lines = [line for line in lines if json.loads(line)["name"] != name]
        for suffix, content in files.items():
            atomic.write_bytes(out / f"{name}{suffix}", content)
        entry: dict[str, Any] = {"name": name, **records.plain(drawn.provenance)}
        if "id" in entry:
            entry["id"] = int(name)
        entry |= {"seed": drawn.seed, "options": dict(drawn.options), "command": command}
        journal.write_manifest(manifest, header, [*lines, json.dumps(entry)])
        book.path.unlink(missing_ok=True)
    return name, len(lines) + 1


def _header(loaded: Loaded, data: str | None, drawn: Drawn, suffixes: list[str]) -> journal.Header:
    """The fields of every manifest; seed and options are those of each sample."""
    header = {
        "mode": drawn.mode,
        "seed": None,
        "num_samples": None,
        "data": data,
        "options": {},
        "config": configuration.to_dict(loaded.config),
        "chosen": "by hand, with lvae explore",
        "export": {"format": "files", "suffixes": suffixes},
        "versions": versions(),
    }
    return json.loads(json.dumps(header))


def _refuse_strange_files(out: Path) -> None:
    for path in out.iterdir():
        if not path.name.startswith("."):
            raise UserError(
                f"{out}: holds {path.name} but no manifest of a set saved here; choose another --out"
            )
