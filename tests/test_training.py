"""Training: order of examples, step, records, resume, seeds."""

import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from toy_task import TRAINING, ToySettings, make_toy_task, toy_config

from lvae import configuration
from lvae.errors import UserError
from lvae.keys import stream
from lvae.runs import loop, order
from lvae.runs.optimizer import learning_rate, make_optimizer
from lvae.runs.state import init_state, make_dispatch, make_step
from lvae.storage import records
from lvae.tasks.restoring import load_run
from lvae.tasks.training_settings import TrainingSettings


def settings_of(**changes) -> TrainingSettings:
    config = configuration.to_dict(toy_config())
    config["training"] |= changes
    return configuration.parse(ToySettings, config).training


def test_every_example_is_seen_once_an_epoch_whatever_the_batch():
    key = stream(0, "order")
    rows = order.batch_indices(key, 0, 15, 4, 10)  # 60 draws: six epochs of ten
    for epoch in rows.reshape(6, 10):
        assert sorted(epoch) == list(range(10))
    assert not np.array_equal(rows.reshape(6, 10)[0], rows.reshape(6, 10)[1])


def test_order_depends_on_the_step_alone():
    key = stream(0, "order")
    whole = order.batch_indices(key, 0, 9, 4, 10)
    parts = [order.batch_indices(key, first, 3, 4, 10) for first in (0, 3, 6)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_cosine_schedule_warms_up_and_ends_at_zero():
    settings = settings_of()
    rate = learning_rate(settings, 12)
    assert float(rate(0)) == 0.0
    assert float(rate(2)) == pytest.approx(0.05)
    assert float(rate(12)) == pytest.approx(0.0, abs=1e-9)


def test_epochs_become_steps():
    settings = settings_of(steps=0, epochs=100)
    assert settings.total_steps(160) == 100 * 160 // 4


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("epochs", 3, "exactly one"),
        ("optimizer", "lion", "adam, adamw, sgd"),
        ("schedule", "step", "constant, cosine"),
        ("steps", [3, 4], "expected int"),
        ("learning_rate", True, "expected float"),
        ("learning_rate", float("nan"), "finite"),
        ("stepz", 3, "no such field"),
        ("checkpoint_every", 4, "multiple of log_every"),
        ("ema_decay", 1.0, "ema_decay"),
        ("batch_size", 0, "batch_size"),
    ],
)
def test_wrong_settings_are_named(field, value, word):
    with pytest.raises(UserError, match=word):
        settings_of(**{field: value})


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_first_update_of_each_optimizer(name):
    """Closed forms of the first step: Adam moves by the rate times the sign, SGD by the gradient."""
    settings = settings_of(
        optimizer=name, warmup_steps=0, schedule="constant", gradient_clip=0.0, weight_decay=0.1
    )
    optimizer = make_optimizer(settings, 10)
    params, gradient = {"w": jnp.array([2.0, -3.0])}, {"w": jnp.array([0.5, -0.25])}
    update, _ = optimizer.update(gradient, optimizer.init(params), params)
    sign = np.array([1.0, -1.0])
    expected = {
        "adam": -0.05 * sign,
        "adamw": -0.05 * (sign + 0.1 * np.array([2.0, -3.0])),
        "sgd": -0.05 * (np.array([0.5, -0.25]) + 0.1 * np.array([2.0, -3.0])),
    }[name]
    np.testing.assert_allclose(update["w"], expected, rtol=1e-5)


def prepared():
    task = make_toy_task()
    settings = configuration.parse(ToySettings, toy_config())
    splits = task.load_data(settings)
    spec = task.spec(settings, splits)
    optimizer = make_optimizer(TRAINING, 12)
    state = init_state(task.init(settings, spec, stream(5, "init")), optimizer, TRAINING)
    step = make_step(task.loss(settings, spec), optimizer, TRAINING)
    data = {name: jnp.asarray(splits["train"][name]) for name in ("inputs", "targets")}
    return state, step, data


def test_scan_equals_single_steps_and_jit_equals_no_jit():
    state, step, data = prepared()
    dispatch, key = make_dispatch(step), stream(5, "step")
    indices = jnp.asarray(order.batch_indices(stream(5, "order"), 0, 4, 4, 10))
    scanned, metrics = jax.jit(dispatch)(state, data, indices, key)
    single = state
    for row in range(4):
        single, one = dispatch(single, data, indices[row : row + 1], key)
        np.testing.assert_allclose(one["loss"][0], metrics["loss"][row], rtol=1e-6)
    for left, right in zip(jax.tree.leaves(scanned), jax.tree.leaves(single)):
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-7)
    assert int(scanned["step"]) == 4
    assert int(scanned["buffers"]["seen"]) == 16


