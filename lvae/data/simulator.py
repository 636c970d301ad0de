"""Simulated laser-grid recordings: the built-in data, and endless shapes to pre-train on.

A recording is one endoscope over one pair of folds for some frames: its shape is drawn once, then
the folds vibrate, the glottis opens or closes, and the endoscope drifts. The geometry is in
`lvae.data.folds`. Everything of a recording comes from (seed, its own index), so that more
recordings never change the first.
"""

import dataclasses

import numpy as np

from lvae.data import folds


@dataclasses.dataclass(frozen=True)
class SimulatorSettings:
    """What to simulate."""

    train_recordings: int = 8  # recordings; as the public set
    validation_recordings: int = 2  # recordings
    test_recordings: int = 2  # recordings
    recording_length: int = 20  # consecutive frames of one recording; as the public set
    rows: int = 18  # of the laser grid; any other count divides the same field of view
    columns: int = 18
    frame_size: int = 768  # px; frames are square, and coordinates scale with them
    variety: float = 1.0  # spread of the shapes over that of the real set; 2 for pre-training
    label_noise: float = 0.66  # px of a 768 frame, deviation in x of still points between frames

    def __post_init__(self) -> None:
        if min(self.train_recordings, self.validation_recordings, self.test_recordings) < 0:
            raise ValueError("a count of recordings is negative; it must be 0 or more")
        if self.recording_length < 1 or self.frame_size < 1:
            raise ValueError("recording_length and frame_size must be at least 1")
        if min(self.rows, self.columns) < 3:
            raise ValueError(
                f"rows {self.rows}, columns {self.columns}: a grid needs at least 3 of each"
            )
        if self.variety < 0 or self.label_noise < 0:
            raise ValueError("variety and label_noise must not be negative")


# Mean and deviation over recordings. Found by fitting the surface of `lvae.data.folds` to the mean
# frame of each real training recording (1.3-2.7 px median residual), then mean and deviation over
# the fits; of the glottis, the vibration and the drift by comparing facts and pictures.
POPULATION: dict[str, tuple[float, float]] = {
    # The endoscope: where the optical axis falls in a 768 frame (px), its turn (degrees),
    # logarithm of the magnification over the calibration's, mm nearer than STAND_OFF.
    "axis_x": (296.0, 21.0),
    "axis_y": (342.0, 38.0),
    "turn": (0.0, 0.3),
    "zoom": (-0.002, 0.013),
    "nearer": (0.0, 0.8),
    # The smooth base, mm over u, v in [-1, 1].
    "tilt_u": (0.0, 0.6),
    "tilt_v": (-2.5, 1.2),
    "bend_u": (1.0, 0.55),
    "bend_v": (0.7, 0.75),
    "twist": (0.3, 0.55),
    "skew_u": (-0.2, 0.55),
    "skew_v": (1.0, 0.65),
    "twist_u": (0.3, 0.6),
    "twist_v": (0.2, 0.4),
    # The glottis: its midline and half width in units of u, its apex in units of v; the half width
    # grows with this power of the way above the apex and by the flare in the top row.
    "midline": (-0.01, 0.09),
    "midline_lean": (-0.08, 0.08),
    "midline_bend": (0.0, 0.08),
    "gap": (0.14, 0.035),
    "gap_power": (0.6, 0.12),
    "gap_flare": (0.05, 0.05),
    "apex": (0.05, 0.35),
    # How each fold falls off towards its medial edge: mm, logarithms of widths in u, change with v.
    "fall_left": (5.6, 1.5),
    "fall_right": (5.5, 1.9),
    "fall_rise": (0.15, 0.28),
    "fall_rise_difference": (0.0, 0.08),
    "fall_bulge": (-0.7, 1.4),
    "width_left": (-0.82, 0.27),
    "width_right": (-0.87, 0.22),
    "width_rise": (0.23, 0.24),
    "fall_power": (0.45, 0.25),
    "lip": (0.7, 0.6),
    "lip_width": (-2.27, 0.22),
    # The tissue in front at the bottom: its ragged edge in units of v, its step in mm, how much of
    # the fall it covers.
    "shelf_edge": (-0.88, 0.08),
    "shelf_lean": (0.0, 0.08),
    "shelf_bend": (0.01, 0.08),
    "shelf_wave": (-0.04, 0.08),
    "shelf_ripple": (-0.03, 0.08),
    "shelf": (0.0, 0.9),
    "shelf_tilt": (0.1, 0.95),
    "shelf_fill": (0.75, 0.45),
    # Vibration: stroke of the apex (v), of the edges (mm), logarithm of the period in frames,
    # asymmetry of the folds (rad), lag of the mucosal wave (rad over a unit of u).
    "apex_stroke": (0.25, 0.12),
    "edge_stroke": (0.8, 0.5),
    "period": (4.0, 0.35),
    "asymmetry": (0.0, 0.3),
    "wave_lag": (4.0, 1.5),
    # Drift of the endoscope, px of a 768 frame over a frame.
    "drift_x": (0.0, 0.05),
    "drift_y": (0.0, 0.06),
    # Logarithms of this recording's label noise and texture over the usual ones.
    "noise": (0.0, 0.13),
    "texture": (0.0, 0.25),
}
NOT_NEGATIVE = ("gap", "fall_left", "fall_right", "apex_stroke", "edge_stroke", "gap_flare")
FARTHEST = 2.2  # deviations; what lies beyond is drawn to here, so that no recording is absurd
LEAST_VISIBLE = 0.7  # of the grid's points in every frame; the real set has 0.88 and more
ATTEMPTS = 40  # the last of them with 1 % of the variety: a usual recording
FINE_SHAPES = (5, 5)  # cosines along v and u of the folds' fine shape
FINE_HEIGHT = 0.12  # mm, deviation of each cosine
ROUGHNESS = 0.06  # mm, deviation of single points: the tissue's texture
UPRIGHT_NOISE = 1.3  # noise in y over noise in x: spots are drawn out along the epipolar lines
LASTING_NOISE = 0.35  # error of a label that stays through a recording, over that of one frame


