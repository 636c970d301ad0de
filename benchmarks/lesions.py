"""Lesions of labelled scans by every map, beside rules: python -m benchmarks.lesions --help.

Prints the table of docs/patches.md: means over the scans of a folder, or of the test split.
"""

import argparse
from pathlib import Path

from benchmarks import report
from lvae.commands.evaluate import evaluate

COLUMNS = ("voxel_auroc", "voxel_ap", "best_dice", "lesion_recall", "false_lesions")


def main() -> None:
    """Parses the flags, measures every run, prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lesions", description=__doc__)
    parser.add_argument("--workdir", nargs="+", type=Path, required=True, help="trained runs")
    parser.add_argument("--data", type=Path, help="labelled scans; default: the test split")
    arguments = parser.parse_args()
    print(report.machine())
    print(report.versions("jax", "scipy", "scikit-learn"))
    rows = []
    for workdir in arguments.workdir:
        maps = evaluate(workdir, arguments.data)["maps"]
        for name, numbers in maps.items():
            row = {"run": workdir.name, "map": name}
            rows.append(row | {column: f"{numbers[column]:.3f}" for column in COLUMNS})
    print(report.table(rows))


if __name__ == "__main__":
    main()
