"""How well a VQ-VAE rebuilds images, and how it uses its codes."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lvae.imaging.levels import from_levels, to_levels
from lvae.metrics.images import psnr, ssim
from lvae.models.batching import in_batches
from lvae.tasks.brain.codec import loss
from lvae.tasks.brain.codec.codec import Decoded, Maps, codec_of
from lvae.tasks.brain.codec.settings import Settings
from lvae.tasks.brain.realism import described, told_apart
from lvae.tasks.brain.slices import Slices, has_content
from lvae.tasks.task import Run, Splits

SCORED = 64  # images at once


def evaluate(run: Run[Settings], splits: Splits, split: str, thorough: bool) -> dict[str, Any]:
    """SSIM, PSNR, squared error and the use of the codes; thorough: by subject and on tissue, and
    whether decoded slices can be told from real ones, too."""
    images, subject = splits[split]["image"], splits[split]["subject"]
    codec = codec_of(run)
    codes = codec.encode(images)
    decoded = codec.decode(codes)
    scores = image_scores(decoded, images)
    result: dict[str, Any] = {name: float(values.mean()) for name, values in scores.items()}
    result |= code_use(codes, codec.size)
    if not thorough:
        return result
    subjects = np.unique(subject)
    by_subject = {str(one): float(scores["ssim"][subject == one].mean()) for one in subjects}
    shown = has_content(images, codec.grid)
    real, rebuilt = described(images, subject), described(to_levels(decoded), subject)
    return result | {
        "ssim_by_subject": by_subject,
        "ssim_lowest_subject": min(by_subject.values()),
        "foreground_share": float(shown.mean()),
        "foreground_perplexity": code_use(codes[shown], codec.size)["perplexity"],
        "images": len(codes),
        "subjects": len(subjects),
        "codes": codec.size,
        "bits_per_image": float(codes[0].size * np.log2(codec.size)),
        **told_apart("decoded_real", real, rebuilt),
    }


def image_scores(decoded: Decoded, images: Slices) -> dict[str, Float[np.ndarray, " n"]]:
    """Per image: ssim, psnr (dB) and squared_error of decoded images against uint8 ones."""
    table = in_batches(_scores, decoded, from_levels(images), size=min(SCORED, len(images)))
    return dict(zip(("ssim", "psnr", "squared_error"), table.T))


@jax.jit
def _scores(decoded: Array, images: Array) -> Array:
    first, second = decoded[..., None], images[..., None]
    error = jnp.mean((first - second) ** 2, axis=(1, 2, 3))
    return jnp.stack([ssim(first, second), psnr(first, second), error], 1)


def code_use(codes: Maps | np.ndarray, size: int) -> dict[str, float]:
    """Used and dead share of the codebook, and the perplexity of the uses, of any codes."""
    counts = np.bincount(codes.ravel(), minlength=size).astype(np.float32)
    return {name: float(value) for name, value in loss.code_use(jnp.asarray(counts)).items()}
