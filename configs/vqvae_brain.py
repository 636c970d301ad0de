"""VQ-VAE of axial brain slices.

    python train.py --config=configs/vqvae_brain.py                 # ours
    python train.py --config=configs/vqvae_brain.py:reference       # the reference model
    python train.py --config=configs/vqvae_brain.py --config.data.path=/data/oasis
    python sample.py --mode=reconstruct --workdir=runs/vqvae_brain --data=SLICES

`:fsq` has a fixed grid of codes instead of a learned codebook; `:smoke` shrinks ours to seconds.
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
VARIANTS: dict[str, Values] = {"reference": REFERENCE, "fsq": FSQ, "smoke": SMOKE}


def get_config(arg: str | None = None) -> ConfigDict:
    """The experiment, or a variant of it."""
    return experiment("vqvae", Settings, BASE, VARIANTS, arg)
