"""Scores of heat maps: closed forms and what they must not depend on."""

import numpy as np
import pytest

from lvae.metrics.voxels import voxel_scores


def test_a_map_that_is_the_lesion_is_perfect_and_outside_the_head_nothing_counts():
    lesion = np.zeros((12, 12, 6), bool)
    lesion[2:4, 2:4, 2:4] = lesion[8, 8, 4] = True
    head = np.ones(lesion.shape, bool)
    head[0] = False
    heat = lesion.astype(np.float32)
    heat[0] = 5.0
    assert voxel_scores(heat, lesion, head) == (1.0, 1.0, 1.0, 1.0, 0.0)


def test_scores_of_one_hit_one_miss_and_one_false_find():
    lesion = np.zeros((12, 12, 6), bool)
    lesion[2:4, 2:4, 2:4] = True  # 8 voxels, found
    lesion[8, 8, 4] = True  # missed
    heat = np.zeros(lesion.shape, np.float32)
    heat[2:4, 2:4, 2:4] = 0.9
    heat[9:11, 2, 2] = 0.95  # 2 voxels, false
    found = voxel_scores(heat, lesion, np.ones(lesion.shape, bool))
    assert found.best_dice == pytest.approx(2 * 8 / (10 + 9))
    assert (found.lesion_recall, found.false_lesions) == (0.5, 1.0)
    # precision 8 / 10 for 8 of 9, then all voxels for the last
    assert found.voxel_ap == pytest.approx(8 / 9 * 0.8 + 1 / 9 * 9 / lesion.size)


def test_a_head_without_a_lesion_has_no_scores():
    nothing = np.zeros((4, 4, 4), bool)
    assert np.isnan(voxel_scores(np.zeros((4, 4, 4), np.float32), nothing, ~nothing)).all()
