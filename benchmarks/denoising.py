"""`python -m benchmarks.denoising --workdir DIR [DIR ...]`: the table noise x level x method.

PSNR (dB) and SSIM on held-out images: no filter, box, Gaussian, median, total variation, non-local
means and wavelets, each tuned for each level and score on training images, and every trained
denoiser in the given run directories. Bold is the best of a row. Runs of one config with other
seeds are given as mean and spread (largest less smallest).
"""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import report
from lvae.tasks import restoring
from lvae.tasks.images.denoiser import measures
from lvae.tasks.images.denoiser.data import load_data
from lvae.tasks.images.denoiser.settings import Level, Settings
from lvae.tasks.images.scores import to_images
from lvae.tasks.task import Run

# (kind, strength, blur): the reference's levels and a lighter and a stronger one
LEVELS: tuple[Level, ...] = (
    ("blur_uniform", 0.1, 0.0),
    ("blur_uniform", 0.4, 0.5),
    ("blur_uniform", 0.8, 1.0),
    ("blur_uniform", 1.2, 1.5),
    ("blur_uniform", 1.6, 2.0),
    ("blur_uniform", 2.0, 2.5),
    ("gaussian", 32 / 255, 0.0),
    ("gaussian", 42 / 255, 0.0),
    ("gaussian", 70 / 255, 0.0),
    ("speckle", 0.35, 0.0),
    ("speckle", 0.42, 0.0),
    ("salt_and_pepper", 0.07, 0.0),
    ("salt_and_pepper", 0.15, 0.0),
    ("poisson", 7 / 255, 0.0),
    ("poisson", 14 / 255, 0.0),
)

# Images that are nearly clean: a denoiser must not harm them.
LOW_LEVELS: tuple[Level, ...] = (
    ("blur_uniform", 0.03, 0.0),
    ("blur_uniform", 0.1, 0.3),
    ("gaussian", 4 / 255, 0.0),
    ("gaussian", 12 / 255, 0.0),
    ("speckle", 0.05, 0.0),
    ("salt_and_pepper", 0.01, 0.0),
    ("poisson", 1 / 255, 0.0),
)


def measure(
    runs: list[Run[Settings]], levels: tuple[Level, ...], data: str, images: int
) -> tuple[list[Any], list[Any]]:
    """Rows of the classical methods, and for each run (name, rows)."""
    settings = _at_levels(runs[0].settings, levels)
    source = dataclasses.replace(settings.data, path=data or settings.data.path)
    splits = load_data(dataclasses.replace(settings, data=source))
    test = to_images(splits["test"]["image"][:images])
    tuning = to_images(splits["train"]["image"][: settings.evaluation.tuning_images])
    classical = measures.classical_rows(settings, tuning, test)
    learned = [
        (
            _name(run.settings),
            measures.level_rows(_at_levels(run.settings, levels), run.variables["params"], test),
        )
        for run in runs
    ]
    return classical, learned


def _at_levels(settings: Settings, levels: tuple[Level, ...]) -> Settings:
    """Of every run the same noise: that of seed 0."""
    evaluation = dataclasses.replace(settings.evaluation, levels=levels)
    return dataclasses.replace(settings, evaluation=evaluation, seed=0)


def tables(levels: tuple[Level, ...], classical: list[Any], learned: list[Any], score: str) -> str:
    """One table of a score: levels down, methods across, the best in bold."""
    rows = []
    for index, (kind, strength, blur) in enumerate(levels):
        values = {method: [found[score]] for method, found in classical[index].items()}
        for name, level_rows in learned:
            values.setdefault(name, []).append(level_rows[index][score])
        best = max(values, key=lambda method: float(np.mean(values[method])))
        row: dict[str, Any] = {"noise": kind.replace("_", " "), "level": f"{strength:.3g}"}
        row["blur"] = f"{blur:g}" if blur else ""
        for method, numbers in values.items():
            digits = 2 if score == "psnr" else 3
            text = f"{np.mean(numbers):.{digits}f}"
            if len(numbers) > 1:
                text += f" ({np.ptp(numbers):.{digits}f})"
            row[method.replace("_", " ")] = f"**{text}**" if method == best else text
        rows.append(row)
    return report.table(rows)


def _name(settings: Settings) -> str:
    """Runs that differ in the seed alone have one name."""
    noises = settings.corruption.noises
    mixture = "mixture" if len(noises) > 1 else noises[0]
    return f"{settings.model.design}: {mixture}"


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workdir", nargs="+", type=Path, required=True, help="trained denoisers")
    parser.add_argument("--data", default="", help="data set; default: that of the first run")
    parser.add_argument("--images", type=int, default=1000, help="held-out images, at most")
    parser.add_argument(
        "--levels",
        default="reference",
        choices=("reference", "low", "config"),
        help="of the reference's figures, of nearly clean images, or what the first config measures",
    )
    arguments = parser.parse_args()
    print(report.machine())
    print(report.versions("jax", "scikit-image", "numpy"))
    runs = [restoring.load(workdir).run for workdir in arguments.workdir]
    own = runs[0].settings.evaluation.levels
    levels = {"reference": LEVELS, "low": LOW_LEVELS, "config": own}[arguments.levels]
    classical, learned = measure(runs, levels, arguments.data, arguments.images)
    for score, title in (("psnr", "PSNR, dB"), ("ssim", "SSIM")):
        print(f"\n{title}\n\n{tables(levels, classical, learned, score)}")


if __name__ == "__main__":
    main()
