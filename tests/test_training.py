"""The training room: order of examples, step, records, resume."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from toy_task import make_toy_task, toy_config

from lvae import configuration
from lvae.errors import UserError
from lvae.keys import stream
from lvae.training import loop, order, records
from lvae.training.restore import restore_variables
from lvae.training.settings import TrainingSettings, learning_rate, make_optimizer
from lvae.training.state import init_state, make_dispatch, make_step


def settings_of(config) -> TrainingSettings:
    return configuration.section(TrainingSettings, config.training, "training")


def test_streams_differ_by_name_and_by_seed():
    drawn = [
        float(jax.random.normal(stream(seed, name))) for seed in (0, 1) for name in ("init", "step")
    ]
    assert len(set(drawn)) == 4


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
    settings = settings_of(toy_config())
    rate = learning_rate(settings, 12)
    assert float(rate(0)) == 0.0
    assert float(rate(2)) == pytest.approx(0.05)
    assert float(rate(12)) == pytest.approx(0.0, abs=1e-9)


def test_epochs_become_steps():
    settings = settings_of(toy_config(steps=0, epochs=100))
    assert settings.total_steps(160) == 100 * 160 // 4


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("epochs", 3, "exactly one"),
        ("optimizer", "lion", "adam, adamw or sgd"),
        ("schedule", "step", "constant or cosine"),
        ("checkpoint_every", 4, "multiple of log_every"),
        ("ema_decay", 1.0, "ema_decay"),
        ("batch_size", 0, "batch_size"),
    ],
)
def test_wrong_settings_are_named(field, value, word):
    with pytest.raises(UserError, match=word):
        settings_of(toy_config(**{field: value}))


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_first_update_of_each_optimizer(name):
    """Closed forms of the first step: Adam moves by the rate times the sign, SGD by the gradient."""
    settings = settings_of(
        toy_config(
            optimizer=name, warmup_steps=0, schedule="constant", gradient_clip=0.0, weight_decay=0.1
        )
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
    config, task = toy_config(), make_toy_task()
    settings = settings_of(config)
    splits = task.load_data(config)
    optimizer = make_optimizer(settings, 12)
    state = init_state(task.init(config, splits, stream(5, "init")), optimizer, settings)
    step = make_step(task.make_loss(config, splits), optimizer, settings)
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
    loop.train_and_evaluate(config, whole, task)
    # A run that stops at step 7 with NaN leaves the checkpoint of step 6, as a kill would.
    with pytest.raises(UserError, match=r"step 8 .*step 6 is kept"):
        loop.train_and_evaluate(config, cut, make_toy_task(spoiled_from=7))
    with (cut / records.METRICS).open("a") as file:
        file.write('{"step": 9, "kind": "tr')  # a line that the kill cut short
    loop.train_and_evaluate(config, cut, task)
    assert bytes_of(whole) == bytes_of(cut)
    left = restore_variables(whole, config, task)
    right = restore_variables(cut, config, task)
    for one, other in zip(jax.tree.leaves(left), jax.tree.leaves(right)):
        np.testing.assert_array_equal(one, other)


def test_complete_run_changes_nothing(tmp_path, capsys):
    config, task = toy_config(), make_toy_task()
    first = loop.train_and_evaluate(config, tmp_path, task)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert loop.train_and_evaluate(config, tmp_path, task) == json.loads(json.dumps(first))
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert before == after
    assert "complete" in capsys.readouterr().err


def test_another_config_is_refused_with_the_difference(tmp_path):
    loop.train_and_evaluate(toy_config(), tmp_path, make_toy_task())
    with pytest.raises(UserError, match=r"training.learning_rate: 0.05 -> 0.1"):
        loop.train_and_evaluate(toy_config(learning_rate=0.1), tmp_path, make_toy_task())


def test_metrics_hold_a_row_a_log_step_and_the_table_its_scalars(tmp_path):
    loop.train_and_evaluate(toy_config(), tmp_path, make_toy_task())
    rows = records.read_metrics(tmp_path)
    assert [row["step"] for row in rows if row["kind"] == "train"] == [3, 6, 9, 12]
    assert [row["step"] for row in rows if row["kind"] == "validation"] == [6, 12]
    assert len(rows[0]["per_input"]) == 3
    header, *lines = (tmp_path / records.TABLE).read_text().splitlines()
    assert "loss" in header.split(",")
    assert "validation_weight" in header.split(",")
    assert len(lines) == 4
    assert list((tmp_path / "tensorboard").glob("events*"))


def test_missing_and_truncated_checkpoints_are_named(tmp_path):
    config, task = toy_config(), make_toy_task()
    with pytest.raises(UserError, match="no checkpoint; train first"):
        restore_variables(tmp_path, config, task)
    loop.train_and_evaluate(config, tmp_path, task)
    for path in (tmp_path / "checkpoints" / "12").rglob("*"):
        if path.is_file() and path.stat().st_size > 0:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match="checkpoints/12: the checkpoint is damaged"):
        restore_variables(tmp_path, config, task)
    shutil.rmtree(tmp_path / "checkpoints" / "12")
    restore_variables(tmp_path, config, task)  # falls back on the older one


def test_a_run_works_where_its_data_are_not(tmp_path):
    config, task = toy_config(), make_toy_task()
    loop.train_and_evaluate(config, tmp_path, task)
    here = restore_variables(tmp_path, config, task)

    def gone(config):
        raise UserError("no such folder")

    task.load_data = gone
    elsewhere = restore_variables(tmp_path, config, task)
    np.testing.assert_array_equal(
        elsewhere["params"]["weights"], np.asarray(here["params"]["weights"])
    )
    init = task.init
    task.init = lambda config, splits, key: init(config, splits["train"], key)
    with pytest.raises(UserError, match="no such folder"):
        restore_variables(tmp_path, config, task)


def test_indivisible_batch_is_refused():
    from lvae.training import devices

    mesh = devices.make_mesh()
    devices.batch_sharding(mesh, 4 * mesh.size)
    if mesh.size > 1:
        with pytest.raises(UserError, match="multiple of"):
            devices.batch_sharding(mesh, mesh.size + 1)


def test_seeds_at_once_are_the_seeds_alone(tmp_path):
    from lvae.training.seeds import train_seeds

    task, config = make_toy_task(), toy_config()
    together = train_seeds(config, [5, 6], tmp_path / "together", task)
    for seed, evaluation in zip((5, 6), together):
        changed = toy_config()
        changed.seed = seed
        alone = loop.train_and_evaluate(changed, tmp_path / f"alone-{seed}", task)["evaluation"]
        assert evaluation["weight"] == pytest.approx(alone["weight"], rel=1e-4)
        restore_variables(tmp_path / "together" / f"seed-{seed}", changed, task)
    assert together[0]["weight"] != together[1]["weight"]
