"""What samples of the prior are worth beside real slices and beside what the decoder can show."""

from typing import Any

import numpy as np

from lvae.configuration import section
from lvae.metrics import generative
from lvae.tasks._export import as_bytes
from lvae.tasks.interface import Splits, Variables
from lvae.tasks.pixelcnn.drawing import draw
from lvae.tasks.pixelcnn.settings import EvaluationConfig
from lvae.tasks.vqvae.codec import Codec


def sample_measures(
    config: Any, variables: Variables, splits: Splits, codec: Codec
) -> dict[str, Any]:
    """Precision, recall, density and coverage against held-out slices, in the encoder's features.

    Of samples of the prior (`samples_...`), of as many real training slices (`train_...`) and of
    the reconstructions of these (`decoded_...`): the second is the most that a sample could reach,
    the third shows what of the loss is the decoder's.
    """
    settings = section(EvaluationConfig, config.evaluation, "evaluation")
    real, groups = splits["test"]["image"], splits["test"]["subject"]
    count = min(settings.samples, len(splits["train"]["image"]))
    chosen = np.linspace(0, len(splits["train"]["image"]) - 1, count).astype(int)
    train, train_groups = splits["train"]["image"][chosen], splits["train"]["subject"][chosen]
    drawn = draw(config, variables, int(config.seed), "evaluation", list(range(count)))
    images = {
        "samples": as_bytes(codec.decode(drawn)),
        "train": train,
        "decoded": as_bytes(codec.decode(codec.encode(train))),
    }
    reference = codec.features(real)
    middle, scale = reference.mean(0), reference.std(0) + 1e-6
    result: dict[str, Any] = {}
    for name, group in images.items():
        compared = generative.compare(
            (reference - middle) / scale,
            (codec.features(group) - middle) / scale,
            settings.neighbours,
            groups,
            None if name == "samples" else train_groups,
        )
        for measure, value in compared._asdict().items():
            result[f"{name}_{measure}"] = value
    possible = result["train_recall"]
    result["recall_share"] = result["samples_recall"] / possible if possible else float("nan")
    return result
