"""Autoregressive priors over maps of codes: the reference PixelCNN, and a gated one with attention.

Codes are read in raster order. Every layer can be run two ways with the same parameters: over whole
maps, for training and likelihoods (`__call__`), and one position at a time with what it needs of
the past in a cache (`start`, `step`), for sampling. A cache holds zeros where nothing is drawn yet.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from lvae.models.convolution import convolve

Maps = Float[Array, "batch rows columns features"]
Rows = Float[Array, "batch features"]
Position = tuple[Any, Any]  # row, column; may be traced


def causal_mask(size: int, kind: str) -> np.ndarray:
    """(size, size), 1 where a kernel may look: at earlier codes, and with 'B' at its own place."""
    if kind not in ("A", "B"):
        raise ValueError(f"mask {kind!r}: expected 'A' or 'B'")
    order = np.arange(size * size).reshape(size, size)
    centre = order[size // 2, size // 2]
    return (order < centre + (kind == "B")).astype(np.float32)


class MaskedConv(nn.Module):
    """A convolution that sees the past only (van den Oord et al., 2016).

    Its kernel is (size, size, channels, features), as in an unmasked layer; the rows below the
    centre are always masked and never multiplied.
    """

    channels: int
    features: int
    size: int
    kind: str

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

    def __call__(self, x: Maps) -> Maps:
        reach = self.size // 2
        y = convolve(x, self._kernel(), padding=((reach, 0), (reach, reach)))
        return y + self.bias.reshape(1, 1, 1, -1)

    def start(self, batch: int, grid: tuple[int, int]) -> Array:
        """The inputs so far, with the zeros around them that the kernel reaches."""
        reach = self.size // 2
        return jnp.zeros((batch, grid[0] + reach, grid[1] + 2 * reach, self.channels))

    def put(self, cache: Array, x: Rows, position: Position) -> Array:
        """Writes the input at one position."""
        reach = self.size // 2
        place = (0, position[0] + reach, position[1] + reach, 0)
        return jax.lax.dynamic_update_slice(cache, x[:, None, None], place)

    def read(self, cache: Array, position: Position) -> Rows:
        """The output at one position."""
        reach = self.size // 2
        window = (cache.shape[0], reach + 1, self.size, self.channels)
        seen = jax.lax.dynamic_slice(cache, (0, position[0], position[1], 0), window)
        flat = seen.reshape(cache.shape[0], -1) @ self._kernel().reshape(-1, self.features)
        return flat + self.bias.reshape(1, -1)


class ReferenceBlock(nn.Module):
    """1 x 1 to half the features, 3 x 3 'B', 1 x 1 back, added; then a 1 x 1 'B' layer; relu after
    each."""

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

    def start(self, batch: int, grid: tuple[int, int]) -> Any:
        return self.masked.start(batch, grid), self.after.start(batch, grid)

    def step(self, cache: Any, x: Rows, position: Position) -> tuple[Any, Rows]:
        before, after = cache
        before = self.masked.put(before, nn.relu(self.down(x)), position)
        y = nn.relu(self.masked.read(before, position))
        after = self.after.put(after, x + nn.relu(self.up(y)), position)
        return (before, after), nn.relu(self.after.read(after, position))


class GatedBlock(nn.Module):
    """Normalise, 1 x 1 to half, 3 x 3 'B' to twice that, tanh times sigmoid, 1 x 1 from zero,
    added."""

    features: int

    def setup(self) -> None:
        half = self.features // 2
        self.normalise = nn.LayerNorm()
        self.down = nn.Dense(half)
        self.masked = MaskedConv(half, 2 * half, 3, "B")
        self.up = nn.Dense(self.features, kernel_init=nn.initializers.zeros)

    def __call__(self, x: Maps) -> Maps:
        return x + self._out(self.masked(self._in(x)))

    def _in(self, x: Array) -> Array:
        return nn.silu(self.down(self.normalise(x)))

    def _out(self, y: Array) -> Array:
        content, gate = jnp.split(y, 2, axis=-1)
        return self.up(jnp.tanh(content) * nn.sigmoid(gate))

    def start(self, batch: int, grid: tuple[int, int]) -> Any:
        return self.masked.start(batch, grid)

    def step(self, cache: Any, x: Rows, position: Position) -> tuple[Any, Rows]:
        cache = self.masked.put(cache, self._in(x), position)
        return cache, x + self._out(self.masked.read(cache, position))


class CausalAttention(nn.Module):
    """Every position attends to itself and to all before it."""

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

    def start(self, batch: int, grid: tuple[int, int]) -> Any:
        shape = (batch, grid[0] * grid[1], self.heads, self.features // self.heads)
        return jnp.zeros(shape), jnp.zeros(shape), jnp.zeros((), jnp.int32)

    def step(self, cache: Any, x: Rows, position: Position) -> tuple[Any, Rows]:
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


class PixelCNN(nn.Module):
    """Logits of every code given those before it: codes (B, rows, columns) -> (B, rows, columns,
    K).

    size: K. grid: rows and columns. features: width of the network. embedding: length of the
    vectors that stand for codes; 0: one-hot. kernel: of the first layer, masked 'A'. blocks: one
    letter a
    block: R reference, G gated, A attention. heads: of attention. places: adds a learned vector a
    position to the features and a learned table of logits to the output: where in the head a code
    lies tells what it may be. Filled with `place_logits`, the table is where learning starts; the
    network itself starts at zero. dropout: of the features
    before the blocks, while training.
    """

    size: int
    grid: tuple[int, int]
    features: int
    embedding: int
    kernel: int
    blocks: str
    heads: int
    places: bool
    dropout: float

    def setup(self) -> None:
        if self.embedding:
            self.embed = nn.Embed(
                self.size, self.embedding, embedding_init=nn.initializers.normal(1.0)
            )
        self.first = MaskedConv(self.embedding or self.size, self.features, self.kernel, "A")
        if self.places:
            shape = (1, *self.grid, self.features)
            self.place = self.param("place", nn.initializers.normal(0.5), shape)
            shape = (1, *self.grid, self.size)
            self.table = self.param("table", nn.initializers.zeros, shape)
        self.layers = [self._block(letter) for letter in self.blocks]
        if self.places:
            self.normalise = nn.LayerNorm()
        self.drop = nn.Dropout(self.dropout)
        start = nn.initializers.zeros if self.places else nn.initializers.lecun_normal()
        self.last = nn.Dense(self.size, kernel_init=start)

    def _block(self, letter: str) -> nn.Module:
        if letter == "R":
            return ReferenceBlock(self.features)
        if letter == "G":
            return GatedBlock(self.features)
        if letter == "A":
            return CausalAttention(self.features, self.heads)
        raise ValueError(f"block {letter!r}: expected R, G or A")

    def vectors(self, codes: Int[Array, "..."]) -> Array:
        """What stands for a code at the network's door."""
        return self.embed(codes) if self.embedding else jax.nn.one_hot(codes, self.size)

    def __call__(self, codes: Int[Array, "batch rows columns"], training: bool = False) -> Maps:
        return self.logits(self.vectors(codes), training)

    def logits(self, vectors: Maps, training: bool = False) -> Maps:
        """Logits from the vectors that stand for codes: with these in hand causality has a
        gradient."""
        x = self.first(vectors)
        x = x + self.place if self.places else nn.relu(x)
        x = self.drop(x, deterministic=not training)
        for layer in self.layers:
            x = layer(x)
        if self.places:
            return self.last(nn.silu(self.normalise(x))) + self.table
        return self.last(x)

    def start(self, batch: int) -> Any:
        """Caches of an empty map."""
        caches = [layer.start(batch, self.grid) for layer in self.layers]
        return self.first.start(batch, self.grid), caches

    def step(self, caches: Any, position: Position) -> tuple[Any, Rows]:
        """Logits at the next position in raster order, from all codes that were `put` before it."""
        seen, rest = caches
        x = self.first.read(seen, position)
        if self.places:
            place = (0, position[0], position[1], 0)
            x = x + jax.lax.dynamic_slice(self.place, place, (1, 1, 1, self.features))[:, 0, 0]
        else:
            x = nn.relu(x)
        after = []
        for layer, cache in zip(self.layers, rest):
            cache, x = layer.step(cache, x, position)
            after.append(cache)
        if not self.places:
            return (seen, after), self.last(x)
        place = (0, position[0], position[1], 0)
        here = jax.lax.dynamic_slice(self.table, place, (1, 1, 1, self.size))[:, 0, 0]
        return (seen, after), self.last(nn.silu(self.normalise(x))) + here

    def put(self, caches: Any, codes: Int[Array, " batch"], position: Position) -> Any:
        """Tells the caches which codes were drawn at a position."""
        seen, rest = caches
        return self.first.put(seen, self.vectors(codes), position), rest


