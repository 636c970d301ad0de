"""The reference design of configs/notebook.py: coordinates as a two-channel image, missing points at 0."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from lvae import configuration
from lvae.errors import UserError
from lvae.models import notebook_vae
from lvae.tasks.interface import Splits, Variables
from lvae.tasks.laser_grid.settings import NotebookLossSettings, NotebookModelSettings

_LOWEST_SEEN = (
    5.0  # px; a decoded point nearer to the border means "missing", as the renderer has it
)


def init(config: Any, splits: Splits, key: Key[Array, ""]) -> Variables:
    """Parameters of both networks; Glorot-uniform kernels, zero biases."""
    model = configuration.section(NotebookModelSettings, config.model, "model")
    rows, columns = config.data.rows, config.data.columns
    encoder, decoder = _modules(config)
    encoder_key, decoder_key = jax.random.split(key)
    try:
        params = {
            "encoder": encoder.init(encoder_key, jnp.zeros((1, rows + 2, columns + 2, 2)))[
                "params"
            ],
            "decoder": decoder.init(decoder_key, jnp.zeros((1, model.latents)))["params"],
        }
    except ValueError as error:
        raise UserError(f"config.data.rows, config.data.columns: {error}") from error
    return {"params": params, "buffers": {}}


def make_loss(config: Any, splits: Splits):
    """The reference's loss: weighted mean cross-entropy of every cell, missing ones included, and a
    mean KL term."""
    settings = configuration.section(NotebookLossSettings, config.loss, "loss")

    def loss(params, buffers, batch, key, step):
        targets = to_input(batch["points"], batch["visible"], config.model.coordinate_scale)
        encoder, decoder = _modules(config)
        mean, log_variance = encoder.apply({"params": params["encoder"]}, targets)
        noise = config.model.epsilon_factor * jax.random.normal(key, mean.shape)
        logits = decoder.apply(
            {"params": params["decoder"]}, mean + jnp.exp(0.5 * log_variance) * noise
        )
        reconstruction = settings.reconstruction_weight * mean_cross_entropy(logits, targets)
        coding = coding_loss(mean, log_variance, settings.coding_loss_factor)
        kl = 0.5 * (mean**2 + jnp.exp(log_variance) - 1.0 - log_variance)
        parts = {
            "reconstruction": reconstruction,
            "coding": coding,
            "kl": jnp.sum(kl, axis=1),
            "kl_per_dimension": kl,
        }
        return jnp.mean(reconstruction + coding), (parts, buffers)

    return loss


def to_input(points: Array, visible: Array, scale: float) -> Float[Array, "frames rows columns 2"]:
    """Coordinates / scale, missing points (0, 0), a ring of one zero cell around."""
    grids = jnp.where(visible[..., None], points, 0.0) / scale
    return jnp.pad(grids, ((0, 0), (1, 1), (1, 1), (0, 0)))


def mean_cross_entropy(logits: Array, targets: Array) -> Float[Array, " frames"]:
    """Binary cross-entropy, the mean over cells and channels; from logits, so that it stays finite."""
    return jnp.mean(jnp.logaddexp(0.0, logits) - targets * logits, axis=(1, 2, 3))


def coding_loss(mean: Array, log_variance: Array, factor: float) -> Float[Array, " frames"]:
    """-0.5 * factor * mean over latents of (1 + log s2 - mu^2 - s2)."""
    return -0.5 * factor * jnp.mean(1.0 + log_variance - mean**2 - jnp.exp(log_variance), axis=1)


def encode(
    config: Any, variables: Variables, points: Array, visible: Array
) -> tuple[Float[Array, "frames latents"], Float[Array, "frames latents"]]:
    """Mean and log-variance of the codes."""
    grids = to_input(points, visible, config.model.coordinate_scale)
    return _modules(config)[0].apply({"params": variables["params"]["encoder"]}, grids)


def decode(
    config: Any, variables: Variables, codes: Float[Array, "frames latents"]
) -> tuple[Float[Array, "frames rows columns 2"], Float[Array, "frames rows columns"]]:
    """Points in px, and a number above 0 where the point is not at the border that means missing."""
    logits = _modules(config)[1].apply({"params": variables["params"]["decoder"]}, codes)
    points = config.model.coordinate_scale * jax.nn.sigmoid(logits)[:, 1:-1, 1:-1]
    return points, jnp.min(points, axis=-1) - _LOWEST_SEEN


def constrain(config: Any, points: Array) -> Array:
    """The reference keeps no order."""
    return points


def _modules(config: Any) -> tuple[Any, Any]:
    """Encoder and decoder; Any, since `apply` is typed as if it could return more."""
    return (
        notebook_vae.Encoder(latents=config.model.latents),
        notebook_vae.Decoder(rows=config.data.rows, columns=config.data.columns),
    )
