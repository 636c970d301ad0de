"""What is known of a data set, for its card. A shard leaves it beside its manifest, so that whoever
merges the shards needs neither the run nor JAX."""

import hashlib
import itertools
import json
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lvae import atomic
from lvae.errors import UserError
from lvae.runs.export import journal
from lvae.tasks.numbered import Numbered

FACTS = "card-{}-of-{}.json"  # beside the manifest of a shard
CHECKSUMS = "SHA256SUMS"  # beside the manifest; `sha256sum -c` reads it
LISTED = 1000  # names that are listed one by one; of more, their beginnings
PACKED = {"webdataset": "data-*.tar", "parquet": "data-*.parquet"}


class SetFacts(NamedTuple):
    """task, mode: names. help: the mode's line. label: what samples may be called; new: whether of
    nobody's example. samples: how many. version: of lvae. suffixes: of a sample's files.
    patterns: the files of the set by suffix (of packed formats, all under ""), as globs that match
    nothing else in the folder. command: draws it again. examples: that the model was trained on;
    built_in: whether no files of the user's were. measured: numbers of the run's evaluation.
    audit: what audit.json holds, or None.
    """

    task: str
    mode: str
    help: str
    label: str
    new: bool
    samples: int
    seed: int | None
    version: str
    format: str
    suffixes: Sequence[str]
    patterns: Mapping[str, Sequence[str]]
    command: str
    examples: int
    built_in: bool
    measured: Mapping[str, float]
    audit: Mapping[str, Any] | None


def name(facts: SetFacts) -> str:
    """Of the set, until its owner gives it another: the same wherever it was drawn."""
    return f"{facts.task} {facts.mode}, {facts.samples} samples, seed {facts.seed}"


def write_facts(out: Path, shard: tuple[int, int], facts: SetFacts) -> None:
    """Beside the manifest of a shard; all shards write the same.

    Raises:
      UserError: the folder cannot be written.
    """
    text = json.dumps(facts._asdict(), indent=1) + "\n"
    atomic.write_text(out / journal.FOLDER / FACTS.format(*shard), text)


def shards_facts(out: Path) -> list[Path]:
    """The files that shards have left."""
    return sorted((out / journal.FOLDER).glob(FACTS.format("*", "*")))


def read_facts(path: Path) -> SetFacts:
    """What a shard left.

    Raises:
      UserError: it is damaged.
    """
    try:
        return SetFacts(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{path}: cannot be read ({error}); delete it, and draw the set once more for its card"
        ) from error


def patterns(
    names: Sequence[str], suffixes: Sequence[str], format: str, own: Collection[str]
) -> dict[str, list[str]]:
    """Globs of a set's files, by suffix, none of which matches a file of `own`."""
    if format in PACKED:
        return {"": [PACKED[format]]}
    return {suffix: _globs(names, suffix, suffixes, own) for suffix in suffixes}


def _globs(
    names: Sequence[str], suffix: str, suffixes: Sequence[str], own: Collection[str]
) -> list[str]:
    """Names that are counted through have a pattern for each number of digits. Others are listed, or,
    where they are many, the beginnings that tell them from `own`."""
    if isinstance(names, Numbered):
        first, last = (len(names[at]) - len(names.prefix) for at in (0, -1))
        digits = range(first, last + 1)
        return [f"{_literal(names.prefix)}{'[0-9]' * count}{suffix}" for count in digits]
    longer = any(other.endswith(suffix) for other in suffixes if other != suffix)
    if len(names) <= LISTED or longer:
        return [f"{_literal(name)}{suffix}" for name in names]
    return sorted({_beginning(name, suffix, own) for name in names})


def _beginning(name: str, suffix: str, own: Collection[str]) -> str:
    for length in range(1, len(name)):
        if not any(file.startswith(name[:length]) for file in own):
            return f"{_literal(name[:length])}*{suffix}"
    return f"{_literal(name)}{suffix}"


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


def numbers(summary: Mapping[str, Any] | None) -> dict[str, float]:
    """The numbers of a complete run's evaluation, without lists of them."""
    measured = (summary or {}).get("evaluation")
    if not isinstance(measured, Mapping):
        return {}
    return {
        name: float(value)
        for name, value in measured.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def write_checksums(out: Path, facts: SetFacts) -> dict[str, str]:
    """SHA-256 of every file of a finished set, written beside the manifest as `sha256sum` does. Those
    of packed files are returned, too: there may be millions of loose ones.

    Raises:
      UserError: a file is lost, or the folder cannot be written.
    """
    packed = {}
    place = out / journal.FOLDER / CHECKSUMS
    with atomic.replacing(place) as temporary, temporary.open("wb") as file:
        for name in _files(out, facts):
            with (out / name).open("rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
            file.write(f"{digest}  {name}\n".encode(errors="surrogateescape"))
            if facts.format in PACKED:
                packed[name] = digest
    return packed


def _files(out: Path, facts: SetFacts) -> Iterator[str]:
    if facts.format in PACKED:
        yield from sorted(path.name for path in out.glob(PACKED[facts.format]))
        return
    samples = journal.samples(journal.manifest_path(out))
    for sample, suffix in itertools.product(samples, facts.suffixes):
        yield f"{sample.get('name', sample.get('id'))}{suffix}"
