"""Quality of the laser-grid designs: python -m benchmarks.quality --data=DIR [--out=results/quality].

Trains every row on the recordings under DIR/train, all seeds of a row at once, and measures on
DIR/validation: the shipped design, each of its ingredients removed in turn, other latent sizes, the
reference notebook, principal components and a Gaussian mixture on their codes. Rows that are done
are not done again. Prints a table and writes it to OUT/table.md.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import report
from configs import default, notebook
from lvae import atomic, configuration
from lvae.commands.evaluate import evaluate
from lvae.configuration import changed
from lvae.metrics import grid_sets, linear_baselines
from lvae.metrics.grid_facts import grid_facts
from lvae.runs import loop
from lvae.storage.records import plain
from lvae.tasks import registry
from lvae.tasks.grids.data import load_recordings, real_frames
from lvae.tasks.grids.vae.settings import Settings

ROWS: dict[str, dict[str, Any]] = {
    "default": {},
    "no warps": {"augmentation.warp_x": 0.0, "augmentation.warp_y": 0.0},
    "no mixing": {"augmentation.mix": 0.0},
    "no mirror no shift": {"augmentation.mirror": 0.0, "augmentation.shift": 0},
    "no linear maps": {"augmentation.linear": 0.0},
    "no simulated recordings": {"data.extra_recordings": 0},
    "kl weight 1": {"loss.kl_weight": 1.0},
    "no averaging of params": {"training.ema_decay": 0.0},
    "prior N(0, I)": {"sampling.prior": "normal"},
    "no observation noise": {"sampling.observation_noise": 0.0},
    "8 latents": {"model.latents": 8},
    "16 latents": {"model.latents": 16},
    "32 latents": {"model.latents": 32},
    "notebook": {},
}
COLUMNS = {
    "validation px": "reconstruction_px_mean",
    "train px": "train_reconstruction_px_mean",
    "missing F1": "missing_f1",
    "active": "active_dimensions",
    "noise x": "noise_violations_x_per_1000",
    "prior x": "prior_violations_x_per_1000",
    "prior novelty px": "prior_nearest_training_px",
    "prior coverage": "prior_coverage_ratio",
    "column correlation": "prior_missing_by_column_correlation",
}
QUICK = {  # the first four columns, as the summary of a run names them
    "reconstruction_px_mean": "validation_reconstruction_px_mean",
    "train_reconstruction_px_mean": "train_reconstruction_px_mean",
    "missing_f1": "validation_missing_f1",
    "active_dimensions": "train_active_dimensions",
}
FACTS = {
    "rows median": "second_difference_rows_median",
    "rows p95": "second_difference_rows_p95",
    "columns median": "second_difference_columns_median",
    "columns p95": "second_difference_columns_p95",
}


def main() -> None:
    """Parses the flags, trains what is missing, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder with train/ and validation/")
    parser.add_argument(
        "--out", default="results/quality", help="runs and table; default %(default)s"
    )
    parser.add_argument("--seeds", type=int, default=5, help="seeds a row; default %(default)s")
    parser.add_argument(
        "--steps", type=int, default=0, help="optimiser steps; default: the config's"
    )
    parser.add_argument("--rows", default="", help="names of rows, comma-separated; default: all")
    parser.add_argument("--quick", action="store_true", help="reconstruction only, no samples")
    arguments = parser.parse_args()
    out = Path(arguments.out)
    wanted = arguments.rows.split(",") if arguments.rows else [*ROWS, "linear"]
    print(report.machine())
    print(report.versions("jax", "flax", "numpy", "scikit-learn"))
    lines = []
    for name in wanted:
        if name == "linear":
            lines += linear_rows(arguments.data)
        else:
            lines.append(row(name, arguments, out))
        atomic.write_text(out / "table.md", report.table(lines) + "\n")
        print(report.table(lines[-1:]), flush=True)
    print(report.table(lines))


