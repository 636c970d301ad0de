"""How well a map of scores shows the lesions of a volume, voxel by voxel and lesion by lesion."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

NEIGHBOURS = np.ones((3, 3, 3), bool)  # voxels that touch by a corner are one lesion


class VoxelScores(NamedTuple):
    """voxel_auroc and voxel_ap (average precision) over the voxels of the head; best_dice of any
    threshold, and at this threshold: lesion_recall, the share of lesions of which a voxel is found,
    and false_lesions, how many found ones touch none."""

    voxel_auroc: float
    voxel_ap: float
    best_dice: float
    lesion_recall: float
    false_lesions: float


def voxel_scores(
    heat: Float[np.ndarray, "x y z"],
    lesion: Bool[np.ndarray, "x y z"],
    head: Bool[np.ndarray, "x y z"],
) -> VoxelScores:
    """Of one case; NaN where it has no lesion in its head."""
    truth, scores = lesion[head], heat[head]
    if not truth.any() or truth.all():
        return VoxelScores(*[float("nan")] * 5)
    precision, recall, thresholds = precision_recall_curve(truth, scores)
    dice = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    best = int(dice[:-1].argmax())
    found = (heat >= thresholds[best]) & head
    shown, count = ndimage.label(lesion & head, NEIGHBOURS)
    hit = np.setdiff1d(np.unique(shown[found]), [0])
    groups, many = ndimage.label(found, NEIGHBOURS)
    right = np.setdiff1d(np.unique(groups[lesion]), [0])
    return VoxelScores(
        float(roc_auc_score(truth, scores)),
        float(average_precision_score(truth, scores)),
        float(dice[best]),
        len(hit) / count,
        float(many - len(right)),
    )
