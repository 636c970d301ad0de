"""Damaged and odd input at everything that reads: python -m benchmarks.fuzz --cases=N [--seed=S].

Each case damages one thing (a frame's JSON, an IDX file, an image, a volume, a file of a run
directory or of an export, flags) and reads it. A right result or a UserError of one line is right;
anything else is a fault, printed with the case's seed. Exit status 1 if there were any.
"""

import argparse
import collections
import contextlib
import io
import json
import logging
import shutil
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks import damage
from lvae import configuration
from lvae.commands import sample, train
from lvae.data import digits, volumes
from lvae.data.gray import read_gray
from lvae.data.lasten import GridGeometry, read_frames
from lvae.errors import UserError
from lvae.runs import loop
from lvae.runs.export import journal
from lvae.storage import checkpoints, checksums, records
from lvae.tasks import registry, restoring

ROOT = Path(__file__).parent.parent
CONFIG = f"{ROOT}/configs/patches.py:smoke_digits"
SMALL = ("--config.training.steps=2", "--config.training.log_every=1")
SMALL += ("--config.training.evaluate_every=2", "--config.training.checkpoint_every=1")
SMALL += ("--config.model.hidden=4", "--config.training.steps_per_dispatch=1")
ODD = (None, True, 0, -1, 10**30, 1.5, float("nan"), float("inf"), "", "x", "ü\ud800", [], {}, [[]])


class Bench(NamedTuple):
    """folder: for a case's files. run: a trained run, never changed. values: its variables."""

    folder: Path
    run: Path
    values: Any


class Fault(AssertionError):
    """A result that is neither right nor a refusal in one line."""


def prepared(folder: Path) -> Bench:
    """A small trained run with an export in it."""
    run = folder / "run"
    _, config = train.read_config([f"--config={CONFIG}", *SMALL])
    with contextlib.redirect_stderr(io.StringIO()):
        loop.train(registry.find(config.task), config, run)
    header = {"mode": "prior", "seed": 0}
    notes = [json.dumps({"name": f"{index:05d}", "code": [0.5, index]}) for index in range(6)]
    (run / "samples").mkdir()
    for shard in range(2):
        path = journal.manifest_path(run / "samples", (shard, 2))
        journal.write_manifest(path, header, notes[3 * shard : 3 * shard + 3])
    (folder / "case").mkdir()
    return Bench(folder / "case", run, restoring.load(run).run.variables)


def frames(bench: Bench, random: np.random.Generator) -> None:
    """A frame of a recording: text damaged, or a value replaced by an odd one."""
    points = {str(key): [int(x) for x in random.integers(0, 700, 2)] for key in range(324)}
    place = bench.folder / "7.json"
    place.write_bytes(_odd_json(points, random))
    read_frames(bench.folder, GridGeometry())


def _odd_json(value: Any, random: np.random.Generator) -> bytes:
    """JSON with one value replaced, lost or renamed, or bytes of it damaged."""
    if random.random() < 0.4:
        return damage.damaged(json.dumps(value, indent=1).encode(), random)
    copy = json.loads(json.dumps(value))
    parent, key = _place(copy, random)
    odd = ODD[random.integers(len(ODD))]
    if key is None:
        return json.dumps(odd).encode()
    kind = random.integers(4)
    if kind == 0 and isinstance(parent, dict):
        parent[str(odd)] = parent.pop(key)
    elif kind == 1:
        del parent[key]
    else:
        parent[key] = odd
    return json.dumps(copy).encode()


def _place(value: Any, random: np.random.Generator) -> tuple[Any, Any]:
    """(container, key) of a value somewhere in a tree; key None for the whole."""
    parent, key = None, None
    while isinstance(value, dict | list) and value and random.random() < 0.85:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        parent, key = value, keys[random.integers(len(keys))]
        value = parent[key]
    return parent, key


def file_of(makers: Callable[..., list[damage.Whole]], read: Callable[[Path], np.ndarray]) -> Any:
    """A case of a reader of single files."""

    def case(bench: Bench, random: np.random.Generator) -> None:
        files = makers(random, bench.folder) if makers is damage.whole_volumes else makers(random)
        whole = files[random.integers(len(files))]
        path = bench.folder / whole.name
        path.write_bytes(damage.damaged(whole.content, random))
        values = read(path)
        if whole.checked and not np.array_equal(values, whole.values):
            raise Fault("other values than those of the whole file")

    return case


def _read_idx(path: Path) -> np.ndarray:
    return digits.read_labels(path) if "labels" in path.name else digits.read_images(path)


def run_files(bench: Bench, random: np.random.Generator) -> None:
    """A JSON file of a run directory; loaded, and once in ten trained on."""
    run = bench.folder / "run"
    shutil.copytree(bench.run, run)
    names = (records.CONFIG, records.SPEC, records.SUMMARY, records.METRICS)
    path = run / names[random.integers(len(names))]
    if path.name == records.METRICS:
        path.write_bytes(damage.damaged(path.read_bytes(), random))
    else:
        path.write_bytes(_odd_json(json.loads(path.read_bytes()), random))
    records.read_metrics(run)
    records.write_table(run)
    task, config, _ = restoring.load(run)
    if random.random() < 0.1:
        loop.train(task, config, run)
    records.read_summary(run)


