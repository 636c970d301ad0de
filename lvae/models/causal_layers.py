"""Layers over maps in raster order that see the past only: masked convolutions, blocks, attention.

Every layer can be run two ways with the same parameters: over whole maps, for training and
likelihoods (`__call__`), and one position at a time with what it needs of the past in a cache
(`start`, `step`), for sampling. A cache holds zeros where nothing is drawn yet.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from jaxtyping import Array, Float, Int

from lvae.models.convolving import convolve

Maps = Float[Array, "batch rows columns features"]
Thinned = Float[Array, "maps thin_rows thin_columns features"]
Rows = Float[Array, "batch features"]
Index = int | Int[Array, ""]
Position = tuple[Index, Index]  # row, column; may be traced
Cache = Array | tuple[Array, ...]  # what a layer needs of the past


def causal_mask(size: int, kind: str) -> np.ndarray:
    """(size, size), 1 where a kernel may look: at earlier codes, and with 'B' at its own place."""
    if kind not in ("A", "B"):
        raise ValueError(f"mask {kind!r}: expected 'A' or 'B'")
    order = np.arange(size * size).reshape(size, size)
    centre = order[size // 2, size // 2]
    return (order < centre + (kind == "B")).astype(np.float32)


class MaskedConv(nn.Module):
    """A convolution that sees the past only ([oord2016]).

    Its kernel is (size, size, channels, features), as in an unmasked layer; the rows below the
    centre are always masked and never multiplied. distance: between the codes that it reads (a
    dilated convolution where it is above 1).
    """

    channels: int
    features: int
    size: int
    kind: str
    distance: int = 1

    def setup(self) -> None:
        shape = (self.size, self.size, self.channels, self.features)
        # variance by the taps that the mask leaves
        taps = int(causal_mask(self.size, self.kind).sum())
        deviation = (taps * self.channels) ** -0.5
        self.kernel = self.param("kernel", nn.initializers.normal(deviation), shape)
        self.bias = self.param("bias", nn.initializers.zeros, (self.features,))

    def _kernel(self) -> Array:
        mask = jnp.asarray(causal_mask(self.size, self.kind))[:, :, None, None]
        return (self.kernel * mask)[: self.size // 2 + 1]

    def __call__(self, x: Float[Array, "batch rows columns channels"]) -> Maps:
        reach = self.size // 2
        apart = thinned(x, self.distance)
        y = convolve(apart, self._kernel(), padding=((reach, 0), (reach, reach)))
        y = unthinned(y, self.distance, x.shape)
        return y + self.bias.reshape(1, 1, 1, -1)

    def start(self, batch: int, grid: tuple[int, int]) -> Array:
        """The inputs so far, with the zeros around them that the kernel reaches."""
        reach = self.size // 2 * self.distance
        return jnp.zeros((batch, grid[0] + reach, grid[1] + 2 * reach, self.channels))

    def put(self, cache: Array, x: Rows, position: Position) -> Array:
        """Writes the input at one position."""
        reach = self.size // 2 * self.distance
        place = (0, position[0] + reach, position[1] + reach, 0)
        return jax.lax.dynamic_update_slice(cache, x[:, None, None], place)

    def read(self, cache: Array, position: Position) -> Rows:
        """The output at one position."""
        reach = self.size // 2 * self.distance
        window = (cache.shape[0], reach + 1, 2 * reach + 1, self.channels)
        seen = jax.lax.dynamic_slice(cache, (0, position[0], position[1], 0), window)
        seen = seen[:, :: self.distance, :: self.distance]
        flat = seen.reshape(cache.shape[0], -1) @ self._kernel().reshape(-1, self.features)
        return flat + self.bias.reshape(1, -1)


def thinned(x: Maps, distance: int) -> Maps | Thinned:
    """Every `distance`-th row and column as a map of its own, in the batch: neighbours there are
    `distance` apart."""
    if distance == 1:
        return x
    rows, columns = x.shape[1:3]
    x = jnp.pad(x, ((0, 0), (0, -rows % distance), (0, -columns % distance), (0, 0)))
    return rearrange(x, "b (h p) (w q) f -> (b p q) h w f", p=distance, q=distance)


def unthinned(x: Maps | Thinned, distance: int, shape: tuple[int, ...]) -> Array:
    """The inverse of `thinned`, for maps of that shape (but for the number of features)."""
    if distance == 1:
        return x
    x = rearrange(x, "(b p q) h w f -> b (h p) (w q) f", p=distance, q=distance)
    return x[:, : shape[1], : shape[2]]


class ReferenceBlock(nn.Module):
    """The block of configs/pixelcnn_brain.py:reference: 1 x 1 to half the features, 3 x 3 'B', 1 x
    1 back, added; then a 1 x 1 'B' layer; relu after each."""

    features: int

    def setup(self) -> None:
        half = self.features // 2
        self.down = nn.Dense(half)
        self.masked = MaskedConv(half, half, 3, "B")
        self.up = nn.Dense(self.features)
        self.after = MaskedConv(self.features, self.features, 1, "B")

    def __call__(self, x: Maps) -> Maps:
        y = nn.relu(self.masked(nn.relu(self.down(x))))
        return nn.relu(self.after(x + nn.relu(self.up(y))))

    def start(self, batch: int, grid: tuple[int, int]) -> tuple[Array, Array]:
        return self.masked.start(batch, grid), self.after.start(batch, grid)

    def step(
        self, cache: tuple[Array, Array], x: Rows, position: Position
    ) -> tuple[tuple[Array, Array], Rows]:
        before, after = cache
        before = self.masked.put(before, nn.relu(self.down(x)), position)
        y = nn.relu(self.masked.read(before, position))
        after = self.after.put(after, x + nn.relu(self.up(y)), position)
        return (before, after), nn.relu(self.after.read(after, position))


class GatedBlock(nn.Module):
    """Normalise, 1 x 1 to half, 3 x 3 'B' to twice that, tanh times sigmoid ([oord2016gated]), 1 x
    1 from zero, added. distance: of the 3 x 3 layer."""

    features: int
    distance: int = 1

    def setup(self) -> None:
        half = self.features // 2
        self.normalise = nn.LayerNorm()
        self.down = nn.Dense(half)
        self.masked = MaskedConv(half, 2 * half, 3, "B", self.distance)
        self.up = nn.Dense(self.features, kernel_init=nn.initializers.zeros)

    def __call__(self, x: Maps) -> Maps:
        return x + self._out(self.masked(self._in(x)))

    def _in(self, x: Array) -> Array:
        return nn.silu(self.down(self.normalise(x)))

    def _out(self, y: Array) -> Array:
        content, gate = jnp.split(y, 2, axis=-1)
        return self.up(jnp.tanh(content) * nn.sigmoid(gate))

    def start(self, batch: int, grid: tuple[int, int]) -> Array:
        return self.masked.start(batch, grid)

    def step(self, cache: Array, x: Rows, position: Position) -> tuple[Array, Rows]:
        cache = self.masked.put(cache, self._in(x), position)
        return cache, x + self._out(self.masked.read(cache, position))


class CausalAttention(nn.Module):
    """Every position attends to itself and to all before it ([chen2018])."""

    features: int
    heads: int

    def setup(self) -> None:
        self.normalise = nn.LayerNorm()
        self.project = nn.Dense(3 * self.features)
        self.out = nn.Dense(self.features, kernel_init=nn.initializers.zeros)

    def _heads(self, x: Array) -> tuple[Array, Array, Array]:
        """Query, key, value: (..., heads, features / heads)."""
        projected = self.project(self.normalise(x))
        split = projected.reshape(*x.shape[:-1], 3, self.heads, self.features // self.heads)
        return split[..., 0, :, :], split[..., 1, :, :], split[..., 2, :, :]

    def __call__(self, x: Maps) -> Maps:
        batch, rows, columns, features = x.shape
        query, key, value = self._heads(x.reshape(batch, rows * columns, features))
        scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) / np.sqrt(query.shape[-1])
        past = jnp.tril(jnp.ones((rows * columns,) * 2, bool))[None, None]
        weights = nn.softmax(jnp.where(past, scores, -jnp.inf))
        mixed = jnp.einsum("bhqk,bkhd->bqhd", weights, value)
        return x + self.out(mixed.reshape(batch, rows, columns, features))

    def start(self, batch: int, grid: tuple[int, int]) -> tuple[Array, Array, Array]:
        shape = (batch, grid[0] * grid[1], self.heads, self.features // self.heads)
        return jnp.zeros(shape), jnp.zeros(shape), jnp.zeros((), jnp.int32)

    def step(
        self, cache: tuple[Array, Array, Array], x: Rows, position: Position
    ) -> tuple[tuple[Array, Array, Array], Rows]:
        del position  # positions come in raster order: the cache counts them
        keys, values, now = cache
        query, key, value = self._heads(x)
        keys = jax.lax.dynamic_update_slice(keys, key[:, None], (0, now, 0, 0))
        values = jax.lax.dynamic_update_slice(values, value[:, None], (0, now, 0, 0))
        scores = jnp.einsum("bhd,bkhd->bhk", query, keys) / np.sqrt(query.shape[-1])
        past = (jnp.arange(keys.shape[1]) <= now)[None, None]
        weights = nn.softmax(jnp.where(past, scores, -jnp.inf))
        mixed = jnp.einsum("bhk,bkhd->bhd", weights, values).reshape(x.shape)
        return (keys, values, now + 1), x + self.out(mixed)
