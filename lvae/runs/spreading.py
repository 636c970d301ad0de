"""A data set drawn on a cluster, its shards by any number of workers; seeds trained there.

Workers read the run and write the set in the same folders as this process, so those lie on a disk
that all of them share. A shard is resumed by whoever is given it when its worker was lost.
"""

import dataclasses
import functools
import os
import socket
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import ml_collections
import numpy as np

from lvae import cluster
from lvae.errors import UserError
from lvae.runs import devices, loop, modes
from lvae.runs.export import checks, journal
from lvae.runs.export.writer import PREVIEW, Layout, Summary, write_data_set
from lvae.runs.progress import Progress
from lvae.runs.provenance import versions
from lvae.tasks import registry, restoring
from lvae.tasks.restoring import Loaded
from lvae.tasks.task import Plan, Request

MOST_SHARDS = 1000
BUSY_SECONDS = 60  # a worker that was given up may still be at its shard for so long


@dataclasses.dataclass(frozen=True)
class Shard:
    """One worker's call. place: the run. folder: that relative paths start from. call: names the
    command that it is part of, so that a worker opens a run once for all shards of a command."""

    place: Path
    request: Request
    out: Path
    layout: Layout
    device: str
    folder: Path
    call: str


def draw(
    loaded: Loaded,
    place: Path,
    request: Request,
    out: Path,
    layout: Layout,
    where: str,
    device: str,
) -> Summary:
    """Draws what is asked for into `out` on the cluster `where`: the bytes that one process writes,
    on machines of one kind.

    Args:
      loaded, place: the run, and its directory or file.
      request: its options are given.
      out: on a disk that all workers share.
      layout: of the whole set.
      where: as of `lvae.cluster.map_calls`.
      device: as --device, for every worker.

    Raises:
      UserError: as `modes.draw` and `map_calls`; workers that do not share the disk.
    """
    modes.check(loaded, request, out, layout)
    plan = modes.planned(loaded, request)
    checks.names(plan, out, own=(PREVIEW,))
    written, pictures = 0, dict[int, np.ndarray]()
    with Progress(0, len(plan.names)) as progress:
        if journal.find_manifest(out) is None:
            out.mkdir(parents=True, exist_ok=True)
            summaries = _shards_drawn(plan, place, request, out, layout, where, device, progress)
            for summary in summaries:
                written += summary.written
                pictures |= summary.pictures
            journal.merge(out)
        whole = write_data_set(
            out,
            plan,
            modes.described(loaded, request),
            layout,
            versions=versions(),
            pictures=pictures,
        )
        if layout.card:
            modes.write_about(loaded, plan, out, layout)
        summary = dataclasses.replace(whole, written=written + whole.written)
        progress.note(str(summary))
    return summary


def _shards_drawn(
    plan: Plan,
    place: Path,
    request: Request,
    out: Path,
    layout: Layout,
    where: str,
    device: str,
    progress: Progress,
) -> list[Summary]:
    """The summaries of all shards, which are on the disk."""
    count, call = shard_count(plan, layout), str(uuid.uuid4())
    layouts = [
        dataclasses.replace(layout, shard=(index, count), extras=False) for index in range(count)
    ]
    shards = [Shard(place, request, out, layout, device, Path.cwd(), call) for layout in layouts]
    done: dict[int, int] = {}

    def report(index: int, samples: int) -> None:
        done[index] = samples
        progress.drawn(sum(done.values()), len(plan.names))

    results = dict(cluster.map_calls(draw_shard, shards, cluster=where, progress=report))
    for shard in shards:
        if not journal.manifest_path(out, shard.layout.shard).exists():
            raise UserError(
                f"--out={out}: a worker's files are not here; choose a folder on a disk that all "
                "workers share"
            )
    return list(results.values())


def shard_count(plan: Plan, layout: Layout) -> int:
    """Into how many shards a set is cut, however many workers there are: its blocks, or its packed
    files. So it can be resumed on another cluster."""
    if layout.format != "files":
        return min(MOST_SHARDS, -(-len(plan.names) // layout.samples_per_file))
    return min(MOST_SHARDS, max(1, len(plan.names) // plan.block))


def draw_shard(shard: Shard) -> Summary:
    """Draws one shard, in a worker.

    Raises:
      UserError: as `modes.draw`; the folders are not there on this machine.
    """
    if not (shard.folder / shard.out).is_dir():
        raise UserError(
            f"--out={shard.out}: {shard.folder / shard.out} is not there on {socket.gethostname()}; "
            "choose a folder on a disk that all workers share"
        )
    os.chdir(shard.folder)  # the data of a run may have a relative path, which the manifest names
    loaded, plan = _opened(shard.call, shard.place, shard.request, shard.device)
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return write_data_set(
                shard.out,
                plan,
                modes.described(loaded, shard.request),
                shard.layout,
                versions=versions(),
                progress=lambda done, total: cluster.tell(done),
            )
        except journal.BusyError:
            if time.monotonic() > until:
                raise
            time.sleep(1)


@functools.lru_cache(maxsize=1)
def _opened(call: str, place: Path, request: Request, device: str) -> tuple[Loaded, Plan]:
    """The run and its plan, kept from shard to shard with the programs compiled for them."""
    devices.prepare(device)
    loaded = restoring.load(place)
    return loaded, modes.planned(loaded, request)


class Training(NamedTuple):
    """One worker's training. folder: that relative paths start from. trackers: as of `loop.train`."""

    config: ml_collections.ConfigDict
    workdir: Path
    device: str
    folder: Path
    trackers: Sequence[str] = ()


def train_seeds(
    config: ml_collections.ConfigDict,
    seeds: Sequence[int],
    workdir: Path,
    where: str,
    device: str,
    trackers: Sequence[str] = (),
) -> None:
    """Trains `config` once for every seed, each a call of its own, into `workdir/seed-N`: what
    training that seed alone leaves. A lost worker's seed goes on from its newest checkpoint.

    Raises:
      UserError: as `loop.train` and `map_calls`.
    """
    calls = [
        Training(
            loop.with_seed(config, seed), workdir / f"seed-{seed}", device, Path.cwd(), trackers
        )
        for seed in seeds
    ]

    def report(index: int, text: str) -> None:
        print(f"seed {seeds[index]}: {text}", file=sys.stderr, flush=True)

    for index, summary in cluster.map_calls(train, calls, cluster=where, progress=report):
        report(index, f"{calls[index].workdir} is complete, {summary['step']} steps")


def train(call: Training) -> dict[str, Any]:
    """Trains one seed, in a worker.

    Raises:
      UserError: as `loop.train`; the folder is not there on this machine.
    """
    if not call.folder.is_dir():
        raise UserError(
            f"{call.folder}: is not there on {socket.gethostname()}; start the command in a folder on "
            "a disk that all workers share"
        )
    os.chdir(call.folder)
    devices.prepare(call.device)
    return loop.train(registry.find(call.config.task), call.config, call.workdir, call.trackers)
