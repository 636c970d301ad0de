"""Nats per code beside baselines; what samples are worth beside real slices and beside what the
decoder can show."""

from typing import Any

import numpy as np
from jaxtyping import Float

from lvae.imaging.levels import to_levels
from lvae.metrics import generative, slice_statistics
from lvae.tasks.brain import realism
from lvae.tasks.brain.codec.codec import Codec
from lvae.tasks.brain.prior import planning
from lvae.tasks.brain.prior.baselines import context_nats, unigram_nats
from lvae.tasks.brain.prior.below import codec_below
from lvae.tasks.brain.prior.drawing import draw
from lvae.tasks.brain.prior.network import surprises
from lvae.tasks.brain.prior.settings import Settings
from lvae.tasks.brain.slices import Slices, has_content
from lvae.tasks.task import Run, Split, Splits

PerCode = Float[np.ndarray, "n rows columns"]


def evaluate(run: Run[Settings], splits: Splits, split: str, thorough: bool) -> dict[str, Any]:
    """Nats per code beside three baselines from the training split; thorough: of samples, too."""
    codec = codec_below(run.spec, run.variables)
    train, measured = codec.encode(splits["train"]["image"]), codec.encode(splits[split]["image"])
    shown, plan_nats = splits[split]["image"], np.zeros(len(measured))
    plan = planning.maps_of_images(run, shown, codec.grid)
    if plan is not None:
        plan_nats = planning.nats(run, shown, splits[split]["slice"], codec.grid)
    surprise = surprises(run, measured, plan)
    total = float(surprise.mean() + plan_nats.mean() / measured[0].size)
    context = context_nats(train, measured, codec.size)
    unigram = unigram_nats(train, measured, codec.size)
    result: dict[str, Any] = {
        "nats_per_code": total,
        "nats_per_pixel": total * measured[0].size / splits[split]["image"][0].size,
        "plan_nats": float(plan_nats.mean()),
        "unigram_nats": unigram,
        "context_nats": float(context.mean()),
        "uniform_nats": float(np.log(codec.size)),
        "share_below_unigram": 1 - total / unigram,
    }
    if thorough:
        images = (splits["train"]["image"], splits[split]["image"])
        content = [has_content(part, codec.grid) for part in images]
        nats = total * measured[0].size
        result |= {
            "foreground_share": float(content[1].mean()),
            "foreground_nats_per_code": float(surprise[content[1]].mean()),
            "foreground_context_nats": float(context[content[1]].mean()),
            "foreground_unigram_nats": unigram_nats(
                train[content[0]], measured[content[1]], codec.size
            ),
            "nats_per_image": nats,
            "bits_per_pixel": float(nats / np.log(2) / images[1][0].size),
        }
        result |= sample_measures(run, splits["train"], splits[split], codec)
    return result


def sample_measures(
    run: Run[Settings], training: Split, held_out: Split, codec: Codec
) -> dict[str, Any]:
    """What samples are worth beside held-out slices, in the encoder's features and in statistics
    that are no model's (see `lvae.tasks.brain.realism`).

    In the encoder's features: precision, recall, density and coverage of samples of the prior
    (`samples_...`), of as many real training slices (`train_...`) and of the reconstructions of these
    (`decoded_...`): the second is the most that a sample could reach, the third shows what of the loss
    is the decoder's.
    """
    settings = run.settings.evaluation
    count = min(settings.samples, len(training["image"]))
    chosen = np.linspace(0, len(training["image"]) - 1, count).astype(int)
    train, train_groups = training["image"][chosen], training["subject"][chosen]
    drawn = to_levels(codec.decode(draw(run, run.settings.seed, "evaluation", np.arange(count))))
    images = {
        "samples": drawn,
        "train": train,
        "decoded": to_levels(codec.decode(codec.encode(train))),
    }
    reference = codec.features(held_out["image"])
    middle, scale = reference.mean(0), reference.std(0) + 1e-6
    result: dict[str, Any] = {}
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
    described = {
        "drawn": realism.described(drawn),
        "train": realism.described(train, train_groups),
        "train_decoded": realism.described(images["decoded"], train_groups),
    }
    return result | realism_measures(described, drawn, train, held_out, codec, settings.neighbours)


def realism_measures(
    described: dict[str, realism.Described],
    drawn: Slices,
    train: Slices,
    held_out: Split,
    codec: Codec,
    neighbours: int,
) -> dict[str, Any]:
    """In statistics that are no model's: AUROC of a forest by subject, drawn against decoded
    held-out slices, these against real ones, drawn against real ones, and training slices against
    held-out ones as the control; outlines that real slices do not have; precision and recall of
    drawn slices and of decoded training slices against decoded held-out ones."""
    subject = held_out["subject"]
    real = realism.described(held_out["image"], subject)
    decoded = realism.described(to_levels(codec.decode(codec.encode(held_out["image"]))), subject)
    result: dict[str, Any] = {
        **realism.told_apart("drawn_decoded", decoded, described["drawn"]),
        **realism.told_apart("decoded_real", real, decoded),
        **realism.told_apart("drawn_real", real, described["drawn"]),
        **realism.told_apart("train_real", real, described["train"]),
    }
    for name, images in (("drawn", drawn), ("real", held_out["image"])):
        faults = slice_statistics.outline_faults(images / 255.0, train / 255.0)
        result[f"outline_faults_{name}"] = faults.share
    compared = realism.compared(decoded, described["drawn"], neighbours)
    possible = realism.compared(decoded, described["train_decoded"], neighbours)
    return result | {
        "statistics_precision": compared.precision,
        "statistics_recall": compared.recall,
        "statistics_decoded_precision": possible.precision,
        "statistics_decoded_recall": possible.recall,
        "statistics_recall_share": compared.recall / possible.recall
        if possible.recall
        else float("nan"),
    }
