"""Prior over the code maps of a VQ-VAE of brain slices that plans before it paints.

    python train.py --config=configs/planned_brain.py --config.vqvae=runs/vqvae_brain
    python sample.py --mode=prior --workdir=runs/planned_brain --height=0.4
    python sample.py --mode=stack --workdir=runs/planned_brain --num_samples=4

A subject's code and the height of the slice give a coarse picture, a gated PixelCNN paints the codes
from it. `:pictures` draws a picture with the folds between the two. `:full` is for the 9,664 slices of
OASIS; `:smoke` and `:pictures:smoke` take seconds. What is not stated here has the default of
lvae/tasks/brain/prior/settings.py. Time, memory and measured numbers: docs/brain.md.
"""

from ml_collections import ConfigDict

from lvae.configuration import Values, experiment
from lvae.tasks.brain.prior.settings import Settings

BASE = {
    "plan": {"components": 64},  # 54 nats a slice
    "loss": {"shift": 0, "gain": 0.0},  # there are heads enough: moved ones would be off centre
    "training": {
        "steps": 3000,  # not measured; 700 leave the inside of a slice in blobs
        "batch_size": 8,  # maps per step
        "optimizer": "adamw",
        "learning_rate": 2e-3,
        "warmup_steps": 40,
        "weight_decay": 0.01,
        "gradient_clip": 1.0,  # global norm
        "ema_decay": 0.99,  # of the parameters
        "log_every": 50,  # steps
        "evaluate_every": 300,  # steps
        "checkpoint_every": 300,  # steps
        "keep_checkpoints": 1,
    },
}
# For 9,664 slices and a GPU; not measured
FULL = {"training": {"steps": 0, "epochs": 50, "batch_size": 32}}
PICTURES = {
    "picture": {"steps": 16},  # guesses from noise to a picture
    "training": {
        "steps": 9000,  # 0.33 s each on a free core: 50 minutes, 25 passes; not measured
        "learning_rate": 1e-3,
        "warmup_steps": 100,
        "ema_decay": 0.998,  # of the parameters
        "evaluate_every": 1500,  # steps
        "checkpoint_every": 250,  # steps
    },
}
SMOKE = {  # seconds on a laptop; nothing that is learned is of use
    "plan": {"components": 3, "heights": 4, "width": 8},
    "model": {"features": 16, "embedding": 4, "kernel": 3, "blocks": "GG2"},
    "training": {"steps": 6, "log_every": 2, "evaluate_every": 6, "checkpoint_every": 6},
    "sampling": {"count": 4, "candidates": 2},
    "evaluation": {"batch_size": 8, "samples": 8, "neighbours": 1},
}
VARIANTS: dict[str, Values] = {
    "pictures": PICTURES,
    "full": FULL,
    "smoke": SMOKE,
    # in seconds
    "pictures:smoke": {
        "picture": {"steps": 2, "widths": (4, 8, 8), "blocks": 1, "codes_of": 4},
        "training": {"checkpoint_every": 6, "evaluate_every": 6},
    },
}


def get_config(arg: str | None = None) -> ConfigDict:
    """The experiment, or a variant of it."""
    return experiment("pixelcnn", Settings, BASE, VARIANTS, arg)