def simulate_recordings(settings: SimulatorSettings, seed: int) -> dict[str, np.ndarray]:
    """All recordings: train first, then validation, then test.

    Returns:
      points float32 (N, rows, columns, 2): whole px, x to the right, y down, (0, 0) where missing;
      visible bool (N, rows, columns); recording int32 (N,); id int32 (N,), N = recordings x length.
    """
    count = settings.train_recordings + settings.validation_recordings + settings.test_recordings
    frames = settings.recording_length
    grid = (count, frames, settings.rows, settings.columns)
    points = np.zeros((*grid, 2), np.float32)
    visible = np.zeros(grid, bool)
    for index in range(count):
        points[index], visible[index] = simulate_recording(settings, seed, index)
    return {
        "points": points.reshape(-1, *grid[2:], 2),
        "visible": visible.reshape(-1, *grid[2:]),
        "recording": np.repeat(np.arange(count, dtype=np.int32), frames),
        "id": np.arange(count * frames, dtype=np.int32),
    }


def simulate_splits(settings: SimulatorSettings, seed: int) -> dict[str, dict[str, np.ndarray]]:
    """The same recordings, by split; one without recordings is absent."""
    arrays = simulate_recordings(settings, seed)
    splits: dict[str, dict[str, np.ndarray]] = {}
    start = 0
    for name in ("train", "validation", "test"):
        stop = start + getattr(settings, f"{name}_recordings") * settings.recording_length
        if stop > start:
            splits[name] = {field: values[start:stop] for field, values in arrays.items()}
        start = stop
    return splits


def simulate_recording(
    settings: SimulatorSettings, seed: int, index: int
) -> tuple[np.ndarray, np.ndarray]:
    """Points (frames, rows, columns, 2) and visible (frames, rows, columns) of one recording.

    One that lost the folds from view is thrown away, as a clinician would, and the next attempt
    ranges a little less far.
    """
    variety = settings.variety
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng([seed, index, attempt])
        points, visible = _attempt(rng, settings, variety)
        if visible.mean((1, 2)).min() >= LEAST_VISIBLE:
            break
        variety *= 0.9
    return points, visible


def _attempt(
    rng: np.random.Generator, settings: SimulatorSettings, variety: float
) -> tuple[np.ndarray, np.ndarray]:
    """One recording, whatever it shows."""
    shape = _draw_shape(rng, variety)
    u, v = folds.grid_coordinates(settings.rows, settings.columns)
    time = np.arange(settings.recording_length)[:, None, None]
    height, outside = _vibrating_height(rng, shape, u, v, time)
    height = height + shape["nearer"] + _fine_height(rng, shape, variety, u, v)

    directions = folds.ray_directions(settings.rows, settings.columns)
    scale = settings.frame_size / 768
    magnification = np.exp(shape["zoom"]) * settings.frame_size / folds.SENSOR_WIDTH
    x, y = folds.project(height, directions, np.radians(shape["turn"]), magnification)
    points = np.stack(
        [
            x + scale * (shape["axis_x"] + shape["drift_x"] * time),
            y + scale * (shape["axis_y"] + shape["drift_y"] * time),
        ],
        -1,
    )
    noise = scale * settings.label_noise * np.exp(shape["noise"])
    points = np.rint(points + noise * _label_errors(rng, points.shape))
    visible = (outside > 0) & _unobstructed(rng, settings, shape, u, v)
    visible &= ((points >= 1) & (points < settings.frame_size)).all(-1)
    visible = _in_order(points, visible)
    return np.where(visible[..., None], points, 0).astype(np.float32), visible


