"""A flow that draws pictures: from noise, in steps, given a coarse picture.

Rectified flow ([liu2023rectified]): between a picture x at time 0 and white noise e at time 1 lies
(1 - t) x + t e. A network that sees such a mixture guesses x; following its guesses from time 1 to 0
turns noise into a picture. Guessing x instead of the velocity e - x asks nothing of the network but
what pictures can be ([li2025jit]); what is minimised is the error of the velocity.

The network is a U-Net with three levels, the last with attention. Its convolutions are native:
XLA:CPU runs them on a slow path inside loops, so that steps are taken one dispatch each.
"""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Float, Key

from lvae.models.convolution import Conv

NEAREST = 0.05  # to 0: the velocity's error is taken no nearer, where it is the picture's over t
FREQUENCIES = 8  # waves that tell a time, and a height

Pictures = Float[Array, "batch rows columns"]
Numbers = Float[Array, " batch"]


class FlowNetwork(nn.Module):
    """(mixtures, plan, time, height) -> pictures, all of unit deviation or so.

    widths: channels of the three levels: of 2 x 2 pixels of the picture, of 4 x 4, of 8 x 8. blocks: of
    a level, on the way down and up. plan: one value per 2 x 2 pixels. Rows and columns must be
    multiples of 8. Starts at pictures of 0.
    """

    widths: tuple[int, int, int]
    blocks: int = 2
    heads: int = 4

    @nn.compact
    def __call__(
        self,
        mixtures: Pictures,
        plan: Float[Array, "batch half_rows half_columns"],
        time: Numbers,
        height: Numbers,
    ) -> Pictures:
        first, second, third = self.widths
        told = jnp.concatenate([_waves(time), _waves(height)], -1)
        told = nn.silu(nn.Dense(second)(nn.silu(nn.Dense(second)(told))))
        x = _apart(mixtures[..., None])
        rows, columns = x.shape[1:3]
        down = jnp.broadcast_to(jnp.linspace(-1, 1, rows)[None, :, None], plan.shape)
        across = jnp.broadcast_to(jnp.linspace(-1, 1, columns)[None, None, :], plan.shape)
        beside = jnp.stack([plan, plan[:, :, ::-1], down, across], -1)
        x = Conv(first, 3, implementation="native")(jnp.concatenate([x, beside], -1))
        x = above = Block(first)(x, told)
        x = nn.Dense(second)(_apart(x))
        for _ in range(self.blocks):
            x = Block(second)(x, told)
        middle = x
        x = nn.Dense(third)(_apart(x))
        x = Block(third)(x, told)
        x = x + _attended(x, self.heads)
        for _ in range(self.blocks - 1):
            x = Block(third)(x, told)
        x = middle + _together(nn.Dense(4 * second)(x))
        for _ in range(self.blocks):
            x = Block(second)(x, told)
        x = above + _together(nn.Dense(4 * first)(x))
        for _ in range(self.blocks):
            x = Block(first)(x, told)
        x = nn.silu(nn.LayerNorm()(x))
        return _together(nn.Dense(4, kernel_init=nn.initializers.zeros)(x))[..., 0]


class Block(nn.Module):
    """Two convolutions with what is told of time and height between them, beside the identity."""

    features: int

    @nn.compact
    def __call__(self, x: Array, told: Float[Array, "batch numbers"]) -> Array:
        y = nn.silu(nn.LayerNorm()(x))
        y = Conv(self.features, 3, implementation="native")(y)
        scale, shift = jnp.split(nn.Dense(2 * self.features)(told)[:, None, None], 2, -1)
        y = nn.silu(nn.LayerNorm()(y) * (1 + scale) + shift)
        zeros = nn.initializers.zeros
        return x + Conv(self.features, 3, kernel_init=zeros, implementation="native")(y)


def _attended(x: Array, heads: int) -> Array:
    """Attention of all places to all; called in a compact method."""
    flat = nn.LayerNorm()(x).reshape(x.shape[0], -1, x.shape[-1])
    place = nn.Embed(flat.shape[1], flat.shape[2])(jnp.arange(flat.shape[1]))
    found = nn.MultiHeadDotProductAttention(heads)(flat + place[None])
    return found.reshape(x.shape)


def _waves(numbers: Numbers) -> Float[Array, "batch waves"]:
    angles = numbers[:, None] * jnp.pi * 2.0 ** (jnp.arange(FREQUENCIES)[None] / 2 - 1)
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], -1)


def _apart(x: Array) -> Array:
    return rearrange(x, "b (r p) (s q) c -> b r s (p q c)", p=2, q=2)


def _together(x: Array) -> Array:
    return rearrange(x, "b r s (p q c) -> b (r p) (s q) c", p=2, q=2)


Guess = Callable[[Pictures, Numbers], Pictures]  # of (mixtures, time)


def losses(guess: Guess, pictures: Pictures, key: Key[Array, ""]) -> Numbers:
    """Mean squared error of the velocity of each picture, at a time of its own: most times are in the
    middle (the logistic function of a standard normal number, [esser2024])."""
    times = nn.sigmoid(jax.random.normal(jax.random.fold_in(key, 0), (len(pictures),)))
    noise = jax.random.normal(jax.random.fold_in(key, 1), pictures.shape)
    at = times[:, None, None]
    guessed = guess((1 - at) * pictures + at * noise, times)
    error = (guessed - pictures) / jnp.maximum(at, NEAREST)
    return jnp.mean(error**2, axis=(1, 2))


def drawn(
    guess: Guess, noise: Pictures, steps: int, known: tuple[Pictures, Array] | None = None
) -> Pictures:
    """The picture that each noise flows to, in steps of equal time by the Adams-Bashforth rule of
    second order: one guess a step.

    known: pictures, and where they are seen: there each step starts from the mixture of the noise and
    the picture, and ends at the picture.
    """
    x, before = noise, None
    for step in range(steps):
        time = 1 - step / steps
        velocity = (x - guess(x, jnp.full(len(x), time))) / time
        used = velocity if before is None else 1.5 * velocity - 0.5 * before
        x, before = x - used / steps, velocity
        if known is not None:
            left = 1 - (step + 1) / steps
            x = jnp.where(known[1], (1 - left) * known[0] + left * noise, x)
    return x
