"""Simulated laser-grid recordings: the built-in data, and endless shapes to pre-train on.

A recording is one endoscope over one pair of folds for some frames: its shape is drawn once, then the
folds vibrate, the glottis opens or closes, and the endoscope drifts. The geometry is in `lvae.data.folds`.
Everything of a recording comes from (seed, its own index), so that more recordings never change the first.
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
    label_noise: float = (
        0.62  # px of a 768 frame, deviation; frame-to-frame scatter of still tissue
    )

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


# Mean and deviation over recordings. Found by fitting the surface of `lvae.data.folds` to the mean frame of
# each real recording (2 px median residual) and taking mean and deviation of what came out.
POPULATION: dict[str, tuple[float, float]] = {
    # The endoscope: where the optical axis falls in a 768 frame (px), its turn (degrees).
    "axis_x": (296.0, 20.0),
    "axis_y": (345.0, 40.0),
    "turn": (0.0, 0.35),
    # The smooth base, mm over u, v in [-1, 1].
    "tilt_u": (-0.2, 0.8),
    "tilt_v": (-3.1, 1.4),
    "bend_u": (1.6, 0.75),
    "bend_v": (0.6, 0.75),
    "twist": (0.2, 0.5),
    "skew_u": (0.0, 0.55),
    "skew_v": (0.9, 0.75),
    "twist_u": (0.4, 0.55),
    "twist_v": (0.1, 0.4),
    # The midline of the glottis and its gap, in units of u; the apex in units of v.
    "midline": (-0.01, 0.1),
    "midline_lean": (-0.09, 0.07),
    "midline_bend": (0.0, 0.06),
    "gap": (0.13, 0.04),
    "apex": (0.1, 0.4),
    # How each fold falls off towards its medial edge: mm, logarithms of widths in u, relative change with v.
    "fall_left": (5.0, 1.9),
    "fall_right": (5.0, 1.9),
    "fall_rise": (0.0, 0.3),
    "fall_rise_difference": (0.0, 0.09),
    "fall_bulge": (-0.7, 1.4),
    "width_left": (-0.98, 0.25),
    "width_right": (-1.02, 0.22),
    "width_rise": (0.28, 0.14),
    "fall_exponent": (0.5, 0.2),
    "lip": (0.85, 0.45),
    "lip_width": (-2.37, 0.17),
    # The tissue in front at the bottom: its edge in units of v, its step in mm, how much of the fall it covers.
    "shelf_edge": (-0.88, 0.08),
    "shelf_lean": (0.01, 0.08),
    "shelf_bend": (0.02, 0.11),
    "shelf": (0.5, 0.95),
    "shelf_tilt": (0.1, 1.3),
    "shelf_fill": (0.3, 0.35),
    # Vibration: stroke of the apex (v), of the edges (mm), logarithm of the period in frames, phases in rad,
    # lag of the mucosal wave in rad per unit of u.
    "apex_stroke": (0.25, 0.12),
    "edge_stroke": (0.35, 0.25),
    "period": (4.0, 0.35),
    "asymmetry": (0.0, 0.3),
    "wave_lag": (4.0, 1.5),
    # Drift of the endoscope, px of a 768 frame over a frame.
    "drift_x": (0.0, 0.1),
    "drift_y": (0.0, 0.2),
}
NOT_NEGATIVE = ("gap", "fall_left", "fall_right", "lip", "apex_stroke", "edge_stroke")
FARTHEST = 2.2  # deviations; what lies beyond is drawn to here, so that no recording is absurd
FINE_SHAPES = (5, 5)  # cosines along v and u of the folds' fine shape
FINE_HEIGHT = 0.12  # mm, deviation of each cosine
ROUGHNESS = 0.08  # mm, deviation of single points: texture and labels that stay through a recording


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
    """The same recordings as "train", "validation" and "test"; a split without recordings is absent."""
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
    """Points (frames, rows, columns, 2) and visible (frames, rows, columns) of recording `index`."""
    rng = np.random.default_rng([seed, index])
    shape = _draw_shape(rng, settings.variety)
    u, v = folds.grid_coordinates(settings.rows, settings.columns)
    time = np.arange(settings.recording_length)[:, None, None]
    height, outside = _vibrating_height(rng, shape, u, v, time)
    height = height + _fine_height(rng, settings, u, v)

    directions = folds.ray_directions(settings.rows, settings.columns)
    x, y = folds.project(height, directions, np.radians(shape["turn"]), settings.frame_size)
    scale = settings.frame_size / 768
    points = np.stack(
        [
            x + scale * (shape["axis_x"] + shape["drift_x"] * time),
            y + scale * (shape["axis_y"] + shape["drift_y"] * time),
        ],
        -1,
    )
    points = np.rint(points + scale * settings.label_noise * rng.standard_normal(points.shape))
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
    where = np.exp(-((v - shape["apex"]) ** 2) / 0.3 - distance / 0.2)
    return height - shape["edge_stroke"] * where * swing, outside


def _fine_height(
    rng: np.random.Generator, settings: SimulatorSettings, u: np.ndarray, v: np.ndarray
) -> np.ndarray:
    """What the named parameters leave out, (rows, columns) mm: a few cosines and the points' own."""
    n_v, n_u = FINE_SHAPES
    along_u = np.cos(np.pi * np.arange(n_u)[:, None] * (u[0] + 1) / 2)
    along_v = np.cos(np.pi * np.arange(n_v)[:, None] * (v[:, 0] + 1) / 2)
    weights = rng.standard_normal((n_v, n_u))
    fine = FINE_HEIGHT * settings.variety * along_v.T @ weights @ along_u
    return fine + ROUGHNESS * rng.standard_normal(u.shape)


def _unobstructed(
    rng: np.random.Generator,
    settings: SimulatorSettings,
    shape: dict[str, float],
    u: np.ndarray,
    v: np.ndarray,
) -> np.ndarray:
    """Which points of the tissue give a spot in the image, (frames, rows, columns) or (rows, columns)."""
    border = (np.abs(u) == 1) | (np.abs(v) == 1)
    near_shelf = np.abs(v - folds.shelf_edge(shape, u)) < 1.2 / settings.rows
    chance = 0.002 + 0.02 * border + 0.06 * near_shelf
    lost = rng.random(u.shape) < chance
    for _ in range(rng.poisson(0.6)):
        # A highlight or mucus: mostly at the bottom, where the tissue in front begins.
        centre_u, centre_v = rng.uniform(-1, 1), -1 + 0.25 * rng.random()
        radius = rng.uniform(0.08, 0.22)
        lost |= (u - centre_u) ** 2 + 1.5 * (v - centre_v) ** 2 < radius**2
    # A few points come and go.
    shaky = rng.random(u.shape) < 0.004
    flicker = rng.random((settings.recording_length, *u.shape)) < 0.5
    return ~(lost | (shaky & flicker))


def _in_order(points: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """`visible` less the points that stand behind others: x grows along a row, y falls along a column.

    A point that is imaged past its neighbour is hidden by the tissue that carries the neighbour; a
    labeller, too, could not have told the two apart.
    """
    visible = visible.copy()
    rows, columns = visible.shape[-2:]
    limit = np.full(visible.shape[:-2] + (columns,), np.inf)
    for row in range(rows):
        visible[..., row, :] &= points[..., row, :, 1] < limit
        limit = np.where(visible[..., row, :], points[..., row, :, 1], limit)
    limit = np.full(visible.shape[:-2] + (rows,), -np.inf)
    for column in range(columns):
        visible[..., column] &= points[..., column, 0] > limit
        limit = np.where(visible[..., column], points[..., column, 0], limit)
    return visible
