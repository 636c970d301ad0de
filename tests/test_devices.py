"""Many devices, many hosts: the same losses as one; real processes over the loopback address."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
ARGUMENTS = (
    "train.py",
    "--config=configs/default.py:smoke",
    "--config.training.batch_size=8",
)


def start(workdir: Path, *arguments: str, devices: int = 1) -> subprocess.Popen:
    environment = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
    }
    return subprocess.Popen(
        [sys.executable, *ARGUMENTS, f"--workdir={workdir}", *arguments],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen) -> str:
    try:
        _, said = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 0, said
    return said


def losses(workdir: Path) -> np.ndarray:
    rows = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return np.array([row["loss"] for row in rows if row["kind"] == "train"])


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def one_device(tmp_path_factory) -> Path:
    workdir = tmp_path_factory.mktemp("one")
    finish(start(workdir))
    return workdir


def test_eight_devices_give_the_losses_of_one(one_device, tmp_path):
    said = finish(start(tmp_path, devices=8))
    assert "8 cpu device(s)" in said
    # Sums over the batch are taken in another order: a few roundings of float32.
    np.testing.assert_allclose(losses(tmp_path), losses(one_device), rtol=1e-5)


def test_a_batch_that_does_not_divide_is_refused(tmp_path):
    process = start(tmp_path, "--config.training.batch_size=6", devices=4)
    _, said = process.communicate(timeout=240)
    assert process.returncode == 2
    assert "config.training.batch_size=6" in said
    assert "multiple of 4" in said


def test_two_processes_train_one_model_and_one_device_takes_over(one_device, tmp_path):
    together = [f"--coordinator=127.0.0.1:{free_port()}", "--process_count=2"]
    processes = [
        start(tmp_path, *together, f"--process_id={number}", devices=2) for number in range(2)
    ]
    said = [finish(process) for process in processes]
    assert "4 cpu device(s)" in said[0]
    assert "step" not in said[1]  # only the first process reports and writes
    np.testing.assert_allclose(losses(tmp_path), losses(one_device), rtol=1e-5)
    # The checkpoint of four devices is read by one.
    sampled = subprocess.run(
        [
            sys.executable,
            "sample.py",
            "--mode=reconstruct",
            f"--workdir={tmp_path}",
            f"--out={tmp_path / 'out'}",
        ],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert sampled.returncode == 0, sampled.stderr
    assert list((tmp_path / "out").glob("*_mov.png"))
