"""Kills training and drawing at random moments: python -m benchmarks.kills [--kills=100] [--seed=0].

Half of the kills (SIGKILL) hit a training with a checkpoint every other step, beside a reader that
loads the run again and again; the other half a drawing of a data set. Each command is started anew
until it ends by itself, then the next one begins. Prints how many kills hit, where training stood,
and whether every run and every data set came out byte for byte as one that nobody killed.
"""

import argparse
import hashlib
import random
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from benchmarks import report
from lvae.errors import UserError
from lvae.storage import records
from lvae.tasks import restoring

ROOT = Path(__file__).parent.parent
TRAIN = (
    "train.py",
    "--config=configs/patches.py:smoke_digits",
    "--config.training.steps=400",
    "--config.training.steps_per_dispatch=2",
    "--config.training.log_every=2",
    "--config.training.evaluate_every=0",
    "--config.training.checkpoint_every=2",
)
DRAW = ("sample.py", "--mode=prior", "--num_samples=20000")


def main() -> None:
    """Parses the flags, kills, prints what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="in all; default %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of the moments; default %(default)s")
    arguments = parser.parse_args()
    print(report.machine())
    moments = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = folder / "whole"
        seconds = report.seconds(lambda: run(*TRAIN, f"--workdir={whole}"), 1, 0)[0]
        expected = digest(whole, "metrics.jsonl", "figures/*.png")
        hits, same, steps = 0, [], []
        while hits < arguments.kills // 2:
            workdir = folder / f"train-{len(same)}"
            hits += killed((*TRAIN, f"--workdir={workdir}"), moments, seconds, workdir, steps)
            same.append(digest(workdir, "metrics.jsonl", "figures/*.png") == expected)
        print(f"training: {hits} kills at steps {sorted(steps)}; {sum(same)} of {len(same)} alike")
        draw = (*DRAW, f"--workdir={whole}")
        seconds = report.seconds(lambda: run(*draw, f"--out={folder / 'set'}"), 1, 0)[0]
        expected = digest(folder / "set", "*")
        hits, same = 0, []
        while hits < arguments.kills - arguments.kills // 2:
            out = folder / f"set-{len(same)}"
            hits += killed((*draw, f"--out={out}"), moments, seconds, None, [])
            same.append(digest(out, "*") == expected)
        print(f"drawing: {hits} kills; {sum(same)} of {len(same)} alike")


def run(*command: str) -> None:
    """To its end.

    Raises:
      CalledProcessError: it failed.
    """
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True, capture_output=True)


def killed(
    command: tuple[str, ...],
    moments: random.Random,
    seconds: float,
    workdir: Path | None,
    steps: list[int],
) -> int:
    """Starts the command until it ends by itself; how often it was killed."""
    kills = 0
    while True:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        done = threading.Event()
        reader = threading.Thread(target=read, args=(workdir, done))
        reader.start()
        try:
            _, said = process.communicate(timeout=moments.uniform(0.0, 1.1 * seconds))
            if process.returncode:
                raise SystemExit(f"{' '.join(command)}: status {process.returncode}: {said}")
            return kills
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
            if workdir is not None:
                steps.append(max((row["step"] for row in records.read_metrics(workdir)), default=0))
        finally:
            done.set()
            reader.join()


def read(workdir: Path | None, done: threading.Event) -> None:
    """Loads the run again and again; before there is one, a UserError says so."""
    while workdir is not None and not done.wait(0.5):
        try:
            restoring.load(workdir)
        except UserError as error:
            if "damaged" in str(error):
                raise


def digest(folder: Path, *patterns: str) -> str:
    """Of the names and contents of all files that match."""
    summed = hashlib.sha256()
    for path in sorted(path for pattern in patterns for path in folder.glob(pattern)):
        if path.is_file():
            summed.update(path.name.encode() + path.read_bytes())
    return summed.hexdigest()


if __name__ == "__main__":
    main()
