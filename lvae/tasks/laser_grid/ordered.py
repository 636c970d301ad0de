"""The design of configs/default.py: pose and shape, visibility modelled, points in order."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from lvae import configuration
from lvae.models.ordered_grid import (
    POSE,
    ShapeDecoder,
    ShapeEncoder,
    fit_pose,
    in_order,
    posed_grid,
)
from lvae.tasks.interface import Splits, Variables
from lvae.tasks.laser_grid.augmentation import augment, to_shaped
from lvae.tasks.laser_grid.settings import (
    AugmentationSettings,
    OrderedLossSettings,
    OrderedModelSettings,
)


def init(config: Any, splits: Splits, key: Key[Array, ""]) -> Variables:
    """Parameters; as buffers the spread of the poses and how many points a real frame shows."""
    model, augmentation = _settings(config)
    loss = configuration.section(OrderedLossSettings, config.loss, "loss")
    encoder, decoder = _modules(config)
    rows, columns = config.data.rows, config.data.columns
    shape, seen = jnp.zeros((1, rows, columns, 2)), jnp.ones((1, rows, columns), bool)
    encoder_key, decoder_key = jax.random.split(key)
    mean, spread = _pose_statistics(splits, augmentation)
    return {
        "params": {
            "encoder": encoder.init(encoder_key, shape, seen)["params"],
            "decoder": decoder.init(decoder_key, jnp.zeros((1, model.latents - POSE)))["params"],
            "log_scale": jnp.full((), jnp.log(loss.initial_scale)),
            # A fiftieth of the poses' spread to begin with: about a pixel.
            "pose_log_variance": jnp.full((POSE,), 2 * jnp.log(0.02)),
        },
        "buffers": {
            "pose_mean": mean,
            "pose_spread": spread,
            "visible_range": _visible_range(splits),
        },
    }


def make_loss(config: Any, splits: Splits):
    """The negative evidence lower bound of augmented frames, in nats a point.

    -log p(points | z) over visible points, a Gaussian with one learned scale; -log p(visible | z),
    a Bernoulli; and the KL divergence of the code from N(0, I), weighted and warmed up.
    """
    augmentation = configuration.section(AugmentationSettings, config.augmentation, "augmentation")
    settings = configuration.section(OrderedLossSettings, config.loss, "loss")
    per_point = 1.0 / (config.data.rows * config.data.columns)

    def loss(params, buffers, batch, key, step):
        variables = {"params": params, "buffers": buffers}
        augment_key, noise_key = jax.random.split(key)
        frames = to_shaped(batch["points"], batch["filled"], batch["visible"])
        center = buffers["pose_mean"][0]
        points, visible = augment(augment_key, frames, center, augmentation)
        mean, log_variance = encode(config, variables, points, visible)
        code = mean + jnp.exp(0.5 * log_variance) * jax.random.normal(noise_key, mean.shape)
        decoded, logits = decode(config, variables, code)
        parts = {
            "reconstruction": gaussian_loss(decoded, points, visible, params["log_scale"]),
            "visibility": bernoulli_loss(logits, visible),
            "kl_per_dimension": kl_divergence(mean, log_variance),
        }
        kl = jnp.sum(parts["kl_per_dimension"], axis=1)
        warmup = jnp.minimum(1.0, (step + 1) / max(1, settings.kl_warmup))
        total = (
            parts["reconstruction"]
            + settings.visibility_weight * parts["visibility"]
            + settings.kl_weight * warmup * kl
        )
        errors = jnp.linalg.norm(jnp.where(visible[..., None], decoded - points, 1.0), axis=-1)
        seen = jnp.maximum(1, jnp.sum(visible, axis=(1, 2)))
        parts["error_px"] = jnp.sum(errors * visible, axis=(1, 2)) / seen
        parts["kl"] = kl
        parts["scale_px"] = jnp.exp(params["log_scale"])
        return per_point * jnp.mean(total), (parts, buffers)

    return loss


def gaussian_loss(
    decoded: Float[Array, "frames rows columns 2"],
    points: Float[Array, "frames rows columns 2"],
    visible: Bool[Array, "frames rows columns"],
    log_scale: Float[Array, ""],
) -> Float[Array, " frames"]:
    """-log of the normal density of the visible points, without the constant; nats a frame."""
    difference = jnp.where(visible[..., None], decoded - points, 0.0) * jnp.exp(-log_scale)
    seen = jnp.sum(visible, axis=(1, 2))
    return 0.5 * jnp.sum(difference**2, axis=(1, 2, 3)) + 2.0 * seen * log_scale


def bernoulli_loss(
    logits: Float[Array, "frames rows columns"], visible: Bool[Array, "frames rows columns"]
) -> Float[Array, " frames"]:
    """-log probability of the visibility mask; nats a frame."""
    return jnp.sum(jnp.logaddexp(0.0, logits) - visible * logits, axis=(1, 2))


def kl_divergence(
    mean: Float[Array, "frames latents"], log_variance: Float[Array, "frames latents"]
) -> Float[Array, "frames latents"]:
    """KL(N(mean, exp(log_variance)) || N(0, 1)) of each dimension; nats (Kingma & Welling, 2014)."""
    return 0.5 * (mean**2 + jnp.exp(log_variance) - 1.0 - log_variance)


def encode(
    config: Any, variables: Variables, points: Array, visible: Array
) -> tuple[Float[Array, "frames latents"], Float[Array, "frames latents"]]:
    """Mean and log-variance of the codes: first the pose's six dimensions, then the shape's."""
    encoder, _ = _modules(config)
    params, buffers = variables["params"], variables["buffers"]
    rows, columns = visible.shape[1:]
    pose = fit_pose(points, visible)
    shape = (points - posed_grid(pose, rows, columns)) / config.model.shape_scale
    shape = jnp.where(visible[..., None], shape, 0.0)
    mean, log_variance = encoder.apply({"params": params["encoder"]}, shape, visible)
    pose_mean = (pose - buffers["pose_mean"][None]) / buffers["pose_spread"][None]
    pose_mean = pose_mean.reshape(len(points), POSE)
    pose_log_variance = jnp.broadcast_to(params["pose_log_variance"][None], pose_mean.shape)
    return (
        jnp.concatenate([pose_mean, mean], axis=1),
        jnp.concatenate([pose_log_variance, log_variance], axis=1),
    )


def decode(
    config: Any, variables: Variables, codes: Float[Array, "frames latents"]
) -> tuple[Float[Array, "frames rows columns 2"], Float[Array, "frames rows columns"]]:
    """Points in px, in order, and the logit of being seen of each."""
    _, decoder = _modules(config)
    params, buffers = variables["params"], variables["buffers"]
    shape, logits = decoder.apply({"params": params["decoder"]}, codes[:, POSE:])
    pose = codes[:, :POSE].reshape(-1, 3, 2) * buffers["pose_spread"][None]
    pose = pose + buffers["pose_mean"][None]
    rows, columns = logits.shape[1:]
    points = posed_grid(pose, rows, columns) + config.model.shape_scale * shape
    return in_order(points, config.model.gap), logits


def constrain(config: Any, points: Float[Array, "frames rows columns 2"]) -> Array:
    """Points to which noise was added, in order again."""
    return in_order(points, config.model.gap)


def _settings(config: Any) -> tuple[OrderedModelSettings, AugmentationSettings]:
    model = configuration.section(OrderedModelSettings, config.model, "model")
    augmentation = configuration.section(AugmentationSettings, config.augmentation, "augmentation")
    return model, augmentation


def _modules(config: Any) -> tuple[Any, Any]:
    """Encoder and decoder; Any, since `apply` is typed as if it could return more."""
    model = config.model
    return (
        ShapeEncoder(latents=model.latents - POSE, hidden=model.hidden),
        ShapeDecoder(rows=config.data.rows, columns=config.data.columns, hidden=model.hidden),
    )


def _pose_statistics(splits: Splits, augmentation: AugmentationSettings) -> tuple[Array, Array]:
    """Mean and spread, (3, 2) each, of the poses of augmented training frames."""
    train = splits["train"]
    pose = fit_pose(jnp.asarray(train["points"]), jnp.asarray(train["visible"]))
    mean = jnp.mean(pose, axis=0)
    size = jnp.max(jnp.abs(mean[1:]))
    widened = jnp.full((3, 2), augmentation.linear * size).at[0].set(augmentation.translation)
    return mean, jnp.maximum(1.0, jnp.sqrt(jnp.var(pose, axis=0) + widened**2))


def _visible_range(splits: Splits) -> Array:
    """Fewest and most points that a real training frame shows, (2,)."""
    train = splits["train"]
    counts = jnp.sum(jnp.asarray(train["visible"]), axis=(1, 2))
    real = jnp.asarray(train["real"])
    fewest = jnp.min(jnp.where(real, counts, counts.max()))
    return jnp.stack([fewest, jnp.max(jnp.where(real, counts, 0))])
