"""Numbers of a training in MLflow and Weights & Biases, read back by their own readers."""

import json
import struct
import warnings

import pytest
from commands import complaint, run

from lvae.errors import UserError
from lvae.storage import trackers
from lvae.storage.records import read_metrics

pytestmark = pytest.mark.filterwarnings("ignore")  # those of the trackers' own packages


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run whose numbers went to both, offline."""
    folder = tmp_path_factory.mktemp("trackers")
    place = f"sqlite:///{folder / 'mlflow.db'}"
    done = run(
        "train.py",
        "--config=denoise_mlp:smoke",
        f"--workdir={folder / 'run'}",
        "--trackers=mlflow,wandb",
        env={"MLFLOW_TRACKING_URI": place, "WANDB_MODE": "offline", "WANDB_SILENT": "true"},
    )
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    return folder / "run", place


def expected(workdir):
    """{kind/name: [(step, value)]} of the run's own record."""
    found = {}
    for row in read_metrics(workdir):
        for name, value in row.items():
            if isinstance(value, float):
                found.setdefault(f"{row['kind']}/{name}", []).append((row["step"], value))
    return found


def test_mlflow_has_the_numbers_and_the_config(trained):
    workdir, place = trained
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow import MlflowClient
    client = MlflowClient(place)
    run_id = json.loads((workdir / trackers.FILE).read_text())["mlflow"]
    stored = client.get_run(run_id)
    assert stored.info.status == "FINISHED"
    assert stored.info.run_name == "run"
    assert stored.data.params["training.batch_size"] == "8"
    for name, numbers in expected(workdir).items():
        history = client.get_metric_history(run_id, name)
        assert [(metric.step, metric.value) for metric in history] == numbers, name


def records_of(file):
    """The records of a .wandb file: blocks of 32 kB as LevelDB's log has them, behind 7 bytes."""
    content, place, parts = file.read_bytes(), 7, []
    while place + 7 <= len(content):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
            continue
        length, kind = struct.unpack("<HB", content[place + 4 : place + 7])
        parts.append(content[place + 7 : place + 7 + length])
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield b"".join(parts)
            parts = []


def test_weights_and_biases_has_the_numbers(trained):
    from wandb.proto.wandb_internal_pb2 import Record

    workdir, _ = trained
    (file,) = (workdir / "wandb").glob("offline-run-*/*.wandb")
    found = {}
    for data in records_of(file):
        record = Record()
        record.ParseFromString(data)
        step = record.history.step.num
        for item in record.history.item:
            name = item.key or "/".join(item.nested_key)
            if not name.startswith("_"):
                found.setdefault(name, []).append((step, json.loads(item.value_json)))
    for name, numbers in expected(workdir).items():
        assert [step for step, _ in found[name]] == [step for step, _ in numbers]
        assert [value for _, value in found[name]] == pytest.approx([v for _, v in numbers])


def test_a_resumed_run_goes_on_without_doubling(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    workdir = tmp_path / "run"
    workdir.mkdir()
    for steps in ((1, 2, 3), (2, 3, 4)):
        (tracker,) = trackers.opened(["mlflow"], workdir, {"a": {"b": 1}})
        for step in steps:
            tracker.add("train/loss", float(step), step)
        tracker.close()
    from mlflow import MlflowClient

    run_id = json.loads((workdir / trackers.FILE).read_text())["mlflow"]
    history = MlflowClient().get_metric_history(run_id, "train/loss")
    assert [metric.step for metric in history] == [1, 2, 3, 4]


def test_a_tracker_that_fails_is_left_out_with_a_warning(capsys):
    class Failing:
        calls = 0

        def add(self, name, value, step):
            self.calls += 1
            raise ConnectionError("the server is gone")

        def flush(self):
            self.calls += 1

        close = flush

    failing = Failing()
    tracker = trackers._Guarded("mlflow", failing)
    tracker.add("loss", 1.0, 1)
    tracker.add("loss", 1.0, 2)
    tracker.flush()
    tracker.close()
    assert failing.calls == 1
    assert capsys.readouterr().err.count("mlflow is left out") == 1


def test_one_that_cannot_be_used_is_an_error_before_training(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nosuchscheme://host")
    with pytest.raises(UserError, match="--trackers=mlflow: cannot be used"):
        trackers.opened(["mlflow"], tmp_path, {})
    monkeypatch.setattr(trackers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs wandb; pip install 'lvae\[wandb\]'"):
        trackers.check(["wandb"])


def test_an_unknown_tracker_is_refused(tmp_path):
    done = run("train.py", "--config=default:smoke", "--trackers=mlfow", cwd=tmp_path)
    assert "--trackers=mlfow" in (line := complaint(done))
    assert "mlflow, wandb" in line
    assert not list(tmp_path.iterdir())
