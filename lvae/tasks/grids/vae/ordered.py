"""The design of configs/default.py: pose and shape, visibility modelled, points in order."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from lvae.data.recordings.pitch import pitch
from lvae.models.encoder_decoder import EncoderDecoder
from lvae.models.gaussian import normal_kl, reparameterised
from lvae.models.ordered_grid import (
    POSE,
    ShapeDecoder,
    ShapeEncoder,
    fit_pose,
    in_order,
    posed_grid,
)
from lvae.tasks.grids.scale import Scale, scale_of
from lvae.tasks.grids.vae.augmentation import augment, to_shaped
from lvae.tasks.grids.vae.design import Codes, Decoded, Design, Points, Visible
from lvae.tasks.grids.vae.settings import (
    AugmentationSettings,
    OrderedLossSettings,
    OrderedModelSettings,
    Settings,
)
from lvae.tasks.task import Batch, LossFunction, Spec, Split, Splits, Variables

_PLAIN_SHARE = 0.25  # of the batch, frames that the covariances learn from
_FIRST_NOISE = 0.05  # pitches (1 px); where the covariances begin
_LEAST_SPREAD = 0.05  # pitches (1 px); of a pose's number, so that none is divided by nothing


def network(settings: Settings) -> EncoderDecoder:
    """Encoder and decoder of shapes."""
    model, data = _model(settings), settings.data
    return EncoderDecoder(
        ShapeEncoder(latents=model.latents - POSE, hidden=model.hidden),
        ShapeDecoder(rows=data.rows, columns=data.columns, hidden=model.hidden),
    )


def init(settings: Settings, spec: Spec, key: Key[Array, ""]) -> Variables:
    """Parameters; as buffers the spread of the poses, how many points a real frame shows, and the
    training frames that new codes are fitted to."""
    rows, columns = settings.data.rows, settings.data.columns
    grids = (spec.examples, rows, columns)
    shape, seen = jnp.zeros((1, rows, columns, 2)), jnp.ones((1, rows, columns), bool)
    encoder_key, decoder_key = jax.random.split(key)
    parts = network(settings)
    codes = jnp.zeros((1, settings.model.latents - POSE))
    assert isinstance(settings.loss, OrderedLossSettings)
    return {
        "params": {
            "encoder": parts.encoder.init(encoder_key, shape, seen)["params"],
            "decoder": parts.decoder.init(decoder_key, codes)["params"],
            "log_scale": jnp.full((), jnp.log(settings.loss.initial_scale)),
            # A fiftieth of the poses' spread to begin with: about a pixel.
            "pose_log_variance": jnp.full((POSE,), 2 * jnp.log(0.02)),
        },
        "buffers": {
            "pose_mean": jnp.zeros((3, 2)),
            "pose_spread": jnp.ones((3, 2)),
            "visible_range": jnp.zeros(2, jnp.int32),
            "frames": {
                "filled": jnp.zeros((*grids, 2)),
                "visible": jnp.zeros(grids, bool),
                "real": jnp.zeros(spec.examples, bool),
            },
        },
    }


def prepare(settings: Settings, variables: Variables, splits: Splits) -> Variables:
    """The buffers of the training split."""
    train = splits["train"]
    assert settings.augmentation is not None
    grid = (settings.data.rows, settings.data.columns)
    scale = Scale(
        (1, 1), pitch(*(train[name][train["real"]] for name in ("points", "visible"))), *grid
    )
    mean, spread = _pose_statistics(train, scale, settings.augmentation)
    buffers = {
        "pose_mean": mean,
        "pose_spread": spread,
        "visible_range": _visible_range(train),
        "frames": {name: train[name] for name in ("filled", "visible", "real")},
    }
    return {**variables, "buffers": buffers}


def loss(settings: Settings, spec: Spec) -> LossFunction:
    """The negative evidence lower bound ([kingma2014]) of augmented frames, in nats per point.

    -log p(points | z) over visible points, a Gaussian with one learned scale for both directions,
    so that errors count alike; -log p(visible | z), a Bernoulli; and the KL divergence of the code
    from N(0, I), weighted and warmed up. Beside it, of some frames of the batch that were not
    augmented, the likelihood of what the decoder misses, under the covariance that it says for each
    point: only that covariance learns from it. Augmented frames would not do: they are harder.
    """
    augmentation, weights, scale = settings.augmentation, settings.loss, scale_of(spec)
    assert augmentation is not None
    assert isinstance(weights, OrderedLossSettings)
    per_point = 1.0 / (settings.data.rows * settings.data.columns)

    def value(
        params: PyTree, buffers: PyTree, batch: Batch, key: Key[Array, ""], step: Int[Array, ""]
    ) -> Any:
        variables = {"params": params, "buffers": buffers}
        augment_key, noise_key = jax.random.split(key)
        frames = to_shaped(batch["points"], batch["filled"], batch["visible"])
        center = buffers["pose_mean"][0]
        points, visible = augment(augment_key, frames, center, scale, augmentation)
        mean, log_variance = encode(settings, scale, variables, points, visible)
        codes = reparameterised(noise_key, mean, log_variance)
        decoded, logits, _ = decode(settings, scale, variables, codes)
        parts = {
            "reconstruction": gaussian_loss(
                (points - decoded) / scale.point, visible, _isotropic(params["log_scale"])
            ),
            "visibility": bernoulli_loss(logits, visible),
            "kl_per_dimension": normal_kl(mean, log_variance),
        }
        kl = jnp.sum(parts["kl_per_dimension"], axis=1)
        warmup = jnp.minimum(1.0, (step + 1) / max(1, weights.kl_warmup))
        total = (
            parts["reconstruction"]
            + weights.visibility_weight * parts["visibility"]
            + weights.kl_weight * warmup * kl
        )
        missed, factor = _missed(settings, scale, variables, batch, noise_key)
        parts["noise"] = jnp.mean(missed)
        spread = jnp.mean(jnp.linalg.norm(factor, axis=-1), axis=(0, 1, 2))
        parts["noise_x_px"], parts["noise_y_px"] = spread
        errors = jnp.linalg.norm(jnp.where(visible[..., None], decoded - points, 1.0), axis=-1)
        seen = jnp.maximum(1, jnp.sum(visible, axis=(1, 2)))
        parts["error_px"] = jnp.sum(errors * visible, axis=(1, 2)) / seen
        parts["kl"] = kl
        parts["scale_px"] = jnp.exp(params["log_scale"]) * scale.point
        return per_point * (jnp.mean(total) + parts["noise"]), (parts, buffers)

    return value


def _missed(
    settings: Settings, scale: Scale, variables: Variables, batch: Batch, key: Key[Array, ""]
) -> tuple[Float[Array, " frames"], Float[Array, "frames rows columns 2 2"]]:
    """-log density of what the decoder misses of plain frames, nats per frame, and the covariances'
    factors, px. Gradients reach the covariances alone."""
    some = max(1, round(_PLAIN_SHARE * len(batch["points"])))
    points, visible = batch["points"][:some], batch["visible"][:some]
    mean, log_variance = encode(settings, scale, variables, points, visible)
    codes = jax.lax.stop_gradient(reparameterised(key, mean, log_variance))
    decoded, _, factor = decode(settings, scale, variables, codes)
    assert factor is not None
    difference = jax.lax.stop_gradient(points - decoded) / scale.point
    return gaussian_loss(difference, visible, factor / scale.point), factor


def _isotropic(log_scale: Float[Array, ""]) -> Float[Array, "1 1 1 2 2"]:
    """The factor of a covariance that is the same everywhere and in every direction."""
    return jnp.exp(log_scale) * jnp.eye(2)[None, None, None]


def gaussian_loss(
    difference: Float[Array, "frames rows columns 2"],
    visible: Bool[Array, "frames rows columns"],
    factor: Float[Array, "#frames #rows #columns 2 2"],
) -> Float[Array, " frames"]:
    """-log of the normal density of the visible points, without the constant; nats per frame.

    difference: of points from their means. factor: lower Cholesky factors of the covariances.
    """
    seen = jnp.where(visible[..., None], difference, 0.0)
    x = seen[..., 0] / factor[..., 0, 0]
    y = (seen[..., 1] - factor[..., 1, 0] * x) / factor[..., 1, 1]
    log_determinant = jnp.log(factor[..., 0, 0]) + jnp.log(factor[..., 1, 1])
    return jnp.sum(0.5 * (x**2 + y**2) + visible * log_determinant, axis=(1, 2))


def covariance_factor(
    noise: Float[Array, "*points 3"], least: float
) -> Float[Array, "*points 2 2"]:
    """Lower Cholesky factors [[A, 0], [c B, B]], A = least + e^a, B = least + e^b, of any numbers
    (a, b, c): any covariance whose diagonal entries exceed `least`."""
    across, upward = (least + jnp.exp(noise[..., place]) for place in (0, 1))
    rows = [[across, jnp.zeros_like(across)], [noise[..., 2] * upward, upward]]
    return jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=-2)


def bernoulli_loss(
    logits: Float[Array, "frames rows columns"], visible: Bool[Array, "frames rows columns"]
) -> Float[Array, " frames"]:
    """-log probability of the visibility mask; nats per frame."""
    targets = visible.astype(logits.dtype)
    return jnp.sum(optax.sigmoid_binary_cross_entropy(logits, targets), axis=(1, 2))


def encode(
    settings: Settings, scale: Scale, variables: Variables, points: Points, visible: Visible
) -> tuple[Codes, Codes]:
    """Mean and log-variance of the codes: first the pose's six dimensions, then the shape's."""
    params, buffers = variables["params"], variables["buffers"]
    rows, columns = visible.shape[1:]
    pose = fit_pose(points, visible)
    shape = (points - posed_grid(pose, rows, columns)) / _shape_px(settings, scale)
    shape = jnp.where(visible[..., None], shape, 0.0)
    own = {"params": {"encoder": params["encoder"]}}
    moments: Any = network(settings).apply(own, shape, visible, method="encode")
    mean, log_variance = moments
    pose_mean = (pose - buffers["pose_mean"][None]) / buffers["pose_spread"][None]
    pose_mean = pose_mean.reshape(len(points), POSE)
    pose_log_variance = jnp.broadcast_to(params["pose_log_variance"][None], pose_mean.shape)
    return (
        jnp.concatenate([pose_mean, mean], axis=1),
        jnp.concatenate([pose_log_variance, log_variance], axis=1),
    )


def decode(settings: Settings, scale: Scale, variables: Variables, codes: Codes) -> Decoded:
    """Points in px, in order."""
    params, buffers = variables["params"], variables["buffers"]
    own = {"params": {"decoder": params["decoder"]}}
    decoded: Any = network(settings).apply(own, codes[:, POSE:], method="decode")
    shape, logits, noise = decoded
    pose = codes[:, :POSE].reshape(-1, 3, 2) * buffers["pose_spread"][None]
    pose = pose + buffers["pose_mean"][None]
    rows, columns = logits.shape[1:]
    points = posed_grid(pose, rows, columns) + _shape_px(settings, scale) * shape
    least = _model(settings).least_noise
    start = jnp.log(jnp.array([_FIRST_NOISE, _FIRST_NOISE, 1.0]))[None, None, None]
    factor = covariance_factor(noise + start, least)
    return Decoded(constrain(settings, scale, points), logits, scale.point * factor)


def constrain(settings: Settings, scale: Scale, points: Points) -> Points:
    """Points to which noise was added, in order again."""
    gap_x, gap_y = _model(settings).gap
    return in_order(points, (gap_x * scale.pitch.x, gap_y * scale.pitch.y))


def _shape_px(settings: Settings, scale: Scale) -> float:
    """px that are 1 for the networks."""
    return _model(settings).shape_scale * scale.whole.mean


def _model(settings: Settings) -> OrderedModelSettings:
    assert isinstance(settings.model, OrderedModelSettings)
    return settings.model


def _pose_statistics(
    train: Split, scale: Scale, augmentation: AugmentationSettings
) -> tuple[Float[Array, "3 2"], Float[Array, "3 2"]]:
    """Mean and spread of the poses of augmented training frames."""
    pose = fit_pose(jnp.asarray(train["points"]), jnp.asarray(train["visible"]))
    mean = jnp.mean(pose, axis=0)
    size = jnp.max(jnp.abs(mean[1:]))
    moved = augmentation.translation * scale.whole.mean
    widened = jnp.full((3, 2), augmentation.linear * size).at[0].set(moved)
    least = _LEAST_SPREAD * scale.point
    return mean, jnp.maximum(least, jnp.sqrt(jnp.var(pose, axis=0) + widened**2))


def _visible_range(train: Split) -> Int[np.ndarray, "2"]:
    """Fewest and most points that a real training frame shows."""
    counts = train["visible"][train["real"]].sum(axis=(1, 2))
    return np.array([counts.min(), counts.max()], np.int32)


ORDERED = Design(network, init, prepare, loss, encode, decode, constrain)
