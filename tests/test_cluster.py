"""Calls in this process, in processes of this machine, and on a real scheduler with real workers."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import lvae
from lvae import cluster, experiments
from lvae.errors import UserError
from lvae.runs import modes, spreading
from lvae.runs.export.writer import Layout
from lvae.tasks.task import Request

HERE = Path(__file__).parent


def square(number):
    cluster.tell(f"squaring {number}")
    return number**2


def refuse(number):
    if number == 2:
        raise UserError("two.txt: is even; choose another")
    return number


def noted(argument):
    """Leaves a note of who makes the call. Number 5 takes as long as its worker lives the first time."""
    folder, number = argument
    first = not list(Path(folder).glob(f"{number} *"))
    (Path(folder) / f"{number} {os.getpid()}").touch()
    while number == 5 and first:
        time.sleep(0.1)
    return number**2


def fails_once(marker):
    if not Path(marker).exists():
        Path(marker).touch()
        raise ValueError("a disk that was away for a moment")
    return "done"


@pytest.fixture(scope="module")
def dask(tmp_path_factory):
    """Starts a scheduler and workers as processes on the loopback address."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(HERE), str(HERE.parent)))}
    folder = tmp_path_factory.mktemp("dask")
    file, log, processes = folder / "scheduler.json", (folder / "log").open("w"), []

    def start(*words):
        command = [sys.executable, "-m", "dask", *words]
        process = subprocess.Popen(command, env=environment, cwd=folder, stderr=log)
        processes.append(process)
        return process

    start("scheduler", "--host=127.0.0.1", "--port=0", f"--scheduler-file={file}", "--no-dashboard")
    while not file.exists():
        time.sleep(0.05)
    address = json.loads(file.read_text())["address"]
    worker = ("worker", address, "--host=127.0.0.1", "--nthreads=1", "--no-nanny", "--no-dashboard")
    yield address, [start(*worker) for _ in range(3)]
    for process in processes:
        process.kill()
        process.wait()
    log.close()


def test_here_calls_in_order_and_reports():
    told = []
    results = list(
        cluster.map_calls(square, (3, 4), progress=lambda index, value: told.append((index, value)))
    )
    assert results == [(0, 9), (1, 16)]
    assert told == [(0, "squaring 3"), (1, "squaring 4")]
    assert square(5) == 25  # outside a call nobody is told
    assert len(told) == 2


def test_here_needs_no_dask():
    code = (
        "import sys; sys.modules['dask'] = sys.modules['distributed'] = None\n"
        "from lvae import cluster\n"
        "assert list(cluster.map_calls(abs, [-1])) == [(0, 1)]\n"
        "cluster.map_calls(abs, [-1], cluster='local:2')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "needs dask; pip install 'lvae[cluster]'" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "text", ["", "there", "here:2", "local:", "local:0", "tcp:HOST:1", "tcp://HOST", "slurm:"]
)
def test_wrong_names_list_the_right_ones(text):
    with pytest.raises(UserError, match=r"--cluster=.*write here, local:N, tcp://HOST:8786"):
        cluster.map_calls(square, [1], cluster=text)


def test_files_of_options_are_read_before_anything_starts(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        cluster.check(f"slurm:{tmp_path / 'absent.yaml'}")
    file = tmp_path / "jobs.yaml"
    file.write_text("- cores\n")
    with pytest.raises(UserError, match="holds no options by name"):
        cluster.check(f"slurm:{file}")
    file.write_text("jobs: [\n")
    with pytest.raises(UserError, match="is no YAML"):
        cluster.check(f"slurm:{file}")
    file.write_text("jobs: 1\ncores: 1\nmemory: 1GB\nfancy: true\n")
    with pytest.raises(UserError, match="no such option fancy"):
        list(cluster.map_calls(square, [1], cluster=f"slurm:{file}"))


def test_a_scheduler_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.5)
    with pytest.raises(UserError, match=r"tcp://127.0.0.1:9: no scheduler with a worker answers"):
        list(cluster.map_calls(square, [1], cluster="tcp://127.0.0.1:9"))


