"""Dense denoiser of digits: Gaussian noise on half of the images, speckle on the other half.

    python train.py --config=configs/denoise_mlp.py --config.data.path=DIR

DIR as for configs/denoise_conv.py. `:reference` keeps the reference's optimiser, which took 1,700
epochs and some seven hours to a training error of 0.0235; `:smoke` shrinks the experiment to
seconds. Time and quality: docs/denoising.md.
"""

from ml_collections import ConfigDict

from lvae.configuration import experiment
from lvae.tasks.images.denoiser.settings import Settings

LEVELS = (("gaussian", 42 / 255, 0.0), ("speckle", 0.42, 0.0))  # (kind, strength, blur)

BASE = {
    "corruption": {  # one level of each kind, the reference's
        "noises": ("gaussian", "speckle"),
        "gaussian": (42 / 255, 42 / 255),
        "speckle": (0.42, 0.42),
        "salt_and_pepper": (0.07, 0.07),
        "poisson": (7 / 255, 7 / 255),
    },
    "model": {"design": "mlp"},
    "loss": {"cross_entropy": 0.0, "squared_error": 1.0},
    "training": {
        "steps": 8000,  # 154 epochs of the 6,650 digits
        "batch_size": 128,
        "steps_per_dispatch": 100,  # matrix products: many steps in one call
        "learning_rate": 2e-3,  # of Adam: plain gradient descent needs 1,700 epochs
        "ema_decay": 0.995,  # average over the last 200 steps
        "checkpoint_every": 2000,
    },
    "evaluation": {
        "levels": LEVELS,
        "growing": tuple(("gaussian", 0.06 * i, 0.0) for i in range(6)),
        "shown": LEVELS,
    },
}
REFERENCE = {  # plain gradient descent
    "training": {
        "steps": 0,
        "epochs": 1700,
        "batch_size": 32,
        "optimizer": "sgd",
        "learning_rate": 5e-4,
        "schedule": "constant",
        "weight_decay": 1e-5,  # L2
        "ema_decay": 0.0,
        "log_every": 1000,
        "evaluate_every": 10000,
        "checkpoint_every": 10000,
    },
}
SMOKE = {  # seconds on a laptop; nothing that is learned is of use
    "model": {"hidden": (32, 16, 32)},
    "training": {
        "steps": 4,
        "batch_size": 8,
        "steps_per_dispatch": 2,
        "log_every": 2,
        "evaluate_every": 4,
        "checkpoint_every": 4,
    },
    "evaluation": {"images": 16, "quick_images": 8, "tuning_images": 2},
    "sampling": {"batch_size": 8},
}
VARIANTS = {"reference": REFERENCE, "smoke": SMOKE}


def get_config(arg: str | None = None) -> ConfigDict:
    """The experiment; `arg` names variants."""
    return experiment("denoiser", Settings, BASE, VARIANTS, arg)
