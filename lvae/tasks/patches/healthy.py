"""The networks of scans: what is foreseen of a healthy patch, and the finder of lesions.

A batch's fields are those of `lvae.data.scan_patches.fields_at`.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree

from lvae.data.scan_patches import HEAD, LESION
from lvae.data.stroke_scans import CHANNELS
from lvae.imaging.levels import from_levels
from lvae.models.gaussian import normal_kl, reparameterised
from lvae.models.mirror_vae import Foreseen, LesionFinder, MirrorVAE
from lvae.tasks.patches.settings import FinderSettings, Settings
from lvae.tasks.task import Batch

# A lesion is bright on DWI and FLAIR, dark in the ADC map.
SIGNS = (1.0, -1.0, 0.5)
FARTHEST = 6.0  # deviations; what is farther off counts as much


class Seen(NamedTuple):
    """A batch as the networks take it; absent channels are 0 everywhere.

    image, mirror: of CHANNELS, [0, 1]. sided: what stands out on one side only, -1 to 1. beside: the
    same of DWI and ADC in the slices below and above. present: 1 for a channel that is there. head:
    1 inside.
    """

    image: Float[Array, "batch size size channels"]
    mirror: Float[Array, "batch size size channels"]
    sided: Float[Array, "batch size size channels"]
    beside: Float[Array, "batch size size besides"]
    present: Float[Array, "batch channels"]
    head: Float[Array, "batch size size 1"]
    position: Float[Array, "batch 3"]


def mirror_vae(settings: Settings) -> MirrorVAE:
    """The network of healthy patches."""
    model = settings.model
    return MirrorVAE(len(CHANNELS), model.latents, model.hidden // 2, finder_of(settings).width)


def finder(settings: Settings) -> LesionFinder:
    """The network of lesions."""
    return LesionFinder(finder_of(settings).width)


def finder_of(settings: Settings) -> FinderSettings:
    """The group of scans."""
    assert isinstance(settings.finder, FinderSettings), "digits have no finder"
    return settings.finder


def init_scans(settings: Settings, key: Key[Array, ""]) -> dict[str, PyTree]:
    """{"healthy", "finder"}: parameters of both."""
    size, count = settings.data.size, len(CHANNELS)
    blank = jnp.zeros((1, size, size, count))
    seen = Seen(
        blank,
        blank,
        blank,
        jnp.zeros((1, size, size, 4)),
        jnp.ones((1, count)),
        jnp.ones((1, size, size, 1)),
        jnp.zeros((1, 3)),
    )
    vae = mirror_vae(settings)
    healthy = vae.init(jax.random.fold_in(key, 1), blank, blank, seen.present, seen.position)
    maps = finder_maps(seen, Foreseen(blank, blank))
    finding = finder(settings).init(jax.random.fold_in(key, 3), maps)
    return {"healthy": healthy["params"], "finder": finding["params"]}


def seen_of(batch: Batch, present: Float[Array, "batch channels"] | None = None) -> Seen:
    """A batch's fields as numbers; without `present` every channel that is not 0 everywhere."""
    image = jnp.concatenate([batch["image"][..., None], batch["others"]], axis=-1)
    if present is None:
        present = jnp.any(image > 0, axis=(1, 2)).astype(jnp.float32)
    shown = present[:, None, None, :]
    return Seen(
        from_levels(image) * shown,
        from_levels(batch["mirror"]) * shown,
        _signed(batch["sided"]) * shown,
        _signed(batch["beside"]) * jnp.tile(shown[..., :2], 2),
        present,
        (batch["tissue"] >= HEAD).astype(jnp.float32)[..., None],
        batch["position"],
    )


def _signed(levels: Array) -> Array:
    """0 to 255 -> -1 to 1; 0 stands for nothing known."""
    return jnp.where(levels > 0, 2 * from_levels(levels) - 1, 0.0)


def coded(
    vae: MirrorVAE, params: PyTree, seen: Seen
) -> tuple[Float[Array, "batch latents"], Float[Array, "batch latents"]]:
    """Means and log variances of the codes."""
    moments: Any = vae.apply({"params": params}, seen.image, seen.present, method="encode")
    return moments


def found(
    settings: Settings, params: PyTree, seen: Seen, known: Foreseen
) -> Float[Array, "batch size size"]:
    """The finder's log odds of a lesion at each pixel."""
    odds: Any = finder(settings).apply({"params": params}, finder_maps(seen, known))
    return odds


def foreseen(
    vae: MirrorVAE, params: PyTree, seen: Seen, codes: Float[Array, "batch latents"]
) -> Foreseen:
    """What the codes say of the patch."""
    return Foreseen(
        *vae.apply(
            {"params": params}, codes, seen.mirror, seen.present, seen.position, method="decode"
        )
    )


def misfit(seen: Seen, known: Foreseen) -> Float[Array, " batch"]:
    """Negative log likelihood of the head's pixels in the channels that are there, nats."""
    off = jnp.abs(seen.image - known.median) * jnp.exp(-known.log_scale)
    nats = off + known.log_scale + jnp.log(2.0)
    return jnp.sum(nats * seen.head * seen.present[:, None, None, :], axis=(1, 2, 3))


