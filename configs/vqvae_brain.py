"""VQ-VAE of axial brain slices.

    python train.py --config=configs/vqvae_brain.py                 # ours
    python train.py --config=configs/vqvae_brain.py:reference       # the reference model
    python train.py --config=configs/vqvae_brain.py --config.data.path=/data/oasis
    python sample.py --mode=reconstruct --workdir=runs/vqvae_brain --data=SLICES

`:folds` learns from 240 heads with folds of their own and draws texture; `:full` is for the 9,664 slices
of OASIS on a GPU; `:fsq` has a fixed grid of codes instead of a learned codebook; `:smoke` shrinks ours
to seconds.
What is not stated here has the default of lvae/tasks/brain/codec/settings.py. Time, memory and
measured numbers: docs/brain.md.
"""

from ml_collections import ConfigDict

from lvae.configuration import Values, experiment
from lvae.tasks.brain.codec.settings import Settings

BASE = {
    "model": {"architecture": "residual", "quantizer": "ema"},
    "training": {
        "epochs": 30,  # as the reference
        "batch_size": 8,  # slices per step
        "learning_rate": 3e-4,  # SSIM on black is steep: larger steps undo the start
        "warmup_steps": 40,
        "gradient_clip": 1.0,  # global norm
        "ema_decay": 0.99,  # of the parameters, for the same reason
        "log_every": 30,  # steps; an epoch of the built-in data
        "evaluate_every": 90,  # steps; three epochs
        "checkpoint_every": 300,  # steps
        "keep_checkpoints": 1,
    },
}
REFERENCE = {
    # 128 codes: the reference's PixelCNN has a 128-way output
    "model": {"architecture": "reference", "quantizer": "gradient", "dimension": 16, "codes": 128},
    "loss": {"ssim": 0.0, "mirror": False},  # squared error alone, slices as they are
    "training": {
        "learning_rate": 1e-3,
        "schedule": "constant",
        "warmup_steps": 0,
        "gradient_clip": 0.0,
        "ema_decay": 0.0,
        "adam_epsilon": 1e-7,  # Keras' default
    },
}
FOLDS: Values = {  # heads with folds of their own, and a decoder that draws texture
    # 240 heads to learn from: drawn once (37 s) and kept
    "data": {"anatomy": "folds", "subjects": (240, 8, 24)},
    "model": {"texture": True},
    "loss": {"texture": 0.5},  # at 0.1 the finest band is still too weak
    "training": {"steps": 300, "epochs": 0, "evaluate_every": 150},  # 2.5 minutes
}
# OASIS as it is passed on (9,664 slices; --config.data.path=DIR), for a GPU; not measured
FULL = {
    "model": {"texture": True},
    "loss": {"texture": 0.5},
    "training": {"batch_size": 32, "evaluate_every": 900},
}
FSQ = {"model": {"quantizer": "fsq", "dimension": 4, "places": 0}}  # 8 * 8 * 4 * 4 codes
SMOKE = {  # seconds on a laptop; nothing that is learned is of use
    "data": {"size": 32, "slices": 4, "subjects": (4, 2, 2)},
    "model": {
        "width": 8,
        "decoder_blocks": 1,
        "codes": 16,
        "dimension": 18,
        "places": 2,
        "kmeans_slices": 4,
    },
    "training": {"epochs": 3, "log_every": 2, "evaluate_every": 6, "checkpoint_every": 6},
    "evaluation": {"batch_size": 8},
}
VARIANTS: dict[str, Values] = {
    "reference": REFERENCE,
    "folds": FOLDS,
    "full": FULL,
    "fsq": FSQ,
    "smoke": SMOKE,
    # in seconds
    "folds:smoke": {"data": {"anatomy": "template"}, "training": {"steps": 6, "epochs": 0}},
}


def get_config(arg: str | None = None) -> ConfigDict:
    """The experiment, or a variant of it."""
    return experiment("vqvae", Settings, BASE, VARIANTS, arg)
