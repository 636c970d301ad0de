"""Draws a data set and writes it: clean grids in, the registration code's files out.

The caller gives a function that draws samples by their index; everything else is here: encoding on
all cores, files in the order of their ids, resuming, shards, manifest and contact sheet. Memory
does not grow with the number of samples, and the bytes do not depend on batch size, number of
workers, shards or interruptions, as long as a sample depends on its index alone.
"""

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import re
import zlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, SupportsInt

import numpy as np
from PIL import Image
from threadpoolctl import threadpool_limits

from lvae import atomic
from lvae.errors import UserError
from lvae.grids import encoding, formats, record
from lvae.grids.plan import Part, Plan

FIRST_ID = 40_000  # where the registration code expects generated samples
_OUR_FILES = re.compile(r"[0-9]+(\.json|_mov\.png)|data-[0-9]+\.(tar|parquet)")
_OWN_FIELDS = ("export", "versions", "samples", "counts")


class Drawn(NamedTuple):
    """Finished grids. points: (samples, rows, columns, 2), x and y in pixels of the frame. visible:
    (samples, rows, columns). provenance: of each sample, what JSON can hold."""

    points: Any
    visible: Any
    provenance: Sequence[Mapping[str, Any]]


Draw = Callable[[np.ndarray], Drawn]


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a call did. total: samples that were asked of it. written: how many it wrote; 0 if the
    data set, or this shard of it, was complete before."""

    out: Path
    total: int
    written: int

    def __str__(self) -> str:
        if not self.written:
            return f"{self.out}: already complete, {self.total} samples; nothing changed"
        resumed = self.total - self.written
        return f"{self.out}: {self.total} samples" + (
            f", {resumed} of them from before" if resumed else ""
        )


def write_data_set(
    out: str | Path,
    draw: Draw,
    request: Mapping[str, Any],
    *,
    ids: Iterable[SupportsInt],
    size: tuple[int, int] = (768, 768),
    format: str = "files",
    shard: tuple[int, int] = (0, 1),
    batch_size: int = 64,
    samples_per_file: int = 1000,
    images: bool = True,
    preview: int = 24,
    workers: int | None = None,
    versions: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Writes the samples that are not there yet, then the manifest.

    Args:
      out: the folder. Nothing outside it is touched.
      draw: gives the samples at these indices, an increasing array of `batch_size` of which the
        last may be repeated. Blocks begin at multiples of `batch_size` whatever is resumed or
        sharded, so that a sample is always drawn in the same place of the same block.
      request: what makes the samples what they are: seed, config, mode, factor. Its fields become
        fields of the manifest; another request into the same folder is refused.
      ids: the samples' numbers, increasing; `range(FIRST_ID, FIRST_ID + count)` as a rule.
      size: width and height of a frame in pixels.
      format: "files", "webdataset" or "parquet".
      shard: (i, n): writes the i-th of n parts only, counted from 0. When all are there
        `record.merge` makes their manifests one.
      batch_size: samples drawn at once.
      samples_per_file: of the packed formats. Shards hold whole files.
      images: whether to write moving images; without them a training loop renders on its device.
      preview: images on the contact sheet `preview.png`, spread over the data set; 0 for none.
      workers: threads that encode; None for one a core.
      versions: of packages that `draw` depends on, for the manifest.
      progress: called with how many samples are done and how many there are.

    Raises:
      UserError: an unknown format or shard; the folder holds another data set or files of unknown
        origin; another process is writing it; the disk is full.
      ValueError: ids do not increase, or a field of the request or provenance is the writer's own.
    """
    out = Path(out)
    numbers = ids if isinstance(ids, range) else [int(number) for number in ids]
    plan = Plan(numbers, format, shard, samples_per_file, images)
    header = _header(request, plan, size, versions or {})
    manifest, journal_file = record.manifest_path(out, shard), record.journal_path(out, shard)
    finished = manifest.exists() or (out / "manifest.json").exists()
    record.check_same(header, out, shard[1], ignore=("versions",) if finished else ())
    _check_origin(out)

    writer = _Writer(out, draw, plan, size, batch_size, preview, workers, progress)
    if finished:
        missing = [part for part in plan.parts() if not plan.is_there(out, part)]
        if missing:  # files were lost since: they are drawn again, and the manifest still holds
            record.check_same(header, out, shard[1])
            writer.write(missing)
        writer.write_preview()
        journal_file.unlink(missing_ok=True)
        return Summary(out, len(plan.own), sum(len(part.indices) for part in missing))

    try:
        out.mkdir(parents=True, exist_ok=True)
        journal = record.Journal(journal_file, header)
    except OSError as error:
        raise UserError(
            f"{out}: cannot be written ({error.strerror}); choose another folder"
        ) from error
    with journal:
        _remove_leftovers(out, plan)
        parts, done = _unfinished(out, plan, journal_file)
        journal.keep(done)
        writer.write(parts, journal, done)
        writer.write_preview()
        record.write_manifest(manifest, header, record.sample_lines(journal_file))
        journal_file.unlink()
    return Summary(out, len(plan.own), len(plan.own) - done)


