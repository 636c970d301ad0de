"""The design of configs/notebook.py, the published notebook's ([zilker]): coordinates as a
two-channel image, missing points at 0."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key, PyTree

from lvae.errors import UserError
from lvae.models import notebook_vae
from lvae.models.encoder_decoder import EncoderDecoder
from lvae.models.gaussian import normal_kl, reparameterised
from lvae.tasks.grids.scale import Scale, scale_of
from lvae.tasks.grids.vae.design import Codes, Decoded, Design, Points, Visible
from lvae.tasks.grids.vae.settings import NotebookLossSettings, NotebookModelSettings, Settings
from lvae.tasks.task import Batch, LossFunction, Spec, Splits, Variables

# px; a decoded point nearer to the border means "missing", as the renderer has it
_LOWEST_SEEN = 5.0
Image = Float[Array, "frames high wide 2"]  # a frame with a ring of one cell around


def network(settings: Settings) -> EncoderDecoder:
    """Encoder and decoder."""
    return EncoderDecoder(
        notebook_vae.Encoder(latents=settings.model.latents),
        notebook_vae.Decoder(rows=settings.data.rows, columns=settings.data.columns),
    )


def init(settings: Settings, spec: Spec, key: Key[Array, ""]) -> Variables:
    """Parameters of both networks; Glorot-uniform kernels, zero biases.

    Raises:
      UserError: the network cannot have that grid.
    """
    del spec
    rows, columns = settings.data.rows, settings.data.columns
    parts = network(settings)
    encoder_key, decoder_key = jax.random.split(key)
    try:
        frame = jnp.zeros((1, rows + 2, columns + 2, 2))
        encoder = parts.encoder.init(encoder_key, frame)["params"]
        decoder = parts.decoder.init(decoder_key, jnp.zeros((1, settings.model.latents)))["params"]
    except ValueError as error:
        raise UserError(f"config.data.rows, config.data.columns: {error}") from error
    return {"params": {"encoder": encoder, "decoder": decoder}, "buffers": {}}


def prepare(settings: Settings, variables: Variables, splits: Splits) -> Variables:
    """Nothing: the notebook measures nothing on its data."""
    return variables


def loss(settings: Settings, spec: Spec) -> LossFunction:
    """Weighted mean cross-entropy of every cell, missing ones included, and a mean KL term."""
    model, weights, scale = settings.model, settings.loss, scale_of(spec)
    assert isinstance(model, NotebookModelSettings)
    assert isinstance(weights, NotebookLossSettings)

    def value(
        params: PyTree, buffers: PyTree, batch: Batch, key: Key[Array, ""], step: Int[Array, ""]
    ) -> Any:
        del step
        variables = {"params": params}
        targets = to_input(batch["points"], batch["visible"], model.coordinate_scale)
        mean, log_variance = encode(settings, scale, variables, batch["points"], batch["visible"])
        codes = reparameterised(key, mean, log_variance, model.epsilon_factor)
        logits = _decoded(settings, variables, codes)
        reconstruction = weights.reconstruction_weight * mean_cross_entropy(logits, targets)
        coding = coding_loss(mean, log_variance, weights.coding_loss_factor)
        kl = normal_kl(mean, log_variance)
        parts = {
            "reconstruction": reconstruction,
            "coding": coding,
            "kl": jnp.sum(kl, axis=1),
            "kl_per_dimension": kl,
        }
        return jnp.mean(reconstruction + coding), (parts, buffers)

    return value


def to_input(points: Points, visible: Visible, scale: float) -> Image:
    """Coordinates / scale, missing points (0, 0), a ring of one zero cell around."""
    grids = jnp.where(visible[..., None], points, 0.0) / scale
    return jnp.pad(grids, ((0, 0), (1, 1), (1, 1), (0, 0)))


def mean_cross_entropy(logits: Image, targets: Image) -> Float[Array, " frames"]:
    """Binary cross-entropy, the mean over cells and channels; from logits, so that it stays finite."""
    return jnp.mean(optax.sigmoid_binary_cross_entropy(logits, targets), axis=(1, 2, 3))


def coding_loss(mean: Codes, log_variance: Codes, factor: float) -> Float[Array, " frames"]:
    """-0.5 * factor * mean over latents of (1 + log s2 - mu^2 - s2)."""
    return factor * jnp.mean(normal_kl(mean, log_variance), axis=1)


def encode(
    settings: Settings, scale: Scale, variables: Variables, points: Points, visible: Visible
) -> tuple[Codes, Codes]:
    """Mean and log-variance of the codes."""
    assert isinstance(settings.model, NotebookModelSettings)
    grids = to_input(points, visible, settings.model.coordinate_scale)
    params = {"encoder": variables["params"]["encoder"]}
    moments: Any = network(settings).apply({"params": params}, grids, method="encode")
    return moments


def _decoded(settings: Settings, variables: Variables, codes: Codes) -> Image:
    params = {"decoder": variables["params"]["decoder"]}
    logits: Any = network(settings).apply({"params": params}, codes, method="decode")
    return logits


def decode(settings: Settings, scale: Scale, variables: Variables, codes: Codes) -> Decoded:
    """Points in px, and a number above 0 where the point is not at the border that means missing."""
    assert isinstance(settings.model, NotebookModelSettings)
    shares = jax.nn.sigmoid(_decoded(settings, variables, codes))[:, 1:-1, 1:-1]
    points = settings.model.coordinate_scale * shares
    return Decoded(points, jnp.min(points, axis=-1) - _LOWEST_SEEN, None)


def constrain(settings: Settings, scale: Scale, points: Points) -> Points:
    """The notebook keeps no order."""
    return points


NOTEBOOK = Design(network, init, prepare, loss, encode, decode, constrain)
