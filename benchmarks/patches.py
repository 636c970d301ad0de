"""Options of the patch VAE's one loss, side by side: python -m benchmarks.patches [--help].

Trains every option as `configs/patches.py` would, on the same splits, and prints what
`python -m lvae.evaluate` does, one row per option (mean over seeds), best first by k-NN AUROC.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from benchmarks import report
from configs.patches import get_config
from lvae.commands.evaluate import evaluate
from lvae.configuration import changed
from lvae.runs import loop
from lvae.tasks import registry

COLUMNS = ("knn_auroc", "probe_auroc", "silhouette", "anomaly_auroc")
BASELINES = ("pca_knn_auroc", "pca_probe_auroc", "pca_silhouette", "pca_anomaly_auroc")
FEW = {"loss.labels": 100, "loss.label_weight": 1000.0}
PAIRS = {"loss.pair_weight": 100.0, "training.batch_size": 256}
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
        "pairs of changed copies": PAIRS,
        "pairs, 10 labels of each kind: the default": {
            "loss.labels": 10,
            "loss.label_weight": 100.0,
            **PAIRS,
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


def option_config(name: str, path: str, changes: dict[str, Any], steps: int) -> ConfigDict:
    """The reference's config of a data set, with one option."""
    shared = {"data.path": path, "evaluation.bootstrap_draws": 1}  # intervals are the run's affair
    if steps:
        shared |= {"training.steps": steps}
    return changed(get_config(f"{name}_reference"), shared | changes)


def main() -> None:
    """Parses the flags, trains what is missing, prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.patches", description=__doc__)
    parser.add_argument("--set", default="isles", choices=sorted(OPTIONS), help="which patches")
    parser.add_argument("--data", default="", help="config.data.path; default: the built-in data")
    parser.add_argument("--seeds", type=int, default=3, help="seeds 0, 1, ... of every option")
    parser.add_argument("--steps", type=int, default=0, help="of training; 0: the config's own")
    parser.add_argument("--only", default="", help="options whose name holds this")
    parser.add_argument("--out", default="results/patches", help="runs; default %(default)s")
    arguments = parser.parse_args()
    print(report.machine())
    print(report.versions("jax", "flax", "scikit-learn"))
    rows = []
    for option, changes in OPTIONS[arguments.set].items():
        if arguments.only not in option:
            continue
        config = option_config(arguments.set, arguments.data, changes, arguments.steps)
        workdir = Path(arguments.out) / arguments.set / option.replace(" ", "-").replace(",", "")
        seeds = range(arguments.seeds)
        loop.train_seeds(registry.find("patches"), config, seeds, workdir)
        measured = [evaluate(workdir / f"seed-{seed}") for seed in seeds]
        row: dict[str, Any] = {"option": option}
        for name in COLUMNS + BASELINES:
            row[name] = float(np.mean([numbers[name] for numbers in measured]))
        knn = [numbers["knn_auroc"] for numbers in measured]
        row["k-NN, lowest-highest"] = f"{min(knn):.3f}-{max(knn):.3f}"
        rows.append(row)
        print(option, {name: round(row[name], 3) for name in COLUMNS}, flush=True)
    print(report.table(sorted(rows, key=lambda row: -row["knn_auroc"])))


if __name__ == "__main__":
    main()
