"""Which ray does every point of a frame belong to? A network on points alone, no image.

A frame is brought into canonical coordinates, in which any affine view of the grid looks the same up
to a turn. There every point knows the next point in eight directions, and by following them the one
two, four, ... steps on. Layers gather what these neighbours know, as a 3 x 3 convolution with holes
would if the points lay in a regular grid. So what is seen locally, one step of the grid, adds up
along rows and columns in a few layers.
"""

from collections.abc import Sequence
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

DIRECTIONS = 8  # right, right and up, up, ...
REACH = 2  # steps of the grid, each way, that the network says of a point and its neighbour
_CONE = 1.2  # a neighbour lies at least so much farther along a direction than beside it
_SIDEWAYS = 1.5  # cost of a length beside the direction over one along it
_FARTHEST = 4.0  # such costs, in pitches; who lies farther is no neighbour
_TURNS = (0.5, 1.0, 2.0)  # waves across the whole grid, of the coding of positions
_SHARPEST = 10.0  # largest slope of the logits about the estimated row: 1 / its deviation


class Links(NamedTuple):
    """The neighbour of every point in every direction, and whether there is one."""

    neighbour: Int[Array, "frames points directions"]
    linked: Bool[Array, "frames points directions"]


class Evidence(NamedTuple):
    """What the network says of a frame's points, and the links that it says it about.

    row, column: logits of each. belongs: logit of belonging to any ray. step: logits that a
    neighbour lies -REACH to REACH rows (first) and columns (second) farther.
    """

    row: Float[Array, "frames points rows"]
    column: Float[Array, "frames points columns"]
    belongs: Float[Array, "frames points"]
    step: Float[Array, "frames points directions 2 steps"]
    links: Links


def canonical(
    points: Float[Array, "frames points 2"],
    present: Bool[Array, "frames points"],
    rows: int,
    columns: int,
) -> Float[Array, "frames points 2"]:
    """Points about their mean, columns to the right and rows up, in pitches of a regular grid.

    The inverse square root of their covariance takes scale, stretching and shear away: of an affine
    map of the grid only a turn is left. (0, 0) where no point is present.
    """
    weight = present[..., None].astype(points.dtype)
    count = jnp.maximum(jnp.sum(weight, axis=1, keepdims=True), 1.0)
    centred = (points - jnp.sum(points * weight, axis=1, keepdims=True) / count) * weight
    covariance = jnp.swapaxes(centred, 1, 2) @ centred / count
    whitened = centred @ _inverse_square_root(covariance)
    # Deviations of 0, 1, ..., n - 1: what a grid of that size has in each direction.
    deviation = jnp.sqrt((jnp.array([columns, rows], points.dtype) ** 2 - 1) / 12)
    return whitened * (deviation * jnp.array([1.0, -1.0])).reshape(1, 1, 2)


def find_links(
    places: Float[Array, "frames points 2"], present: Bool[Array, "frames points"]
) -> Links:
    """The nearest point in each direction, within a cone about it.

    Distance and index are packed into one whole number, whose minimum over all points is the
    fastest search there is on a CPU: 1 ms for 336 points.
    """
    count = places.shape[1]
    bits = max(1, (count - 1).bit_length())
    levels = 2 ** (27 - bits)  # per pitch; costs are below 8
    along_x = places[:, :, None, 0] - places[:, None, :, 0]  # from the second point to the first
    along_y = places[:, :, None, 1] - places[:, None, :, 1]
    absent = jnp.where(present, 0.0, 100.0)[:, :, None]
    index = jnp.arange(count, dtype=jnp.int32).reshape(1, -1, 1)
    found = []
    for angle in np.arange(DIRECTIONS) * 2 * np.pi / DIRECTIONS:
        cosine, sine = float(np.cos(angle)), float(np.sin(angle))
        along = along_x * cosine + along_y * sine
        beside = jnp.abs(along_y * cosine - along_x * sine)
        in_cone = (along > _CONE * beside) & (along > 0.05)
        cost = jnp.where(in_cone, along + _SIDEWAYS * beside, 100.0) + absent
        packed = (jnp.minimum(cost, 7.9) * levels).astype(jnp.int32) * 2**bits + index
        found.append(jnp.min(packed, axis=1))
    best = jnp.stack(found, axis=-1)
    linked = (best < int(_FARTHEST * levels) * 2**bits) & present[..., None]
    return Links(best % 2**bits, linked)


def twice(links: Links) -> Links:
    """Two links in the same direction, one after the other."""
    neighbour, linked = (jnp.swapaxes(part, 1, 2) for part in links)
    beyond = jnp.take_along_axis(neighbour, neighbour, axis=2)
    both = jnp.take_along_axis(linked, neighbour, axis=2) & linked
    return Links(jnp.swapaxes(beyond, 1, 2), jnp.swapaxes(both, 1, 2))


