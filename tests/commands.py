"""Commands in processes of their own, as their users run them."""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
SMOKE = "--config=configs/patches.py:smoke_digits"  # trains in a second, once it has started
OFTEN = ("--config.training.log_every=1", "--config.training.checkpoint_every=2")
OFTEN += ("--config.training.steps_per_dispatch=1",)


def environment(**changes: str | None) -> dict[str, str]:
    """This process's variables, but for the changes; None removes one."""
    variables = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT), **changes}
    return {name: value for name, value in variables.items() if value is not None}


def command(*words: str | Path) -> list[str]:
    """train.py, sample.py or -m MODULE, and flags."""
    first = ROOT / words[0] if str(words[0]).endswith(".py") else words[0]
    return [sys.executable, *map(str, (first, *words[1:]))]


def run(
    *words: str | Path, env: dict[str, str | None] | None = None, **options
) -> subprocess.CompletedProcess:
    """A command from start to end."""
    options = {"cwd": ROOT, "text": True, **options}
    variables = environment(**(env or {}))
    return subprocess.run(command(*words), capture_output=True, env=variables, **options)


def start(*words: str | Path) -> subprocess.Popen:
    """A command that is left running, from the moment that it watches for signals."""
    process = subprocess.Popen(
        command(*words),
        cwd=ROOT,
        text=True,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    while process.poll() is None and not _watches(process.pid):
        time.sleep(0.002)
    return process


def _watches(pid: int) -> bool:
    """Whether a process catches SIGTERM or makes it wait (Linux)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return False
    masks = [line.split()[1] for line in lines if line.startswith(("SigCgt", "SigBlk"))]
    return any(int(mask, 16) >> 14 & 1 for mask in masks)


def complaint(done: subprocess.CompletedProcess) -> str:
    """The one line of a refusal; what training said before it is left out."""
    lines = [line for line in done.stderr.splitlines() if not line.startswith("step ")]
    lines = [line for line in lines if " parameters, " not in line]
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert len(lines) == 1, done.stderr
    return lines[0]
