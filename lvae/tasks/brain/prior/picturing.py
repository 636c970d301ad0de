"""Pictures of slices, with 2 x 2 grey values per code: of real slices, and drawn from a plan.

A plan is too coarse for folds. Where the config has pictures, a flow (`lvae.models.picture_flow`) draws
one from the plan, and the codes are drawn from the picture. The network of the codes learns from
pictures of real slices, and in part from plans alone: holes and unlikely codes are looked at without
the picture, which would show them.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key, PyTree

from lvae.keys import per_index, stream
from lvae.models import picture_evidence, picture_flow
from lvae.models.picture_flow import FlowNetwork
from lvae.tasks.brain.codec.codec import Codec
from lvae.tasks.brain.prior import planning
from lvae.tasks.brain.prior.planning import Grid, PlanMaps
from lvae.tasks.brain.prior.settings import PictureSettings, Settings
from lvae.tasks.brain.slices import CONTENT, Slices, has_content, spread_out
from lvae.tasks.task import Run, Spec, Split

SIDE = 2  # grey values of a picture along a side of a code
UNIT = 4  # codes: the window's sides are multiples, so that the flow can halve it twice
PARAMS = "picture"  # of the flow, among the parameters of the prior
DRAWN_AT_ONCE = 32
EVIDENCE_SLICES = 512  # training slices whose blocks are counted

Window = tuple[int, int, int, int]  # codes: first row, rows, first column, columns


class Parts(NamedTuple):
    """What the flow of a slice is about, cut to the window and scaled: what the picture has that the
    plan has not, and the plan."""

    rest: Float[Array, "batch rows columns"]
    plan: Float[Array, "batch half_rows half_columns"]


def flow(settings: PictureSettings) -> FlowNetwork:
    """The network that draws pictures."""
    return FlowNetwork(settings.widths, settings.blocks)


def window_of(images: Slices, grid: Grid) -> Window:
    """The part of a code map outside which all of these slices, and their mirror images, are black;
    larger by what makes its sides multiples of `UNIT`.

    Raises:
      ValueError: a side of the map is no multiple of `UNIT`.
    """
    if grid[0] % UNIT or grid[1] % UNIT:
        raise ValueError(f"maps of {grid[0]} x {grid[1]} codes: sides must be multiples of {UNIT}")
    seen = np.asarray(has_content(images, grid).any(0))
    seen |= seen[:, ::-1]
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    first, count = _part(rows, grid[0])
    left, across = _part(columns, grid[1])
    return first, count, left, across


def _part(places: np.ndarray, size: int) -> tuple[int, int]:
    if not len(places):
        return 0, size
    count = -(-(int(places[-1]) - int(places[0]) + 1) // UNIT) * UNIT
    first = (int(places[-1]) + int(places[0]) + 1 - count) // 2
    return min(max(first, 0), size - count), count


def init(settings: Settings, spec: Spec, key: Key[Array, ""]) -> tuple[PyTree, dict[str, PyTree]]:
    """Parameters of the flow, and buffers for the scales of what it sees."""
    _, rows, _, columns = spec.facts["window"]
    blank = jnp.zeros((1, SIDE * rows, SIDE * columns))
    plan, one = jnp.zeros((1, rows, columns)), jnp.zeros(1)
    params = flow(settings.picture).init(key, blank, plan, one, one)["params"]
    return params, {"rest": jnp.ones(()), "middle": jnp.zeros(()), "spread": jnp.ones(())}


def scales(settings: Settings, plan: PyTree, split: Split, grid: Grid) -> dict[str, np.ndarray]:
    """Root mean square of the rest of training pictures inside heads, and mean and deviation of plans."""
    last = max(1, int(split["slice"].max()))
    places = (split["slice"] * (settings.plan.heights - 1) + last // 2) // last
    images = jnp.asarray(split["image"] / 255, jnp.float32)
    draw = jax.jit(planning.while_training, static_argnums=4)
    maps = np.asarray(draw(plan, images, jnp.asarray(places), jax.random.key(0), grid))
    pictures = np.asarray(of_slices(images, grid))
    rest = pictures - np.asarray(enlarged(jnp.asarray(maps[..., 0])))
    inside = rest[pictures > CONTENT / 255]
    spread = maps[..., 0].std()
    found = {"rest": np.sqrt(np.mean(inside**2)), "middle": maps[..., 0].mean(), "spread": spread}
    return {name: np.asarray(max(value, 1e-3), np.float32) for name, value in found.items()}


def of_slices(images: Any, grid: Grid) -> Any:
    """Mean grey values in [0, 1] of the pixels of a picture's: of slices in [0, 1]."""
    count, height, width = images.shape
    rows, columns = SIDE * grid[0], SIDE * grid[1]
    return images.reshape(count, rows, height // rows, columns, width // columns).mean((2, 4))


def enlarged(plan: Float[Array, "batch rows columns"]) -> Float[Array, "batch _ _"]:
    """Plans as large as pictures, interpolated."""
    count, rows, columns = plan.shape
    return jax.image.resize(plan, (count, SIDE * rows, SIDE * columns), "linear")


def as_read(library: Any, pictures: Any, plan: Any) -> Any:
    """Pictures as the network of the codes reads them: four grey values per code, 1 for a picture, and
    the height."""
    blocks, height = as_blocks(pictures), plan[..., 1:]
    return library.concatenate([blocks, library.ones_like(height), height], -1)


def as_blocks(pictures: Any) -> Any:
    """The four grey values of every code."""
    count, height, width = pictures.shape
    blocks = pictures.reshape(count, height // SIDE, SIDE, width // SIDE, SIDE).swapaxes(2, 3)
    return blocks.reshape(count, height // SIDE, width // SIDE, SIDE**2)


def widened(plan: Any) -> Any:
    """A plan as a picture without detail, for a network that reads pictures: 0 says that it is none."""
    library = np if isinstance(plan, np.ndarray) else jnp
    grey = library.broadcast_to(plan[..., :1], (*plan.shape[:-1], SIDE**2))
    height = plan[..., 1:]
    return library.concatenate([grey, library.zeros_like(height), height], -1)


def evidence(codec: Codec, split: Split) -> dict[str, np.ndarray]:
    """How the blocks of pictures of training slices look, for every code."""
    some = spread_out(split["image"], EVIDENCE_SLICES)
    blocks = as_blocks(of_slices(some / 255, codec.grid))
    return picture_evidence.block_statistics(codec.encode(some), blocks, codec.size)


def readable(settings: Settings, plan: Any) -> Any:
    """What the network of the codes reads of a plan: as it is, or `widened` if it reads pictures and
    this is none."""
    bare = settings.picture.steps and plan is not None and plan.shape[-1] == 2
    return widened(plan) if bare else plan


def loss(
    settings: Settings,
    spec: Spec,
    params: PyTree,
    scale: PyTree,
    pictures: Float[Array, "batch height width"],
    plan: Float[Array, "batch rows columns 2"],
    key: Key[Array, ""],
) -> Float[Array, " batch"]:
    """What the flow minimises, of every slice."""
    parts = _parts(spec.facts["window"], scale, pictures, plan)
    guess = _guess(flow(settings.picture), params, parts.plan, plan[:, 0, 0, 1])
    return picture_flow.losses(guess, parts.rest, key)


def while_training(
    settings: PictureSettings,
    pictures: Float[Array, "batch height width"],
    plan: Float[Array, "batch rows columns 2"],
    key: Key[Array, ""],
) -> Float[Array, "batch rows columns 6"]:
    """What the network of the codes reads: pictures with noise, as drawn ones are not quite real; of
    some slices the plan alone."""
    noise = settings.noise * jax.random.normal(jax.random.fold_in(key, 0), pictures.shape)
    read = as_read(jnp, jnp.clip(pictures + noise, 0, 1), plan)
    without = jax.random.bernoulli(
        jax.random.fold_in(key, 1), settings.without, (len(pictures), 1, 1, 1)
    )
    return jnp.where(without, widened(plan), read)


def drawn(
    run: Run[Settings],
    seed: int,
    name: str,
    heads: np.ndarray,
    plan: PlanMaps | None,
    images: Slices | None = None,
    seen: Bool[np.ndarray, "n rows columns"] | None = None,
) -> Any:
    """Plans with a picture each, drawn of (seed, name, the head's number) and the plan alone; as they are
    where the config has no pictures.

    Slices of a head start from the same noise. images, seen: what is seen of the picture of each slice
    stays, and the rest is drawn to fit.
    """
    settings = run.settings.picture
    if not settings.steps or plan is None:
        return plan
    known = None if images is None else of_slices(images / 255, plan.shape[1:3])
    keys = per_index(stream(seed, name + " picture"), np.asarray(heads))
    pictures = []
    for first in range(0, len(plan), DRAWN_AT_ONCE):
        rows = np.arange(first, min(first + DRAWN_AT_ONCE, len(plan)))
        filled = np.resize(rows, DRAWN_AT_ONCE)  # one compilation for every count
        some = None if known is None or seen is None else (known[filled], seen[filled])
        found = _pictures(run, keys[filled], plan[filled], some)
        pictures.append(np.asarray(found)[: len(rows)])
    return as_read(np, np.concatenate(pictures), plan)


def _pictures(run: Run[Settings], keys: Any, plan: PlanMaps, known: Any) -> Array:
    settings, window = run.settings.picture, tuple(run.spec.facts["window"])
    scale = run.variables["buffers"][PARAMS]
    blank = np.zeros((len(plan), SIDE * plan.shape[1], SIDE * plan.shape[2]), np.float32)
    shown, seen = (blank, None) if known is None else known
    parts = _parts(window, scale, jnp.asarray(shown), jnp.asarray(plan))
    noise = _noise(keys, parts.rest.shape[1:])
    guess = functools.partial(
        _guessed,
        flow(settings),
        run.variables["params"][PARAMS],
        parts.plan,
        jnp.asarray(plan[:, 0, 0, 1]),
    )
    fixed = None
    if seen is not None:
        large = np.repeat(np.repeat(seen, SIDE, 1), SIDE, 2)
        fixed = (parts.rest, jnp.asarray(_cut(window, large, SIDE)))
    rest = picture_flow.drawn(guess, noise, settings.steps, fixed)
    first, rows, left, columns = (SIDE * part for part in window)
    whole = enlarged(jnp.asarray(plan[..., 0]))
    part = whole[:, first : first + rows, left : left + columns] + scale["rest"] * rest
    picture = jnp.zeros_like(whole).at[:, first : first + rows, left : left + columns].set(part)
    return jnp.clip(picture, 0, 1)


_noise = jax.jit(
    lambda keys, shape: jax.vmap(lambda key: jax.random.normal(key, shape))(keys), static_argnums=1
)


@functools.partial(jax.jit, static_argnums=0)
def _guessed(
    module: FlowNetwork, params: PyTree, plan: Array, height: Array, x: Array, time: Array
) -> Any:
    return _guess(module, params, plan, height)(x, time)


def _guess(module: FlowNetwork, params: PyTree, plan: Array, height: Array) -> picture_flow.Guess:
    return lambda x, time: module.apply({"params": params}, x, plan, time, height)  # type: ignore[return-value]


def _parts(window: Any, scale: PyTree, pictures: Array, plan: Array) -> Parts:
    rest = (pictures - enlarged(plan[..., 0])) / scale["rest"]
    level = (plan[..., 0] - scale["middle"]) / scale["spread"]
    return Parts(_cut(window, rest, SIDE), _cut(window, level, 1))


def _cut(window: Any, maps: Any, side: int) -> Any:
    first, rows, left, columns = (side * part for part in window)
    return maps[:, first : first + rows, left : left + columns]
