"""Nats per code beside baselines; what samples are worth beside real slices and beside what the
decoder can show."""

from typing import Any

import numpy as np
from jaxtyping import Float

from lvae.imaging.levels import to_levels
from lvae.metrics import generative
from lvae.tasks.brain.codec.codec import Codec, Maps
from lvae.tasks.brain.prior.baselines import context_nats, unigram_nats
from lvae.tasks.brain.prior.below import codec_below
from lvae.tasks.brain.prior.drawing import draw
from lvae.tasks.brain.prior.network import surprises
from lvae.tasks.brain.prior.settings import Settings
from lvae.tasks.brain.slices import has_content
from lvae.tasks.task import Run, Split, Splits

PerCode = Float[np.ndarray, "n rows columns"]


def evaluate(run: Run[Settings], splits: Splits, split: str, thorough: bool) -> dict[str, Any]:
    """Nats per code beside three baselines from the training split; thorough: of samples, too."""
    codec = codec_below(run.spec, run.variables)
    train, measured = codec.encode(splits["train"]["image"]), codec.encode(splits[split]["image"])
    surprise, context = surprises(run, measured), context_nats(train, measured, codec.size)
    unigram = unigram_nats(train, measured, codec.size)
    result: dict[str, Any] = {
        "nats_per_code": float(surprise.mean()),
        "unigram_nats": unigram,
        "context_nats": float(context.mean()),
        "uniform_nats": float(np.log(codec.size)),
        "share_below_unigram": 1 - float(surprise.mean()) / unigram,
    }
    if thorough:
        images = (splits["train"]["image"], splits[split]["image"])
        shown = [has_content(part, codec.grid) for part in images]
        nats = float(surprise.sum((1, 2)).mean())
        result |= {
            "foreground_share": float(shown[1].mean()),
            "foreground_nats_per_code": float(surprise[shown[1]].mean()),
            "foreground_context_nats": float(context[shown[1]].mean()),
            "foreground_unigram_nats": unigram_nats(
                train[shown[0]], measured[shown[1]], codec.size
            ),
            "nats_per_image": nats,
            "bits_per_pixel": float(nats / np.log(2) / images[1][0].size),
        }
        result |= sample_measures(run, splits["train"], splits[split], codec)
    return result


def sample_measures(
    run: Run[Settings], training: Split, held_out: Split, codec: Codec
) -> dict[str, float]:
    """Precision, recall, density and coverage against held-out slices, in the encoder's features.

    Of samples of the prior (`samples_...`), of as many real training slices (`train_...`) and of
    the reconstructions of these (`decoded_...`): the second is the most that a sample could reach,
    the third shows what of the loss is the decoder's.
    """
    settings = run.settings.evaluation
    count = min(settings.samples, len(training["image"]))
    chosen = np.linspace(0, len(training["image"]) - 1, count).astype(int)
    train, train_groups = training["image"][chosen], training["subject"][chosen]
    drawn: Maps = draw(run, run.settings.seed, "evaluation", np.arange(count))
    images = {
        "samples": to_levels(codec.decode(drawn)),
        "train": train,
        "decoded": to_levels(codec.decode(codec.encode(train))),
    }
    reference = codec.features(held_out["image"])
    middle, scale = reference.mean(0), reference.std(0) + 1e-6
    result: dict[str, float] = {}
    for name, group in images.items():
        compared = generative.compare(
            (reference - middle) / scale,
            (codec.features(group) - middle) / scale,
            settings.neighbours,
            held_out["subject"],
            None if name == "samples" else train_groups,
        )
        for measure, value in compared._asdict().items():
            result[f"{name}_{measure}"] = value
    possible = result["train_recall"]
    result["recall_share"] = result["samples_recall"] / possible if possible else float("nan")
    return result