class PointNetwork(nn.Module):
    """Points -> `Evidence`.

    rows, columns: of the grid. features: of a point. doublings: by layer, how often its links are
    doubled. summaries: weighted means over a frame that every third layer hands to all its points.
    """

    rows: int
    columns: int
    features: int = 48
    doublings: Sequence[int] = (0, 1, 2, 0, 1, 2)
    summaries: int = 16

    @nn.compact
    def __call__(
        self, points: Float[Array, "frames points 2"], present: Bool[Array, "frames points"]
    ) -> Evidence:
        places = canonical(points, present, self.rows, self.columns)
        links = [find_links(places, present)]
        for _ in range(max(self.doublings)):
            links.append(twice(links[-1]))
        offsets = [_offsets(places, one, 2.0**level) for level, one in enumerate(links)]
        hidden = nn.Dense(self.features)(
            jnp.concatenate([*offsets, _coded(places, self.rows, self.columns)], axis=-1)
        )
        for layer, level in enumerate(self.doublings):
            hidden = hidden + _Gathering(self.features)(hidden, links[level], offsets[level])
            if layer % 3 == 2 and self.summaries:
                hidden = hidden + _Summary(self.features, self.summaries)(hidden, present)
        return self._evidence(nn.LayerNorm()(hidden), places, links[0])

    def _evidence(
        self,
        hidden: Float[Array, "frames points features"],
        places: Float[Array, "frames points 2"],
        links: Links,
    ) -> Evidence:
        """Logits of rows fall off quadratically from an estimate, which starts at the canonical
        place; what is left is free, so that two rows can be likely."""
        heads = nn.Dense(5, kernel_init=nn.initializers.zeros, name="estimate")(hidden)
        logits = []
        for axis, (name, count) in enumerate((("column", self.columns), ("row", self.rows))):
            centre = places[..., axis] + (count - 1) / 2 + heads[..., axis]
            precision = jnp.clip(jnp.exp(-2 * heads[..., 2 + axis]), 0.01, _SHARPEST**2)
            away = centre[..., None] - jnp.arange(count, dtype=centre.dtype).reshape(1, 1, -1)
            free = nn.Dense(count, kernel_init=nn.initializers.zeros, name=name)(hidden)
            logits.append(free - 0.5 * precision[..., None] * away**2)
        steps = 2 * REACH + 1
        step = nn.Dense(DIRECTIONS * 2 * steps, kernel_init=nn.initializers.zeros, name="step")
        by_link = step(hidden).reshape(*hidden.shape[:2], DIRECTIONS, 2, steps)
        return Evidence(logits[1], logits[0], heads[..., 4] + 3.0, by_link, links)


class _Gathering(nn.Module):
    """What a point learns from its neighbours along one kind of link."""

    features: int

    @nn.compact
    def __call__(
        self,
        hidden: Float[Array, "frames points features"],
        links: Links,
        offsets: Float[Array, "frames points numbers"],
    ) -> Float[Array, "frames points features"]:
        known = nn.LayerNorm()(hidden)
        message = nn.Dense(self.features, use_bias=False)(known)
        from_all = _gathered(message, links).reshape(*hidden.shape[:2], -1)
        inputs = jnp.concatenate([from_all, known, offsets], axis=-1)
        return nn.Dense(self.features)(nn.gelu(nn.Dense(self.features)(inputs)))


class _Summary(nn.Module):
    """What all points of a frame say together, the same for each of them."""

    features: int
    summaries: int
    heads: int = 4

    @nn.compact
    def __call__(
        self,
        hidden: Float[Array, "frames points features"],
        present: Bool[Array, "frames points"],
    ) -> Float[Array, "frames 1 features"]:
        known = nn.LayerNorm()(hidden)
        frames, points = present.shape
        score = nn.Dense(self.heads * self.summaries)(known)
        score = jnp.where(present[..., None], score, -1e9)
        weight = nn.softmax(score, axis=1).reshape(frames, points, self.heads, self.summaries)
        value = nn.Dense(self.features)(known).reshape(frames, points, self.heads, -1)
        mean = jnp.einsum("fphs,fphd->fshd", weight, value).reshape(frames, 1, -1)
        return nn.Dense(self.features)(nn.gelu(nn.Dense(2 * self.features)(mean)))


def _inverse_square_root(matrix: Float[Array, "frames 2 2"]) -> Float[Array, "frames 2 2"]:
    """Of symmetric positive matrices, in closed form (Levinger, 1980): the root of M is
    (M + s I) / t with s the root of its determinant and t that of its trace plus 2 s, and the
    determinant of M + s I is s t^2."""
    # Points on a line, or none, have no inverse; a millionth of their extent stands in for it.
    trace = matrix[:, 0, 0] + matrix[:, 1, 1]
    matrix = matrix + (1e-6 * trace + 1e-12)[:, None, None] * jnp.eye(2)[None]
    a, b, d = matrix[:, 0, 0], matrix[:, 0, 1], matrix[:, 1, 1]
    s = jnp.sqrt(jnp.maximum(a * d - b * b, 1e-30))
    t = jnp.sqrt(a + d + 2 * s)
    adjugate = jnp.stack([d + s, -b, -b, a + s], axis=-1).reshape(-1, 2, 2)
    return adjugate / (s * t)[:, None, None]


def _gathered(
    values: Float[Array, "frames points numbers"], links: Links
) -> Float[Array, "frames points directions numbers"]:
    """The neighbours' values, 0 where there is none."""
    frames, points, directions = links.neighbour.shape
    flat = links.neighbour.reshape(frames, points * directions, 1)
    taken = jnp.take_along_axis(values, flat, axis=1).reshape(frames, points, directions, -1)
    return taken * links.linked[..., None].astype(values.dtype)


def _offsets(
    places: Float[Array, "frames points 2"], links: Links, length: float
) -> Float[Array, "frames points numbers"]:
    """Where the neighbours lie from each point, in links of that many pitches, and which there are."""
    linked = links.linked[..., None].astype(places.dtype)
    away = (_gathered(places, links) - places[:, :, None]) * linked / length
    return jnp.concatenate([away, linked], axis=-1).reshape(*places.shape[:2], -1)


def _coded(
    places: Float[Array, "frames points 2"], rows: int, columns: int
) -> Float[Array, "frames points numbers"]:
    """Places in the whole grid, as they are and as waves."""
    share = places / jnp.array([columns - 1, rows - 1], places.dtype).reshape(1, 1, 2)
    angles = [2 * np.pi * turns * share for turns in _TURNS]
    waves = [wave for angle in angles for wave in (jnp.sin(angle), jnp.cos(angle))]
    return jnp.concatenate([3.0 * share, *waves], axis=-1)