def test_dispatch_is_compiled_once():
    """Types and shapes of the state do not change with the first step."""
    state, step, data = prepared()
    traces = []

    def counted(*arguments):
        traces.append(1)
        return make_dispatch(step)(*arguments)

    dispatch = jax.jit(counted)
    indices = jnp.zeros((2, 4), jnp.int32)
    for _ in range(3):
        state, _ = dispatch(state, data, indices, stream(5, "step"))
    assert len(traces) == 1


def test_average_of_params_follows_its_formula():
    state, step, data = prepared()
    batch = {name: array[:4] for name, array in data.items()}
    new, _ = step(state, batch, stream(5, "step"))
    # At step 0 the window is (1 + 0) / (10 + 0), below the decay of 0.9.
    expected = 0.1 * state["ema"]["weights"] + 0.9 * new["params"]["weights"]
    np.testing.assert_allclose(new["ema"]["weights"], expected, rtol=1e-6)


def test_norms_are_those_of_the_step():
    state, step, data = prepared()
    batch = {name: array[:4] for name, array in data.items()}
    new, metrics = step(state, batch, stream(5, "step"))
    moved = np.linalg.norm(new["params"]["weights"] - state["params"]["weights"])
    np.testing.assert_allclose(metrics["update_norm"], moved, atol=1e-7)
    np.testing.assert_allclose(metrics["parameter_norm"], optax.tree.norm(new["params"]))


def bytes_of(workdir):
    return (workdir / records.METRICS).read_bytes()


def test_resume_is_bit_identical(tmp_path):
    config, task = toy_config(), make_toy_task()
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    loop.train(task, config, whole)
    # A run that stops at step 7 with NaN leaves the checkpoint of step 6, as a kill would.
    with pytest.raises(UserError, match=r"step 8 .*step 6 is kept"):
        loop.train(make_toy_task(spoiled_from=7), config, cut)
    with (cut / records.METRICS).open("a") as file:
        file.write('{"step": 9, "kind": "tr')  # a line that the kill cut short
    loop.train(task, config, cut)
    assert bytes_of(whole) == bytes_of(cut)
    left = load_run(task, config, whole).variables
    right = load_run(task, config, cut).variables
    for one, other in zip(jax.tree.leaves(left), jax.tree.leaves(right)):
        np.testing.assert_array_equal(one, other)


def test_complete_run_changes_nothing(tmp_path, capsys):
    config, task = toy_config(), make_toy_task()
    first = loop.train(task, config, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert loop.train(task, config, tmp_path) == json.loads(json.dumps(first))
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert before == after
    assert "complete" in capsys.readouterr().err


def test_another_config_is_refused_with_the_difference(tmp_path):
    loop.train(make_toy_task(), toy_config(), tmp_path)
    with pytest.raises(UserError, match=r"training.learning_rate: 0.05 -> 0.1"):
        loop.train(make_toy_task(), toy_config(learning_rate=0.1), tmp_path)


def test_metrics_hold_a_row_a_log_step_and_the_table_its_scalars(tmp_path):
    loop.train(make_toy_task(), toy_config(), tmp_path)
    rows = records.read_metrics(tmp_path)
    assert [row["step"] for row in rows if row["kind"] == "train"] == [3, 6, 9, 12]
    assert [row["step"] for row in rows if row["kind"] == "evaluation"] == [6, 12]
    assert len(rows[0]["per_input"]) == 3
    header, *lines = (tmp_path / records.TABLE).read_text().splitlines()
    assert "loss" in header.split(",")
    assert "train_weight" in header.split(",")
    assert len(lines) == 4
    assert list((tmp_path / "tensorboard").glob("events*"))


def test_missing_and_truncated_checkpoints_are_named(tmp_path):
    config, task = toy_config(), make_toy_task()
    with pytest.raises(UserError, match=r"spec.json: there is no trained run here; train first"):
        load_run(task, config, tmp_path)
    loop.train(task, config, tmp_path)
    for path in (tmp_path / "checkpoints" / "12").rglob("*"):
        if path.is_file() and path.stat().st_size > 0:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match="checkpoints/12: the checkpoint is damaged"):
        load_run(task, config, tmp_path)
    shutil.rmtree(tmp_path / "checkpoints" / "12")
    load_run(task, config, tmp_path)  # falls back on the older one


