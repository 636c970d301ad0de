"""Simulated laser-grid recordings: the built-in data, and endless shapes to pre-train on.

A recording is one endoscope over one pair of folds for some frames: its shape is drawn once, then
the folds vibrate, the glottis opens or closes, and the endoscope drifts. The surface is in
`lvae.data.folds`, what varies in `lvae.data.population`, the endoscope in `lvae.data.optics`.
Everything of a recording comes from (seed, its own index), so that more recordings never change the
first. Everything is drawn for a square image of 768 px, which then fills the frame: frames of
another size show the same recordings, as large as fits.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from lvae.data import folds, missing, optics
from lvae.data.population import (
    ATTEMPTS,
    FARTHEST,
    FINE_HEIGHT,
    FINE_SHAPES,
    LASTING_NOISE,
    LEAST_VISIBLE,
    NOT_NEGATIVE,
    POPULATION,
    ROUGHNESS,
    UPRIGHT_NOISE,
)
from lvae.data.recordings.calibration import Calibration


@dataclasses.dataclass(frozen=True)
class SimulatorSettings:
    """What to simulate."""

    train_recordings: int = 8  # recordings; as the public set
    validation_recordings: int = 2  # recordings
    test_recordings: int = 2  # recordings
    recording_length: int = 20  # consecutive frames of one recording; as the public set
    rows: int = 18  # of the laser grid; any other count divides the same field of view
    columns: int = 18
    frame_size: int = 768  # px, width and height of a frame where these are 0
    variety: float = 1.0  # spread of the shapes over that of the real set; 2 for pre-training
    label_noise: float = 0.66  # px of a 768 frame, deviation in x of still points between frames
    width: int = 0  # px of a frame; 0: frame_size
    height: int = 0  # px of a frame; 0: frame_size
    whole_pixels: bool = True  # labels are rounded, as LASTEN's
    missing_runs: bool = False  # neighbours go missing together, as in real frames

    def __post_init__(self) -> None:
        if min(self.train_recordings, self.validation_recordings, self.test_recordings) < 0:
            raise ValueError("a count of recordings is negative; it must be 0 or more")
        if self.recording_length < 1 or self.frame_size < 1:
            raise ValueError("recording_length and frame_size must be at least 1")
        if min(self.width, self.height) < 0:
            raise ValueError("width and height must be at least 1, or 0 for frame_size")
        if min(self.rows, self.columns) < 3:
            raise ValueError(
                f"rows {self.rows}, columns {self.columns}: a grid needs at least 3 of each"
            )
        if self.variety < 0 or self.label_noise < 0:
            raise ValueError("variety and label_noise must not be negative")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a frame, px."""
        return self.width or self.frame_size, self.height or self.frame_size


class Recording(NamedTuple):
    """points: (frames, rows, columns, 2) px, (0, 0) where missing. visible: (frames, rows,
    columns). positions: (frames, rows, columns, 3), mm in the camera's frame, missing ones too."""

    points: np.ndarray
    visible: np.ndarray
    positions: np.ndarray


def simulate_recordings(
    settings: SimulatorSettings, seed: int, calibration: Calibration | None = None
) -> dict[str, np.ndarray]:
    """All recordings: train first, then validation, then test.

    Args:
      calibration: of the endoscope that films them; frames are then its sensor's. None: the
        built-in endoscope.

    Returns:
      points float32 (N, rows, columns, 2): px, x to the right, y down, (0, 0) where missing;
      visible bool (N, rows, columns); recording int32 (N,); id int32 (N,), N = recordings x length.
      With a calibration also position float32 (N, rows, columns, 3): mm in the camera's frame.

    Raises:
      UserError: see `optics.calibrated`.
    """
    count = settings.train_recordings + settings.validation_recordings + settings.test_recordings
    frames = settings.recording_length
    grid = (count, frames, settings.rows, settings.columns)
    points = np.zeros((*grid, 2), np.float32)
    visible = np.zeros(grid, bool)
    positions = np.zeros((*grid, 3), np.float32)
    endoscope = _endoscope(settings, calibration)
    for index in range(count):
        made = simulate_recording(settings, seed, index, endoscope)
        points[index], visible[index], positions[index] = made
    arrays = {
        "points": points.reshape(-1, *grid[2:], 2),
        "visible": visible.reshape(-1, *grid[2:]),
        "recording": np.repeat(np.arange(count, dtype=np.int32), frames),
        "id": np.arange(count * frames, dtype=np.int32),
    }
    return arrays | ({"position": positions.reshape(-1, *grid[2:], 3)} if calibration else {})


