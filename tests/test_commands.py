"""The commands as their users run them: wrong use is one line on stderr and exit status 2."""

import concurrent.futures
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import ROOT, complaint, run
from PIL import Image

from lvae.commands import evaluate, process, sample
from lvae.data.lasten import write_frames
from lvae.errors import UserError
from lvae.tasks import registry

SMOKE = "--config=configs/default.py:smoke"


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
        "bad option": [*sample, "--mode=noise", "--factr=2"],
        "empty option": [*sample, "--mode=noise", "--factor="],
        "inspect bad data": ["-m", "lvae.inspect", SMOKE, f"--data={folder / 'json'}"],
        "inspect among data": [
            *("-m", "lvae.inspect", SMOKE, f"--data={folder / 'one'}", f"--out={folder / 'one'}")
        ],
        "inspect batch": ["-m", "lvae.inspect", SMOKE, "--config.training.batch_size=0"],
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
        ("unknown field", ["--config.model.latnets=3: no such field", "did you mean latents?"]),
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
        ("bad option", ["--factr=2", "--factor"]),
        ("empty option", ["--factor"]),
        ("inspect bad data", ["7.json"]),
        ("inspect among data", ["--out=", "holds the data"]),
        ("inspect batch", ["batch_size=0"]),
        ("evaluate nothing", ["nothing", "train first"]),
    ],
)
def test_a_mistake_is_one_line_with_status_2(mistakes, name, words):
    line = complaint(mistakes[name])
    for word in words:
        assert word in line


def test_help_explains_every_flag_with_its_default():
    done = run("sample.py", "--help")
    for flag in ("--mode", "--workdir", "--out", "--seed", "--num_samples", "--data", "--format"):
        assert flag in done.stdout
    assert "default: runs/default" in done.stdout


def test_help_of_a_mode_explains_its_own_options(trained):
    done = run("sample.py", "--mode=noise", "--help", f"--workdir={trained}")
    assert "--factor" in done.stdout
    assert "--workdir" in done.stdout


def test_inspect_describes_every_split_and_draws_examples(tmp_path):
    frames_in(tmp_path / "data" / "train", range(0, 8))
    frames_in(tmp_path / "data" / "validation", range(100, 104))
    words = (SMOKE, f"--data={tmp_path / 'data'}", f"--out={tmp_path / 'out'}")
    done = run("-m", "lvae.inspect", *words)
    assert done.returncode == 0, done.stderr
    assert "train: " in done.stdout
    assert "validation: " in done.stdout
    assert "visible: 18 x 18, bool, 0 of " in done.stdout
    assert np.asarray(Image.open(tmp_path / "out" / "inspect.png")).ndim == 2
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["train", "validation"]


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


def test_numbers_stand_in_a_table_by_measure_and_split():
    numbers = {"px": 2.0, "kl": 3.0, "per_dimension": [1.0, 2.0], "collapsed": False}
    numbers |= {"train_px": 1.0, "validation_px": 2.0, "train_kl": 3.0, "facts": {"a": 1}}
    expected = {"px": {"train": 1.0, "validation": 2.0}, "kl": {"train": 3.0}}
    assert evaluate.table(numbers) == expected | {"collapsed": {"": 0.0}}


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
    monkeypatch.setattr(process, "LARGE_PAGES", tmp_path / "enabled")
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    if settings is not None:
        monkeypatch.setenv("GLIBC_TUNABLES", settings)
    started = []
    monkeypatch.setattr(os, "execv", lambda *arguments: started.append(arguments))
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "lvae.evaluate", "--workdir=x y"])
    process.start_with_large_pages()
    assert started == (
        [(sys.executable, [sys.executable, "-m", "lvae.evaluate", "--workdir=x y"])]
        if again
        else []
    )


def test_help_of_a_mode_without_a_run_is_that_of_every_task_that_has_it(tmp_path):
    text = sample.mode_help("prior", tmp_path)
    for task in ("autoencoder", "laser_grid", "patches", "pixelcnn"):
        assert f"--mode=prior of the task {task}: " in text
    with pytest.raises(
        UserError, match="--mode=dream: no such mode; there are anomaly, code, corrupt"
    ):
        sample.mode_help("dream", tmp_path)


def test_options_of_all_modes_are_found_without_importing_them():
    """What `sample` refuses before it imports a task must be what no mode knows."""
    known = {
        name
        for file in (ROOT / "lvae/tasks").rglob("*.py")
        for name in sample.OPTION.findall(file.read_text())
    }
    modes = [mode for task in registry.names() for mode in registry.find(task).modes.values()]
    for mode in modes:
        fields = [field.name for field in dataclasses.fields(mode.options)]
        assert set(fields) <= known
        sample.refuse_misspelt([f"--{name}=1" for name in fields], "mode", "laser_grid")
    sample.refuse_misspelt(["--anything=1"], "mode", "a task of another package")
    with pytest.raises(UserError, match=r"--factr=2: .*did you mean --factor\? See --mode=noise"):
        sample.refuse_misspelt(["--factr=2"], "noise", "laser_grid")
