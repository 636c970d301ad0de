"""Options of the patch VAE's one loss, side by side: python -m benchmarks.patches [--help].

Trains every option as `configs/patches.py` would, on the same splits, and prints what
`python -m lvae.evaluate` would, one row an option (mean over seeds), best first by k-NN AUROC.
"""

import argparse
import time
from typing import Any

import jax
import numpy as np

from benchmarks import report
from configs.patches import get_config
from lvae.configuration import section
from lvae.keys import stream
from lvae.tasks import patches as task
from lvae.tasks.interface import Splits
from lvae.training import order
from lvae.training.settings import TrainingSettings, make_optimizer
from lvae.training.state import inference_variables, init_state, make_dispatch, make_step

COLUMNS = ("knn_auroc", "probe_auroc", "silhouette", "anomaly_auroc")
BASELINES = ("pca_knn_auroc", "pca_probe_auroc", "pca_silhouette", "pca_anomaly_auroc")
FEW = {"loss.labels": 100, "loss.label_weight": 1000.0}
OPTIONS: dict[str, dict[str, dict[str, Any]]] = {
    "digits": {
        "reference: 2 latents, normal": {},
        "divergence x 0.3": {"loss.kl_weight": 0.3},
        "free bits, 5 nats": {"loss.free_bits": 5.0},
        "mixture of 10": {"model.components": 10},
        "mixture of 10, divergence x 0.3": {"model.components": 10, "loss.kl_weight": 0.3},
        "10 labels of each kind": {"loss.labels": 10, "loss.label_weight": 100.0},
        "10 labels of each kind, mixture": {
            "loss.labels": 10,
            "loss.label_weight": 100.0,
            "model.components": 10,
        },
        "8 latents": {"model.latents": 8},
    },
    "isles": {
        "reference: 2 latents, normal": {"model.latents": 2},
        "8 latents": {"model.latents": 8},
        "16 latents": {"model.latents": 16},
        "16 latents, divergence x 0.3": {"model.latents": 16, "loss.kl_weight": 0.3},
        "16 latents, free bits": {"model.latents": 16, "loss.free_bits": 20.0},
        "16 latents, mixture of 10": {"model.latents": 16, "model.components": 10},
        "16 latents, 100 labels of each kind": {"model.latents": 16, **FEW},
        "16 latents, 100 labels, divergence x 0.3": {
            "model.latents": 16,
            "loss.kl_weight": 0.3,
            **FEW,
        },
        "16 latents, 100 labels, divergence x 0.1: the default": {
            "model.latents": 16,
            "loss.kl_weight": 0.1,
            **FEW,
        },
        "32 latents": {"model.latents": 32},
    },
}


def train(config: Any, splits: Splits) -> tuple[dict[str, Any], float]:
    """Variables after the config's steps as the training room takes them, and the seconds."""
    settings = section(TrainingSettings, config.training, "training")
    numeric = {name: jax.device_put(values) for name, values in splits["train"].items()}
    examples = len(splits["train"]["label"])
    steps = settings.total_steps(examples)
    optimizer = make_optimizer(settings, steps)
    start = time.perf_counter()
    # One program: the average of the params, where there is one, has memory of its own.
    state = jax.jit(lambda key: init_state(task.init(config, splits, key), optimizer, settings))(
        stream(config.seed, "init")
    )
    step = make_step(task.make_loss(config, splits), optimizer, settings)
    dispatch = jax.jit(make_dispatch(step), donate_argnums=0)
    order_key, step_key = stream(config.seed, "order"), stream(config.seed, "step")
    for first in range(0, steps, settings.steps_per_dispatch):
        count = min(settings.steps_per_dispatch, steps - first)
        rows = order.batch_indices(order_key, first, count, settings.batch_size, examples)
        state, _ = dispatch(state, numeric, rows, step_key)
    jax.block_until_ready(state)
    return inference_variables(state), time.perf_counter() - start


def changed(name: str, path: str, changes: dict[str, Any], seed: int) -> Any:
    """The reference's config of a data set, with its one option."""
    config = get_config(f"{name}_reference")
    config.data.path = path
    config.seed = seed
    config.evaluation.bootstrap_draws = 1  # intervals are the run's own affair
    config.update_from_flattened_dict(changes)
    return config


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.patches", description=__doc__)
    parser.add_argument("--set", default="isles", choices=sorted(OPTIONS), help="which patches")
    parser.add_argument("--data", default="", help="config.data.path; default: the built-in data")
    parser.add_argument("--seeds", type=int, default=3, help="seeds 0, 1, ... of every option")
    parser.add_argument("--steps", type=int, default=0, help="of training; 0: the config's own")
    parser.add_argument("--only", default="", help="options whose name holds this")
    arguments = parser.parse_args()
    print(report.machine())
    print(report.versions("jax", "flax", "scikit-learn"))
    splits = None
    rows = []
    for option, changes in OPTIONS[arguments.set].items():
        if arguments.only not in option:
            continue
        measured, spent = [], []
        for seed in range(arguments.seeds):
            config = changed(arguments.set, arguments.data, changes, seed)
            if arguments.steps:
                config.training.steps = arguments.steps
            if splits is None:
                splits = task.load_data(config)
            variables, seconds = train(config, splits)
            measured.append(task.evaluate(config, variables, splits, thorough=True))
            spent.append(seconds)
        row: dict[str, Any] = {"option": option}
        for name in COLUMNS + BASELINES:
            row[name] = float(np.mean([numbers[name] for numbers in measured]))
        knn = [numbers["knn_auroc"] for numbers in measured]
        row["k-NN, lowest-highest"] = f"{min(knn):.3f}-{max(knn):.3f}"
        row["seconds"] = report.median(spent)
        rows.append(row)
        print(option, {name: round(row[name], 3) for name in COLUMNS}, flush=True)
    print(report.table(sorted(rows, key=lambda row: -row["knn_auroc"])))


if __name__ == "__main__":
    main()
