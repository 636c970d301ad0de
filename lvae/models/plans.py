"""Plans: coarse pictures of heads, whole heads at once, as a normal distribution over subjects.

A picture holds a grey value per code, of a slice at a height in [0, 1]. A subject is its pictures at
`heights` heights; they are the mean head plus a mixture of `axes`, the principal components of the
training subjects, with independent standard normal weights, plus a rest that is white noise:
probabilistic principal components [tipping1999]. The weights are the subject's code. A plan is a
picture without its rest: plans of one subject agree, and what is hidden of a picture follows from what
is seen. Between two heights everything is interpolated.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

Picture = Float[np.ndarray, " pixels"]
Pictures = Float[np.ndarray, "n pixels"]


class Plans(NamedTuple):
    """mean: of all heads. axes: each of the deviation that its weight has. rest: variance of what no
    mixture explains."""

    mean: Float[np.ndarray, "heights pixels"]
    axes: Float[np.ndarray, "components heights pixels"]
    rest: Float[np.ndarray, "heights pixels"]


class AtHeight(NamedTuple):
    """A normal distribution of pictures: mean, axes of independent weights, variance of the rest."""

    mean: Picture
    axes: Float[np.ndarray, "components pixels"]
    rest: Picture


FLOOR = 0.03  # grey values: least deviation of the rest, which background would not have


def fit(heads: Float[np.ndarray, "subjects heights pixels"], components: int) -> Plans:
    """The distribution of some heads; fewer heads than components leave the last axes at 0.

    The rest is measured on each half of the heads with the axes of the other half: the heads that the
    axes were found on say too little of it.
    """
    mean, axes = _principal(heads, components)
    rest = np.zeros(heads.shape[1:])
    if len(heads) > 3:
        halves = heads[0::2], heads[1::2]
        for known, others in (halves, halves[::-1]):
            middle, found = _principal(known, min(components, len(known) - 1))
            away = (others - middle).reshape(len(others), -1)
            flat = found.reshape(len(found), -1)
            unit = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
            left = (away - away @ unit.T @ unit).reshape(others.shape)
            rest += 0.5 * np.mean(left**2, axis=0)
    rest = np.maximum(rest, FLOOR**2)
    return Plans(mean.astype(np.float32), axes.astype(np.float32), rest.astype(np.float32))


def _principal(heads: np.ndarray, components: int) -> tuple[np.ndarray, np.ndarray]:
    mean = heads.mean(0)
    away = (heads - mean).reshape(len(heads), -1)
    gram = away @ away.T / max(1, len(heads) - 1)
    values, vectors = np.linalg.eigh(gram)
    kept = min(components, max(0, len(heads) - 1))
    order = np.argsort(values)[::-1][:kept]
    axes = np.zeros((components, away.shape[1]))
    # a component's weights over the heads have unit deviation: v sqrt(n - 1)
    axes[:kept] = vectors[:, order].T @ away / np.sqrt(max(1, len(heads) - 1))
    return mean, axes.reshape(components, *heads.shape[1:])


def at_height(plans: Plans, height: float) -> AtHeight:
    """The distribution of pictures at a height in [0, 1]."""
    place = float(np.clip(height, 0, 1)) * (len(plans.mean) - 1)
    first = min(int(place), max(len(plans.mean) - 2, 0))
    part = place - first
    after = min(first + 1, len(plans.mean) - 1)

    def between(values: np.ndarray) -> np.ndarray:
        below, above = np.take(values, first, -2), np.take(values, after, -2)
        return np.asarray((1 - part) * below + part * above, np.float64)

    return AtHeight(between(plans.mean), between(plans.axes), between(plans.rest))


def explained(
    here: AtHeight,
    picture: Float[np.ndarray, "*pictures pixels"],
    seen: Bool[np.ndarray, " pixels"] | None = None,
) -> tuple[Float[np.ndarray, "*pictures components"], Float[np.ndarray, "components components"]]:
    """Mean and covariance of the weights of a head, given the pixels of its picture that are `seen`
    (None: all); of many pictures at once, means for each."""
    seen = np.ones(len(here.mean), bool) if seen is None else seen
    gain, covariance = _posterior(here, seen)
    return (picture - here.mean)[..., seen] @ gain.T, covariance


def _posterior(here: AtHeight, seen: Bool[np.ndarray, " pixels"]) -> tuple[np.ndarray, np.ndarray]:
    axes = here.axes[:, seen]
    scaled = axes / here.rest[seen]
    covariance = np.linalg.inv(np.eye(len(axes)) + scaled @ axes.T)
    return covariance @ scaled, covariance


def readings(plans: Plans) -> dict[str, Float[np.ndarray, "heights components _"]]:
    """How the weights follow from a picture at each of the heights: their mean is `gain` times the
    difference from the mean picture, their deviation `root` times standard normal numbers."""
    found = [
        _posterior(at_height(plans, h), np.ones(plans.mean.shape[1], bool))
        for h in heights_of(plans)
    ]
    return {
        "gain": np.stack([gain for gain, _ in found]).astype(np.float32),
        "root": np.stack([np.linalg.cholesky(part) for _, part in found]).astype(np.float32),
    }


def heights_of(plans: Plans) -> Float[np.ndarray, " heights"]:
    """The heights at which the plans are kept, in [0, 1]."""
    return np.linspace(0, 1, len(plans.mean))


def log_densities(
    here: AtHeight, pictures: Pictures, seen: Bool[np.ndarray, "n pixels"] | None = None
) -> Float[np.ndarray, " n"]:
    """ln of the density of the seen pixels of every picture (None: of all pixels, many at once)."""
    away = pictures - here.mean
    if seen is None:
        return _log_normal(here.axes, away, here.rest)
    found = [
        _log_normal(here.axes[:, part], row[None, part], here.rest[part])[0]
        for row, part in zip(away, seen)
    ]
    return np.array(found)


def _log_normal(axes: np.ndarray, away: np.ndarray, variance: Picture) -> np.ndarray:
    """Of every row of `away`, whose covariance is C = axes' axes + diag(variance), without forming C."""
    scaled = axes / variance
    inner = np.eye(len(axes)) + scaled @ axes.T
    along = scaled @ away.T
    quadratic = (away**2) @ (1 / variance) - np.sum(along * np.linalg.solve(inner, along), axis=0)
    logarithm = np.linalg.slogdet(inner)[1] + np.sum(np.log(variance))
    return np.asarray(-0.5 * (quadratic + logarithm + len(variance) * np.log(2 * np.pi)))


