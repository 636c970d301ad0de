"""Prior over the code maps of a trained VQ-VAE of brain slices.

    python train.py --config=configs/pixelcnn_brain.py --config.vqvae=runs/vqvae_brain
    python train.py --config=configs/pixelcnn_brain.py:reference --config.vqvae=DIR
    python sample.py --mode=prior --workdir=runs/pixelcnn_brain

The VQ-VAE's weights become part of this run: once it is trained, the other can be moved or deleted.
`:smoke` shrinks the experiment to seconds. What is not stated here has the default of
lvae/tasks/brain/prior/settings.py. Time, memory and measured numbers: docs/brain.md.
"""

from ml_collections import ConfigDict

from lvae.configuration import experiment
from lvae.tasks.brain.prior.settings import Settings

BASE = {
    "training": {
        "epochs": 50,  # at 25 it is 0.08 nats per code worse, and samples have more faults
        "batch_size": 8,  # maps per step
        "optimizer": "adamw",
        "learning_rate": 2e-3,
        "warmup_steps": 40,
        "weight_decay": 0.01,
        "gradient_clip": 1.0,  # global norm
        "ema_decay": 0.99,  # of the parameters
        "log_every": 30,  # steps; an epoch of the built-in data
        "evaluate_every": 300,  # steps
        "checkpoint_every": 300,  # steps
        "keep_checkpoints": 1,
    },
}
REFERENCE = {
    "model": {
        "features": 128,
        "embedding": 0,
        "tied": False,
        "kernel": 7,
        "blocks": "RRRR",
        "places": False,
        "dropout": 0.0,
    },
    "loss": {"mirror": False, "shift": 0, "gain": 0.0},  # slices as they are
    "training": {
        "epochs": 25,
        "optimizer": "adam",
        "learning_rate": 3e-4,
        "schedule": "constant",
        "warmup_steps": 0,
        "weight_decay": 0.0,
        "gradient_clip": 0.0,
        "ema_decay": 0.0,
    },
}
SMOKE = {  # seconds on a laptop; nothing that is learned is of use
    "model": {"features": 16, "embedding": 4, "kernel": 3, "blocks": "GA"},
    "training": {"epochs": 3, "log_every": 2, "evaluate_every": 6, "checkpoint_every": 6},
    "sampling": {"count": 4, "candidates": 2},
    "evaluation": {"batch_size": 8, "samples": 8, "neighbours": 1},
}
VARIANTS = {"reference": REFERENCE, "smoke": SMOKE}


def get_config(arg: str | None = None) -> ConfigDict:
    """The experiment, or a variant of it."""
    return experiment("pixelcnn", Settings, BASE, VARIANTS, arg)
