"""What is known of a data set, for its card."""

import hashlib
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lvae import atomic
from lvae.runs.export import formats, journal
from lvae.runs.export.parts import Parts
from lvae.runs.labels import label
from lvae.storage import records
from lvae.tasks.restoring import Loaded
from lvae.tasks.task import Numbered, Plan

CHECKSUMS = "SHA256SUMS"  # beside the manifest; `sha256sum -c` reads it
AUDIT = "audit/audit.json"  # of a run directory
LISTED = 1000  # files that are named one by one where no pattern tells them from others
_PACKED = {"webdataset": "data-*.tar", "parquet": "data-*.parquet"}


class SetFacts(NamedTuple):
    """header: of the manifest. task, mode: names. help: the mode's line. label: what samples may be
    called; new: whether of nobody's example. samples: how many. patterns: the files of the set, by
    suffix (of packed formats, all under ""), as globs that match nothing else in the folder.
    command: draws it again. examples: that the model was trained on; built_in: whether no files
    of the user's were. summary: of the run, or None. audit: what audit.json holds, or None.
    checksums: SHA-256 of every file, by name.
    """

    header: Mapping[str, Any]
    task: str
    mode: str
    help: str
    label: str
    new: bool
    samples: int
    format: str
    patterns: Mapping[str, list[str]]
    command: str
    examples: int
    built_in: bool
    summary: Mapping[str, Any] | None
    audit: Mapping[str, Any] | None
    checksums: Mapping[str, str]


def facts(loaded: Loaded, plan: Plan, out: Path, samples_per_file: int) -> SetFacts:
    """Of a finished set.

    Raises:
      UserError: the manifest or a record of the run cannot be read.
    """
    task, config, run = loaded
    header = journal.read_header(journal.manifest_path(out))
    assert header is not None  # a manifest has one
    mode, format = str(header["mode"]), str(header["export"]["format"])
    return SetFacts(
        header=header,
        task=str(config.task),
        mode=mode,
        help=task.modes[mode].help,
        label=label(task, mode),
        new=task.modes[mode].new,
        samples=len(plan.names),
        format=format,
        patterns=patterns(plan, format),
        command=command(header),
        examples=run.spec.examples,
        built_in=not config.get("data", {}).get("path"),
        summary=records.read_summary(run.workdir) if run.workdir.is_dir() else None,
        audit=audit_of(run.workdir, mode),
        checksums=checksums(out, plan, format, samples_per_file),
    )


def patterns(plan: Plan, format: str) -> dict[str, list[str]]:
    """Globs of a set's files, by suffix. Names that are counted through have a pattern; others are
    listed, or, where they are too many, `*` stands for them."""
    if format != "files":
        return {"": [_PACKED[format]]}
    found = {}
    for suffix in plan.suffixes:
        if isinstance(plan.names, Numbered):
            found[suffix] = [f"{plan.names.prefix}[0-9]*{suffix}"]
        elif len(plan.names) <= LISTED:
            found[suffix] = [f"{_literal(name)}{suffix}" for name in plan.names]
        else:
            found[suffix] = [f"*{suffix}"]
    return found


def _literal(name: str) -> str:
    """A glob that matches the name alone."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def command(header: Mapping[str, Any]) -> str:
    """The command that draws the set again; folders by what they are, not by their names, which may
    say more than the set should."""
    words = ["lvae", "sample", "--workdir=RUN", f"--mode={header['mode']}"]
    if header.get("data"):
        words.append("--data=DATA")
    words.append(f"--seed={header['seed']}")
    words.append(f"--num_samples={header['export']['names']['count']}")
    words += [f"--{name}={_word(value)}" for name, value in header.get("options", {}).items()]
    words.append(f"--format={header['export']['format']}")
    return shlex.join([*words, "--out=OUT"])


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def audit_of(workdir: Path, mode: str | None = None) -> dict[str, Any] | None:
    """What the run's audit says; with a mode, only if it is about samples of that mode.

    Raises:
      UserError: it cannot be read.
    """
    if not (workdir / AUDIT).is_file():
        return None
    found = records.read_object(workdir / AUDIT, "", "audit the run again, or delete it")
    return found if mode in (None, found.get("mode")) else None


def checksums(out: Path, plan: Plan, format: str, samples_per_file: int) -> dict[str, str]:
    """SHA-256 of every file of the set; also written beside the manifest.

    Raises:
      UserError: the folder cannot be written.
    """
    digests = {}
    for path in _files(out, plan, format, samples_per_file):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
        digests[path.relative_to(out).as_posix()] = digest.hexdigest()
    lines = "".join(f"{digest}  {name}\n" for name, digest in digests.items())
    place = out / journal.FOLDER / CHECKSUMS
    atomic.write_bytes(place, lines.encode(errors="surrogateescape"))
    return digests


def _files(out: Path, plan: Plan, format: str, samples_per_file: int) -> Iterator[Path]:
    for part in Parts(plan, format, (0, 1), samples_per_file):
        names = [plan.names[index] for index in part.indices]
        yield from formats.paths(out, format, part.number, names, plan.suffixes)
