"""The example of `docs/add_your_own_system.md`: as the page shows it, installed, run by its user."""

import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import ROOT, complaint, run
from PIL import Image

EXAMPLE = ROOT / "examples/conditional_digits"
PAGE = ROOT / "docs/add_your_own_system.md"
CONFIG = EXAMPLE / "configs/conditional_digits.py"
MOST_LINES, MOST_READ = 320, 15
# `path`: what the page says of the file, a blank line, the code
BLOCK = re.compile(r"^`(examples/[^`]+)`[^\n]*\n\n```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def sources():
    """All files of the example but its tests."""
    found = [EXAMPLE / "pyproject.toml", CONFIG, *EXAMPLE.glob("conditional_digits/*.py")]
    return sorted(found)


def lines_of(text):
    return [line for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.name)
def test_the_page_shows_the_files_whole(path):
    """A file may stand in several blocks, one after the other."""
    name = path.relative_to(ROOT).as_posix()
    shown = [block for place, block in BLOCK.findall(PAGE.read_text()) if place == name]
    assert lines_of("\n".join(shown)) == lines_of(path.read_text())


def test_the_page_shows_nothing_else():
    names = {path.relative_to(ROOT).as_posix() for path in sources()}
    assert {name for name, _ in BLOCK.findall(PAGE.read_text())} == names


def test_what_is_to_be_read_first_exists_and_is_little():
    text = PAGE.read_text()
    table = text[text.index("## Read first") : text.index("## 1.")]
    listed = re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)
    assert 5 < len(listed) <= MOST_READ
    assert [name for name in listed if not (ROOT / name).is_file()] == []


def test_the_example_is_short():
    assert sum(len(path.read_text().splitlines()) for path in sources()) <= MOST_LINES


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> dict[str, str | None]:
    """The variables of a process for which the example is installed."""
    folder = tmp_path_factory.mktemp("example")
    copy = shutil.copytree(EXAMPLE, folder / "source")  # building leaves files beside the source
    offline = ("--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check")
    words = (sys.executable, "-m", "pip", "install", "-q", *offline)
    done = subprocess.run(
        [*words, f"--target={folder / 'packages'}", copy],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {"PYTHONPATH": os.pathsep.join((str(folder / "packages"), str(ROOT)))}


@pytest.fixture(scope="module")
def workdir(installed, tmp_path_factory) -> Path:
    """A trained run of the example."""
    folder = tmp_path_factory.mktemp("run")
    done = run("train.py", f"--config={CONFIG}:smoke", f"--workdir={folder}", env=installed)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def used(installed, workdir) -> dict[str, subprocess.CompletedProcess]:
    """Every use of the trained run, two at a time."""
    prior = ("sample.py", "--mode=prior", f"--workdir={workdir}")
    uses = {
        "draw": (*prior, "--label=7", "--num_samples=3"),
        "help": (*prior, "--help"),
        "typo": (*prior, "--lable=7"),
        "evaluate": ("-m", "lvae.evaluate", f"--workdir={workdir}"),
        "tests": ("-m", "pytest", "-q", "-p", "no:cacheprovider", EXAMPLE / "tests"),
    }
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return dict(zip(uses, pool.map(lambda use: run(*use, env=installed), uses.values())))


def test_training_leaves_figures(workdir):
    names = {path.name for path in (workdir / "figures").iterdir()}
    assert names == {"draws.png", "losses.png", "reconstructions.png"}


def test_digits_of_a_label_are_drawn(workdir, used):
    assert used["draw"].returncode == 0, used["draw"].stderr
    out = workdir / "samples/prior"
    samples = json.loads((out / ".lvae" / "manifest.json").read_text())["samples"]
    assert [sample["label"] for sample in samples] == [7, 7, 7]
    images = [np.asarray(Image.open(path)) for path in sorted(out.glob("0*.png"))]
    assert [image.shape for image in images] == [(28, 28)] * 3


def test_help_of_the_mode_shows_its_own_option(used):
    assert used["help"].returncode == 0, used["help"].stderr
    assert "--label" in used["help"].stdout
    assert "each in turn" in used["help"].stdout


def test_an_option_with_a_typing_error_is_refused(used):
    line = complaint(used["typo"])
    assert "--lable=7" in line
    assert "--label" in line.replace("--lable", "")


def test_evaluation_prints_the_measures(used):
    assert used["evaluate"].returncode == 0, used["evaluate"].stderr
    numbers = json.loads(used["evaluate"].stdout.splitlines()[-1])
    for name in ("psnr", "ssim", "divergence", "drawn_accuracy", "real_accuracy"):
        assert numbers[name] == numbers[f"test_{name}"]
    assert numbers["real_accuracy"] > 0.9  # of the built-in digits, by their nearest neighbours


def test_its_own_tests_pass(used):
    assert used["tests"].returncode == 0, used["tests"].stdout + used["tests"].stderr
