"""VQ-VAE of brain slices: images to maps of codes and back."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from lvae.metrics.images import ssim
from lvae.models import quantizer
from lvae.tasks.interface import Splits, Variables
from lvae.tasks.vqvae.codec import Codec
from lvae.tasks.vqvae.measures import code_use, image_scores
from lvae.tasks.vqvae.modes import MODES
from lvae.tasks.vqvae.network import build, features_of
from lvae.tasks.vqvae.quantising import quantise
from lvae.tasks.vqvae.settings import settings_of
from lvae.tasks.vqvae.slices import has_content, load_data, mirrored, spread_out

__all__ = ["MODES", "evaluate", "figures", "init", "load_data", "make_loss"]


def init(config: Any, splits: Splits, key: Array) -> Variables:
    """{"params": network and, learned by gradients, codes; "buffers": EMA codebook, counts of
    uses}.

    The EMA codebook starts at the clusters of the untrained encoder's features of some training
    slices.
    """
    model, _ = settings_of(config)
    size, network = int(config.data.size), build(config)
    params = {"network": network.init(key, jnp.zeros((1, size, size, 1)))["params"]}
    buffers: dict[str, Any] = {
        "uses": jnp.zeros(model.codes),
        "epoch_uses": jnp.zeros(model.codes),
    }
    if model.quantizer == "gradient":
        shape, reach = (model.codes, model.dimension), 1 / model.codes
        draw_key = jax.random.fold_in(key, 1)
        params["codes"] = jax.random.uniform(draw_key, shape, minval=-reach, maxval=reach)
    elif model.quantizer == "ema":
        some = spread_out(splits["train"]["image"], model.kmeans_slices)
        features = features_of(network, model, {"params": params["network"]}, jnp.asarray(some))
        vectors = features.reshape(-1, model.dimension)
        clusters = quantizer.kmeans(
            vectors, model.codes, jax.random.fold_in(key, 1), model.kmeans_iterations
        )
        codes_a_step = int(config.training.batch_size) * len(vectors) // len(some)
        buffers["codebook"] = dict(quantizer.codebook_from(clusters, codes_a_step / model.codes))
    return {"params": params, "buffers": buffers}


def make_loss(config: Any, splits: Splits) -> Any:
    """Reconstruction (MSE over the data's variance, 1 - SSIM) and the quantiser's terms.

    Codes are counted over an epoch: `codes_used_share`, `perplexity` and `dead_share` are those of
    the last whole one.
    """
    model, weights = settings_of(config)
    network = build(config)
    train = splits["train"]["image"]
    variance = float(np.var(train / 255.0))
    steps_per_epoch = max(1, len(train) // int(config.training.batch_size))

    def loss(params: Any, buffers: Any, batch: Any, key: Array, step: Array) -> Any:
        images = batch["image"][..., None].astype(jnp.float32) / 255.0
        if weights.mirror:
            images = mirrored(images, jax.random.fold_in(key, 2))
        network_params = {"params": params["network"]}
        features: Any = network.apply(network_params, images, method="encode")
        vectors = features.reshape(-1, model.dimension)
        quantised, codes, terms, book = quantise(
            model, weights, params, buffers.get("codebook"), vectors, key
        )
        decoded: Any = network.apply(
            network_params, quantised.reshape(features.shape), method="decode"
        )
        errors = jnp.mean((decoded - images) ** 2, axis=(1, 2, 3))
        likeness = ssim(decoded, images)
        extra = terms.reshape(len(images), -1).mean(1)
        total = errors / variance + weights.ssim * (1 - likeness) + extra

        epoch_ends = (step + 1) % steps_per_epoch == 0
        now = buffers["epoch_uses"] + quantizer.uses(codes, model.codes)
        last = jnp.where(epoch_ends | (step < steps_per_epoch), now, buffers["uses"])
        buffers = dict(buffers, uses=last, epoch_uses=jnp.where(epoch_ends, 0.0, now))
        if book is not None:
            buffers["codebook"] = book
        parts = {
            "squared_error": errors,
            "ssim": likeness,
            "quantiser": extra,
            "codes_used_share": quantizer.used_share(last),
            "dead_share": 1 - quantizer.used_share(last),
            "perplexity": quantizer.perplexity(last),
        }
        return jnp.mean(total), (parts, buffers)

    return loss


def evaluate(
    config: Any, variables: Variables, splits: Splits, *, thorough: bool = False
) -> dict[str, Any]:
    """SSIM, PSNR, MSE and the use of the codes: on validation, or thorough on test subjects."""
    split = splits["test" if thorough else "validation"]
    codec = Codec(config, variables)
    codes = codec.encode(split["image"])
    scores = image_scores(codec.decode(codes), split["image"])
    result: dict[str, Any] = {name: float(values.mean()) for name, values in scores.items()}
    result |= code_use(codes, codec.model.codes)
    if thorough:
        subjects = np.unique(split["subject"])
        by_subject = [scores["ssim"][split["subject"] == subject].mean() for subject in subjects]
        result["ssim_by_subject"] = {
            str(subject): float(value) for subject, value in zip(subjects, by_subject)
        }
        result["ssim_lowest_subject"] = float(min(by_subject))
        shown = has_content(split["image"], codec.grid)
        result["foreground_share"] = float(shown.mean())
        result["foreground_perplexity"] = code_use(codes[shown], codec.model.codes)["perplexity"]
        result["images"] = len(codes)
        result["subjects"] = len(subjects)
        result["codes"] = codec.model.codes
        result["bits_per_image"] = float(codes[0].size * np.log2(codec.model.codes))
    return result


def figures(config: Any, variables: Variables, splits: Splits, directory: Path) -> None:
    """Losses, SSIM by epoch against the reference's, slices with reconstructions and code maps."""
    from lvae.figures import brain as pictures

    codec = Codec(config, variables)
    chosen = spread_out(splits["validation"]["image"], 6)
    codes = codec.encode(chosen)
    pictures.reconstructions(
        directory / "reconstructions.png", chosen, codec.decode(codes), codec.shades(codes)
    )
    steps = len(splits["train"]["image"]) / int(config.training.batch_size)
    pictures.histories(directory, directory.parent / "metrics.jsonl", steps)
