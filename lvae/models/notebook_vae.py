"""Encoder and decoder of the reference notebook of [zilker], layer by layer.

115,362 parameters at 18 x 18. The notebook uses Keras, whose defaults are kept: Glorot-uniform
kernels ([glorot2010]), zero biases.
"""

import flax.linen as nn
from jaxtyping import Array, Float

from lvae.models.convolution import Conv, ConvTranspose

GLOROT = nn.initializers.glorot_uniform()
CHANNELS = 2  # x and y
WIDE, NARROW = 64, 32  # channels at a quarter and at half of the padded size
HIDDEN = 16  # units between the convolutions and the codes


def quarter_size(rows: int, columns: int) -> tuple[int, int]:
    """Of the grid with its ring of zero cells, after two strides of 2.

    Raises:
      ValueError: the ringed size is not a multiple of 4, so that the decoder would miss it.
    """
    if (rows + 2) % 4 or (columns + 2) % 4:
        raise ValueError(
            f"a grid of {rows} x {columns}: with the ring of one cell around it, rows + 2 and "
            "columns + 2 must be multiples of 4 (such as 14 or 18); pad the grid or take another "
            "model"
        )
    return (rows + 2) // 4, (columns + 2) // 4


class Encoder(nn.Module):
    """Ringed coordinate grids -> mean and log-variance of their codes."""

    latents: int = 8

    @nn.compact
    def __call__(
        self, grids: Float[Array, "batch ringed_rows ringed_columns 2"]
    ) -> tuple[Float[Array, "batch latents"], Float[Array, "batch latents"]]:
        quarter_size(grids.shape[1] - 2, grids.shape[2] - 2)
        hidden = nn.relu(Conv(NARROW, 3, strides=2, kernel_init=GLOROT)(grids))
        hidden = nn.relu(Conv(WIDE, 3, strides=2, kernel_init=GLOROT)(hidden))
        hidden = hidden.reshape(hidden.shape[0], -1)
        hidden = nn.relu(nn.Dense(HIDDEN, kernel_init=GLOROT)(hidden))
        mean = nn.Dense(self.latents, kernel_init=GLOROT, name="mean")(hidden)
        log_variance = nn.Dense(self.latents, kernel_init=GLOROT, name="log_variance")(hidden)
        return mean, log_variance


class Decoder(nn.Module):
    """Codes -> logits of the ringed grids; their sigmoid is what the notebook of [zilker] calls its
    output."""

    rows: int = 18
    columns: int = 18

    @nn.compact
    def __call__(
        self, codes: Float[Array, "batch latents"]
    ) -> Float[Array, "batch ringed_rows ringed_columns 2"]:
        rows, columns = quarter_size(self.rows, self.columns)
        hidden = nn.relu(nn.Dense(rows * columns * WIDE, kernel_init=GLOROT)(codes))
        hidden = hidden.reshape(codes.shape[0], rows, columns, WIDE)
        hidden = nn.relu(ConvTranspose(WIDE, 3, strides=2, kernel_init=GLOROT)(hidden))
        hidden = nn.relu(ConvTranspose(NARROW, 3, strides=2, kernel_init=GLOROT)(hidden))
        return ConvTranspose(CHANNELS, 3, kernel_init=GLOROT)(hidden)
