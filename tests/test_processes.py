"""Run directories among processes, signals and limits of the system, in real processes."""

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from commands import OFTEN, ROOT, SMOKE, command, complaint, environment, run, start

from lvae.commands import process
from lvae.errors import UserError
from lvae.storage import checkpoints, records
from lvae.tasks import restoring

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, mounts tmpfs")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A run with a checkpoint every other step."""
    workdir = tmp_path_factory.mktemp("run")
    done = run("train.py", SMOKE, *OFTEN, f"--workdir={workdir}")
    assert done.returncode == 0, done.stderr
    return workdir


def same_run(left: Path, right: Path) -> bool:
    """Metrics, figures and what was trained, byte for byte; and nothing left over."""
    files = [
        sorted(str(path.relative_to(place)) for path in place.rglob("*") if _compared(path, place))
        for place in (left, right)
    ]
    assert files[0] == files[1]
    same = [(left / name).read_bytes() == (right / name).read_bytes() for name in files[0]]
    variables = [restoring.load(place).run.variables for place in (left, right)]
    return all(same) and str(variables[0]) == str(variables[1])


def _compared(path: Path, workdir: Path) -> bool:
    top = path.relative_to(workdir).parts[0]
    unlike = ("tensorboard", "checkpoints", "samples", ".lock", "summary.json")
    return path.is_file() and top not in unlike


def test_second_trainer_names_the_first_which_keeps_every_row(tmp_path, trained):
    words = ("train.py", SMOKE, *OFTEN, f"--workdir={tmp_path / 'run'}")
    first = start(*words)
    while not (tmp_path / "run" / ".lock").exists() and first.poll() is None:
        time.sleep(0.01)
    (tmp_path / "link").symlink_to(tmp_path / "run")
    second = run(*words[:-1], f"--workdir={tmp_path / 'link'}")
    first.communicate(timeout=200)
    assert first.returncode == 0
    assert f"process {first.pid}" in complaint(second)
    assert same_run(tmp_path / "run", trained)


def test_killed_again_and_again_it_resumes_as_if_nothing_had_been(tmp_path, trained):
    """SIGKILL once a checkpoint or a row more is there, with a reader at work all the time."""
    workdir, faults, done = tmp_path / "run", [], threading.Event()

    def read():
        while not done.is_set():
            try:
                restoring.load(workdir)
                records.read_metrics(workdir)
            except UserError as error:
                if "train first" not in str(error):
                    faults.append(str(error))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for wanted in (1, 4, 7, 12, 18):
            trainer = start("train.py", SMOKE, *OFTEN, f"--workdir={workdir}")
            while trainer.poll() is None and len(records.read_metrics(workdir)) < wanted:
                time.sleep(0.001)
            trainer.kill()
            trainer.communicate()
        last = run("train.py", SMOKE, *OFTEN, f"--workdir={workdir}")
    finally:
        done.set()
        reader.join()
    assert last.returncode == 0, last.stderr
    assert not faults
    assert same_run(workdir, trained)


def test_killed_drawing_resumes_with_the_same_bytes(tmp_path, trained):
    words = ("sample.py", "--mode=prior", f"--workdir={trained}", "--num_samples=4000")
    for wanted in (1, 1500):
        drawing = start(*words, f"--out={tmp_path / 'killed'}")
        while drawing.poll() is None and len(list(tmp_path.glob("killed/*.png"))) < wanted:
            time.sleep(0.005)
        drawing.kill()
        drawing.communicate()
        assert not (tmp_path / "killed" / ".lvae" / "manifest.json").exists()
    assert run(*words, f"--out={tmp_path / 'killed'}").returncode == 0
    assert run(*words, f"--out={tmp_path / 'whole'}").returncode == 0
    whole, killed = (
        {path.name: path.read_bytes() for path in (tmp_path / name).rglob("*") if path.is_file()}
        for name in ("whole", "killed")
    )
    assert len(whole) == 4005
    assert whole == killed


def test_signals_at_twenty_moments_end_it_in_one_line(tmp_path):
    """From the first line on: imports, data, compilation, steps, checkpoints, figures, samples."""
    begun = time.monotonic()
    whole = start("train.py", SMOKE, *OFTEN, f"--workdir={tmp_path / 'whole'}")
    whole.communicate()
    length = time.monotonic() - begun
    results = []

    def interrupt(lane: int) -> None:
        for turn in range(10):
            number = (signal.SIGINT, signal.SIGTERM)[(turn + lane) % 2]
            place = tmp_path / f"run-{lane}-{turn % 2}"
            stopped = start("train.py", SMOKE, *OFTEN, f"--workdir={place}")
            time.sleep(length * (turn + lane / 2) / 10)
            stopped.send_signal(number)
            stopped.send_signal(number)  # impatience changes nothing
            results.append((number, stopped.communicate()[1], stopped.returncode))

    lanes = [threading.Thread(target=interrupt, args=(lane,)) for lane in range(2)]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    stopped = [result for result in results if result[2]]
    assert len(results) == 20
    assert len(stopped) >= 10  # the others were done before the signal came
    for number, text, status in stopped:
        assert status == 128 + number
        about = [line for line in text.splitlines() if not line.startswith("step ")]
        about = [line for line in about if " parameters, " not in line]
        assert about == [f"train.py: stopped by {number.name}; run the same command again to go on"]