def simulate_splits(
    settings: SimulatorSettings, seed: int, calibration: Calibration | None = None
) -> dict[str, dict[str, np.ndarray]]:
    """The same recordings, by split; one without recordings is absent."""
    arrays = simulate_recordings(settings, seed, calibration)
    splits: dict[str, dict[str, np.ndarray]] = {}
    start = 0
    for name in ("train", "validation", "test"):
        stop = start + getattr(settings, f"{name}_recordings") * settings.recording_length
        if stop > start:
            splits[name] = {field: values[start:stop] for field, values in arrays.items()}
        start = stop
    return splits


def simulate_recording(
    settings: SimulatorSettings,
    seed: int,
    index: int,
    endoscope: optics.Endoscope | None = None,
) -> Recording:
    """One recording.

    One that lost the folds from view is thrown away, as a clinician would, and the next attempt
    ranges a little less far.
    """
    endoscope = endoscope or _endoscope(settings, None)
    place = optics.placement(*settings.size)
    variety = settings.variety
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng([seed, index, attempt])
        runs = np.random.default_rng([seed, index, attempt, 1]) if settings.missing_runs else None
        points, visible, positions = _attempt(rng, runs, settings, variety, endoscope, place)
        if visible.mean((1, 2)).min() >= LEAST_VISIBLE:
            break
        variety *= 0.9
    return Recording(*_in_frame(points, visible, settings.whole_pixels, place), positions)


def _endoscope(settings: SimulatorSettings, calibration: Calibration | None) -> optics.Endoscope:
    if calibration is None:
        return optics.built_in(settings.rows, settings.columns)
    return optics.calibrated(calibration, settings.rows, settings.columns, *settings.size)


def _attempt(
    rng: np.random.Generator,
    runs: np.random.Generator | None,
    settings: SimulatorSettings,
    variety: float,
    endoscope: optics.Endoscope,
    place: optics.Placement,
) -> Recording:
    """One recording, whatever it shows; points in px of the image of 768 px, not rounded."""
    shape = _draw_shape(rng, variety)
    u, v = folds.grid_coordinates(settings.rows, settings.columns)
    time = np.arange(settings.recording_length)[:, None, None]
    height, outside = _vibrating_height(rng, shape, u, v, time)
    height = height + shape["nearer"] + _fine_height(rng, shape, variety, u, v)

    points, positions = optics.image(endoscope, height, shape, time, place)
    noise = settings.label_noise * np.exp(shape["noise"]) * _fineness(settings)
    points = points + noise * _label_errors(rng, points.shape)
    rounded = np.rint(points) if settings.whole_pixels else points
    visible = (outside > 0) & missing.unobstructed(
        rng, settings.recording_length, shape, u, v, runs
    )
    first, beyond = place.bounds
    visible &= ((rounded >= first) & (rounded < beyond)).all(-1)
    return Recording(points, in_order(rounded, visible), positions)


def _fineness(settings: SimulatorSettings) -> np.ndarray:
    """Pitch along x and y over that of 18 x 18 rays in the same field of view, at most 1: errors of
    labels grow with the spots, which are smaller in a finer grid, but no larger in a coarser."""
    across = np.array([settings.columns, settings.rows]) - 1
    return np.minimum(1, (folds.RAYS - 1) / across)


def _in_frame(
    points: np.ndarray, visible: np.ndarray, whole_pixels: bool, place: optics.Placement
) -> tuple[np.ndarray, np.ndarray]:
    """The points in px of the frame, float32, and which of them it shows."""
    points = place.scale * points + place.shift
    if whole_pixels:
        points = np.rint(points)
    inside = (points >= 0) & (points < np.array([place.width, place.height]))
    visible = in_order(points, visible & inside.all(-1) & (points != 0).any(-1))
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
    # Neighbours in a finer grid lie nearer to each other on the tissue, and differ less.
    finest = min(1, (folds.RAYS - 1) / (max(u.shape) - 1))
    rough = ROUGHNESS * np.exp(shape["texture"]) * finest
    return fine + rough * rng.standard_normal(u.shape)


def _label_errors(rng: np.random.Generator, points: tuple[int, ...]) -> np.ndarray:
    """Errors of the labels, (frames, rows, columns, 2): deviation about 1 in x over the frames."""
    lasting = LASTING_NOISE * rng.standard_normal(points[1:])
    return (rng.standard_normal(points) + lasting) * np.array([1.0, UPRIGHT_NOISE])


def in_order(points: np.ndarray, visible: np.ndarray) -> np.ndarray:
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
