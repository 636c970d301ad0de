"""Other grids and other frames than LASTEN's: python -m benchmarks.scales [--data=DIR] [--out=DIR]
[--only=NAMES].

Without --data: `configs/default.py` on simulated recordings (8 + 2 + 2) of several grids, one and the
same field of view and the same folds under each, and the held-out error in pitches over that of
18 x 18. With --data, a folder of recordings as LASTEN's: the recordings as they are, a third as large
in frames of 256 x 256, and the same in the middle of frames of 256 x 512; lengths are given times
three. The two smaller sets have labels of three decimals: rounded to whole pixels they would be
other recordings, with three times the rounding error. With --out the runs are kept, and the same
command goes on with what was cut short; --only=7x7,31x31 does a part of it.
"""

import argparse
import contextlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from benchmarks import report
from benchmarks.trained import Job, Rows, rows_of
from configs import default
from lvae.cluster import map_calls
from lvae.configuration import changed
from lvae.data.recordings.frames import GridGeometry
from lvae.data.recordings.lasten import write_frames
from lvae.data.recordings.reading import read_data_set
from lvae.errors import UserError
from lvae.tasks import restoring
from lvae.tasks.grids.vae import measures

GRIDS = (
    (18, 18),
    (7, 7),
    (10, 14),
    (14, 14),
    (31, 31),
)  # rows, columns; the first is the yardstick
FRAMES = ((768, 768), (256, 256), (256, 512))  # width, height
SMALLER = 3  # times, the last two frames
SAMPLES = 300  # of `prior`
LENGTHS = ("train error, px", "error, px", "95 % of errors below, px", "novelty of prior, px")


def main() -> None:
    """Parses the flags, trains what is missing, prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of recordings as LASTEN's")
    parser.add_argument("--steps", type=int, default=1000, help="default %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default %(default)s")
    parser.add_argument("--out", type=Path, help="keep the runs here, and go on with those there")
    parser.add_argument("--only", help="of the runs, as 7x7,31x31; default: all")
    parser.add_argument(
        "--cluster", default="here", help="where runs are trained, as local:2; default: %(default)s"
    )
    chosen = parser.parse_args()
    print(report.machine())
    print(report.versions("jax", "jaxlib", "flax"))
    config = changed(
        default.get_config(),
        {
            "seed": chosen.seed,
            "training.steps": chosen.steps,
            "training.checkpoint_every": chosen.steps,
            "training.evaluate_every": 0,
        },
    )
    with contextlib.ExitStack() as stack:
        out = (chosen.out or Path(stack.enter_context(tempfile.TemporaryDirectory()))).resolve()
        jobs = frame_jobs(config, chosen.data, out) if chosen.data else grid_jobs(config, out)
        names = [job.workdir.name for job in jobs]
        only = chosen.only.split(",") if chosen.only else names
        if not set(only) <= set(names):
            raise UserError(f"--only={chosen.only}: there are {', '.join(names)}")
        jobs = [job for job in jobs if job.workdir.name in only]
        found: dict[int, dict[str, Any]] = {}
        for number, rows in map_calls(rows_of, jobs, cluster=chosen.cluster):
            found[number] = {"run": jobs[number].workdir.name} | rows[0]
            print(report.table([found[number]]), flush=True)
    rows = [found[number] for number in sorted(found)]
    whole = FRAMES[0] if chosen.data else GRIDS[0]
    if len(rows) > 1 and rows[0]["run"] == "{}x{}".format(*whole):
        print(report.table(in_large_px(rows) if chosen.data else over_first(rows)))


def grid_jobs(config: ConfigDict, out: Path) -> list[Job]:
    """One run per grid."""
    return [
        Job(
            changed(config, {"data.rows": rows, "data.columns": columns}),
            out / f"{rows}x{columns}",
            measured,
        )
        for rows, columns in GRIDS
    ]


def frame_jobs(config: ConfigDict, data: Path, out: Path) -> list[Job]:
    """One run per size of frames, whose recordings are written first."""
    jobs = []
    for width, height in FRAMES:
        name, path = f"{width}x{height}", data.resolve()
        if width != FRAMES[0][0]:
            path = out / "recordings" / name
            write_smaller(data, path, width, height)
        changes = {"data.path": str(path), "data.width": width, "data.height": height}
        jobs.append(Job(changed(config, changes), out / name, measured))
    return jobs


def write_smaller(data: Path, out: Path, width: int, height: int) -> None:
    """The recordings a third as large, in the middle of their frames; those there are left."""
    whole = GridGeometry(18, 18, *FRAMES[0], 20, 100)
    middle = (np.array([width, height]) - np.array(FRAMES[0]) / SMALLER) / 2
    for name, frames in read_data_set(data, whole).items():
        if not (out / name).exists():
            points = frames.points / SMALLER + middle
            write_frames(out / name, frames.ids, points, frames.visible, decimals=3)


def measured(workdir: Path) -> Rows:
    """One row: errors of the training split and of all that is held out, and what `prior` draws."""
    task, _, run = restoring.load(workdir)
    splits = restoring.load_data(task, run.settings, run.spec)
    train = measures.real_frames(splits)
    held_out = {
        name: np.concatenate(
            [splits[split][name] for split in ("validation", "test") if split in splits]
        )
        for name in ("points", "visible")
    }
    seen, unseen = (measures.reconstruction_measures(run, part) for part in (train, held_out))
    prior = measures.prior_samples(run, SAMPLES)
    return [
        {
            "train error, px": seen["reconstruction_px_mean"],
            "error, px": unseen["reconstruction_px_mean"],
            "95 % of errors below, px": unseen["reconstruction_px_p95"],
            "error, pitches": unseen["reconstruction_pitches_mean"],
            "missing F1": unseen["missing_f1"],
            "novelty of prior, px": measures.novelty_px(prior, train),
            "coverage": measures.coverage(prior, held_out, train),
        }
    ]


def over_first(rows: Rows) -> Rows:
    """The rows with their error in pitches over that of the first."""
    first = rows[0]["error, pitches"]
    return [row | {"over 18 x 18": row["error, pitches"] / first} for row in rows]


def in_large_px(rows: Rows) -> Rows:
    """The rows with lengths in px of the first row's frames, then what they are of the first row's."""
    first, *smaller = rows
    large = [row | {name: SMALLER * row[name] for name in LENGTHS} for row in smaller]
    shares = [
        {name: value if name == "run" else value / first[name] for name, value in row.items()}
        | {"run": f"{row['run']} over {first['run']}"}
        for row in large
    ]
    return [first, *large, *shares]


if __name__ == "__main__":
    main()