def deviation(seen: Seen, known: Foreseen) -> Float[Array, "batch size size channels"]:
    """By how many scales each pixel is off, with its sign."""
    off = (seen.image - known.median) * jnp.exp(-known.log_scale)
    shown = seen.head * seen.present[:, None, None, :]
    return jnp.clip(off, -FARTHEST, FARTHEST) * shown


def finder_maps(seen: Seen, known: Foreseen) -> Float[Array, "batch size size maps"]:
    """All that the finder sees, side by side: what stands out and what was not foreseen, and where.

    Not the channels themselves: how bright a scanner shows what tissue differs more between scanners
    than between lesions and tissue.
    """
    shape = (*seen.image.shape[:3], seen.present.shape[1])
    flat = [seen.present, seen.position]
    return jnp.concatenate(
        [
            2 * seen.sided,
            deviation(seen, known) / FARTHEST,
            2 * seen.beside,
            seen.head,
            *(jnp.broadcast_to(part[:, None, None, :], shape) for part in flat),
        ],
        axis=-1,
    )


def scan_loss(
    settings: Settings, params: PyTree, batch: Batch, key: Key[Array, ""]
) -> tuple[Array, Array, Array]:
    """Means: misfit and divergence of healthy patches, cross-entropy of lesions per pixel. Of the
    first `finder.patches` of the batch.

    Channels are left out at random, sides are swapped, and brightness varies, so that any subset of
    channels and any contrast can be scanned.
    """
    batch = {name: values[: finder_of(settings).patches] for name, values in batch.items()}
    seen, lesion = varied(seen_of(batch), batch, finder_of(settings), key)
    vae = mirror_vae(settings)
    mean, log_variance = coded(vae, params["healthy"], seen)
    codes = reparameterised(jax.random.fold_in(key, 10), mean, log_variance)
    known = foreseen(vae, params["healthy"], seen, codes)
    share = healthy_shares(batch["label"])
    errors = jnp.sum(share * misfit(seen, known))
    divergence = jnp.sum(share * normal_kl(mean, log_variance).sum(1))
    # the finder learns from what the healthy model says, not to change it
    logits = found(settings, params["finder"], seen, jax.lax.stop_gradient(known))
    return errors, divergence, voxel_error(logits, lesion, seen.head[..., 0])


def healthy_shares(labels: Int[Array, " batch"]) -> Float[Array, " batch"]:
    """What each patch counts in a mean over those of label 0; all 0 where there are none."""
    healthy = (labels == 0).astype(jnp.float32)
    return healthy / jnp.maximum(jnp.sum(healthy), 1.0)


def voxel_error(
    logits: Float[Array, "batch size size"],
    lesion: Float[Array, "batch size size"],
    head: Float[Array, "batch size size"],
) -> Float[Array, ""]:
    """Cross-entropy per pixel of the head, plus 1 - Dice of the whole batch."""
    logits = jnp.where(head > 0, logits, -20.0)
    nats = jnp.logaddexp(0.0, logits) - lesion * logits
    chance = jax.nn.sigmoid(logits)
    overlap = 2 * jnp.sum(chance * lesion) + 1.0
    dice = overlap / (jnp.sum(chance) + jnp.sum(lesion) + 1.0)
    return jnp.sum(nats * head) / jnp.maximum(jnp.sum(head), 1.0) + 0.1 * (1 - dice)


def varied(
    seen: Seen, batch: Batch, weights: FinderSettings, key: Key[Array, ""]
) -> tuple[Seen, Float[Array, "batch size size"]]:
    """Sides swapped in half of the patches, channels brightened or left out; the lesion's mask."""
    count = len(seen.image)
    lesion = (batch["tissue"] == LESION).astype(jnp.float32)
    flip = jax.random.bernoulli(jax.random.fold_in(key, 0), 0.5, (count,))

    def flipped(maps: Array) -> Array:
        chosen = flip.reshape(-1, *[1] * (maps.ndim - 1))
        return jnp.where(chosen, maps[:, ::-1], maps)

    kept = jax.random.uniform(jax.random.fold_in(key, 1), (count, len(CHANNELS)))
    present = seen.present * (kept < jnp.asarray(weights.channel_shares)[None])
    # one channel or more: where none was kept, all are
    present = jnp.where(present.any(1, keepdims=True), present, seen.present)
    spread = jax.random.normal(jax.random.fold_in(key, 2), (count, 1, 1, len(CHANNELS)))
    gain = jnp.exp(weights.gain * spread) * present[:, None, None, :]
    shown = present[:, None, None, :]
    x = jnp.where(flip, -seen.position[:, 0], seen.position[:, 0])
    position = seen.position.at[:, 0].set(x)
    return (
        Seen(
            jnp.clip(flipped(seen.image) * gain, 0, 1),
            jnp.clip(flipped(seen.mirror) * gain, 0, 1),
            flipped(seen.sided) * shown,
            flipped(seen.beside) * jnp.tile(shown[..., :2], 2),
            present,
            flipped(seen.head),
            position,
        ),
        flipped(lesion),
    )
