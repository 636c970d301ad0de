"""The simulated recordings against the facts of the real ones, and the simulator's promises."""

import dataclasses
import hashlib

import numpy as np
import pytest

from lvae.data import folds, missing
from lvae.data.lasten import GridGeometry, read_frames
from lvae.data.recordings.pitch import pitch
from lvae.data.simulator import SimulatorSettings, simulate_recordings, simulate_splits
from lvae.metrics.grid_facts import grid_facts

# Each fact of one recording: mean and deviation over the ten public recordings of LASTEN, measured
# with `grid_facts`. Simulated recordings are compared with these, as the set need not be at hand.
REAL_RECORDINGS = 10
REAL = {
    "visible_mean": (304.5, 10.1),
    "motion_mean": (1.40, 0.17),
    "x_spacing 1": (14.7, 0.8),
    "x_spacing 50": (18.8, 0.4),
    "x_spacing 99": (23.1, 1.2),
    "y_spacing 1": (14.7, 2.3),
    "y_spacing 25": (20.7, 1.4),
    "y_spacing 50": (22.6, 2.1),
    "y_spacing 75": (24.7, 2.6),
    "y_spacing 99": (39.2, 15.4),
    "second_difference_rows_median": (3.48, 0.47),
    "second_difference_rows_p95": (14.7, 5.2),
    "second_difference_columns_median": (2.98, 0.57),
    "second_difference_columns_p95": (11.6, 9.6),
    "extent_x": (350.3, 6.9),
    "extent_y": (441.4, 29.5),
    "centroid_x": (365.0, 19.3),
    "centroid_y": (384.4, 43.7),
    "missing, columns 6-10": (18.3, 8.3),
    "missing, other columns": (1.3, 1.6),
    "missing, rows 3-5": (1.2, 1.75),
    "missing, rows 9-12": (5.85, 4.1),
    "missing, top row": (19.8, 10.4),
}
# Per cent missing over the ten recordings, from the left.
REAL_MISSING_BY_COLUMN = np.array(
    [2.8, 1.9, 1.1, 1.7, 2.2, 0.6, 4.1, 23.9, 37.4, 14.1, 11.9, 0.1, 1.5, 0.6, 0.5, 0.6, 1.4, 2.2]
)