def test_signals_that_come_before_the_command_starts_anew_are_not_lost(tmp_path):
    """`start_with_large_pages` replaces the program; what came before waits for the second one."""
    code = (
        "import os, signal\n"
        "from lvae.commands import process, stopping\n"
        "stopping.hold()\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "process.run(lambda words: print('too far'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (143, "")
    assert done.stderr.count("\n") == 1


def test_an_event_loop_that_takes_the_wakeup_pipe_does_not_hold_a_signal_up():
    """As uvloop does under the server of `lvae explore`."""
    code = (
        "import os, signal, time\n"
        "from lvae.commands import stopping\n"
        "stopping.watch()\n"
        "signal.set_wakeup_fd(-1)\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "time.sleep(60)\n"
    )
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=50)
    assert done.returncode == 143
    assert done.stderr == "-c: stopped by SIGTERM; run the same command again to go on\n"


@pytest.mark.parametrize("kilobytes", [4, 60, 1200])
def test_full_disk_is_one_line_and_goes_on_with_more_space(tmp_path, trained, kilobytes):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("a small disk can only be mounted by root")
    try:
        words = ("train.py", SMOKE, *OFTEN, f"--workdir={disk / 'run'}")
        refusal = complaint(run(*words))
        assert str(disk) in refusal
        assert "space" in refusal
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        assert run(*words).returncode == 0
        assert same_run(disk / "run", trained)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_user_without_home_or_name(tmp_path):
    """As in containers: no HOME, and a number that the password file does not know."""
    absent = "import pwd\ndef absent(*_): raise KeyError('uid not found')\npwd.getpwuid = absent\n"
    (tmp_path / "sitecustomize.py").write_text(absent)
    env = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "HOME": None, "XDG_CACHE_HOME": None, "USER": None}
    env |= {"JAX_COMPILATION_CACHE_DIR": None, "LOGNAME": None}
    done = run("train.py", SMOKE, f"--workdir={tmp_path / 'run'}", env=env)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "home directory" in complaint(run("train.py", SMOKE, "--workdir=~/run", env=env))


def test_locale_backend_and_place_do_not_matter(tmp_path, trained):
    """Letters that the locale lacks, a backend that is not installed, another working directory,
    a home that is written ~, a run that was moved."""
    moved = tmp_path / "動く"
    shutil.copytree(trained, moved / "run")
    env = {"PYTHONIOENCODING": "latin-1", "MPLBACKEND": "module://nowhere.at_all"}
    env |= {"HOME": str(moved), "GLIBC_TUNABLES": ""}
    words = ("sample.py", "--mode=prior", "--workdir=~/run", "--num_samples=3")
    done = run(*words, "--out=~/出", env=env, cwd=tmp_path, text=False)
    assert done.returncode == 0, done.stderr
    assert json.loads((moved / "出" / ".lvae" / "manifest.json").read_text())["counts"] == {
        "samples": 3
    }
    assert not (tmp_path / "~").exists()
    config = ROOT / "configs" / "patches.py"
    words = ("train.py", f"--config={config}:smoke_digits", *OFTEN, "--workdir=run")
    assert "complete" in run(*words, env=env, cwd=moved).stderr
    (moved / "run" / "summary.json").unlink()
    again = run(*words, "--config.data.path=", env=env, cwd=moved)
    assert again.returncode == 0, again.stderr
    assert "resumed at step 20" in again.stderr
    assert same_run(moved / "run", trained)


def test_nothing_can_be_written_there(tmp_path, trained):
    for place in ("/proc/run", "/dev/full", f"{tmp_path}/{'x' * 300}"):
        assert place in complaint(run("train.py", SMOKE, f"--workdir={place}"))
    drawn = run("sample.py", "--mode=prior", f"--workdir={trained}", "--out=/proc/out")
    assert "/proc/out" in complaint(drawn)


def test_full_output_and_a_reader_that_leaves(trained):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command("-m", "lvae.evaluate", f"--workdir={trained}"),
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert "space" in complaint(done)


def test_an_error_of_the_system_names_file_and_remedy():
    error = FileNotFoundError(2, "No such file or directory", "a\nb")
    assert process.system_error(error) == "a b: No such file or directory; check its name"


def test_a_reader_gets_what_it_can_while_checkpoints_are_replaced(tmp_path, monkeypatch):
    """A checkpoint that goes while it is read gives way to the next; a damaged one does not."""
    for step in (2, 4):
        (tmp_path / checkpoints.FOLDER / str(step)).mkdir(parents=True)
    tried = []

    def load(folder, abstract_state, partial):
        tried.append(folder.name)
        if folder.name == "4":
            folder.rmdir()
            (folder.parent / "6").mkdir()
            raise UserError("gone")
        return {"params": {}, "buffers": {}}

    monkeypatch.setattr(checkpoints, "_load", load)
    checkpoints.load_variables(tmp_path, {"params": {}, "buffers": {}}, averaged=False)
    assert tried == ["4", "6"]
