"""Convolutional layers of images, on the fast functions of `lvae.models.convolving`."""

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from lvae.models.convolving import (
    Padding,
    convolve,
    convolve_doubled,
    convolve_transposed,
    pair_of,
)


class Conv(nn.Module):
    """`flax.linen.Conv` for images: same fields, same parameters, same values.

    features: channels of the output. kernel_size, strides: one number or (rows, columns).
    padding: SAME, VALID, one number, or ((low, high), (low, high)). mask: multiplies the kernel,
    has its shape. implementation: auto, native or matmul; auto is matmul on CPU, native elsewhere.
    """

    features: int
    kernel_size: int | Sequence[int]
    strides: int | Sequence[int] = 1
    padding: Padding = "SAME"
    use_bias: bool = True
    mask: Array | np.ndarray | None = None
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()
    bias_init: nn.initializers.Initializer = nn.initializers.zeros_init()
    implementation: str = "auto"

    @nn.compact
    def __call__(self, inputs: Float[Array, "*batch rows columns channels"]) -> Array:
        return _layer(self, convolve, inputs)


class ConvTranspose(nn.Module):
    """`flax.linen.ConvTranspose` for images: fields as in `Conv`; the kernel is not flipped.

    With SAME padding the output is `strides` times the input.
    """

    features: int
    kernel_size: int | Sequence[int]
    strides: int | Sequence[int] = 1
    padding: Padding = "SAME"
    use_bias: bool = True
    mask: Array | np.ndarray | None = None
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()
    bias_init: nn.initializers.Initializer = nn.initializers.zeros_init()
    implementation: str = "auto"

    @nn.compact
    def __call__(self, inputs: Float[Array, "*batch rows columns channels"]) -> Array:
        return _layer(self, convolve_transposed, inputs)


class DoubledConv(nn.Module):
    """3 x 3 convolution, no bias, over images of half the size, doubled, and others beside them.

    Same parameter and values as `Conv` on `concatenate([doubled(below), beside])`. implementation:
    of the part below; beside it the convolution is native.
    """

    features: int
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()
    implementation: str = "auto"

    @nn.compact
    def __call__(
        self,
        below: Float[Array, "batch half_rows half_columns channels_below"],
        beside: Float[Array, "batch rows columns channels"],
    ) -> Float[Array, "batch rows columns features"]:
        channels = below.shape[-1]
        shape = (3, 3, channels + beside.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape, jnp.float32)
        far = convolve_doubled(below, kernel[:, :, :channels], self.implementation)
        return far + convolve(beside, kernel[:, :, channels:], implementation="native")


def _layer(module: Conv | ConvTranspose, function: Callable[..., Array], inputs: Array) -> Array:
    """Parameters, `function` and bias of one layer; any number of batch axes."""
    shape = (*pair_of(module.kernel_size), inputs.shape[-1], module.features)
    kernel = module.param("kernel", module.kernel_init, shape, module.param_dtype)
    if module.mask is not None:
        if module.mask.shape != shape:
            raise ValueError(f"mask has shape {module.mask.shape}, the kernel {shape}")
        kernel = kernel * module.mask
    bias = None
    if module.use_bias:
        bias = module.param("bias", module.bias_init, (module.features,), module.param_dtype)
    inputs, kernel, bias = nn.dtypes.promote_dtype(inputs, kernel, bias, dtype=module.dtype)
    batch = inputs.shape[:-3]
    outputs = function(
        inputs.reshape(-1, *inputs.shape[-3:]),
        kernel,
        module.strides,
        module.padding,
        module.implementation,
    )
    if bias is not None:
        outputs = outputs + bias.reshape(1, 1, 1, -1)
    return outputs.reshape(*batch, *outputs.shape[1:])
