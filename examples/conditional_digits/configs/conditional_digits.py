"""Digits of a class that is asked for.

    python train.py --config=examples/conditional_digits/configs/conditional_digits.py
    python sample.py --workdir=runs/conditional_digits --mode=prior --label=7

On scikit-learn's digits; with --config.data.path=DIR on MNIST's files. `:smoke`: in seconds.
"""

from conditional_digits.settings import Settings
from ml_collections import ConfigDict

from lvae.configuration import experiment

BASE = {"training": {"steps": 3000, "steps_per_dispatch": 100}}  # 130 passes over 1,425 digits
VARIANTS = {
    "smoke": {
        "model": {"latents": 2, "hidden": 32},
        "training": {"steps": 20, "steps_per_dispatch": 5, "log_every": 10, "checkpoint_every": 10},
    }
}


def get_config(arg: str | None = None) -> ConfigDict:
    """The experiment, or a variant of it."""
    return experiment("conditional_digits", Settings, BASE, VARIANTS, arg)