@dataclasses.dataclass(frozen=True)
class _Writer:
    out: Path
    draw: Draw
    plan: Plan
    size: tuple[int, int]
    batch_size: int
    preview: int
    workers: int | None
    progress: Callable[[int, int], None] | None

    def write(
        self, parts: Sequence[Part], journal: record.Journal | None = None, done: int = 0
    ) -> None:
        """Draws, encodes and writes these parts."""
        total = done + sum(len(part.indices) for part in parts)
        with threadpool_limits(1, user_api="blas"):  # threads draw images, not parts of a product
            encoded = self._encoded(index for part in parts for index in part.indices)
            try:
                for part in parts:
                    notes = []
                    with formats.writing(self.out, self.plan.format, part.number) as add:
                        for _ in part.indices:
                            sample, provenance = next(encoded)
                            add(sample)
                            notes.append(_note(sample, provenance))
                    if journal is not None:
                        journal.add(notes)
                    done += len(notes)
                    if self.progress is not None:
                        self.progress(done, total)
            finally:
                encoded.close()

    def write_preview(self) -> None:
        """The contact sheet. Every shard draws the same one, from samples all over the data set."""
        path = self.out / "preview.png"
        count = min(self.preview, len(self.plan.ids))
        if not count or path.exists():
            return
        chosen = np.unique(np.linspace(0, len(self.plan.ids) - 1, count).round().astype(np.int64))
        images = []
        for start in range(0, len(chosen), self.batch_size):
            some = chosen[start : start + self.batch_size]
            padding = np.full(self.batch_size - len(some), some[-1])
            drawn = self._checked(self.draw(np.concatenate([some, padding])))
            for points, visible in list(zip(drawn.points, drawn.visible))[: len(some)]:
                pixels, shown = encoding.whole_pixels(points, visible, self.size)
                images.append(encoding.rendering.render(pixels, shown, self.size))
        sheet = Image.fromarray(encoding.contact_sheet(images))
        with atomic.replacing(path) as temporary:
            sheet.save(temporary, compress_level=1)

    def _encoded(
        self, indices: Iterable[int]
    ) -> Generator[tuple[encoding.Encoded, Mapping[str, Any]], None, None]:
        """Samples in order, encoded by threads: deflate, NumPy and JAX all leave the interpreter
        free.

        Twice a batch is under way, so that there is work while the next batch is drawn.
        """
        workers = self.workers or _cores()
        pending: deque[tuple[Future[encoding.Encoded], Mapping[str, Any]]] = deque()
        with ThreadPoolExecutor(workers, thread_name_prefix="encode") as threads:
            try:
                for number, points, visible, provenance in self._drawn(indices):
                    arguments = (number, points, visible, self.size, self.plan.images)
                    pending.append((threads.submit(encoding.encode, *arguments), provenance))
                    if len(pending) > 2 * self.batch_size:
                        future, noted = pending.popleft()
                        yield future.result(), noted
                while pending:
                    future, noted = pending.popleft()
                    yield future.result(), noted
            finally:
                for future, _ in pending:
                    future.cancel()

    def _drawn(self, indices: Iterable[int]) -> Iterator[tuple[int, Any, Any, Mapping[str, Any]]]:
        start = None
        for index in indices:
            if start is None or not start <= index < start + self.batch_size:
                start = index - index % self.batch_size
                block = np.arange(start, start + self.batch_size, dtype=np.int64)
                drawn = self._checked(self.draw(np.minimum(block, len(self.plan.ids) - 1)))
            row = index - start
            yield (
                self.plan.ids[index],
                *(drawn.points[row], drawn.visible[row], drawn.provenance[row]),
            )

    def _checked(self, drawn: Drawn) -> Drawn:
        points, visible = np.asarray(drawn.points), np.asarray(drawn.visible, dtype=bool)
        if points.shape[:1] != (self.batch_size,) or points.shape != (*visible.shape, 2):
            raise ValueError(
                f"draw gave points {points.shape} and visible {visible.shape} for "
                f"{self.batch_size} indices"
            )
        return Drawn(points, visible, drawn.provenance)


