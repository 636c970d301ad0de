"""A plan as a network reads it: a coarse picture with the height of the slice, the whole of it at
every place."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from lvae.models.causal_layers import thinned, unthinned
from lvae.models.convolution import Conv

DISTANCES = (1, 2, 4, 8)  # between the pixels that each block reads: together they see 15 far

Plan = Float[Array, "batch rows columns channels"]  # grey values in [0, 1]; height in [0, 1], last
Guide = Float[Array, "batch rows columns width"]


class PlanReader(nn.Module):
    """Residual blocks of dilated convolutions, to features from zero.

    The picture is read beside its mirror image: what one half shows holds for the other, too.
    """

    width: int
    features: int

    @nn.compact
    def __call__(self, plan: Plan) -> Guide:
        picture, height = plan[..., :-1], plan[..., -1:]
        waves = [jnp.sin(jnp.pi * count * height) for count in (0.5, 1.0, 2.0, 3.0)]
        x = jnp.concatenate([picture, picture[:, :, ::-1], height, *waves], -1)
        x = Conv(self.width, (3, 3))(x)
        for distance in DISTANCES:
            y = nn.silu(nn.LayerNorm()(x))
            y = thinned(y, distance)
            y = nn.silu(Conv(self.width, (3, 3), implementation="native")(y))
            y = unthinned(y, distance, x.shape)
            x = x + nn.Dense(self.width, kernel_init=nn.initializers.zeros)(y)
        x = nn.silu(nn.LayerNorm()(x))
        return nn.Dense(self.features, kernel_init=nn.initializers.normal(0.02))(x)
