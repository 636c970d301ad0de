"""The commands as their users run them: wrong use is one line on stderr and exit status 2."""

import concurrent.futures
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from lvae.training import records

from lvae import doors
from lvae.data.lasten import write_frames

ROOT = Path(__file__).parent.parent
SMOKE = "--config=configs/default.py:smoke"


def command(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def run(*arguments: str, **options) -> subprocess.CompletedProcess:
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", **options.pop("env", {})}
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, cwd=ROOT, env=environment, **options
    )


def frames_in(folder: Path, ids: range) -> None:
    """Regular grids, each moved a little, in the layout of recordings."""
    x, y = np.meshgrid(200 + 20.0 * np.arange(18), 600 - 20.0 * np.arange(18))
    points = np.stack([np.stack([x + number % 7, y + number % 5], axis=-1) for number in ids])
    folder.mkdir(parents=True, exist_ok=True)
    write_frames(folder, ids, points, np.ones(points.shape[:3], bool))


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A run directory of default:smoke."""
    workdir = tmp_path_factory.mktemp("run")
    done = run("train.py", SMOKE, f"--workdir={workdir}")
    assert done.returncode == 0, done.stderr
    return workdir


@pytest.fixture(scope="module")
def mistakes(trained, tmp_path_factory) -> dict[str, subprocess.CompletedProcess]:
    """Every wrong use, two at a time: a process takes seconds to start."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "empty").mkdir()
    for name, text in {
        "list": "[1, 2]",
        "json": "{",
        "key": '{"324": [1, 2]}',
        "number": '{"0": [1, "x"]}',
        "outside": '{"0": [1, 900]}',
        "few": '{"0": [100, 100]}',
    }.items():
        (folder / name / "train").mkdir(parents=True)
        (folder / name / "train" / "7.json").write_text(text)
    frames_in(folder / "one", range(0, 4))  # one recording: smoke's have four frames
    (folder / "unreadable").mkdir()
    (folder / "unreadable" / "config.json").write_text("{")
    wrong = folder / "full"
    wrong.write_text("a file where the run directory should be")

    def train_on(name: str) -> list[str]:
        place = folder / f"run-{name}"
        return ["train.py", SMOKE, f"--workdir={place}", f"--config.data.path={folder / name}"]

    sample = ["sample.py", f"--workdir={trained}", f"--out={folder / 'out'}"]
    uses = {
        "missing data": train_on("absent"),
        "empty data": train_on("empty"),
        "no object": train_on("list"),
        "no json": train_on("json"),
        "key outside": train_on("key"),
        "no number": train_on("number"),
        "outside frame": train_on("outside"),
        "too few points": train_on("few"),
        "unknown field": ["train.py", SMOKE, "--config.model.latnets=3"],
        "wrong type": ["train.py", SMOKE, "--config.model.latents=many"],
        "unknown config": ["train.py", "--config=configs/absent.py"],
        "unknown variant": ["train.py", "--config=configs/default.py:tiny"],
        "unknown flag": ["train.py", "--confg=configs/default.py"],
        "stray word": ["train.py", SMOKE, "please"],
        "another config": ["train.py", SMOKE, f"--workdir={trained}", "--config.seed=9"],
        "loss not finite": [
            "train.py",
            SMOKE,
            f"--workdir={folder / 'nan'}",
            "--config.training.learning_rate=1e30",
            "--config.training.gradient_clip=0.0",
        ],
        "no gpu": ["train.py", SMOKE, "--device=gpu", f"--workdir={folder / 'gpu'}"],
        "workdir is a file": ["train.py", SMOKE, f"--workdir={wrong}"],
        "no run": ["sample.py", "--mode=noise", f"--workdir={folder / 'nothing'}"],
        "unreadable run": ["sample.py", "--mode=noise", f"--workdir={folder / 'unreadable'}"],
        "unknown mode": [*sample, "--mode=dream"],
        "one recording": [*sample, "--mode=interpolate", f"--data={folder / 'one'}"],
        "bad shard": [*sample, "--mode=noise", "--shard=2/2"],
        "bad number": [*sample, "--mode=noise", "--num_samples=-1"],
        "evaluate nothing": ["-m", "lvae.evaluate", f"--workdir={folder / 'nothing'}"],
    }
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return dict(zip(uses, pool.map(lambda use: run(*use), uses.values())))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing data", ["absent", "no such folder"]),
        ("empty data", ["empty", "no frames"]),
        ("no object", ["7.json"]),
        ("no json", ["7.json"]),
        ("key outside", ["7.json", "324"]),
        ("no number", ["7.json", "x"]),
        ("outside frame", ["7.json", "900"]),
        ("too few points", ["7.json", "1"]),
        ("unknown field", ["latnets"]),
        ("wrong type", ["latents", "many"]),
        ("unknown config", ["configs/absent.py"]),
        ("unknown variant", ["tiny", "smoke"]),
        ("unknown flag", ["confg"]),
        ("stray word", ["please", "--name=value"]),
        ("another config", ["seed: 0 -> 9", "--workdir"]),
        ("loss not finite", ["step", "learning_rate"]),
        ("no gpu", ["--device=gpu", "--device=cpu"]),
        ("workdir is a file", ["full"]),
        ("no run", ["nothing", "train first"]),
        ("unreadable run", ["config.json"]),
        ("unknown mode", ["dream", "noise, interpolate"]),
        ("one recording", ["interpolate", "at least two"]),
        ("bad shard", ["--shard=2/2"]),
        ("bad number", ["num_samples"]),
        ("evaluate nothing", ["nothing", "train first"]),
    ],
)
def test_mistakes_are_told_in_one_line_with_status_2(mistakes, name, words):
    done = mistakes[name]
    lines = [line for line in done.stderr.splitlines() if not line.startswith("step ")]
    lines = [line for line in lines if "parameters," not in line]  # what training said before
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert len(lines) == 1, done.stderr
    for word in words:
        assert word in lines[0]