def facts_of_recordings(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Each fact of `REAL`, one value a recording."""
    rows = []
    for number in np.unique(arrays["recording"]):
        chosen = arrays["recording"] == number
        facts = grid_facts(
            arrays["points"][chosen], arrays["visible"][chosen], arrays["recording"][chosen]
        )
        by_column, by_row = (np.array(facts[f"missing_by_{name}"]) for name in ("column", "row"))
        row = {name: facts[name] for name in REAL if name in facts and "_x" not in name}
        for letter in "xy":
            spacing = dict(zip((1, 25, 50, 75, 99), facts[f"{letter}_spacing"]))
            row |= {f"{letter}_spacing {percent}": value for percent, value in spacing.items()}
            row |= {
                f"{name}_{letter}": facts[f"{name}_{letter}"][1] for name in ("extent", "centroid")
            }
        row["missing, columns 6-10"] = by_column[6:11].mean()
        row["missing, other columns"] = np.delete(by_column, range(6, 11)).mean()
        row["missing, rows 3-5"] = by_row[3:6].mean()
        row["missing, rows 9-12"] = by_row[9:13].mean()
        row["missing, top row"] = by_row[-1]
        rows.append(row)
    return {name: np.array([row[name] for row in rows]) for name in REAL}


@pytest.fixture(scope="module", params=[0, 1, 2])
def arrays(request: pytest.FixtureRequest) -> dict[str, np.ndarray]:
    return simulate_recordings(SimulatorSettings(train_recordings=36), request.param)


@pytest.fixture(scope="module")
def facts(arrays) -> dict[str, np.ndarray]:
    return facts_of_recordings(arrays)


@pytest.mark.parametrize("name", REAL)
def test_a_fact_of_real_recordings(facts, name):
    """The means of 40 simulated and ten real recordings differ by less than four standard errors.

    Four, as 23 facts are tested on three seeds; half a px for spacings that are whole numbers.
    """
    mean, deviation = REAL[name]
    values = facts[name]
    error = np.sqrt(deviation**2 / REAL_RECORDINGS + values.var(ddof=1) / len(values))
    whole = 0.5 if "spacing" in name else 0.0
    assert abs(values.mean() - mean) < 4 * error + whole


def test_the_set_as_a_whole(arrays):
    facts = grid_facts(arrays["points"], arrays["visible"], arrays["recording"])
    assert facts["order_violations_x"] == 0
    assert facts["order_violations_y"] == 0
    assert facts["visible_max"] <= 324
    # 800 frames reach further out than 200; one recording in 100,000 lies 4.3 deviations below.
    mean, deviation = REAL["visible_mean"]
    assert facts["visible_min"] > mean - 4.3 * deviation
    correlation = np.corrcoef(facts["missing_by_column"], REAL_MISSING_BY_COLUMN)[0, 1]
    assert correlation > 0.9


def test_order_holds_past_missing_points(arrays):
    """Zero violations also between points with missing ones between them."""
    grid = np.where(arrays["visible"][..., None], arrays["points"], np.nan)
    x = np.fmax.accumulate(grid[..., 0], axis=2)[:, :, :-1]
    y = np.fmin.accumulate(grid[..., 1], axis=1)[:, :-1]
    assert not np.any(grid[:, :, 1:, 0] <= x)
    assert not np.any(grid[:, 1:, :, 1] >= y)


def test_arrays_are_what_the_layout_needs(arrays):
    points, visible = arrays["points"], arrays["visible"]
    assert points.dtype == np.float32
    assert visible.dtype == bool
    assert np.array_equal(points, np.rint(points))
    assert np.all(points[~visible] == 0)
    assert points[visible].min() >= 1
    assert points[visible].max() < 768
    assert np.array_equal(arrays["id"], np.arange(len(points)))
    assert np.array_equal(arrays["recording"], arrays["id"] // 20)


def test_same_seed_same_recordings_whatever_the_count():
    few = simulate_recordings(SimulatorSettings(train_recordings=1), 5)
    many = simulate_recordings(SimulatorSettings(train_recordings=3), 5)
    other = simulate_recordings(SimulatorSettings(train_recordings=1), 6)
    for field, values in few.items():
        assert np.array_equal(values, many[field][: len(values)])
    assert not np.array_equal(few["points"], other["points"])


def test_splits_are_whole_recordings_in_order():
    settings = SimulatorSettings(train_recordings=2, validation_recordings=1, test_recordings=0)
    splits = simulate_splits(settings, 0)
    everything = simulate_recordings(settings, 0)
    assert list(splits) == ["train", "validation"]
    assert set(splits["train"]["recording"]) == {0, 1}
    assert np.array_equal(splits["validation"]["points"], everything["points"][40:])


def test_no_recordings_is_an_empty_set():
    nothing = simulate_recordings(SimulatorSettings(0, 0, 0), 0)
    assert nothing["points"].shape == (0, 18, 18, 2)


@pytest.mark.parametrize(("rows", "columns"), [(7, 7), (14, 14), (18, 12)])
def test_other_grids_fill_the_same_field_of_view(rows, columns):
    whole = grid_facts(*_points_and_visible(SimulatorSettings()))
    other = grid_facts(*_points_and_visible(SimulatorSettings(rows=rows, columns=columns)))
    # The border rows bend and miss differently; 5 % is less than one row of the finest grid (6 %).
    assert other["extent_x"][1] == pytest.approx(whole["extent_x"][1], rel=0.05)
    assert other["extent_y"][1] == pytest.approx(whole["extent_y"][1], rel=0.05)
    assert other["order_violations_x"] == other["order_violations_y"] == 0
    assert other["visible_mean"] / (rows * columns) == pytest.approx(0.94, abs=0.04)


def test_frame_size_scales_the_image():
    still = SimulatorSettings(label_noise=0.0)
    points, visible = _points_and_visible(still)
    half, half_visible = _points_and_visible(dataclasses.replace(still, frame_size=384))
    both = visible & half_visible
    assert both.mean() > 0.9
    # Each is rounded to its own whole px: at most half a px of the larger and one of the smaller.
    assert np.abs(points[both] - 2 * half[both]).max() <= 1.5


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (SimulatorSettings(2, 1, 1), "a28b8698c159221e"),
        (SimulatorSettings(1, 0, 0, 3, variety=2.0), "7dc9557903795de8"),
        (SimulatorSettings(1, 1, 0, 4, rows=7, columns=9), "9ff998fcce255dc1"),
    ],
)
def test_lastens_own_frames_stay_what_they_were(settings, expected):
    """Bytes of what the simulator gave before it knew other frames; a run's data depend on them."""
    arrays = simulate_recordings(settings, 3)
    total = hashlib.sha256()
    for name in sorted(arrays):
        total.update(np.ascontiguousarray(arrays[name]).tobytes())
    assert total.hexdigest()[:16] == expected


@pytest.mark.parametrize("size", [(256, 256), (256, 512), (1920, 1080), (768, 768)])
def test_other_frames_show_the_same_recordings(size):
    """As large as fits, in the middle; each is rounded to its own whole px."""
    width, height = size
    points, visible = _points_and_visible(SimulatorSettings(2, 1, 0))
    other, other_visible = _points_and_visible(
        SimulatorSettings(2, 1, 0, width=width, height=height)
    )
    scale = min(size) / 768
    assert np.array_equal(visible, other_visible)
    expected = points * scale + (np.array(size) - 768 * scale) / 2
    assert np.abs(other - expected)[visible].max() <= 0.5 + 0.5 * scale + 1e-4
    assert np.array_equal(other, np.rint(other))
    assert (other[visible] < size).all()


def test_a_third_of_the_frame_has_a_third_of_the_pitch():
    whole, third = SimulatorSettings(8, 0, 0), SimulatorSettings(8, 0, 0, width=256, height=256)
    expected = np.array(pitch(*_points_and_visible(whole))) / 3
    assert pitch(*_points_and_visible(third)) == pytest.approx(expected, rel=0.01)


def test_labels_keep_fractions_where_asked():
    points, visible = _points_and_visible(SimulatorSettings(1, 0, 0))
    exact, seen = _points_and_visible(SimulatorSettings(1, 0, 0, whole_pixels=False))
    both = visible & seen
    assert both.sum() > 0.99 * visible.sum()  # the order of rounded and exact points differs rarely
    assert np.abs(exact - points)[both].max() <= 0.5 + 1e-4
    assert np.std((exact - np.rint(exact))[both]) == pytest.approx(1 / np.sqrt(12), rel=0.05)


@pytest.mark.parametrize(
    ("rows", "columns"), [(5, 5), (10, 14), (14, 10), (31, 31), (64, 64), (5, 64), (64, 5)]
)
def test_any_grid(rows, columns):
    settings = SimulatorSettings(3, 0, 0, 2, rows=rows, columns=columns)
    points, visible = _points_and_visible(settings)
    assert points.shape == (6, rows, columns, 2)
    assert visible.mean((1, 2)).min() >= 0.7
    facts = grid_facts(points, visible)
    assert facts["order_violations_x"] == facts["order_violations_y"] == 0
    # The field of view of 18 x 18 rays, 17 pitches wide, has any other number of them. Whole pixels
    # and the folds' slope, which is not where the rays are, leave a tenth.
    across = pitch(*_points_and_visible(SimulatorSettings(3, 0, 0, 2)))
    assert pitch(points, visible) == pytest.approx(
        (across.x * 17 / (columns - 1), across.y * 17 / (rows - 1)), rel=0.12
    )


def test_neighbours_go_missing_together_where_asked():
    """As measured on LASTEN's columns 0-5 and 12-17, away from the glottis: of the right neighbours
    of missing points 36-39 % are missing, of the upper ones 25 %."""

    def shares(runs: bool) -> tuple[float, float, float]:
        _, visible = _points_and_visible(SimulatorSettings(150, 0, 0, 1, missing_runs=runs))
        lost = np.concatenate([~visible[:, :, :6], ~visible[:, :, 12:]])
        right = (lost[:, :, 1:] & lost[:, :, :-1]).sum() / lost[:, :, :-1].sum()
        upper = (lost[:, 1:] & lost[:, :-1]).sum() / lost[:, :-1].sum()
        return lost.mean(), right, upper

    share, right, upper = shares(True)
    # About 540 missing points: a deviation of 0.02 of each share of neighbours, twice that as
    # highlights take many at once.
    assert right == pytest.approx(0.38, abs=0.1)
    assert upper == pytest.approx(0.25, abs=0.1)
    alone = shares(False)
    assert alone[0] == pytest.approx(share, rel=0.2)
    assert right > alone[1] + 0.05
    assert upper > alone[2]


def test_runs_leave_everything_else_as_it_was():
    points, visible = _points_and_visible(SimulatorSettings(2, 0, 0))
    other, other_visible = _points_and_visible(SimulatorSettings(2, 0, 0, missing_runs=True))
    assert not np.array_equal(visible, other_visible)
    both = visible & other_visible
    assert np.array_equal(points[both], other[both])


def test_a_run_does_not_leave_the_grid_on_the_other_side():
    rng = np.random.default_rng(0)
    lost = np.zeros((2000, 6, 8), bool)
    lost[:, 2, 7] = True
    grown = missing.in_runs(rng, lost)
    assert not grown[:, :, :4].any()
    assert grown[:, 2, 7].mean() == pytest.approx(missing.RUN_STARTS, abs=0.04)
    along = 1 - (1 - missing.RUN_ALONG_ROW) ** 2  # two passes
    assert grown[:, 2, 6].sum() / grown[:, 2, 7].sum() == pytest.approx(along, abs=0.04)


def test_variety_widens_the_spread():
    def spread(variety: float) -> np.ndarray:
        settings = SimulatorSettings(train_recordings=60, recording_length=1, variety=variety)
        points, visible = _points_and_visible(settings)
        grid = np.where(visible[..., None], points, np.nan)
        return np.nanstd(grid[:, 8:10, 2:5], axis=0)

    assert np.all(spread(2.0) > 1.5 * spread(1.0))
    assert np.all(spread(0.0) < 0.3 * spread(1.0))


def test_wide_recordings_still_show_the_folds():
    points, visible = _points_and_visible(SimulatorSettings(50, 0, 0, 2, variety=4.0))
    assert visible.mean((1, 2)).min() >= 0.7
    assert points[visible].min() >= 1


def test_simulated_shapes_span_the_real_ones(
    lasten,
):
    """What pre-training counts on: 16 components of simulated frames describe unseen real frames.

    PCA of the real training recordings leaves 5.7 px on the validation recordings.
    """
    settings = SimulatorSettings(300, 0, 0, recording_length=2, variety=2.0)
    points, visible = _points_and_visible(settings)
    mean, basis = _principal_components(points, visible, 16)
    for name, limit in (("train", 4.5), ("validation", 4.0)):
        frames = read_frames(lasten / name, GridGeometry())
        assert _distance_to_subspace(frames, mean, basis) < limit


def test_points_stay_on_the_lines_of_their_rays():
    """Whatever the height, a point lies on its ray's line in the image, and the line is steep."""
    directions = folds.ray_directions(18, 18)
    near, middle, far = (np.full((18, 18), height) for height in (3.0, 0.0, -3.0))
    images = [np.stack(folds.project(h, directions, 0.0, 3.0), -1) for h in (near, middle, far)]
    along, across = images[2] - images[0], images[1] - images[0]
    area = along[..., 0] * across[..., 1] - along[..., 1] * across[..., 0]
    # Distortion bends a line of 60 px by far less than a px.
    assert np.max(np.abs(area) / np.linalg.norm(along, axis=-1)) < 0.5
    assert np.median(np.abs(along[..., 0]) / np.abs(along[..., 1])) < 0.25


def test_grid_facts_of_a_grid_by_hand():
    column, row = np.meshgrid(np.arange(4.0), np.arange(3.0))
    points = np.stack([100 + 10 * column, 200 - 20 * row], -1)[None]
    points[0, 1, 1] += (0, 3)
    visible = np.ones((1, 3, 4), bool)
    visible[0, 2, 3] = False
    facts = grid_facts(points, visible, np.zeros(1, int))
    assert facts["visible_mean"] == 11
    assert facts["x_spacing"] == pytest.approx([10] * 5)
    assert facts["y_spacing"] == pytest.approx(
        np.percentile([20] * 5 + [17, 23], (1, 25, 50, 75, 99))
    )
    assert facts["second_difference_rows_p95"] == pytest.approx(np.percentile([0, 0, 0, 3, 6], 95))
    assert facts["second_difference_columns_p95"] == pytest.approx(np.percentile([0, 0, 6], 95))
    assert facts["extent_x"] == [30, 30, 30]
    assert facts["missing_by_column"] == pytest.approx([0, 0, 0, 100 / 3])
    assert facts["missing_by_row"] == pytest.approx([0, 0, 25])
    points[0, 0, 1] = (95, 200)
    facts = grid_facts(points, visible)
    assert facts["order_violations_x"] == pytest.approx(1000 / 8)
    assert facts["order_violations_y"] == 0


def test_grid_facts_where_nothing_is_seen():
    facts = grid_facts(np.zeros((2, 3, 4, 2)), np.zeros((2, 3, 4), bool), np.zeros(2, int))
    assert facts["visible_max"] == 0
    assert np.isnan(facts["extent_x"]).all()
    assert np.isnan(facts["second_difference_rows_median"])
    assert facts["missing_by_row"] == [100] * 3


def test_grid_facts_of_the_real_set(lasten):
    expected = {
        "train": (3.6, 15.1, 3.0, 10.2, 304.6, 1.4),
        "validation": (3.2, 11.2, 2.2, 6.3, 304.2, 1.3),
    }
    names = [
        f"second_difference_{axis}_{what}"
        for axis in ("rows", "columns")
        for what in ("median", "p95")
    ]
    for split, values in expected.items():
        frames = read_frames(lasten / split, GridGeometry())
        facts = grid_facts(frames.points, frames.visible, frames.recording)
        measured = [facts[name] for name in (*names, "visible_mean", "motion_mean")]
        assert np.round(measured, 1) == pytest.approx(values, abs=0.06)
        assert facts["order_violations_x"] == facts["order_violations_y"] == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [("train_recordings", -1), ("recording_length", 0), ("rows", 2), ("variety", -1.0)],
)
def test_settings_that_make_no_sense(field, value):
    with pytest.raises(ValueError, match=field.split("_")[-1]):
        SimulatorSettings(**{field: value})