def place_logits(
    codes: Int[Array, "batch rows columns"], size: int
) -> Float[Array, "1 rows columns k"]:
    """ln of the shares of the codes at every place of some maps.

    A place's own counts are smoothed by 20 pseudo-counts: half of them as in the 5 x 5 places
    around it, half as everywhere.
    """
    counts = jnp.sum(jax.nn.one_hot(codes, size), 0)
    window = (5, 5, 1)
    near = jax.lax.reduce_window(counts, 0.0, jax.lax.add, window, (1, 1, 1), "SAME")
    near = near / jnp.sum(near, -1, keepdims=True)
    everywhere = jnp.sum(counts, (0, 1)) + 1.0
    everywhere = (everywhere / jnp.sum(everywhere)).reshape(1, 1, -1)
    shares = (counts + 10.0 * near + 10.0 * everywhere) / (codes.shape[0] + 20.0)
    return jnp.log(shares)[None]


def log_likelihood(
    logits: Maps, codes: Int[Array, "batch rows columns"]
) -> Float[Array, "batch rows columns"]:
    """ln p of every code given those before it; a map's own is the sum."""
    logs = jax.nn.log_softmax(logits)
    return jnp.take_along_axis(logs, codes[..., None], axis=-1)[..., 0]


def draw(logits: Rows, noise: Rows, temperature: float, top_k: int) -> Int[Array, " batch"]:
    """One code a row, by the Gumbel trick; of the `top_k` likeliest codes only (0: of all)."""
    if top_k:
        lowest = jax.lax.top_k(logits, top_k)[0][:, -1:]
        logits = jnp.where(logits < lowest, -jnp.inf, logits)
    return jnp.argmax(logits + temperature * noise, axis=-1).astype(jnp.int32)