def nats(here: AtHeight, pictures: Pictures) -> Float[np.ndarray, " n"]:
    """What it costs to tell the plan of every picture: KL(weights given it || standard normal)."""
    gain, covariance = _posterior(here, np.ones(len(here.mean), bool))
    means = (pictures - here.mean) @ gain.T
    constant = np.trace(covariance) - len(covariance) - np.linalg.slogdet(covariance)[1]
    return np.asarray(0.5 * (constant + np.sum(means**2, axis=1)))


def likeliest_heights(
    plans: Plans, pictures: Pictures, seen: Bool[np.ndarray, "n pixels"] | None = None
) -> Float[np.ndarray, " n"]:
    """The height of every picture, among those of the plans, at which its seen pixels are likeliest."""
    heights = heights_of(plans)
    found = [log_densities(at_height(plans, height), pictures, seen) for height in heights]
    return heights[np.argmax(found, axis=0)]


def stacked(
    pictures: Float[np.ndarray, "n pixels"], subjects: np.ndarray, heights: np.ndarray, count: int
) -> Float[np.ndarray, "subjects heights pixels"]:
    """The pictures of every subject at `count` evenly spaced heights, from those of its slices, at
    `heights` in [0, 1]: interpolated between two, the nearest beyond the last."""
    wanted = np.linspace(0, 1, count)
    heads = []
    for subject in np.unique(subjects):
        own = np.flatnonzero(subjects == subject)
        own = own[np.argsort(heights[own], kind="stable")]
        place = np.interp(wanted, heights[own], np.arange(len(own)))
        below = np.floor(place).astype(int)
        above = np.minimum(below + 1, len(own) - 1)
        part = (place - below)[:, None]
        heads.append((1 - part) * pictures[own[below]] + part * pictures[own[above]])
    return np.stack(heads)
