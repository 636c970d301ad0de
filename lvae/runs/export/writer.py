"""Draws a data set and writes it.

A plan says how samples are drawn; everything else is here: encoding on all cores, files in order,
resuming, shards, manifest and contact sheet. Memory does not grow with the number of samples, and
the bytes do not depend on batch size, number of workers, shards or interruptions, as long as a
sample depends on its index alone.
"""

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
import os
import shutil
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from lvae import atomic
from lvae.errors import UserError
from lvae.imaging import sheets
from lvae.runs.export import checks, formats, journal
from lvae.runs.export.parts import Part, Parts
from lvae.storage import records
from lvae.tasks.task import Encoded, Plan, Sample

PREVIEW = "preview.png"  # the contact sheet
_OWN_FIELDS = ("export", "versions", "samples", "counts")

Noted = tuple[str, Encoded, Mapping[str, Any]]  # name, files, entry in the manifest


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a call did. total: samples that were asked of it. written: how many it wrote; 0 if the
    data set, or this shard of it, was complete before. pictures: those of the contact sheet that it
    came by, by index."""

    out: Path
    total: int
    written: int
    pictures: Mapping[int, np.ndarray] = dataclasses.field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        if not self.written:
            return f"{self.out}: already complete, {self.total} samples; nothing changed"
        resumed = self.total - self.written
        return f"{self.out}: {self.total} samples" + (
            f", {resumed} of them from before" if resumed else ""
        )


@dataclasses.dataclass(frozen=True)
class Layout:
    """How a data set lies on the disk.

    format: "files", "webdataset" or "parquet". shard: (i, n): the i-th of n parts only, counted
    from 0; when all are there `journal.merge` makes their manifests one. samples_per_file: of the
    packed formats; shards hold whole files. preview: pictures on the contact sheet, spread over the
    data set; 0 for none. extras: whether to write that sheet, and what the plan says about the whole
    set. workers: threads that encode; None for one per core.
    card: whether the runner of modes writes README.md and croissant.json, once all parts are there.
    """

    format: str = "files"
    shard: tuple[int, int] = (0, 1)
    samples_per_file: int = 1000
    preview: int = 24
    extras: bool = True
    workers: int | None = None
    card: bool = True


def write_data_set(
    out: Path,
    plan: Plan,
    request: Mapping[str, Any],
    layout: Layout = Layout(),  # frozen
    *,
    versions: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
    pictures: Mapping[int, np.ndarray] | None = None,
) -> Summary:
    """Writes the samples that are not there yet, then the manifest.

    Args:
      out: the folder. Nothing outside it is touched.
      plan: how samples are drawn.
      request: what makes the samples what they are: seed, config, mode, options. Its fields become
        fields of the manifest; another request into the same folder is refused.
      layout: how they lie on the disk.
      versions: of packages that the samples depend on, for the manifest.
      progress: called with how many samples are done and how many there are.
      pictures: for the contact sheet, those that other calls came by.

    Raises:
      UserError: the folder holds another data set or files of unknown origin; two samples would be
        one file; another process is writing it; the disk is full.
    """
    parts = Parts(plan, layout.format, layout.shard, layout.samples_per_file)
    header = _header(request, plan, layout, versions or {})
    checks.names(plan, out, own=(PREVIEW,))
    manifest = journal.manifest_path(out, layout.shard)
    finished = manifest.exists() or journal.find_manifest(out) is not None
    ignored = ("versions",) if finished else ()
    journal.check_same(header, out, layout.shard[1], ignore=ignored)
    checks.origin(out, plan)
    writer = _Writer(out, plan, parts, layout, progress, pictures or {})
    if finished:
        return _complete(writer, header)
    try:
        out.mkdir(parents=True, exist_ok=True)
        book = journal.Journal(journal.journal_path(out, layout.shard), header)
    except OSError as error:
        raise UserError(
            f"{out}: cannot be written ({error.strerror}); choose another folder"
        ) from error
    with book:
        if manifest.exists():  # another process has finished meanwhile
            return _complete(writer, header)
        shutil.rmtree(writer.staging, ignore_errors=True)  # of a run that was killed
        left, done = _unfinished(out, parts, book.path)
        book.keep(done)
        writer.write(left, book, done)
        writer.write_extras()
        journal.write_manifest(manifest, header, journal.sample_lines(book.path), writer.staging)
        shutil.rmtree(writer.staging, ignore_errors=True)
        book.path.unlink()
    return Summary(out, len(parts.own), len(parts.own) - done, writer.pictures)


def _complete(writer: "_Writer", header: journal.Header) -> Summary:
    """Of a set with a manifest: draws again what was lost since; the manifest still holds."""
    out, parts = writer.out, writer.parts
    missing = [part for part in parts if not parts.is_there(out, part)]
    if missing:
        journal.check_same(header, out, writer.layout.shard[1])
        writer.write(missing)
    writer.write_extras()
    with contextlib.suppress(OSError):
        journal.journal_path(out, writer.layout.shard).unlink(missing_ok=True)
    if missing:
        shutil.rmtree(writer.staging, ignore_errors=True)
    return Summary(out, len(parts.own), sum(len(part.indices) for part in missing), writer.pictures)


class _Writer:
    """One call: draws blocks, encodes them on threads, writes them in order."""

    def __init__(
        self,
        out: Path,
        plan: Plan,
        parts: Parts,
        layout: Layout,
        progress: Callable[[int, int], None] | None,
        pictures: Mapping[int, np.ndarray],
    ):
        self.out, self.plan, self.parts, self.layout = out, plan, parts, layout
        self.progress = progress
        index, count = layout.shard
        self.staging = out / (".writing" if count == 1 else f".writing-{index}-of-{count}")
        wanted = min(layout.preview, len(plan.names))
        places = np.linspace(0, len(plan.names) - 1, wanted).round().astype(int)
        self.shown = dict.fromkeys(places.tolist())  # index -> picture, once it is known
        self.pictures = dict(pictures)

    def write(
        self, parts: Sequence[Part], book: journal.Journal | None = None, done: int = 0
    ) -> None:
        """Draws, encodes and writes these parts."""
        total = done + sum(len(part.indices) for part in parts)
        with threadpool_limits(1, user_api="blas"):  # threads draw images, not parts of a product
            encoded = self._encoded(index for part in parts for index in part.indices)
            with contextlib.closing(encoded):
                for part in parts:
                    notes = self._write_part(part, encoded)
                    if book is not None:
                        book.add(notes)
                    done += len(notes)
                    if self.progress is not None:
                        self.progress(done, total)

    def _write_part(
        self, part: Part, encoded: Generator[tuple[int, Encoded, Mapping[str, Any]], None, None]
    ) -> list[dict[str, Any]]:
        notes = []
        format, plan = self.layout.format, self.plan
        with formats.writing(self.out, self.staging, format, part.number, plan) as add:
            for _ in part.indices:
                index, sample, provenance = next(encoded)
                if tuple(sample.files) != tuple(plan.suffixes):
                    raise ValueError(f"files {tuple(sample.files)}; the plan says {plan.suffixes}")
                if index in self.shown:
                    self.pictures[index] = _small(sample.picture)
                add(plan.names[index], sample)
                notes.append({"name": plan.names[index], **records.plain(provenance)})
        return notes

    def write_extras(self) -> None:
        """The contact sheet, which every shard draws alike from samples all over the data set, and
        what the plan says about the whole; where the layout has them."""
        if not self.layout.extras:
            return
        path = self.out / PREVIEW
        if self.shown and not path.exists():
            missing = [index for index in self.shown if index not in self.pictures]
            for index, sample, _ in self._encoded(missing):
                self.pictures[index] = _small(sample.picture)
            pictures = [self.pictures[index] for index in self.shown]
            sheet = sheets.contact_sheet(pictures, smallest=84)
            atomic.write_bytes(path, sheets.png(sheet), self.staging)
        for name, content in self.plan.extras.items():
            if not (self.out / name).exists():
                atomic.write_bytes(self.out / name, content(self.out), self.staging)
        with contextlib.suppress(OSError):
            self.staging.rmdir()

    def _encoded(
        self, indices: Iterable[int]
    ) -> Generator[tuple[int, Encoded, Mapping[str, Any]], None, None]:
        """Samples in order, encoded by threads: deflate, NumPy and JAX all leave the interpreter
        free. Twice a block is under way, so that there is work while the next one is drawn."""
        workers = self.layout.workers or _cores()
        pending: deque[tuple[int, Future[Encoded], Mapping[str, Any]]] = deque()
        with ThreadPoolExecutor(workers, thread_name_prefix="encode") as threads:
            try:
                for index, sample in self._drawn(indices):
                    pending.append((index, threads.submit(sample.encode), sample.provenance))
                    if len(pending) > 2 * self.plan.block:
                        number, future, provenance = pending.popleft()
                        yield number, future.result(), provenance
                while pending:
                    number, future, provenance = pending.popleft()
                    yield number, future.result(), provenance
            finally:
                for _, future, _ in pending:
                    future.cancel()

    def _drawn(self, indices: Iterable[int]) -> Iterator[tuple[int, Sample]]:
        """Whole aligned blocks are drawn, of which these samples are taken."""
        length, count = self.plan.block, len(self.plan.names)
        start, block = -1, []  # type: int, Sequence[Sample]
        for index in indices:
            if start < 0 or not start <= index < start + length:
                start = index - index % length
                rows = np.arange(start, min(start + length, count))
                block = self.plan.draw(rows)
                if len(block) != len(rows):
                    raise ValueError(f"draw gave {len(block)} samples for {len(rows)} indices")
            yield index, block[index - start]


def _small(picture: np.ndarray) -> np.ndarray:
    """As large as it will be on the contact sheet."""
    return sheets.contact_sheet([picture], gap=0)


def _header(
    request: Mapping[str, Any], plan: Plan, layout: Layout, versions: Mapping[str, str]
) -> journal.Header:
    own = set(request) & set(_OWN_FIELDS)
    if own:
        raise ValueError(f"request has a field {sorted(own)[0]}; this is the writer's own")
    digest = hashlib.sha256()
    for name in plan.names:
        digest.update(name.encode(errors="surrogateescape") + b"\n")
    export: dict[str, Any] = {
        "format": layout.format,
        "names": {"count": len(plan.names), "sha256": digest.hexdigest()},
        "suffixes": list(plan.suffixes),
    }
    if layout.format != "files":
        export["samples_per_file"] = layout.samples_per_file
    ours = {
        name: importlib.metadata.version(name)
        for name in ("numpy", "isal", *(["pyarrow"] if layout.format == "parquet" else []))
    }
    header = {**request, **plan.settings, "export": export, "versions": {**ours, **versions}}
    return json.loads(json.dumps(header))


def _unfinished(out: Path, parts: Parts, journal_file: Path) -> tuple[list[Part], int]:
    """The parts that are still to be written, and how many samples are done."""
    noted = sum(1 for _ in journal.sample_lines(journal_file))
    done, every = 0, list(parts)
    for position, part in enumerate(every):
        if done + len(part.indices) > noted or not parts.is_there(out, part):
            return every[position:], done
        done += len(part.indices)
    return [], done


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
