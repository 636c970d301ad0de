"""Sweeps: which trials a file makes, what is trained, what is left alone."""

import csv

import pytest
from commands import complaint, run

from lvae.errors import UserError
from lvae.runs import sweeps

SWEEP = ("-c", "from lvae.commands.main import main; main()", "sweep")
GRID = """
config: denoise_mlp:smoke
workdir: {folder}/sweep
set: {{training.log_every: 4}}
fields:
  training.learning_rate: [0.001, 0.01]
  seed: [0, 1]
measure: validation_psnr
goal: highest
"""


def written(folder, text):
    file = folder / "sweep.yaml"
    file.write_text(text.format(folder=folder))
    return file


def test_a_grid_has_every_combination(tmp_path):
    sweep, trials = sweeps.read(written(tmp_path, GRID))
    assert sweep.goal == "highest"
    assert [dict(trial.values) for trial in trials] == [
        {"training.learning_rate": rate, "seed": seed} for rate in (0.001, 0.01) for seed in (0, 1)
    ]
    assert trials[2].changes["training.log_every"] == 4
    assert trials[2].workdir.name == "training.learning_rate=0.01,seed=0"
    assert not (tmp_path / "sweep").exists()


def test_random_trials_lie_in_their_ranges_and_stay_when_there_are_more(tmp_path):
    text = """
config: default:smoke
workdir: {folder}/sweep
method: random
trials: %d
fields:
  training.learning_rate: {{low: 1e-4, high: 1E-1, scale: log}}
  model.hidden: {{low: 8, high: 12}}
  training.schedule: [constant, cosine]
measure: validation_reconstruction_px_mean
"""
    _, few = sweeps.read(written(tmp_path, text % 5))
    _, many = sweeps.read(written(tmp_path, text % 200))
    assert [trial.values for trial in many[:5]] == [trial.values for trial in few]
    rates = [trial.values["training.learning_rate"] for trial in many]
    assert all(1e-4 <= rate <= 0.1 for rate in rates)
    # uniform in the logarithm: two thirds below 0.01; of 200, 133 +- 6.7
    assert 100 < sum(rate < 0.01 for rate in rates) < 166
    assert {trial.values["model.hidden"] for trial in many} == {8, 9, 10, 11, 12}
    assert {trial.values["training.schedule"] for trial in many} == {"constant", "cosine"}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("seed: [0, 1]", "sed: [0, 1]", ["config.sed: no such field", "seed"]),
        ("seed: [0, 1]", "seed: [x]", ["config.seed", "expected int", "seed=x"]),
        ("seed: [0, 1]", "seed: 3", ["fields.seed", "list of values"]),
        ("training.learning_rate", "training.learning", ["config.training.learning"]),
        ("[0.001, 0.01]", "[-1.0]", ["learning_rate", "above 0"]),
        ("goal: highest", "gaol: highest", ["gaol: no such field"]),
        ("goal: highest", "goal: best", ["goal", "lowest, highest"]),
        ("goal: highest", "method: random", ["method=random", "trials=0"]),
        ("denoise_mlp:smoke", "denoise_mpl", ["denoise_mpl", "denoise_mlp"]),
        ("measure: validation_psnr", "", ["measure: missing"]),
        ("fields:", "feilds:", ["fields: missing"]),
        ("config:", "config: [", ["is no YAML"]),
    ],
)
def test_mistakes_name_the_file_and_the_field(tmp_path, old, new, words):
    assert old in GRID
    file = written(tmp_path, GRID.replace(old, new))
    with pytest.raises(UserError) as caught:
        sweeps.read(file)
    assert "\n" not in str(caught.value)
    for word in [str(file), *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "range_",
    ["{low: 1}", "{low: 2, high: 1}", "{low: 0, high: 1, scale: log}", "{low: a, high: b}"],
)
def test_ranges_that_are_none(tmp_path, range_):
    text = GRID.replace("[0.001, 0.01]", range_.replace("{", "{{").replace("}", "}}"))
    text = text.replace("goal: highest", "method: random\ntrials: 2")
    with pytest.raises(UserError, match=r"fields\.training\.learning_rate"):
        sweeps.read(written(tmp_path, text))


def test_the_best_is_first_and_failed_trials_are_last():
    sweep = sweeps.Sweep("default", "runs", "error", goal="lowest")
    results = [
        {"trial": "a", "values": {"x": 1}, "error": "the loss became nan"},
        {"trial": "b", "values": {"x": 2}, "numbers": {"error": 3.0}},
        {"trial": "c", "values": {"x": 3}, "numbers": {"error": 1.0}},
    ]
    assert [row["trial"] for row in sweeps.ordered(sweep, results)] == ["c", "b", "a"]
    with pytest.raises(UserError, match=r"measure: other: not among.*there are error"):
        sweeps.ordered(sweeps.Sweep("default", "runs", "other"), results)


def test_a_sweep_trains_prints_a_table_and_goes_on_where_it_was(tmp_path):
    file = written(tmp_path, GRID.replace("[0, 1]", "[0]"))
    done = run(*SWEEP, file)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["training.learning_rate", "seed", "validation_psnr", "trial"]
    values = [float(line.split()[2]) for line in lines[1:]]
    assert len(values) == 2
    assert values == sorted(values, reverse=True)
    with (tmp_path / "sweep" / "sweep.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert [float(row["validation_psnr"]) for row in rows] == pytest.approx(values, rel=1e-4)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("sweep/*/metrics.jsonl")}
    # one value more, in another process: the complete trials are left alone
    written(tmp_path, GRID.replace("[0, 1]", "[0]").replace("[0.001,", "[0.0, 0.001,"))
    done = run(*SWEEP, file)
    assert "learning_rate and adam_epsilon must be above 0" in complaint(done)
    written(tmp_path, GRID.replace("[0, 1]", "[0]").replace("[0.001,", "[1e30, 0.001,"))
    done = run(*SWEEP, file, "--cluster=local:1")
    assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(done.stdout.splitlines()) == 4
