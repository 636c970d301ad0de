"""The gradient of a convolution's kernel as one matrix product of patches.

Entry (a, b) of the kernel sums products of the gradient with the inputs a rows and b columns on. What
is laid side by side for that, patches, costs more time than the product. At stride 1 the gradient may
as well be read a rows back, so patches of rows, and of columns, are taken of the inputs or of the
gradient, whichever makes fewer numbers.

Measured on 2 cores (Intel Xeon with AVX-512, jax 0.10.2, fastest of 8 to 12, machine not free), ms:

    images, channels, features     patches of inputs   this   XLA's own   in a loop: this   XLA's own
    256 x 28 x 28, 16, 1                 124            3.5       24              7             159
    256 x 14 x 14, 16, 8                  28            4.9        4.2            4.7           265
    4 x 96 x 96, 24, 24                   19            5.8       20
    4 x 48 x 48, 48, 48                    6            3.6        5.6
"""

import math
from collections.abc import Sequence

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

Pair = tuple[int, int]
Pads = tuple[Pair, Pair]

PARTS = (
    4  # of the examples, where patches of all would be LARGE: those of a part stay in the caches,
)
LARGE = 8 * 2**20  # bytes;  and the cores take parts at once


def kernel_gradient(
    inputs: Float[Array, "batch rows columns channels"],
    gradient: Float[Array, "batch new_rows new_columns features"],
    window: Pair,
    strides: Pair,
    pads: Pads,
) -> Float[Array, "height width channels features"]:
    """Of the convolution of `inputs` with these pads whose outputs have this gradient."""
    ours, theirs, around, back, counts = [], [], [], [], []
    for axis, on_inputs in enumerate(_taps_on_inputs(inputs, gradient, window, strides)):
        taps, (low, high) = window[axis], pads[axis]
        ours.append(taps if on_inputs else 1)
        theirs.append(1 if on_inputs else taps)
        around.append((low, high) if on_inputs else (0, 0))
        back.append((0, 0) if on_inputs else (taps - 1 - low, taps - 1 - high))
        counts.append((gradient if on_inputs else inputs).shape[1 + axis])
    width = math.prod(ours) * inputs.shape[-1] + math.prod(theirs) * gradient.shape[-1]
    products = []
    for part in _parts(len(inputs), 4 * len(inputs) * math.prod(counts) * width):
        left = patches(inputs[part], ours, strides, (around[0], around[1]), counts)
        right = patches(gradient[part], theirs, (1, 1), (back[0], back[1]), counts)
        # Of rows: of an einsum over three axes XLA:CPU would first write down the transposed patches.
        over_rows = (((0,), (0,)), ((), ()))
        products.append(lax.dot_general(_rows(left), _rows(right), over_rows))
    product = sum(products[1:], products[0])
    product = product.reshape(*ours, inputs.shape[-1], *theirs, gradient.shape[-1])
    # Taps of the gradient were read forwards.
    product = product[:, :, :, ::-1, ::-1].transpose(0, 3, 1, 4, 2, 5)
    return product.reshape(*window, inputs.shape[-1], gradient.shape[-1])


def _taps_on_inputs(inputs: Array, gradient: Array, window: Pair, strides: Pair) -> Sequence[bool]:
    """Whether the taps in rows, and in columns, are patches of the inputs: the fewest numbers."""
    channels, features = inputs.shape[-1], gradient.shape[-1]
    if strides != (1, 1):
        return True, True

    def numbers(chosen: Sequence[bool]) -> int:
        ours = math.prod(taps for taps, on_inputs in zip(window, chosen) if on_inputs)
        return ours * channels + math.prod(window) // ours * features

    return min(((True, True), (False, True), (True, False), (False, False)), key=numbers)


def _parts(examples: int, size: int) -> list[slice]:
    """The examples, in several parts where the patches of all have `size` bytes and that is much."""
    parts = PARTS if size > LARGE and examples % PARTS == 0 else 1
    each = examples // parts
    return [slice(part * each, (part + 1) * each) for part in range(parts)]


def patches(
    inputs: Float[Array, "batch rows columns channels"],
    window: Sequence[int],
    strides: Pair,
    pads: Pads,
    counts: Sequence[int],
) -> Float[Array, "batch new_rows new_columns taps_and_channels"]:
    """(batch, *counts, height * width * channels): what each output place reads."""
    if tuple(window) == (1, 1) and strides == (1, 1) and pads == ((0, 0), (0, 0)):
        return inputs
    batch, _, _, channels = inputs.shape
    padded = pad(inputs, pads)
    slices = [
        lax.slice(
            padded,
            (0, row, column, 0),
            (
                batch,
                row + strides[0] * (counts[0] - 1) + 1,
                column + strides[1] * (counts[1] - 1) + 1,
                channels,
            ),
            (1, *strides, 1),
        )
        for row in range(window[0])
        for column in range(window[1])
    ]
    return jnp.concatenate(slices, axis=-1)


def pad(inputs: Float[Array, "batch rows columns channels"], pads: Pads) -> Array:
    """Zeros around the images; a negative count cuts away."""
    zero = jnp.zeros((), inputs.dtype)
    return lax.pad(inputs, zero, ((0, 0, 0), (*pads[0], 0), (*pads[1], 0), (0, 0, 0)))


def _rows(images: Array) -> Array:
    """One row per place."""
    return images.reshape(-1, images.shape[-1])
