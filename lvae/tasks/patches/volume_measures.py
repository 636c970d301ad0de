"""How well maps of whole scans show their lesions: the networks' beside rules without one."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import PyTree

from lvae.data import isles
from lvae.data.heads import head_of
from lvae.data.stroke_scans import Channels
from lvae.metrics.voxels import VoxelScores, voxel_scores
from lvae.tasks.patches.data import cases_of
from lvae.tasks.patches.rules import rules
from lvae.tasks.patches.scanning import scan_volume
from lvae.tasks.patches.settings import Settings
from lvae.tasks.task import Numbers

Row = dict[str, dict[str, float]]  # map -> score -> number


def volume_numbers(settings: Settings, params: PyTree, split: str) -> Numbers:
    """Scores of the cases of a split, voxel by voxel on their own grids: means over the cases.

    Returns:
      voxel_auroc, voxel_ap, best_dice, lesion_recall, false_lesions of the finder with all channels
      that a case has; maps, the same of every map (see `case_row`); scans, case by case.
    """
    rows = {case.name: case_row(settings, params, case) for case in cases_of(settings, split)}
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    maps = {
        name: {
            score: _mean([row[name][score] for row in rows.values() if name in row])
            for score in VoxelScores._fields
        }
        for name in names
    }
    return {**maps["finder"], "maps": maps, "scans": rows}


def case_row(settings: Settings, params: PyTree, case: isles.Case) -> Row:
    """finder and unusual with all channels, finder_dwi and unusual_dwi with the DWI alone, and the
    rules of `lvae.tasks.patches.rules`."""
    head = head_of(case.channels.arrays["dwi"])
    found = dict(_maps(settings, params, case, head))
    return {name: voxel_scores(heat, case.lesion, head)._asdict() for name, heat in found.items()}


def _maps(
    settings: Settings, params: PyTree, case: isles.Case, head: np.ndarray
) -> Iterator[tuple[str, np.ndarray]]:
    alone = {"dwi": case.channels.arrays["dwi"]}
    for ending, arrays in (("", case.channels.arrays), ("_dwi", alone)):
        channels = Channels(arrays, case.channels.spacing)
        scanned = scan_volume(settings, params, channels, case.source)
        yield f"finder{ending}", scanned.heat
        yield f"unusual{ending}", scanned.unusual
    yield from rules(case.channels, head).items()


def _mean(values: list[Any]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")
