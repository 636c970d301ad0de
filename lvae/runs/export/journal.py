"""What an export knows about itself: a manifest when it is finished, a journal until then.

Both hold the same lines: what was asked for, one field a line, then one line a sample. A manifest
is a JSON object. A journal, `.progress.jsonl`, grows as samples are finished and goes when the
manifest is there. Neither is ever held in memory as a whole: a data set of millions needs no more
than one of hundreds.

A shard's records are `manifest-i-of-n.json` and `.progress-i-of-n.jsonl`; `merge` makes one
manifest of them, the same bytes as a single process writes.

Manifests lie in a hidden folder of the set, where no loader takes them for a frame or a table. Sets
of versions before 1.1 have them beside the samples, and are read, finished and merged there.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from lvae import atomic
from lvae.configuration import differences
from lvae.errors import UserError

try:
    import fcntl
except ImportError:  # no such locks on Windows; two processes on one export are then not noticed
    fcntl = None  # type: ignore[assignment]

FOLDER = ".lvae"  # of a set, for what is about it and no part of it
_SAMPLES = b'"samples": [\n'

Header = dict[str, Any]
WHOLE = (0, 1)  # the shard that is the whole set


def manifest_path(out: Path, shard: tuple[int, int] = WHOLE) -> Path:
    """Of a shard; of a set in one part, manifest.json. Where it lies, or will."""
    index, count = shard
    name = "manifest.json" if count == 1 else f"manifest-{index}-of-{count}.json"
    new, former = out / FOLDER / name, out / name
    return former if former.exists() and not new.exists() else new


def find_manifest(out: Path) -> Path | None:
    """The manifest of a finished set; None where there is none."""
    path = manifest_path(out)
    return path if path.exists() else None


def journal_path(out: Path, shard: tuple[int, int]) -> Path:
    """Of a shard; it is there while the shard is being written."""
    index, count = shard
    return out / (".progress.jsonl" if count == 1 else f".progress-{index}-of-{count}.jsonl")


def records(out: Path) -> list[Path]:
    """Every manifest and journal in `out`."""
    return [*_manifests(out, "manifest*.json"), *sorted(out.glob(".progress*.jsonl"))]


def _manifests(out: Path, pattern: str) -> list[Path]:
    """Those that are named so, wherever they lie."""
    return [*sorted((out / FOLDER).glob(pattern)), *sorted(out.glob(pattern))]


def check_same(header: Header, out: Path, shards: int, *, ignore: tuple[str, ...] = ()) -> None:
    """Compares `header`, but for the fields in `ignore`, with every record in `out`.

    Raises:
      UserError: `out` holds another export, or this one cut into another number of shards.
    """
    wanted = {key: value for key, value in header.items() if key not in ignore}
    for path in records(out):
        found = read_header(path)
        if found is None:
            continue
        changes = differences({k: v for k, v in found.items() if k not in ignore}, wanted)
        if changes:
            more = f" and {len(changes) - 1} more" if len(changes) > 1 else ""
            raise UserError(
                f"{out}: holds another data set, see {path.name} ({changes[0]}{more}); choose "
                "another folder, ask for the same again, or remove this one"
            )
        cut = _shards(path)
        if cut != shards and path.name != "manifest.json":
            raise UserError(
                f"{out}: is being written in {cut} shards ({path.name}), not {shards}; finish "
                "those, or choose another folder"
            )


def read_header(path: Path) -> Header | None:
    """What was asked for, from the first lines of a manifest or journal; None if a journal ends in
    them, or has gone.

    Raises:
      UserError: the file is no record of an export.
    """
    lines: list[bytes] = []
    try:
        with path.open("rb") as file:
            for line in file:
                if line == _SAMPLES:
                    header = json.loads(b"".join(lines).rstrip().rstrip(b",") + b"}")
                    if not isinstance(header, dict):
                        break
                    return header
                lines.append(line)
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, FileNotFoundError) and path.suffix == ".jsonl":
            return None  # another shard has finished since the folder was listed
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{path}: cannot be read ({reason}); choose another folder") from error
    if path.suffix == ".jsonl":
        return None
    raise UserError(f"{path}: not the manifest of a data set drawn here; choose another folder")


def sample_lines(path: Path) -> Iterator[str]:
    """The samples in a journal, one JSON object each; from the first damaged line on (a kill cuts
    the last one short) they are left out."""
    for line in _lines_of_samples(path):
        sample = _sample(line)
        if sample is None:
            return
        yield sample


def samples(path: Path) -> Iterator[dict[str, Any]]:
    """What a manifest says of every sample.

    Raises:
      UserError: it is damaged.
    """
    return (json.loads(line) for line in finished_lines(path))


def finished_lines(path: Path) -> Iterator[str]:
    """The samples in a manifest, one JSON object each.

    Raises:
      UserError: it is damaged.
    """
    for line in _lines_of_samples(path):
        if line.startswith(b"]"):
            return
        sample = _sample(line)
        if sample is None:
            break
        yield sample
    raise UserError(f"{path}: is damaged or cut short; delete it and draw that shard again")


def _lines_of_samples(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        for line in file:
            if line == _SAMPLES:
                break
        yield from file


def _sample(line: bytes) -> str | None:
    """The JSON object of a whole line; None of a damaged one."""
    try:
        text = line.decode().rstrip().rstrip(",")
        whole = line.endswith(b"\n") and isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return None
    return text if whole else None


class BusyError(UserError):
    """Another process is at the same part of the same data set."""


class Journal:
    """The samples finished so far, on disk."""

    def __init__(self, path: Path, header: Header):
        """Opens the journal at `path`, or begins it.

        Raises:
          BusyError: another process is at it.
          UserError: it cannot be written.
        """
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+b")
        if fcntl is not None:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._file.close()
                raise BusyError(
                    f"{path.parent}: another process is writing this data set; wait or stop it"
                ) from None
            except OSError:
                pass  # a file system without locks
        if read_header(path) is None:
            self._file.truncate(0)
            self._append(_head(header))

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # a full disk was reported when the note was added
            self._file.close()

    def keep(self, samples: int) -> None:
        """Forgets all but the first `samples`."""
        self._file.seek(0)
        while self._file.readline() != _SAMPLES:
            pass
        for _ in range(samples):
            self._file.readline()
        self._file.truncate(self._file.tell())

    def add(self, samples: Iterable[dict[str, Any]]) -> None:
        """Notes that these are finished."""
        self._append("".join(f"{json.dumps(sample)},\n" for sample in samples))

    def _append(self, text: str) -> None:
        try:
            self._file.write(text.encode())
            self._file.flush()
        except OSError as error:
            raise UserError(
                f"{self.path}: cannot be written ({error.strerror}); free some space and run again"
            ) from error


def write_manifest(
    path: Path, header: Header, samples: Iterable[str], staging: Path | None = None
) -> None:
    """Streams a manifest, complete or not at all.

    Raises:
      UserError: the disk is full or the place is read-only.
    """
    count = 0
    with (
        atomic.replacing(path, staging) as temporary,
        temporary.open("w", encoding="utf-8") as file,
    ):
        file.write(_head(header))
        for line in samples:
            file.write(",\n" * (count > 0) + line)
            count += 1
        counts = json.dumps({"samples": count})
        file.write("\n" * (count > 0) + f'],\n"counts": {counts}\n}}\n')


def merge(out: str | Path) -> Path:
    """Makes `manifest.json` of the manifests of all shards, and removes those.

    Raises:
      UserError: there is no shard, one is missing, or they are of different data sets.
    """
    out = Path(out)
    whole = manifest_path(out)
    shards = _manifests(out, "manifest-*-of-*.json")
    if not shards:
        if whole.exists():
            return whole
        raise UserError(f"{out}: no manifest of a shard in it; draw them with --shard=i/n")
    count = _shards(shards[0])
    paths = [manifest_path(out, (index, count)) for index in range(count)]
    for index, path in enumerate(paths):
        if not path.exists():
            raise UserError(
                f"{out}: shard {index} of {count} is not there; --shard={index}/{count}"
            )
    header = read_header(paths[0])
    assert header is not None
    check_same(header, out, count)
    if not whole.exists():
        write_manifest(whole, header, (line for path in paths for line in finished_lines(path)))
    for path in paths:
        path.unlink(missing_ok=True)
    return whole


def _shards(path: Path) -> int:
    """Into how many shards the export is cut that wrote this record."""
    _, found, count = path.stem.rpartition("-of-")
    return int(count) if found and count.isdecimal() else 1


def _head(header: Header) -> str:
    fields = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in header.items()]
    return "{\n" + ",\n".join(fields) + ",\n" + _SAMPLES.decode()
