"""How well a VQ-VAE rebuilds images, and how it uses its codes."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from lvae.metrics.images import psnr, ssim
from lvae.models import quantizer
from lvae.tasks.vqvae.codec import in_batches


def image_scores(decoded: np.ndarray, images: np.ndarray) -> dict[str, np.ndarray]:
    """Per image: ssim, psnr (dB) and squared_error of decoded images against uint8 ones."""
    pairs = np.stack([decoded, images.astype(np.float32) / 255.0], 1)
    table = in_batches(_scores, pairs, min(64, len(pairs)))
    return dict(zip(("ssim", "psnr", "squared_error"), table.T))


@jax.jit
def _scores(pair: Array) -> Array:
    first, second = pair[:, 0, ..., None], pair[:, 1, ..., None]
    error = jnp.mean((first - second) ** 2, axis=(1, 2, 3))
    return jnp.stack([ssim(first, second), psnr(first, second), error], 1)


def code_use(codes: np.ndarray, size: int) -> dict[str, float]:
    """Used and dead share of the codebook, and the perplexity of the uses."""
    counts = jnp.asarray(np.bincount(codes.ravel(), minlength=size), jnp.float32)
    used = float(quantizer.used_share(counts))
    return {
        "codes_used_share": used,
        "dead_share": 1 - used,
        "perplexity": float(quantizer.perplexity(counts)),
    }