def test_mistakes_and_progress_come_home(dask, tmp_path):
    address, _ = dask
    told = {}
    results = dict(cluster.map_calls(square, range(4), cluster=address, progress=told.__setitem__))
    assert results == {0: 0, 1: 1, 2: 4, 3: 9}
    assert told == {number: f"squaring {number}" for number in range(4)}
    with pytest.raises(UserError, match=r"^two\.txt: is even; choose another$"):
        list(cluster.map_calls(refuse, (1, 2, 3), cluster=address))
    again = list(cluster.map_calls(fails_once, [str(tmp_path / "seen")], cluster=address))
    assert again == [(0, "done")]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return lvae.train("patches:smoke_digits", workdir=tmp_path_factory.mktemp("run"))


def test_a_set_drawn_by_workers_one_of_which_is_killed_is_that_of_one_process(
    dask, trained, tmp_path
):
    """The worker is killed once a shard is under way."""
    address, workers = dask
    loaded = trained.loaded
    options = loaded.task.modes["prior"].options()
    request = Request("prior", seed=5, num_samples=1000, options=options)
    modes.draw(loaded, request, tmp_path / "whole")

    def kill():
        while not list((tmp_path / "parts").glob(".progress-*")):
            time.sleep(0.01)
        workers[0].kill()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    where = (loaded.run.workdir, request, tmp_path / "parts", Layout(), address, "cpu")
    assert spreading.draw(loaded, *where).written == 1000
    killer.join()
    whole, parts = (
        {path.relative_to(place): path.read_bytes() for path in place.rglob("*") if path.is_file()}
        for place in (tmp_path / "whole", tmp_path / "parts")
    )
    assert parts == whole


def test_seeds_trained_by_workers_are_those_of_one_process(dask, trained, tmp_path, capfd):
    config = experiments.read("patches:smoke_digits")
    spreading.train_seeds(config, [config.seed, config.seed + 1], tmp_path, dask[0], "cpu")
    metrics = [tmp_path / f"seed-{config.seed + more}" / "metrics.csv" for more in (0, 1)]
    assert metrics[0].read_bytes() == (trained.loaded.run.workdir / "metrics.csv").read_bytes()
    assert metrics[1].read_bytes() != metrics[0].read_bytes()
    said = capfd.readouterr().err
    assert f"seed {config.seed + 1}: step" in said
    assert f"seed {config.seed}: {tmp_path / f'seed-{config.seed}'} is complete" in said


def test_a_killed_workers_calls_are_made_again(dask, tmp_path):
    address, workers = dask
    arguments = [(str(tmp_path), number) for number in range(24)]
    results, killed = {}, None
    for index, result in cluster.map_calls(noted, arguments, cluster=address):
        results[index] = result
        notes = list(tmp_path.glob("5 *"))
        if notes and killed is None:
            killed = int(notes[0].name.split()[1])
            os.kill(killed, signal.SIGKILL)
    assert results == {number: number**2 for number in range(24)}
    assert killed in [worker.pid for worker in workers]
    makers = [int(path.name.split()[1]) for path in tmp_path.glob("5 *")]
    assert len(makers) == 2
    assert killed in makers


def test_processes_of_this_machine(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(HERE), str(HERE.parent))))
    arguments = [(str(tmp_path), number) for number in range(3)]
    results = dict(cluster.map_calls(noted, arguments, cluster="local:1"))
    assert results == {0: 0, 1: 1, 2: 4}
    (pid,) = {path.name.split()[1] for path in tmp_path.iterdir()}
    assert int(pid) != os.getpid()


SBATCH = """#!/bin/sh
# Stands in for Slurm's: keeps the script and runs it at once, under a number that scancel knows.
cp "$1" "$JOBS/script"
sh "$JOBS/script" > "$JOBS/out" 2>&1 &
echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/sh
kill "$1"
"""


def test_jobs_of_slurm(monkeypatch, tmp_path):
    """The scheduler, the job script and the worker are real; only Slurm's two commands are not."""
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("JOBS", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(HERE), str(HERE.parent))))
    options = tmp_path / "slurm.yaml"
    options.write_text(
        "jobs: 1\ncores: 1\nmemory: 4GB\nwalltime: '00:10:00'\nqueue: short\nscheduler_options: {host: 127.0.0.1}\n"
        "worker_extra_args: ['--host=127.0.0.1']\n"
    )
    assert list(cluster.map_calls(square, [6], cluster=f"slurm:{options}")) == [(0, 36)]
    script = (tmp_path / "script").read_text()
    assert "#SBATCH -p short" in script
    assert "#SBATCH -t 00:10:00" in script
