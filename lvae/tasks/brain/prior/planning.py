"""Plans of slices: of real ones, while training and afterwards; and of heads that nobody has."""

import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from lvae.models import plans
from lvae.models.plans import Plans
from lvae.tasks.brain.prior.settings import PlanSettings, Settings
from lvae.tasks.brain.slices import Slices
from lvae.tasks.task import Run, Spec, Split

Grid = tuple[int, int]
PlanMaps = Float[np.ndarray, "n rows columns channels"]
Heights = Float[np.ndarray, " n"]


class Planned(NamedTuple):
    """maps: plans as the network reads them: coarse picture and height. heights: in [0, 1]."""

    maps: PlanMaps
    heights: Heights


def blank(settings: PlanSettings, grid: Grid) -> dict[str, PyTree]:
    """Buffers of the shapes that `fitted` gives."""
    count, heights, pixels = settings.components, settings.heights, grid[0] * grid[1]
    return {
        "mean": jnp.zeros((heights, pixels)),
        "axes": jnp.zeros((count, heights, pixels)),
        "rest": jnp.ones((heights, pixels)),
        "gain": jnp.zeros((heights, count, pixels)),
        "root": jnp.zeros((heights, count, count)),
    }


def fitted(settings: Settings, split: Split, grid: Grid) -> dict[str, np.ndarray]:
    """The distribution of the plans of training subjects, and of their mirror images where training
    mirrors."""
    pictures = coarse(split["image"], grid)
    last = max(1, int(split["slice"].max()))
    heads = plans.stacked(
        pictures.reshape(len(pictures), -1),
        split["subject"],
        split["slice"] / last,
        settings.plan.heights,
    )
    if settings.loss.mirror:
        mirrored = heads.reshape(*heads.shape[:2], *grid)[..., ::-1].reshape(heads.shape)
        heads = np.concatenate([heads, mirrored])
    found = plans.fit(heads, settings.plan.components)
    return {**found._asdict(), **plans.readings(found)}


def coarse(images: Slices, grid: Grid) -> Float[np.ndarray, "n rows columns"]:
    """Mean grey value in [0, 1] of the pixels of every code."""
    count, height, width = images.shape
    blocks = images.reshape(count, grid[0], height // grid[0], grid[1], width // grid[1])
    return blocks.mean((2, 4)) / 255


def while_training(
    buffers: Mapping[str, Array],
    images: Float[Array, "batch height width"],
    places: Int[Array, " batch"],
    key: Key[Array, ""],
    grid: Grid,
) -> Float[Array, "batch rows columns 2"]:
    """Plans of slices at heights `places` of the plans' own, drawn from all that fit the slice."""
    batch, height, width = images.shape
    blocks = images.reshape(batch, grid[0], height // grid[0], grid[1], width // grid[1])
    away = blocks.mean((2, 4)).reshape(batch, -1) - buffers["mean"][places]
    noise = jax.random.normal(key, (batch, buffers["root"].shape[-1]))
    weights = jnp.einsum("bsp,bp->bs", buffers["gain"][places], away)
    weights = weights + jnp.einsum("bst,bt->bs", buffers["root"][places], noise)
    pictures = buffers["mean"][places] + jnp.einsum(
        "bs,sbp->bp", weights, buffers["axes"][:, places]
    )
    heights = places / max(1, len(buffers["mean"]) - 1)
    return as_maps(jnp, pictures.reshape(batch, *grid), heights)


def places_of(slices: Any, spec: Spec, settings: PlanSettings) -> Any:
    """Numbers of slices as numbers of the plans' heights."""
    last = max(1, int(spec.facts["last_slice"]))
    return (slices * (settings.heights - 1) + last // 2) // last


def as_maps(library: Any, pictures: Any, heights: Any) -> Any:
    """Pictures, and the height of each at every place."""
    level = library.broadcast_to(heights[:, None, None], pictures.shape)
    return library.stack([pictures, level], -1)


def plans_in(run: Run[Settings]) -> Plans:
    """The distribution that a trained prior holds."""
    held = run.variables["buffers"]["plan"]
    return Plans(*(np.asarray(held[name]) for name in Plans._fields))


def of_images(
    run: Run[Settings],
    images: Slices,
    grid: Grid,
    seed: int = 0,
    seen: Bool[np.ndarray, "n rows columns"] | None = None,
) -> Planned:
    """Plans of slices at the heights at which they are likeliest, each drawn from all that fit what is
    `seen` of the slice; depends on the slice and the seed alone."""
    held, pictures = plans_in(run), coarse(images, grid).reshape(len(images), -1)
    hidden = None if seen is None else seen.reshape(pictures.shape)
    heights = plans.likeliest_heights(held, pictures, hidden)
    white = np.random.default_rng(seed).normal(size=len(held.axes))
    maps = np.zeros_like(pictures)
    for height in np.unique(heights):
        here, rows = plans.at_height(held, height), np.flatnonzero(heights == height)
        for part in [rows] if hidden is None else rows[:, None]:  # what is seen is each slice's own
            shown = None if hidden is None else hidden[part[0]]
            means, covariance = plans.explained(here, pictures[part], shown)
            weights = means + np.linalg.cholesky(covariance) @ white
            maps[part] = here.mean + weights @ here.axes
    return _planned(maps, heights, grid)


def maps_of_images(
    run: Run[Settings],
    images: Slices,
    grid: Grid,
    seed: int = 0,
    seen: Bool[np.ndarray, "n rows columns"] | None = None,
) -> PlanMaps | None:
    """What the network of a run reads beside the codes of these slices, see `of_images`; None of a
    prior without plans."""
    if not run.settings.plan.components:
        return None
    return of_images(run, images, grid, seed, seen).maps


def of_nobody(
    run: Run[Settings], seed: int, name: str, heads: np.ndarray, heights: Heights | None, grid: Grid
) -> Planned:
    """Plans of new heads: of slices at `heights`, or at one of the plans' own heights each, drawn.

    Equal numbers of `heads` are one head. Depends on (seed, name, the head's number) alone.
    """
    held, maps, chosen = plans_in(run), [], []
    for index, head in enumerate(heads.tolist()):
        random = np.random.default_rng([seed, zlib.crc32(name.encode()), head])
        weights = random.normal(size=len(held.axes))
        own = random.choice(plans.heights_of(held))
        height = float(own if heights is None else heights[index])
        here = plans.at_height(held, height)
        maps.append(here.mean + weights @ here.axes)
        chosen.append(height)
    return _planned(maps, chosen, grid)


def nats(run: Run[Settings], images: Slices, slices: np.ndarray, grid: Grid) -> Heights:
    """What the plan of each slice costs."""
    held, pictures = plans_in(run), coarse(images, grid).reshape(len(images), -1)
    heights = plans.heights_of(held)[places_of(slices, run.spec, run.settings.plan)]
    found = np.zeros(len(pictures))
    for height in np.unique(heights):
        rows = heights == height
        found[rows] = plans.nats(plans.at_height(held, height), pictures[rows])
    return found


def _planned(maps: Any, heights: Any, grid: Grid) -> Planned:
    pictures = np.asarray(maps, np.float32).reshape(-1, *grid)
    levels = np.asarray(heights, np.float32)
    return Planned(as_maps(np, pictures, levels), levels)
