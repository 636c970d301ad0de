"""Patch VAE: lesion against healthy tissue, or one digit against another, without labels.

    python train.py --config=configs/patches.py:isles [--config.data.path=DIR]
    python train.py --config=configs/patches.py:digits --config.data.path=MNIST
    python sample.py --workdir=runs/patches --mode=anomaly --data=VOLUME.nii.gz

`:isles` (also without a variant) is stroke MRI: DIR in the layout of ISLES 2015 or 2022;
without one 40 built-in pseudo-cases. `:digits` is 7 against 9: DIR with IDX files, without one
scikit-learn's digits. Both are dense, 784 - 256 - codes - 256 - 784; `:isles_conv` and
`:digits_conv` are convolutional.
`:digits_unlabelled` learns from pairs of changed copies alone, `:digits` from twenty labels, too.
`:isles_reference` and `:digits_reference` have two latents, a normal prior, no labels. `:smoke`
(pseudo-cases) and `:smoke_digits` shrink the experiments to seconds. Times and numbers:
docs/patches.md.
"""

from ml_collections import ConfigDict

from lvae.configuration import experiment
from lvae.tasks.patches.settings import Settings

BASE = {
    "data": {"source": "lesions"},
    "model": {"design": "dense"},
    "training": {
        "steps": 500,  # some 14 epochs
        "batch_size": 128,
        "learning_rate": 2e-3,  # few steps, since convolutions are dear
        "steps_per_dispatch": 100,  # matrix products: many steps in one call
        "evaluate_every": 500,
        "checkpoint_every": 500,
        "keep_checkpoints": 1,
    },
    # Pixels have 2 mm; convolutions of more patches do not fit the caches.
    "evaluation": {"spot": 3, "batch_size": 128},
}
DIGITS = {
    "data": {"source": "digits"},
    "model": {"latents": 2},  # two digits, one plane
    "loss": {
        "kl_weight": 1.0,
        "labels": 10,  # of 6,000 each in the whole of MNIST
        "label_weight": 100.0,
        "label_mirror": False,
        "label_shift": 2,
        "label_gain": 0.1,  # ink is about equally black everywhere
        "pair_weight": 100.0,  # nats of a pair against those of 784 pixels; it parts the digits
    },
    # 256: each copy is sought among 511 others
    "training": {"steps": 1000, "batch_size": 256, "learning_rate": 1e-3},
    # A 9 differs from every 7 in its strokes.
    "evaluation": {
        "anomaly_score": "reconstruction",
        "bright_only": False,
        "spot": 5,
        "batch_size": 1000,
    },
}
REFERENCE = {
    "model": {"latents": 2, "components": 0},
    "loss": {"kl_weight": 1.0, "labels": 0, "label_weight": 0.0},
}
CONV = {"model": {"design": "conv"}, "training": {"steps": 500}}  # a step costs several dense ones
SMOKE = {
    "loss": {"labels": 5},
    "model": {"latents": 2, "hidden": 32},  # two: no t-SNE, which takes longer than the rest
    "training": {
        "steps": 20,
        "batch_size": 32,
        "steps_per_dispatch": 10,
        "log_every": 10,
        "evaluate_every": 20,
        "checkpoint_every": 10,
    },
    "evaluation": {"bootstrap_draws": 10},
    "sampling": {"samples": 8, "grid": 4},
}
VARIANTS = {
    "isles": {},
    "isles_conv": CONV,
    "isles_reference": REFERENCE,
    "digits": DIGITS,
    "digits_conv": {
        **DIGITS,
        "model": {"latents": 2, **CONV["model"]},
        "training": {**DIGITS["training"], **CONV["training"]},
    },
    "digits_unlabelled": {
        **DIGITS,
        "loss": {**DIGITS["loss"], "labels": 0, "label_weight": 0.0},
    },
    "digits_reference": {
        **DIGITS,
        "loss": {**DIGITS["loss"], **REFERENCE["loss"], "pair_weight": 0.0},
        "training": {"steps": 1000, "learning_rate": 1e-3},
    },
    "smoke": {**SMOKE, "data": {"cases": 4, "slice_mm": 20.0}},
    "smoke_digits": {
        **DIGITS,
        **SMOKE,
        "data": DIGITS["data"],
        "loss": {**DIGITS["loss"], **SMOKE["loss"]},
        "evaluation": {**DIGITS["evaluation"], **SMOKE["evaluation"]},
    },
}


def get_config(arg: str | None = None) -> ConfigDict:
    """The experiment, or a variant of it."""
    return experiment("patches", Settings, BASE, VARIANTS, arg)
