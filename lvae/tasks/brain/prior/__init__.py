"""A prior over the code maps of a trained VQ-VAE: new slices, inpainting, anomaly maps."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from lvae.configuration import section
from lvae.models.pixelcnn import code_features, place_logits
from lvae.tasks import vqvae
from lvae.tasks.interface import Splits, Variables
from lvae.tasks.pixelcnn.augmentation import augmented
from lvae.tasks.pixelcnn.baselines import context_nats, unigram_nats
from lvae.tasks.pixelcnn.below import check_codes, codec_of, data_config, fingerprint, vqvae_run
from lvae.tasks.pixelcnn.drawing import SAMPLE_BATCH, draw
from lvae.tasks.pixelcnn.measures import sample_measures
from lvae.tasks.pixelcnn.modes import MODES
from lvae.tasks.pixelcnn.network import network_of, surprises
from lvae.tasks.pixelcnn.settings import EvaluationConfig, LossConfig
from lvae.tasks.vqvae.slices import has_content, spread_out

__all__ = ["MODES", "evaluate", "figures", "init", "load_data", "make_loss"]

TABLE_SLICES = 256  # training slices whose codes the prior's table of places starts from


def load_data(config: Any) -> Splits:
    """The slices that the VQ-VAE was trained on, in its splits (or those under `data.path`)."""
    return vqvae.load_data(data_config(config))


def init(config: Any, splits: Splits, key: Array) -> Variables:
    """{"params": network, "buffers": which VQ-VAE the codes are of}.

    A network with places starts at the shares of the codes of training slices at every place, a
    tied one at the vectors of the codes.
    """
    network = network_of(config)
    blank = jnp.zeros((1, *network.grid), jnp.int32)
    mark = jnp.asarray(np.uint32(fingerprint(vqvae_run(config)[1])))
    params = network.init(key, blank)["params"]
    if network.places:
        codec = codec_of(config)
        some = spread_out(splits["train"]["image"], TABLE_SLICES)
        codes = [
            codec.codes_of(jnp.asarray(some[first : first + SAMPLE_BATCH]))
            for first in range(0, len(some), SAMPLE_BATCH)
        ]
        params = dict(params, table=place_logits(jnp.concatenate(codes), network.size))
    if network.tied:
        vectors = code_features(codec_of(config).vectors, network.embedding)
        params = dict(params, embed={"embedding": vectors})
    return {"params": params, "buffers": {"fingerprint": mark}}


def make_loss(config: Any, splits: Splits) -> Any:
    """Cross-entropy of the codes, in nats a code.

    The frozen encoder runs inside the loss, so that images can be mirrored, shifted and dimmed
    before they become codes: fresh maps every step from the same slices.
    """
    del splits
    weights = section(LossConfig, config.loss, "loss")
    network, codec = network_of(config), codec_of(config)

    def loss(params: Any, buffers: Any, batch: Any, key: Array, step: Array) -> Any:
        del step
        images = augmented(batch["image"], jax.random.fold_in(key, 0), weights)
        codes = jax.lax.stop_gradient(codec.codes_of(images))
        logits: Any = network.apply(
            {"params": params}, codes, training=True, rngs={"dropout": jax.random.fold_in(key, 1)}
        )
        logs = jax.nn.log_softmax(logits)
        nats = -jnp.take_along_axis(logs, codes[..., None], axis=-1)[..., 0].mean((1, 2))
        smooth = -logs.mean((1, 2, 3))
        total = (1 - weights.label_smoothing) * nats + weights.label_smoothing * smooth
        return jnp.mean(total), ({"nats_per_code": nats}, buffers)

    return loss


def evaluate(
    config: Any, variables: Variables, splits: Splits, *, thorough: bool = False
) -> dict[str, Any]:
    """Nats a code on held-out subjects beside three baselines; thorough: of samples, too."""
    settings = section(EvaluationConfig, config.evaluation, "evaluation")
    codec = check_codes(config, variables)
    network = network_of(config)
    split = splits["test" if thorough else "validation"]
    train, held_out = codec.encode(splits["train"]["image"]), codec.encode(split["image"])
    surprise = surprises(network, variables, held_out, settings.batch_size)
    size = codec.model.codes
    context = context_nats(train, held_out, size)
    result: dict[str, Any] = {
        "nats_per_code": float(surprise.mean()),
        "unigram_nats": unigram_nats(train, held_out, size),
        "context_nats": float(context.mean()),
        "uniform_nats": float(np.log(size)),
    }
    result["share_below_unigram"] = 1 - result["nats_per_code"] / result["unigram_nats"]
    if thorough:
        shown = has_content(split["image"], codec.grid)
        shown_train = has_content(splits["train"]["image"], codec.grid)
        result["foreground_share"] = float(shown.mean())
        result["foreground_nats_per_code"] = float(surprise[shown].mean())
        result["foreground_context_nats"] = float(context[shown].mean())
        result["foreground_unigram_nats"] = unigram_nats(train[shown_train], held_out[shown], size)
        result["nats_per_image"] = float(surprise.sum((1, 2)).mean())
        result["bits_per_pixel"] = float(
            result["nats_per_image"] / np.log(2) / split["image"][0].size
        )
        result |= sample_measures(config, variables, splits, codec)
    return result


def figures(config: Any, variables: Variables, splits: Splits, directory: Path) -> None:
    """Losses; samples beside decoded real codes; where held-out codes surprise the prior."""
    from lvae.figures import brain as pictures

    settings = section(EvaluationConfig, config.evaluation, "evaluation")
    codec = check_codes(config, variables)
    real = spread_out(splits["validation"]["image"], 8)
    codes = codec.encode(real)
    drawn = draw(config, variables, int(config.seed), "figures", list(range(8)))
    pictures.generated(
        directory / "samples.png",
        real,
        codec.decode(codes),
        codec.decode(drawn),
        codec.shades(drawn),
    )
    surprise = surprises(network_of(config), variables, codes, settings.batch_size)
    pictures.anomalies(directory / "anomaly.png", real, surprise)
    pictures.loss_history(directory, directory.parent / "metrics.jsonl")
