"""How far the points of a frame stray across their epipolar lines.

Whatever the tissue does, the image of a ray's point stays on one line, the ray's epipolar line; the
depth of the tissue moves it along the line only. What strays across is noise, or physics that a
generator has not learned. Nothing here reads a calibration: its numbers come as plain arrays.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

NEAR = 3.0  # distances between camera and projector, as endoscopes see the folds
_ROUNDS = 60  # changes of the frames' places at most
_DAMPING = 1e-3  # at the start
_GAIN = 1e-8  # part of its sum of squares that a frame must gain by a change, or its search ends
_MOST_DAMPING = 1e6  # such steps are nothing
_DIFFERENCE = 1e-4  # at unit focal length: step of the derivative along a line
_BLOCK = 32  # frames at a time: the arrays stay in the processor's cache
_PLACE = 4  # numbers of a frame's place: turn and zoom as two, and an offset


class Camera(NamedTuple):
    """matrix: [[fx, skew, cx], [0, fy, cy], [0, 0, 1]], px of the sensor. distortion: (k1, k2, p1,
    p2, k3), radial and tangential. turn: of the image after the sensor, rad. magnification: px of
    the frame per px of the sensor. The principal point only fixes where a frame's offset counts
    from."""

    matrix: Float[np.ndarray, "3 3"]
    distortion: tuple[float, float, float, float, float]
    turn: float = 0.0
    magnification: float = 1.0


class Lines(NamedTuple):
    """Epipolar lines before distortion, at unit focal length: a point and a unit vector each. The
    point is where the ray is `NEAR` times as far from the projector as that from the camera; `far`
    is where the ray vanishes."""

    points: Float[np.ndarray, "rows columns 2"]
    along: Float[np.ndarray, "rows columns 2"]
    far: Float[np.ndarray, "rows columns 2"]


class Strays(NamedTuple):
    """px: root mean square distance across the lines, per frame; nan where fewer points are seen
    than a place has numbers. across: signed distance of every point; nan where missing. along: unit
    vectors of the lines in the frame."""

    px: Float[np.ndarray, " frames"]
    across: Float[np.ndarray, "frames rows columns"]
    along: Float[np.ndarray, "frames rows columns 2"]


def epipolar_lines(
    directions: Float[np.ndarray, "rows columns 3"], origin: Float[np.ndarray, "3"]
) -> Lines:
    """The lines on which a camera at (0, 0, 0) sees the points of rays.

    Args:
      directions: of the rays in the camera's frame (z forward), of any length.
      origin: where all rays leave, mm in the camera's frame.

    Raises:
      ValueError: a ray does not go forward, or the rays leave from the camera itself.
    """
    directions, origin = np.asarray(directions, np.float64), np.asarray(origin, np.float64)
    directions = directions / np.linalg.norm(directions, axis=-1, keepdims=True)
    # x(t) = (origin + t direction)_xy / (origin + t direction)_z moves along one line only.
    along = directions[..., :2] * origin[2] - origin[:2] * directions[..., 2:]
    length = np.linalg.norm(along, axis=-1, keepdims=True)
    if np.any(length == 0):
        raise ValueError("a ray has no epipolar line: it runs through the camera")
    places = origin + NEAR * np.linalg.norm(origin) * directions
    if np.any(directions[..., 2] <= 0) or np.any(places[..., 2] <= 0):
        raise ValueError("a ray points backwards or far aside: z of its direction is too small")
    far = directions[..., :2] / directions[..., 2:]
    return Lines(places[..., :2] / places[..., 2:], along / length, far)


def project(
    positions: Float[np.ndarray, "*points 2"], camera: Camera
) -> Float[np.ndarray, "*points 2"]:
    """Image of points at unit focal length: distorted (Brown, 1966), in px, turned, magnified."""
    matrix, centre = _affine(camera)
    return _distorted(positions, camera.distortion) @ matrix.T + centre


def unproject(
    pixels: Float[np.ndarray, "*points 2"], camera: Camera, rounds: int = 4
) -> Float[np.ndarray, "*points 2"]:
    """The inverse of `project`, by fixed-point iteration; near, not exact, far off the axis."""
    matrix, centre = _affine(camera)
    distorted = (pixels - centre) @ np.linalg.inv(matrix).T
    positions = distorted
    for _ in range(rounds):
        positions = distorted - (_distorted(positions, camera.distortion) - positions)
    return positions


def epipolar_strays(
    points: Float[np.ndarray, "frames rows columns 2"],
    visible: Bool[np.ndarray, "frames rows columns"],
    lines: Lines,
    camera: Camera,
) -> Strays:
    """Distances across the epipolar lines at each frame's best offset, turn and zoom, px.

    Offset, turn and zoom minimise the frame's sum of squared orthogonal distances to the lines
    (which distortion bends). There can be two minima; the search
    starts from a near and from a far surface, and the better end counts.

    Raises:
      ValueError: a grid of another size than that of the lines.
    """
    if points.shape[1:3] != lines.points.shape[:2]:
        raise ValueError(
            f"frames of {points.shape[1]} x {points.shape[2]} points for lines of "
            f"{lines.points.shape[0]} x {lines.points.shape[1]} rays"
        )
    frames, rows, columns = visible.shape
    seen = visible.reshape(frames, rows * columns)
    where = np.where(seen[..., None], points.reshape(frames, rows * columns, 2), 0).astype(
        np.float64
    )
    flat = Lines(*(part.reshape(-1, 2) for part in lines))
    fits = seen.sum(1) > _PLACE
    across = np.full(seen.shape, np.nan)
    along = np.full(where.shape, np.nan)
    kept = np.flatnonzero(fits)
    for block in np.split(kept, range(_BLOCK, len(kept), _BLOCK)):
        best = _best_place(where[block], seen[block], flat, camera, flat.points)
        other = _best_place(where[block], seen[block], flat, camera, flat.far)
        best = _better(best, other)
        across[block] = np.where(seen[block], best.across, np.nan)
        along[block] = best.along
    squares = np.where(seen, np.nan_to_num(across) ** 2, 0).sum(1)
    px = np.where(fits, np.sqrt(squares / np.maximum(seen.sum(1), 1)), np.nan)
    return Strays(
        px, across.reshape(frames, rows, columns), along.reshape(frames, rows, columns, 2)
    )


def epipolar_px(
    points: Float[np.ndarray, "frames rows columns 2"],
    visible: Bool[np.ndarray, "frames rows columns"],
    lines: Lines,
    camera: Camera,
) -> Float[np.ndarray, " frames"]:
    """Root mean square distance of each frame's points across their lines; `epipolar_strays`."""
    return epipolar_strays(points, visible, lines, camera).px