def checkpoint(bench: Bench, random: np.random.Generator) -> None:
    """A file of a checkpoint, damaged or gone."""
    run = bench.folder / "run"
    shutil.copytree(bench.run, run)
    for older in checkpoints.saved_steps(run)[:-1]:
        shutil.rmtree(run / checkpoints.FOLDER / str(older))
    checked = random.random() < 0.7
    if not checked:  # a kill came before they were written; damage may then stay unnoticed
        for path in (run / checkpoints.FOLDER).rglob(checksums.NAME):
            path.unlink()
    files = sorted(path for path in (run / checkpoints.FOLDER).rglob("*") if path.is_file())
    path = files[random.integers(len(files))]
    if random.random() < 0.2:
        path.unlink()
    else:
        path.write_bytes(damage.damaged(path.read_bytes(), random))
    found = restoring.load(run).run.variables
    same = jax.tree.map(lambda left, right: np.array_equal(left, right), found, bench.values)
    if checked and not all(jax.tree.leaves(same)):
        raise Fault(f"{path.relative_to(run)}: other values than those that were saved")


def exports(bench: Bench, random: np.random.Generator) -> None:
    """The manifests of two shards, one damaged, merged."""
    shutil.copytree(bench.run / "samples", bench.folder, dirs_exist_ok=True)
    path = journal.manifest_path(bench.folder, (int(random.integers(2)), 2))
    path.write_bytes(damage.damaged(path.read_bytes(), random))
    merged = json.loads(journal.merge(bench.folder).read_bytes())
    if not all(isinstance(sample, dict) for sample in merged["samples"]):
        raise Fault("a sample that is no object")


FLAGS = (
    "--config.training.steps", "--config.data.classes", "--config.loss", "--config.seed", "--config",
    "--config.model.hidden", "--config.task", "--config.", "--config.training.stepz", "--seeds",
    "--workdir", "--device", "--coordinator", "--process_count", "--config.data.path", "--x", "-c",
    "word", "", "--", "-", "--config.training.optimizer", "--config.evaluation.bright_only",
)  # fmt: skip
VALUES = (
    "", "3", "-1", "1e400", "nan", "many", "(1,2)", "[", "{}", "None", "true", "~nobody/x", "ü", "'",
    "9" * 5000, "x" * 300, "\n", "a=b", "__import__('os')", "\udcff", "configs/patches.py:nope",
    "configs", "tests/conftest.py", ":", "%s%n", "{0}", "0x10", "1_000",
)  # fmt: skip


def flags(bench: Bench, random: np.random.Generator) -> None:
    """Flags of train.py and sample.py with values of any kind, up to the work itself."""
    words = [f"--config={CONFIG}"]
    for _ in range(random.integers(1, 4)):
        flag = FLAGS[random.integers(len(FLAGS))]
        equals = "=" if random.random() < 0.9 else ""
        words.append(f"{flag}{equals}{VALUES[random.integers(len(VALUES))] if equals else ''}")
    config_words = [word for word in words if train.is_config(word)]
    with contextlib.redirect_stdout(io.StringIO()):
        train._parser().parse_args([word for word in words if word not in config_words])
        _, config = train.read_config(config_words)
        task = registry.find(config.task)
        configuration.parse(task.settings, config)
        sample.main([f"--workdir={bench.folder}", *words[1:]])


KINDS: dict[str, tuple[Callable[[Bench, np.random.Generator], None], int]] = {
    "frames": (frames, 4),  # and how many of them per case of the slowest kinds
    "images": (file_of(damage.whole_images, read_gray), 4),
    "idx": (file_of(damage.whole_idx, _read_idx), 4),
    "volumes": (file_of(damage.whole_volumes, lambda path: volumes.read_volume(path).array), 4),
    "exports": (exports, 4),
    "flags": (flags, 2),
    "run files": (run_files, 2),
    "checkpoints": (checkpoint, 1),
}


def attempt(kind: str, bench: Bench, seed: Sequence[int]) -> str | None:
    """One case; None, or what was wrong."""
    shutil.rmtree(bench.folder, ignore_errors=True)
    bench.folder.mkdir()
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            KINDS[kind][0](bench, np.random.default_rng(seed))
    except UserError as error:
        lines = str(error).splitlines()
        if len(lines) != 1 or not lines[0].strip():
            return f"{len(lines)} lines: {error}"
    except SystemExit as error:
        return f"SystemExit {error.code}" if error.code else None
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        return f"{text} ({Path(last.filename).name}:{last.lineno})"
    if "Traceback" in printed.getvalue():
        return "a traceback on stderr"
    return None


def faults(cases: int, seed: int, folder: Path) -> dict[str, list[str]]:
    """All faults of that many cases by kind, spread over the kinds by their speed."""
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bench = prepared(folder)
    order = [kind for kind, (_, share) in KINDS.items() for _ in range(share)]
    found = collections.defaultdict(list)
    for number in range(cases):
        kind = order[number % len(order)]
        wrong = attempt(kind, bench, (seed, number))
        if wrong is not None:
            found[kind].append(f"case {number}: {wrong}")
    return dict(found)


def main(words: Sequence[str] | None = None) -> int:
    """Prints every fault and their number."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        found = faults(chosen.cases, chosen.seed, Path(folder))
    for kind, texts in found.items():
        print(*(f"{kind}: {text}" for text in texts), sep="\n")
    count = sum(map(len, found.values()))
    print(f"{chosen.cases} cases of seed {chosen.seed}: {count} faults")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
