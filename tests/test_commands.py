"""The commands as their users run them: wrong use is one line on stderr and exit status 2."""

import dataclasses
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import ROOT, complaint, run
from PIL import Image

from lvae.commands import evaluate, main, process, sample
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
    """A run directory of default:smoke, trained by a process of its own."""
    workdir = tmp_path_factory.mktemp("run")
    done = run("train.py", SMOKE, f"--workdir={workdir}")
    assert done.returncode == 0, done.stderr
    assert f"figures in {workdir}/figures; next: lvae sample --workdir={workdir}" in done.stderr
    return workdir


@pytest.fixture(scope="module")
def bad(tmp_path_factory) -> Path:
    """A folder of data sets, each with something wrong."""
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
    (folder / "full").write_text("a file where the run directory should be")
    return folder


TRAIN = f"train {SMOKE} --workdir=BAD/run"
SAMPLE = "sample --workdir=RUN --out=BAD/out"
INSPECT = f"inspect {SMOKE}"
MISTAKES = [
    (f"{TRAIN} --config.data.path=BAD/absent", ["absent", "no such folder"]),
    (f"{TRAIN} --config.data.path=BAD/empty", ["empty", "no frames"]),
    (f"{TRAIN} --config.data.path=BAD/list", ["7.json"]),
    (f"{TRAIN} --config.data.path=BAD/json", ["7.json"]),
    (f"{TRAIN} --config.data.path=BAD/key", ["7.json", "324"]),
    (f"{TRAIN} --config.data.path=BAD/number", ["7.json", "x"]),
    (f"{TRAIN} --config.data.path=BAD/outside", ["7.json", "900"]),
    (f"{TRAIN} --config.data.path=BAD/few", ["7.json", "1"]),
    (
        f"{TRAIN} --config.model.latnets=3",
        ["--config.model.latnets=3: no such field", "did you mean latents?"],
    ),
    (f"{TRAIN} --config.model.latents=many", ["latents", "many"]),
    ("train --config=configs/absent.py", ["configs/absent.py"]),
    ("train --config=configs/default.py:tiny", ["tiny", "smoke"]),
    (f"{TRAIN} please", ["please", "--name=value"]),
    (f"train {SMOKE} --workdir=RUN --config.seed=9", ["seed: 0 -> 9", "--workdir"]),
    (
        f"{TRAIN} --config.training.learning_rate=1e30 --config.training.gradient_clip=0.0",
        ["step", "learning_rate"],
    ),
    ("sample --mode=noise --workdir=BAD/nothing", ["nothing", "train first"]),
    ("sample --mode=noise --workdir=BAD/unreadable", ["config.json"]),
    (f"{SAMPLE} --mode=dream", ["dream", "noise, interpolate"]),
    (f"{SAMPLE} --mode=interpolate --data=BAD/one", ["interpolate", "at least two"]),
    (f"{SAMPLE} --mode=noise --shard=2/2", ["--shard=2/2"]),
    (f"{SAMPLE} --mode=noise --num_samples=-1", ["num_samples"]),
    (f"{SAMPLE} --mode=noise --factr=2", ["--factr=2", "--factor"]),
    (f"{SAMPLE} --mode=noise --factor=", ["--factor"]),
    (f"{INSPECT} --data=BAD/json", ["7.json"]),
    (f"{INSPECT} --data=BAD/one --out=BAD/one", ["--out=", "holds the data"]),
    (f"{INSPECT} --config.training.batch_size=0", ["batch_size=0"]),
    ("evaluate --workdir=BAD/nothing", ["nothing", "train first"]),
    ("report --workdir=BAD/nothing", ["nothing", "train first"]),
    ("report", ["RUN or --workdir=RUN"]),
    ("export RUN BAD/model --workdir=RUN", ["name one run directory"]),
]


@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")  # of ml_collections
@pytest.mark.parametrize(("line", "words"), MISTAKES, ids=[line for line, _ in MISTAKES])
def test_a_mistake_is_one_line(bad, trained, capfd, monkeypatch, line, words):
    """In this process; what a process makes of it is the next test's."""
    monkeypatch.chdir(ROOT)
    name, *flags = line.replace("BAD", str(bad)).replace("RUN", str(trained)).split()
    with pytest.raises(UserError) as refused:
        main.command([name, *flags])
    text = str(refused.value)
    assert "\n" not in text
    assert [word for word in words if word not in text] == []
    said = capfd.readouterr()
    assert not said.out
    assert all(
        line.startswith("step ") or " parameters, " in line for line in said.err.splitlines()
    )


@pytest.mark.parametrize(
    ("uses", "words"),
    [
        (["train.py", "--confg=configs/default.py"], ["confg"]),
        (["train.py", SMOKE, "--device=gpu"], ["--device=gpu", "--device=cpu"]),
        (["train.py", SMOKE, "--workdir=BAD/full"], ["full"]),
        (["-m", "lvae.inspect", "--data=BAD/json"], ["7.json"]),
    ],
)
def test_a_process_says_the_line_and_ends_with_status_2(bad, uses, words):
    line = complaint(run(*(use.replace("BAD", str(bad)) for use in uses)))
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
        UserError, match="--mode=dream: no such mode; there are anomaly, code, correct, corrupt"
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