def _points_and_visible(settings: SimulatorSettings) -> tuple[np.ndarray, np.ndarray]:
    arrays = simulate_recordings(settings, 0)
    return arrays["points"], arrays["visible"]


def _principal_components(points, visible, count):
    """Mean and `count` directions of masked frames, missing coordinates filled in by the model."""
    values = points.reshape(len(points), -1).astype(float)
    seen = np.repeat(visible.reshape(len(points), -1), 2, axis=1)
    mean = np.where(seen, values, 0).sum(0) / seen.sum(0)
    centred = np.where(seen, values - mean, 0)
    for _ in range(5):
        basis = np.linalg.svd(centred, full_matrices=False)[2][:count]
        centred = np.where(seen, centred, centred @ basis.T @ basis)
    return mean, basis


def _distance_to_subspace(frames, mean, basis):
    """Mean distance of the visible points from the frame's best description by the components."""
    distances = []
    for points, visible in zip(frames.points[::4], frames.visible[::4]):
        seen = np.repeat(visible.ravel(), 2)
        target = points.ravel() - mean
        code = np.linalg.lstsq(basis[:, seen].T, target[seen], rcond=None)[0]
        error = (code @ basis - target).reshape(*visible.shape, 2)[visible]
        distances.append(np.linalg.norm(error, axis=-1))
    return np.concatenate(distances).mean()