class _State(NamedTuple):
    """Frames at a place: distances across the lines, the lines' directions, and what each number of
    the place changes in the distances; the sum of squares is of the points that are seen."""

    across: Float[np.ndarray, "frames rays"]
    along: Float[np.ndarray, "frames rays 2"]
    slopes: Float[np.ndarray, "frames rays 4"]
    squares: Float[np.ndarray, " frames"]


def _best_place(
    where: Float[np.ndarray, "frames rays 2"],
    seen: Bool[np.ndarray, "frames rays"],
    lines: Lines,
    camera: Camera,
    start: Float[np.ndarray, "rays 2"],
) -> _State:
    """Levenberg (1944) and Marquardt (1963), each frame with a damping of its own: on nearly
    parallel lines zoom and offset are nearly the same thing, and undamped steps swing for ever.
    The start is the offset that a surface with all points at `start` would have."""
    weights = (seen / seen.sum(1, keepdims=True))[..., None]
    place = np.zeros((len(where), _PLACE))
    place[:, 0] = 1
    place[:, 2:] = (weights * (where - project(start, camera))).sum(1)
    damping = np.full(len(where), _DAMPING)
    best = _evaluate(place, where, seen, lines, camera)
    moving = np.arange(len(where))  # frames that still gain
    for _ in range(_ROUNDS):
        now = _State(*(values[moving] for values in best))
        moved = place[moving] - _step(now, seen[moving], damping[moving])
        after = _evaluate(moved, where[moving], seen[moving], lines, camera)
        better = after.squares < now.squares
        damping[moving] *= np.where(better, 0.2, 4.0)
        place[moving[better]] = moved[better]
        for values, new in zip(best, after):
            values[moving[better]] = new[better]
        gain = now.squares - after.squares
        done = (better & (gain < _GAIN * now.squares)) | (damping[moving] > _MOST_DAMPING)
        moving = moving[~done]
        if not len(moving):
            break
    return best


