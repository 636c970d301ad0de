"""Samples are rounded as the labels of their training set are."""

import io
import json

import numpy as np
import pytest

from lvae.data.recordings.precision import decimals
from lvae.errors import UserError
from lvae.grids.encoding import frame_json, rounded, written
from lvae.tasks.grids.samples import grid_samples, schema
from lvae.tasks.grids.scale import decimals_of
from lvae.tasks.grids.vae.drawing import Grids
from lvae.tasks.grids.vae.modes import finished
from lvae.tasks.task import Spec


@pytest.mark.parametrize(("step", "digits"), [(1.0, 0), (0.5, 1), (0.1, 1), (0.25, 2), (0.001, 3)])
def test_decimals_are_those_of_the_labels(step, digits):
    units = np.random.default_rng(0).integers(1, round(1900 / step), (3, 5, 5, 2))
    points = (units * step).astype(np.float32)
    assert decimals(points, np.ones((3, 5, 5), bool)) == digits


def test_more_digits_than_any_label_has_are_three_and_missing_points_do_not_count():
    points = np.random.default_rng(0).uniform(0, 700, (2, 5, 5, 2)).astype(np.float32)
    visible = np.zeros((2, 5, 5), bool)
    assert decimals(points, visible) == 0
    visible[0, 0, 0] = True
    assert decimals(points, visible) == 3
    points[0, 0, 0] = 7.0, 9.0
    assert decimals(points, visible) == 0


def test_sub_pixel_labels_are_json_that_reads_back_to_the_same_numbers():
    points = np.array([[[10.126, 20.5], [99.996, 5.0]], [[0.004, 3.0], [7.25, 8.125]]])
    visible = np.ones((2, 2), bool)
    labels, shown = written(points, visible, (100, 50), decimals=2)
    np.testing.assert_array_equal(shown, [[True, False], [True, True]])  # 100.0 is outside
    frame = json.loads(frame_json(labels, shown))
    assert frame == {"0": [10.13, 20.5], "2": [0.0, 3.0], "3": [7.25, 8.13]}
    whole, _ = written(points, visible, (101, 50))
    assert whole.dtype == np.int32
    assert json.loads(frame_json(whole, visible))["3"] == [7, 8]


def test_halves_are_rounded_up_at_every_precision():
    halves = np.array([[0.5, 1.5], [2.5, 3.5]])
    np.testing.assert_array_equal(rounded(halves, 0), [[1, 2], [3, 4]])
    np.testing.assert_array_equal(rounded(halves / 4, 2), [[0.13, 0.38], [0.63, 0.88]])


def test_finished_points_have_the_sets_digits_and_stay_in_the_frame():
    generator = np.random.default_rng(0)
    points = np.stack(
        np.broadcast_arrays(10 + 20.0 * np.arange(5)[None, :], 90 - 20.0 * np.arange(5)[:, None]),
        -1,
    )[None] + generator.uniform(-3, 3, (1, 5, 5, 2))
    visible = np.ones((1, 5, 5), bool)
    for digits in (0, 2):
        grids = finished(Grids(points, visible), None, False, (100, 100), digits)
        seen = grids.visible
        np.testing.assert_allclose(grids.points[seen], rounded(points, digits)[seen], atol=1e-5)
        kept = finished(Grids(points + 50, visible), visible, None, (100, 100), digits)
        assert kept.points.max() == np.float32(100 - 10.0**-digits)
        assert kept.visible.all()


def test_a_sub_pixel_sample_has_such_labels_and_columns():
    points = np.array([[[[30.25, 60.5], [60.75, 61.0]], [[31.0, 30.5], [61.0, 29.5]]]])
    (sample,) = grid_samples([7], points, np.ones((1, 2, 2), bool), (100, 100), [{}], decimals=2)
    encoded = sample.encode()
    assert json.loads(encoded.files[".json"])["1"] == [60.75, 61.0]
    np.testing.assert_array_equal(sample.arrays["points"], points[0])
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    row = encoded.row | {
        name: np.ravel(encoded.row[name]).tolist() for name in ("points", "visible")
    }
    table = pyarrow.Table.from_pylist([row], schema=schema(4, 2))
    file = io.BytesIO()
    parquet.write_table(table, file)
    back = parquet.read_table(file).to_pylist()[0]
    np.testing.assert_array_equal(back["points"], points.ravel())


def test_a_run_of_before_has_whole_pixels_and_a_damaged_fact_is_an_error():
    assert decimals_of(Spec({}, 1)) == 0
    assert decimals_of(Spec({}, 1, {"decimals": 2})) == 2
    for wrong in (-1, 4, 1.5, "2", None):
        with pytest.raises(UserError, match="decimals is"):
            decimals_of(Spec({}, 1, {"decimals": wrong}))
