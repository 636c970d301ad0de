"""What `pip install lvae` gives: built here, installed elsewhere, run from an empty folder."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from commands import ROOT, environment

import lvae
from lvae import experiments

BUILD = "import sys; from hatchling import build; print(build.build_{}(sys.argv[1]))"


def built(kind: str, source: Path, out: Path) -> Path:
    """The wheel or the sdist of a source tree."""
    done = subprocess.run(
        [sys.executable, "-c", BUILD.format(kind), str(out)],
        cwd=source,
        capture_output=True,
        text=True,
        check=True,
    )
    return out / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def packages(tmp_path_factory) -> tuple[Path, Path]:
    """The sdist, and the wheel that is built from what is in it."""
    folder = tmp_path_factory.mktemp("packages")
    sdist = built("sdist", ROOT, folder)
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "source", filter="data")
    (source,) = (folder / "source").iterdir()
    return sdist, built("wheel", source, folder)


@pytest.fixture(scope="module")
def installed(packages, tmp_path_factory) -> Path:
    """A folder with nothing but the package in it, from the wheel, without a network."""
    target = tmp_path_factory.mktemp("installed")
    words = ("pip", "install", "-q", "--no-index", "--no-deps", "--target", str(target))
    done = subprocess.run(
        [sys.executable, "-m", *words, str(packages[1])], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return target


def command(installed: Path, cwd: Path, *words: str) -> subprocess.CompletedProcess:
    """The console script of the installed package."""
    return subprocess.run(
        [sys.executable, str(installed / "bin" / "lvae"), *words],
        cwd=cwd,
        env=environment(PYTHONPATH=str(installed), PYTHONSAFEPATH="1"),
        capture_output=True,
        text=True,
    )


def test_the_wheel_holds_the_package_and_the_configs_and_nothing_else(packages):
    names = zipfile.ZipFile(packages[1]).namelist()
    assert {name.split("/")[0] for name in names} == {"lvae", f"lvae-{lvae.__version__}.dist-info"}
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "lvae").rglob("*.py")}
    configs = {f"lvae/{path.relative_to(ROOT)}" for path in (ROOT / "configs").glob("*.py")}
    found = {name for name in names if name.endswith(".py")}
    assert found == modules | configs
    assert "lvae/py.typed" in names


def test_the_sdist_holds_what_the_tests_and_pages_need(packages):
    with tarfile.open(packages[0]) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
    for wanted in ("train.py", "sample.py", "constraints.txt", "README.md", "CITATION.cff"):
        assert wanted in names
    for folder in ("configs", "tests", "docs", "benchmarks"):
        assert any(name.startswith(f"{folder}/") for name in names)


def test_version_and_configs_from_an_empty_folder(installed, tmp_path):
    assert command(installed, tmp_path, "--version").stdout == f"{lvae.__version__}\n"
    listed = command(installed, tmp_path, "configs")
    assert listed.returncode == 0, listed.stderr
    lines = listed.stdout.splitlines()
    assert [line.split()[0] for line in lines] == experiments.names()
    assert all(len(line.split(maxsplit=1)[1]) > 20 for line in lines)
    assert not list(tmp_path.iterdir())


def test_training_by_name_and_drawing_from_an_empty_folder(installed, tmp_path):
    done = command(installed, tmp_path, "train", "--config=default:smoke", "--config.seed=1")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["default"]
    done = command(installed, tmp_path, "sample", "--mode=prior", "--num_samples=2")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs/default/samples/prior/40001_mov.png").is_file()


def test_a_name_that_is_none_lists_those_there_are(installed, tmp_path):
    done = command(installed, tmp_path, "train", "--config=defualt")
    assert done.returncode == 2
    assert "--config=defualt: no such config; there are autoencoder, default" in done.stderr
    done = command(installed, tmp_path, "train", "--config=configs/default.py")
    assert done.returncode == 2
    assert "no such file; or name one of autoencoder, default" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_names_and_files_are_the_same_experiments():
    assert experiments.names() == sorted(path.stem for path in (ROOT / "configs").glob("*.py"))
    for name in experiments.names():
        located = experiments.located(f"{name}:smoke")
        assert Path(located.removesuffix(":smoke")).samefile(ROOT / f"configs/{name}.py")
    assert experiments.located("configs/mine.py:a:b") == "configs/mine.py:a:b"


def test_versions_agree():
    """Of the package, the citation file and the newest entry of the changelog."""
    citation = (ROOT / "CITATION.cff").read_text().splitlines()
    assert f"version: {lvae.__version__}" in citation
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert f"\n## {lvae.__version__} - " in changelog


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["configs"],
        ["train", "--help"],
        ["train", "--confg=default"],
        ["train", "--config=defualt"],
        ["sample", "--help"],
        ["sample", "--mode=prior", "--workdir=absent"],
        ["sample", "--mode=prior", "--model=absent"],
        ["evaluate", "--wrkdir=absent"],
        ["export", "absent", "file"],
    ],
    ids=" ".join,
)
def test_help_and_mistakes_do_not_wait_for_jax(words, tmp_path):
    code = (
        "import sys\nfrom lvae.commands.main import command\nfrom lvae.errors import UserError\n"
        "try:\n    command(sys.argv[1:])\nexcept (UserError, SystemExit):\n    pass\n"
        "slow = {'jax', 'flax', 'scipy', 'matplotlib', 'orbax', 'skimage'} & set(sys.modules)\n"
        "sys.exit(f'imported: {slow}' if slow else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
