"""Many seeds at once against one after another: python -m benchmarks.seeds [--seeds=10] [--steps=3000].

Runs train.py as whole commands, built-in recordings, imports and compilation included: once with
--seeds=N, then N times with one seed. Prints seconds and their ratio, and steps per second of each way.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import report

ROOT = Path(__file__).parent.parent


def timed(*arguments: str) -> float:
    """Seconds of train.py with these arguments."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "train.py", *arguments], cwd=ROOT, check=True, capture_output=True
    )
    return time.perf_counter() - start


def main() -> None:
    """Parses the flags, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10, help="seeds; default %(default)s")
    parser.add_argument("--steps", type=int, default=3000, help="steps a run; default %(default)s")
    parser.add_argument("--config", default="configs/default.py", help="default: %(default)s")
    arguments = parser.parse_args()
    print(report.machine())
    print(report.versions("jax", "jaxlib", "flax"))
    common = [
        f"--config={arguments.config}",
        f"--config.training.steps={arguments.steps}",
        "--config.training.log_every=100",
        "--config.training.evaluate_every=0",
        f"--config.training.checkpoint_every={arguments.steps}",
    ]
    with tempfile.TemporaryDirectory() as folder:
        timed(
            *common,
            f"--workdir={folder}/warm",
            "--config.training.steps=100",
            "--config.training.checkpoint_every=100",
        )  # both ways find the page cache warm
        together = timed(*common, f"--workdir={folder}/all", f"--seeds={arguments.seeds}")
        alone = [
            timed(*common, f"--workdir={folder}/{seed}", f"--config.seed={seed}")
            for seed in range(arguments.seeds)
        ]
    print(
        report.table(
            [
                {"way": f"{arguments.seeds} seeds at once", "seconds": together},
                {"way": f"{arguments.seeds} runs one after another", "seconds": sum(alone)},
            ]
        )
    )
    print(f"ratio {sum(alone) / together:.2f} (target 2); one run {report.median(alone):.1f} s")


if __name__ == "__main__":
    main()
