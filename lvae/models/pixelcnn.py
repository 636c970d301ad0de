"""Autoregressive priors over maps of codes: a PixelCNN ([oord2016]) as in the reference
(configs/pixelcnn_brain.py:reference), and a gated one ([oord2016gated]) with attention
([chen2018]).

As in [razavi2019] the prior is trained after the VQ-VAE, on its codes.

Codes are read in raster order. Like its layers (`lvae.models.causal_layers`), the network runs over
whole maps or one position at a time; `lvae.models.raster_sampling` draws from it.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from lvae.models.causal_layers import (
    Cache,
    CausalAttention,
    GatedBlock,
    MaskedConv,
    Position,
    ReferenceBlock,
    Rows,
)
from lvae.models.picture_evidence import PictureEvidence
from lvae.models.pixelcnn_blocks import block_kinds
from lvae.models.plan_reader import Guide, Plan, PlanReader

Vectors = Float[Array, "batch rows columns embedding"]  # that stand for codes
Caches = tuple[Array, list[Cache]]  # of the first layer and of those after it
Logits = Float[Array, "batch rows columns k"]


class PixelCNN(nn.Module):
    """Logits of every code given those before it: codes (B, rows, columns) -> (B, rows, columns,
    K).

    size: K. grid: rows and columns. features: width of the network. embedding: length of the
    vectors that stand for codes; 0: one-hot. kernel: of the first layer, masked 'A'. blocks: one
    letter per block: R reference, G gated, A attention; a number behind G is the distance of the
    codes that the block reads: "GG4" sees one and then four codes further. heads: of attention.
    tied: logits are products with the vectors that stand for the codes: started at `code_features`,
    likely codes are then a normal distribution in the space of the codes, and what is learned of
    one holds for those like it; else every code has weights of its own. places: adds a learned
    vector per position to the features and a learned table of logits to the output: where in the
    head a code lies says what it may be. Filled with `place_logits`, the table is where learning
    starts; the network itself starts at zero. dropout: of the features before the blocks, while
    training. reader: width of what reads plans; 0: none are read. levels: grey values that a plan
    starts with at every code, followed by 1 where they are a picture's: see `PictureEvidence`; 0: none.
    """

    size: int
    grid: tuple[int, int]
    features: int
    embedding: int
    kernel: int
    blocks: str
    heads: int
    tied: bool
    places: bool
    dropout: float
    reader: int = 0
    levels: int = 0

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
        if self.reader:
            self.read = PlanReader(self.reader, self.features)
        if self.levels:
            self.evidence = PictureEvidence(self.size, self.levels)
        self.layers = [self._block(kind, apart) for kind, apart in block_kinds(self.blocks)]
        if self.places:
            self.normalise = nn.LayerNorm()
        self.drop = nn.Dropout(self.dropout)
        start = nn.initializers.zeros if self.places else nn.initializers.lecun_normal()
        self.last = nn.Dense(self.embedding if self.tied else self.size, kernel_init=start)

    def _block(self, kind: str, apart: int) -> nn.Module:
        if kind == "R":
            return ReferenceBlock(self.features)
        if kind == "G":
            return GatedBlock(self.features, apart)
        return CausalAttention(self.features, self.heads)

    def vectors(self, codes: Int[Array, "..."]) -> Array:
        """What stands for a code in the network's input."""
        return self.embed(codes) if self.embedding else jax.nn.one_hot(codes, self.size)

    def guide(self, plan: Plan | None) -> Guide | None:
        """What a plan adds to the features and, with `levels`, to the logits, everywhere at once; None
        of a network without a reader.

        Raises:
          ValueError: a reader without a plan, which it was never trained without, or a plan without.
        """
        if (plan is not None) != bool(self.reader):
            raise ValueError("a plan goes with a network that reads plans, and the other way round")
        if plan is None:
            return None
        read = self.read(plan)
        if not self.levels:
            return read
        blocks, shown = plan[..., : self.levels], plan[..., self.levels : self.levels + 1]
        return jnp.concatenate([read, self.evidence(blocks, shown)], -1)

    def __call__(
        self,
        codes: Int[Array, "batch rows columns"],
        training: bool = False,
        plan: Plan | None = None,
    ) -> Logits:
        return self.logits(self.vectors(codes), training, plan)

    def logits(self, vectors: Vectors, training: bool = False, plan: Plan | None = None) -> Logits:
        """Logits from the vectors that stand for codes: with these in hand causality has a
        gradient."""
        x = self.first(vectors)
        guide, told = self.guide(plan), jnp.zeros(())
        if guide is not None:
            x, told = x + guide[..., : self.features], self._told(guide)
        x = x + self.place if self.places else nn.relu(x)
        x = self.drop(x, deterministic=not training)
        for layer in self.layers:
            x = layer(x)
        return (self._logits(x, self.table) if self.places else self._logits(x)) + told

    def _told(self, guide: Array) -> Array:
        """What of a guide is added to the logits."""
        return guide[..., self.features :] if self.levels else jnp.zeros(())

    def _logits(self, x: Array, table: Array | float = 0.0) -> Array:
        """From the last features."""
        x = self.last(nn.silu(self.normalise(x)) if self.places else x)
        return (self.embed.attend(x) if self.tied else x) + table

    def start(self, batch: int) -> Caches:
        """Caches of an empty map."""
        caches = [layer.start(batch, self.grid) for layer in self.layers]
        return self.first.start(batch, self.grid), caches

    def step(
        self, caches: Caches, position: Position, guide: Guide | None = None
    ) -> tuple[Caches, Rows]:
        """Logits at the next position in raster order, from all codes that were `put` before it."""
        seen, rest = caches
        x, told = self.first.read(seen, position), jnp.zeros(())
        if guide is not None:
            corner, size = (0, position[0], position[1], 0), (len(x), 1, 1, guide.shape[-1])
            part = jax.lax.dynamic_slice(guide, corner, size)[:, 0, 0]
            x, told = x + part[:, : self.features], self._told(part)
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
            return (seen, after), self._logits(x) + told
        place = (0, position[0], position[1], 0)
        here = jax.lax.dynamic_slice(self.table, place, (1, 1, 1, self.size))[:, 0, 0]
        return (seen, after), self._logits(x, here) + told

    def put(self, caches: Caches, codes: Int[Array, " batch"], position: Position) -> Caches:
        """Caches that know which codes were drawn at a position."""
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


def code_features(vectors: Float[Array, "k dimension"], length: int) -> Float[Array, "k length"]:
    """Vectors of codes, standardised, and their squares, cut or filled with zeros to `length`.

    A sum of products with these is the log of a normal distribution's density over the codes, up to
    a constant: its mean and its width along each axis are in the factors.
    """
    middle, spread = vectors.mean(0, keepdims=True), vectors.std(0, keepdims=True)
    scaled = (vectors - middle) / (spread + 1e-6)
    features = jnp.concatenate([scaled, scaled**2 - 1.0], axis=1)[:, :length]
    return jnp.pad(features, ((0, 0), (0, length - features.shape[1])))


def log_likelihood(
    logits: Logits, codes: Int[Array, "batch rows columns"]
) -> Float[Array, "batch rows columns"]:
    """ln p of every code given those before it; a map's own is the sum."""
    logs = jax.nn.log_softmax(logits)
    return jnp.take_along_axis(logs, codes[..., None], axis=-1)[..., 0]