def _noise(keys: Array, index: Any, size: int) -> Rows:
    """Gumbel noise of one position: of each sample's own key."""
    folded = jax.vmap(jax.random.fold_in, (0, None))(keys, index)
    return jax.vmap(lambda key: jax.random.gumbel(key, (size,)))(folded)


def sample_cached(
    model: PixelCNN,
    params: Any,
    keys: Array,
    codes: Int[Array, "batch rows columns"],
    redraw: Array,
    temperature: float = 1.0,
    top_k: int = 0,
) -> Int[Array, "batch rows columns"]:
    """Draws the codes under `redraw`, position by position, in one scan with caches.

    Args:
      model, params: the prior.
      keys: (B,), one a sample.
      codes: kept where `redraw` is false.
      redraw: bool (B, rows, columns); all true: new maps.
      temperature, top_k: see `draw`.
    """
    batch, rows, columns = codes.shape
    variables = {"params": params}

    def one(caches: Any, position: Any) -> tuple[Any, Array]:
        index, known, free = position
        place = (index // columns, index % columns)
        stepped: Any = model.apply(variables, caches, place, method="step")
        caches, logits = stepped
        drawn = draw(logits, _noise(keys, index, model.size), temperature, top_k)
        chosen = jnp.where(free, drawn, known)
        return model.apply(variables, caches, chosen, place, method="put"), chosen

    caches = model.apply(variables, batch, method="start")
    flat, free = codes.reshape(batch, -1).T, redraw.reshape(batch, -1).T
    _, drawn = jax.lax.scan(one, caches, (jnp.arange(rows * columns), flat, free))
    return drawn.T.reshape(codes.shape)


def sample_naive(
    model: PixelCNN,
    params: Any,
    keys: Array,
    codes: Int[Array, "batch rows columns"],
    redraw: Array,
    temperature: float = 1.0,
    top_k: int = 0,
) -> Int[Array, "batch rows columns"]:
    """The same codes by running the whole network once a position: the definition, and slow."""
    columns = codes.shape[2]

    def one(index: Any, codes: Array) -> Array:
        row, column = index // columns, index % columns
        everywhere: Any = model.apply({"params": params}, codes)
        logits = everywhere[:, row, column]
        drawn = draw(logits, _noise(keys, index, model.size), temperature, top_k)
        return codes.at[:, row, column].set(
            jnp.where(redraw[:, row, column], drawn, codes[:, row, column])
        )

    return jax.lax.fori_loop(0, codes.shape[1] * columns, one, codes)