def _note(sample: encoding.Encoded, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """A sample's line in the manifest."""
    if "id" in provenance or "points" in provenance:
        raise ValueError("provenance has a field id or points; these are the writer's own")
    return {"id": int(sample.id), "points": int(sample.shown.sum()), **provenance}


def _header(
    request: Mapping[str, Any], plan: Plan, size: tuple[int, int], versions: Mapping[str, str]
) -> record.Header:
    own = set(request) & set(_OWN_FIELDS)
    if own:
        raise ValueError(f"request has a field {sorted(own)[0]}; this is the writer's own")
    ids: dict[str, Any] = {"count": len(plan.ids)}
    if len(plan.ids):
        ids |= {"first": int(plan.ids[0]), "last": int(plan.ids[-1])}
        if ids["last"] - ids["first"] + 1 != ids["count"]:
            ids["sha256"] = hashlib.sha256(np.asarray(plan.ids, "<i8").tobytes()).hexdigest()
    export = {"format": plan.format, "ids": ids, "size": size, "images": plan.images}
    if plan.format != "files":
        export["samples_per_file"] = plan.samples_per_file
    ours = {
        name: importlib.metadata.version(name)
        for name in ("numpy", "pillow", *(["pyarrow"] if plan.format == "parquet" else []))
    }
    ours["zlib"] = zlib.ZLIB_RUNTIME_VERSION
    header = {**request, "export": export, "versions": {**ours, **versions}}
    return json.loads(json.dumps(header))


def _check_origin(out: Path) -> None:
    """Refuses to write among frames that no record explains: they could be somebody's
    recordings."""
    if not out.is_dir() or record.records(out):
        return
    with os.scandir(out) as entries:
        for entry in entries:
            if _OUR_FILES.fullmatch(entry.name):
                raise UserError(
                    f"{out}: holds {entry.name} but no manifest of a data set drawn here; choose "
                    "another folder"
                )


def _remove_leftovers(out: Path, plan: Plan) -> None:
    """Removes the half-written files of an earlier run of this shard that was killed."""
    for path in out.glob(".*.tmp-*"):
        stem = path.name[1:].split(".tmp-")[0]
        number = stem.removesuffix("_mov").removeprefix("data-")
        if not number.isdecimal():
            continue
        if stem.startswith("data-"):
            ours = any(part.number == int(number) for part in plan.parts())
        else:
            ours = any(plan.ids[index] == int(number) for index in plan.own)
        if ours:
            path.unlink(missing_ok=True)


def _unfinished(out: Path, plan: Plan, journal_file: Path) -> tuple[list[Part], int]:
    """The parts that are still to be written, and how many samples are done."""
    noted = sum(1 for _ in record.sample_lines(journal_file))
    done, parts = 0, list(plan.parts())
    for position, part in enumerate(parts):
        if done + len(part.indices) > noted or not plan.is_there(out, part):
            return parts[position:], done
        done += len(part.indices)
    return [], done


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