def test_a_run_works_where_its_data_are_not(tmp_path):
    config, task = toy_config(), make_toy_task()
    loop.train(task, config, tmp_path)

    def gone(settings):
        raise UserError("no such folder")

    elsewhere = load_run(dataclasses.replace(task, load_data=gone), config, tmp_path)
    here = load_run(task, config, tmp_path)
    np.testing.assert_array_equal(
        elsewhere.variables["params"]["weights"], here.variables["params"]["weights"]
    )


def test_other_data_are_refused(tmp_path):
    """A run that was begun on ten examples does not go on with nine."""
    task = make_toy_task()
    with pytest.raises(UserError, match="step 8"):
        loop.train(make_toy_task(spoiled_from=7), toy_config(), tmp_path)
    splits = task.load_data(None)
    fewer = {"train": {name: array[:9] for name, array in splits["train"].items()}}
    with pytest.raises(UserError, match=r"other data \(examples: 10 -> 9\)"):
        loop.train(
            dataclasses.replace(task, load_data=lambda settings: fewer), toy_config(), tmp_path
        )


def test_prepare_sees_the_data_and_its_values_are_trained_from(tmp_path):
    config = toy_config(steps=1, learning_rate=1e-30, log_every=1, evaluate_every=0)

    def prepare(settings, variables, splits):
        weights = np.full(3, splits["train"]["inputs"].sum(), np.float32)
        return {**variables, "params": {**variables["params"], "weights": weights}}

    task = dataclasses.replace(make_toy_task(), prepare=prepare)
    loop.train(task, config, tmp_path)
    expected = task.load_data(None)["train"]["inputs"].sum()
    found = load_run(task, config, tmp_path).variables["params"]["weights"]
    np.testing.assert_allclose(found, np.full(3, expected), rtol=1e-6)


def test_seeds_at_once_are_the_seeds_alone(tmp_path):
    task, config = make_toy_task(), toy_config()
    together = loop.train_seeds(task, config, [5, 6], tmp_path / "together")
    for seed, summary in zip((5, 6), together):
        changed = toy_config()
        changed.seed = seed
        workdir = tmp_path / "together" / f"seed-{seed}"
        alone = loop.train(task, changed, tmp_path / f"alone-{seed}")["evaluation"]
        assert summary["evaluation"]["train_weight"] == pytest.approx(
            alone["train_weight"], rel=1e-4
        )
        load_run(task, changed, workdir)
        rows = records.read_metrics(workdir)
        assert [row["step"] for row in rows if row["kind"] == "evaluation"] == [6, 12]
        assert (workdir / "figures" / "empty.png").exists()
    assert together[0]["evaluation"] != together[1]["evaluation"]


def test_seeds_resume_from_the_newest_step_that_all_have(tmp_path):
    """Killed between the checkpoints of two seeds: one has step 6, the other step 3 only."""
    task, config = make_toy_task(), toy_config()
    loop.train_seeds(task, config, [5, 6], tmp_path / "whole")
    with pytest.raises(UserError, match="step 8"):
        loop.train_seeds(make_toy_task(spoiled_from=7), config, [5, 6], tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut" / "seed-6" / "checkpoints" / "6")
    loop.train_seeds(task, config, [5, 6], tmp_path / "cut")
    for seed in (5, 6):
        folders = [tmp_path / name / f"seed-{seed}" for name in ("whole", "cut")]
        assert bytes_of(folders[0]) == bytes_of(folders[1])


def test_a_second_trainer_is_refused_and_the_first_keeps_its_rows(tmp_path):
    task, config = make_toy_task(), toy_config()
    refused = []

    def figures(run, splits, history):
        try:
            loop.train(make_toy_task(), config, tmp_path)
        except UserError as error:
            refused.append(str(error))
        return iter(())

    loop.train(dataclasses.replace(task, figures=figures), config, tmp_path)
    assert len(refused) == 1
    assert "is training into it" in refused[0]
    assert len(records.read_metrics(tmp_path)) == 6


def test_a_reader_of_a_training_run_changes_nothing(tmp_path):
    """Loads the run at every evaluation, when a checkpoint half written lies beside the whole."""
    task, config = make_toy_task(), toy_config(evaluate_every=3, keep_checkpoints=9)
    read = []

    def evaluate(run, splits, split, thorough):
        if (tmp_path / "checkpoints" / "3").exists():
            half = tmp_path / "checkpoints" / "99.orbax-checkpoint-tmp-1"
            half.mkdir(exist_ok=True)
            read.append(load_run(task, config, tmp_path).variables)
            assert half.exists()
            half.rmdir()
        return {}

    loop.train(dataclasses.replace(task, evaluate=evaluate), config, tmp_path)
    assert len(read) == 3