def test_help_explains_every_flag_with_its_default():
    done = run("sample.py", "--help")
    for flag in ("--mode", "--workdir", "--out", "--seed", "--num_samples", "--factor", "--data"):
        assert flag in done.stdout
    assert "default: 'runs/default'" in done.stdout


def test_evaluate_prints_one_object_last(trained):
    done = run("-m", "lvae.evaluate", f"--workdir={trained}")
    assert done.returncode == 0, done.stderr
    numbers = json.loads(done.stdout.splitlines()[-1])
    for key in (
        "reconstruction_px_mean",
        "reconstruction_px_median",
        "reconstruction_px_p95",
        "missing_f1",
        "active_dimensions",
        "kl_per_dimension",
    ):
        assert key in numbers
    assert len(numbers["kl_per_dimension"]) == 12


def test_a_killed_run_resumes_bit_for_bit(tmp_path):
    """Killed by the system at whatever step it has reached; params and metrics must not tell."""
    arguments = ("train.py", SMOKE, "--config.training.steps=40")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run(*arguments, f"--workdir={whole}").returncode == 0
    process = subprocess.Popen(
        command(*arguments, f"--workdir={killed}"),
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
    )
    metrics = killed / records.METRICS
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (
        metrics.exists() and metrics.read_text().count("\n") > 6
    ):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / records.SUMMARY).exists()
    assert run(*arguments, f"--workdir={killed}").returncode == 0
    assert metrics.read_bytes() == (whole / records.METRICS).read_bytes()
    for path in sorted((whole / "figures").iterdir()):
        assert path.read_bytes() == (killed / "figures" / path.name).read_bytes(), path.name


@pytest.mark.parametrize(
    ("pages", "settings", "again"),
    [
        ("always [madvise] never", None, True),
        ("[always] madvise never", None, False),
        ("always madvise [never]", None, False),
        ("always [madvise] never", "", False),  # the user's own choice; also the second time
    ],
)
def test_starts_again_with_large_pages_once(monkeypatch, tmp_path, pages, settings, again):
    (tmp_path / "enabled").write_text(pages + "\n")
    monkeypatch.setattr(doors, "LARGE_PAGES", tmp_path / "enabled")
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    if settings is not None:
        monkeypatch.setenv("GLIBC_TUNABLES", settings)
    started = []
    monkeypatch.setattr(os, "execv", lambda *arguments: started.append(arguments))
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "lvae.evaluate", "--workdir=x y"])
    doors.start_with_large_pages()
    assert started == (
        [(sys.executable, [sys.executable, "-m", "lvae.evaluate", "--workdir=x y"])]
        if again
        else []
    )