def row(name: str, arguments: Any, out: Path) -> dict[str, Any]:
    """Mean and worst of every measure over the seeds."""
    config = changed(
        notebook.get_config() if name == "notebook" else default.get_config(),
        ROWS[name] | {"data.path": arguments.data},
    )
    if arguments.steps and name != "notebook":
        every = {"training.evaluate_every": 0, "training.checkpoint_every": arguments.steps}
        config = changed(
            config, {"training.steps": arguments.steps, "training.log_every": 100, **every}
        )
    workdir = out / name.replace(" ", "-").replace(",", "")
    seeds = range(arguments.seeds)
    summaries = loop.train_seeds(registry.find(config.task), config, seeds, workdir)
    if arguments.quick:
        cells: dict[str, Any] = {"row": name}
        for column, key in list(COLUMNS.items())[:4]:
            values = [summary["evaluation"][QUICK[key]] for summary in summaries]
            worst = min(values) if key.endswith("f1") else max(values)
            cells[column] = f"{np.mean(values):.3g} ({worst:.3g})"
        return cells
    results = [remembered(workdir / f"seed-{seed}", evaluate) for seed in seeds]
    cells = {"row": name}
    for column, key in COLUMNS.items():
        values = [result[key] for result in results]
        lowest = key.endswith("f1") or "correlation" in key or key == "prior_nearest_training_px"
        worst = min(values) if lowest else max(values)
        cells[column] = f"{np.mean(values):.3g} ({worst:.3g})"
    for kind in ("noise", "prior"):
        for column, key in FACTS.items():
            values = [result["facts"][kind][key] for result in results]
            cells[f"{kind} {column}"] = f"{np.mean(values):.3g}"
        counts = [result["facts"][kind]["visible_mean"] for result in results]
        cells[f"{kind} visible"] = f"{np.mean(counts):.4g}"
    return cells


def remembered(workdir: Path, measure: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """`measure(workdir)`, or what it gave before."""
    path = workdir / "measures.json"
    if not path.exists():
        atomic.write_text(path, json.dumps(plain(measure(workdir))))
    return json.loads(path.read_text())


def linear_rows(data: str) -> list[dict[str, Any]]:
    """Principal components, and samples from a mixture on their codes."""
    config = changed(default.get_config(), {"data.path": data, "data.extra_recordings": 0})
    splits = load_recordings(configuration.parse(Settings, config).data)
    train, held_out = splits["train"], splits["validation"]
    rows = []
    for components in (8, 16):
        model = linear_baselines.fit_components(train["filled"], train["visible"], components)
        errors = {}
        for name, split in (("train", train), ("validation", held_out)):
            codes = linear_baselines.codes_of(model, split["points"], split["visible"])
            decoded = linear_baselines.grids_of(model, codes, config.data.rows, config.data.columns)
            errors[name] = grid_sets.reconstruction_errors(
                split["points"], split["visible"], decoded
            ).mean()
        rows.append(
            {
                "row": f"PCA, {components} components",
                "validation px": f"{errors['validation']:.3g}",
                "train px": f"{errors['train']:.3g}",
            }
        )
    codes = linear_baselines.codes_of(model, train["points"], train["visible"])
    drawn = linear_baselines.mixture_samples(codes, 8, 2000, 0)
    grids = linear_baselines.grids_of(model, drawn, config.data.rows, config.data.columns)
    everywhere = np.ones(grids.shape[:3], bool)
    facts = grid_facts(grids, everywhere)
    real = real_frames(splits)
    to_training = grid_sets.aligned_distances(
        held_out["points"], held_out["visible"], real["points"], real["visible"]
    )
    to_samples = grid_sets.aligned_distances(
        held_out["points"], held_out["visible"], grids, everywhere
    )
    novelty = grid_sets.aligned_distances(grids, everywhere, real["points"], real["visible"])
    rows.append(
        {
            "row": "Gaussian mixture on PCA-16 codes",
            "prior x": f"{facts['order_violations_x']:.3g}",
            "prior novelty px": f"{grid_sets.novelty(novelty):.3g}",
            "prior coverage": f"{grid_sets.coverage_ratio(to_samples, to_training):.3g}",
            **{f"prior {column}": f"{facts[key]:.3g}" for column, key in FACTS.items()},
        }
    )
    facts = grid_facts(real["points"], real["visible"])
    rows.append(
        {
            "row": "real training frames",
            **{f"prior {c}": f"{facts[k]:.3g}" for c, k in FACTS.items()},
        }
    )
    return rows


if __name__ == "__main__":
    main()