def _draw_shape(rng: np.random.Generator, variety: float) -> dict[str, float]:
    """One member of the population, its spread times `variety`."""
    draws = np.clip(rng.standard_normal(len(POPULATION)), -FARTHEST, FARTHEST)
    shape = {
        name: mean + variety * deviation * draw
        for (name, (mean, deviation)), draw in zip(POPULATION.items(), draws)
    }
    for name in NOT_NEGATIVE:
        shape[name] = max(shape[name], 0.0)
    return shape


def _vibrating_height(
    rng: np.random.Generator,
    shape: dict[str, float],
    u: np.ndarray,
    v: np.ndarray,
    time: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Height (frames, rows, columns) and distance outside the gap, over the frames `time`."""
    middle, half_width = folds.glottis(shape, v, np.zeros_like(v))
    distance = np.maximum(np.abs(u - middle) - half_width, 0)
    phase = 2 * np.pi * (time / np.exp(shape["period"]) + rng.random())
    phase = phase + np.where(u < middle, 1, -1) * shape["asymmetry"] / 2
    opening = np.cos(phase)
    height, outside = folds.fold_height(shape, u, v, opening)
    # The edges swing most where the gap opens and closes; the wave runs outwards over the fold.
    swing = np.cos(phase - shape["wave_lag"] * distance)
    where = np.exp(-((v - shape["apex"]) ** 2) / 0.4 - distance / 0.12)
    return height - shape["edge_stroke"] * where * swing, outside


def _fine_height(
    rng: np.random.Generator,
    shape: dict[str, float],
    variety: float,
    u: np.ndarray,
    v: np.ndarray,
) -> np.ndarray:
    """What the named parameters leave out, (rows, columns) mm: some cosines and the points' own."""
    n_v, n_u = FINE_SHAPES
    along_u = np.cos(np.pi * np.arange(n_u)[:, None] * (u[0] + 1) / 2)
    along_v = np.cos(np.pi * np.arange(n_v)[:, None] * (v[:, 0] + 1) / 2)
    weights = rng.standard_normal((n_v, n_u))
    fine = FINE_HEIGHT * variety * along_v.T @ weights @ along_u
    return fine + ROUGHNESS * np.exp(shape["texture"]) * rng.standard_normal(u.shape)


def _label_errors(rng: np.random.Generator, points: tuple[int, ...]) -> np.ndarray:
    """Errors of the labels, (frames, rows, columns, 2): deviation about 1 in x over the frames."""
    lasting = LASTING_NOISE * rng.standard_normal(points[1:])
    return (rng.standard_normal(points) + lasting) * np.array([1.0, UPRIGHT_NOISE])


def _unobstructed(
    rng: np.random.Generator,
    settings: SimulatorSettings,
    shape: dict[str, float],
    u: np.ndarray,
    v: np.ndarray,
) -> np.ndarray:
    """Which points on the tissue give a spot in the image, (frames, rows, columns)."""
    border = (np.abs(u) == 1) | (np.abs(v) == 1)
    near_shelf = np.abs(v - folds.shelf_edge(shape, u)) < 1.2 / settings.rows
    chance = 0.002 + 0.02 * border + 0.04 * near_shelf
    lost = rng.random(u.shape) < chance
    for _ in range(rng.poisson(0.4)):
        # A highlight or mucus: mostly at the bottom, where the tissue in front begins.
        centre_u, centre_v = rng.uniform(-1, 1), -1 + 0.25 * rng.random()
        radius = rng.uniform(0.08, 0.22)
        lost |= (u - centre_u) ** 2 + 1.5 * (v - centre_v) ** 2 < radius**2
    # A few points come and go.
    shaky = rng.random(u.shape) < 0.002
    flicker = rng.random((settings.recording_length, *u.shape)) < 0.5
    return ~(lost | (shaky & flicker))


def _in_order(points: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """`visible` less the points out of order: x grows along a row, y falls along a column.

    A point that is imaged past its neighbour is hidden by the tissue that carries the neighbour; a
    labeller, too, could not have told the two apart.
    """
    visible = visible.copy()
    rows, columns = visible.shape[-2:]
    limit = np.full((*visible.shape[:-2], columns), np.inf)
    for row in range(rows):
        visible[..., row, :] &= points[..., row, :, 1] < limit
        limit = np.where(visible[..., row, :], points[..., row, :, 1], limit)
    limit = np.full((*visible.shape[:-2], rows), -np.inf)
    for column in range(columns):
        visible[..., column] &= points[..., column, 0] > limit
        limit = np.where(visible[..., column], points[..., column, 0], limit)
    return visible
