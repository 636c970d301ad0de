"""A regression small enough to train in milliseconds, offering what every task offers."""

import types

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np


def toy_config(**training) -> ml_collections.ConfigDict:
    """A config of the toy task; keywords replace fields of its training group."""
    fields = {
        "steps": 12,
        "epochs": 0,
        "batch_size": 4,
        "steps_per_dispatch": 3,
        "optimizer": "adam",
        "learning_rate": 0.05,
        "schedule": "cosine",
        "warmup_steps": 2,
        "adam_epsilon": 1e-8,
        "weight_decay": 0.0,
        "gradient_clip": 1.0,
        "ema_decay": 0.9,
        "log_every": 3,
        "evaluate_every": 6,
        "checkpoint_every": 3,
        "keep_checkpoints": 2,
    }
    fields.update(training)
    config = {"task": "toy", "seed": 5, "data": {"path": ""}, "training": fields}
    return ml_collections.ConfigDict(config).lock()


def make_toy_task(spoiled_from: int = 10**9) -> types.SimpleNamespace:
    """The task; its loss is NaN from step `spoiled_from` on."""
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(10, 3)).astype(np.float32)
    splits = {
        "train": {
            "inputs": inputs,
            "targets": inputs @ np.array([1.0, -2.0, 0.5], np.float32),
            "name": np.array(["a"] * 10),
        }
    }

    def init(config, splits, key):
        return {
            # The offset is weakly typed, as numbers made from Python's are.
            "params": {"weights": jax.random.normal(key, (3,)), "offset": jnp.full((), 0.0)},
            "buffers": {"seen": jnp.zeros((), jnp.int32)},
        }

    def make_loss(config, splits):
        def loss(params, buffers, batch, key, step):
            noise = 0.1 * jax.random.normal(key, batch["targets"].shape)
            errors = (
                batch["inputs"] @ params["weights"] - batch["targets"] + params["offset"] + noise
            )
            value = jnp.where(step >= spoiled_from, jnp.nan, jnp.mean(errors**2))
            parts = {"error": errors**2, "per_input": batch["inputs"] ** 2}
            return value, (parts, {"seen": buffers["seen"] + len(errors)})

        return loss

    def evaluate(config, variables, splits, *, thorough=False):
        return {"weight": float(variables["params"]["weights"][0])}

    return types.SimpleNamespace(
        load_data=lambda config: splits,
        init=init,
        make_loss=make_loss,
        evaluate=evaluate,
        figures=lambda config, variables, splits, directory: None,
        MODES={},
    )