def _better(first: _State, second: _State) -> _State:
    """Of every frame the one with the smaller sum of squares."""
    chosen = second.squares < first.squares
    for values, others in zip(first, second):
        values[chosen] = others[chosen]
    return first


def _step(state: _State, seen: np.ndarray, damping: np.ndarray) -> Float[np.ndarray, "frames 4"]:
    slopes = state.slopes * seen[..., None]
    curvature = np.swapaxes(slopes, 1, 2) @ slopes
    diagonal = np.einsum("fkk->fk", curvature)
    damped = curvature + (damping[:, None] * diagonal)[..., None] * np.eye(_PLACE)
    gradient = np.einsum("frk,fr->fk", slopes, state.across)
    return np.linalg.solve(damped, gradient[..., None])[..., 0]


def _evaluate(
    place: np.ndarray, where: np.ndarray, seen: np.ndarray, lines: Lines, camera: Camera
) -> _State:
    """Orthogonal distances to the lines at a place (a, b, x, y): the camera's image is turned and
    magnified by [[a, -b], [b, a]], then shifted by (x, y)."""
    curve, tangent = _curve(_along_lines(_back(place, where), lines, camera), lines, camera)
    along = _turned(place, tangent)
    along /= np.linalg.norm(along, axis=-1, keepdims=True)
    normal = np.stack([-along[..., 1], along[..., 0]], axis=-1)
    across = ((where - _turned(place, curve) - place[:, None, 2:]) * normal).sum(-1)
    # The nearest place on a line moves along it: to first order only the line itself matters.
    quarter = np.stack([-curve[..., 1], curve[..., 0]], axis=-1)
    slopes = -np.stack(
        [(normal * curve).sum(-1), (normal * quarter).sum(-1), normal[..., 0], normal[..., 1]], -1
    )
    return _State(across, along, slopes, (np.where(seen, across, 0) ** 2).sum(1))


def _along_lines(
    back: np.ndarray, lines: Lines, camera: Camera
) -> Float[np.ndarray, "frames rays"]:
    """How far along its line each point's nearest place is, before distortion. After it the nearest
    place is another by a part of the distance across, which changes that distance by no more than
    the bend of the line over so short a way."""
    return ((unproject(back, camera) - lines.points) * lines.along).sum(-1)


def _curve(shift: np.ndarray, lines: Lines, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Image of the places at `shift` along the lines, and its derivative by the shift, px."""
    position = lines.points + shift[..., None] * lines.along
    step = _DIFFERENCE * lines.along
    ahead, behind = project(position + step, camera), project(position - step, camera)
    return project(position, camera), (ahead - behind) / (2 * _DIFFERENCE)


def _turned(place: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    a, b = place[:, None, 0], place[:, None, 1]
    x, y = vectors[..., 0], vectors[..., 1]
    return np.stack([a * x - b * y, b * x + a * y], axis=-1)


def _back(place: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Px of the frame to px of the camera's image."""
    a, b = place[:, None, 0], place[:, None, 1]
    x, y = np.moveaxis(positions - place[:, None, 2:], -1, 0)
    return np.stack([a * x + b * y, a * y - b * x], axis=-1) / (a * a + b * b)[..., None]


def _affine(camera: Camera) -> tuple[Float[np.ndarray, "2 2"], Float[np.ndarray, "2"]]:
    """From distorted positions at unit focal length to px of the frame."""
    cosine, sine = np.cos(camera.turn), np.sin(camera.turn)
    turn = camera.magnification * np.array([[cosine, -sine], [sine, cosine]])
    matrix = np.asarray(camera.matrix, np.float64)
    return turn @ matrix[:2, :2], turn @ matrix[:2, 2]


def _distorted(
    positions: np.ndarray, distortion: tuple[float, float, float, float, float]
) -> np.ndarray:
    x, y = positions[..., 0], positions[..., 1]
    k1, k2, p1, p2, k3 = distortion
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    return np.stack(
        [
            x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
            y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
        ],
        axis=-1,
    )
