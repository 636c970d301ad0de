"""Convolutional denoiser of digits, or of a user's own grayscale images.

    python train.py --config=configs/denoise_conv.py --config.data.path=DIR
    python sample.py --mode=denoise --workdir=runs/denoise_conv --data=IMAGES

DIR holds MNIST's IDX files or grayscale PNGs of one size; without a path, scikit-learn's digits.
Trained on blur + uniform noise; `:mixture` on all other kinds together; `:reference` is the small
network of the reference with its own settings; `:smoke` shrinks the experiment to seconds.
Time, memory and quality: docs/denoising.md.
"""

from ml_collections import ConfigDict

from lvae.configuration import experiment
from lvae.tasks.images.denoiser.settings import Settings

# (kind, strength, blur in px). The first is the lowest; the others the reference's figure has.
LEVELS = (
    ("blur_uniform", 0.1, 0.0),
    ("blur_uniform", 0.4, 0.5),
    ("blur_uniform", 0.8, 1.0),
    ("blur_uniform", 1.2, 1.5),
    ("blur_uniform", 1.6, 2.0),
    ("blur_uniform", 2.0, 2.5),
)
MIXTURE_LEVELS = (
    ("gaussian", 32 / 255, 0.0),
    ("gaussian", 42 / 255, 0.0),
    ("gaussian", 70 / 255, 0.0),
    ("speckle", 0.35, 0.0),
    ("speckle", 0.42, 0.0),
    ("salt_and_pepper", 0.07, 0.0),
    ("salt_and_pepper", 0.15, 0.0),
    ("poisson", 7 / 255, 0.0),
    ("poisson", 14 / 255, 0.0),
)
BASE = {
    "corruption": {
        "noises": ("blur_uniform",),
        # Beyond the reference's 1.5 and 2.0: its figure goes to 2.0 and 2.5, and what lies at the
        # edge of a range is learned worst.
        "uniform": (0.01, 2.2),
        "blur": (0.0, 2.8),
        "low_share": 0.25,  # that are nearly clean; 1 % of the others are
        "clip_share": 0.2,  # files of noisy images are clipped
    },
    "model": {"design": "blended_hourglass"},
    "loss": {"log_error": 0.1, "ssim": 0.05},  # beside a cross-entropy of weight 1
    "training": {
        "steps": 6000,  # held-out digits fare as training ones do even then
        "learning_rate": 2e-3,
        "ema_decay": 0.995,  # average over the last 200 steps
        "log_every": 50,
        "evaluate_every": 500,
        "checkpoint_every": 500,
    },
    "evaluation": {
        "levels": LEVELS,
        "growing": tuple(("blur_uniform", 0.4 * i, 0.5 * i) for i in range(6)),
        "shown": (LEVELS[2],),
    },
}
MIXTURE = {  # one network for the four other kinds of noise
    "corruption": {
        "noises": ("gaussian", "speckle", "salt_and_pepper", "poisson"),
        "clip_share": 0.0,  # these are clipped anyway
    },
    "evaluation": {
        "levels": MIXTURE_LEVELS,
        "growing": tuple(("gaussian", 0.06 * i, 0.0) for i in range(6)),
        "shown": tuple(MIXTURE_LEVELS[i] for i in (1, 4, 5, 7)),  # a level of each kind
    },
}
REFERENCE = {  # its network, noise and training: 50 epochs of 230 steps
    "corruption": {
        "uniform": (0.01, 1.5),
        "blur": (0.0, 2.0),
        "low_share": 0.0,
        "clip_share": 0.0,
    },
    "model": {"design": "pyramid"},  # 4,385 parameters
    "loss": {"log_error": 0.0, "ssim": 0.0},
    "training": {
        "steps": 50 * 230,
        "steps_per_dispatch": 10,  # its convolutions are matrix products on CPUs: scan is as fast
        "batch_size": 256,
        "learning_rate": 3e-3,
        "schedule": "constant",
        "ema_decay": 0.0,
        "log_every": 230,  # an epoch of the reference
        "evaluate_every": 2300,
        "checkpoint_every": 2300,
    },
}
SMOKE = {  # seconds on a laptop; nothing that is learned is of use
    "model": {"channels": 4, "hidden": (32, 32)},
    "loss": {"log_error": 0.0, "ssim": 0.0},
    "training": {
        "steps": 4,
        "batch_size": 8,
        "steps_per_dispatch": 2,
        "log_every": 2,
        "evaluate_every": 4,
        "checkpoint_every": 4,
    },
    "evaluation": {"levels": LEVELS[1:3], "images": 16, "quick_images": 8, "tuning_images": 2},
    "sampling": {"batch_size": 8},
}
VARIANTS = {
    "mixture": MIXTURE,
    "reference": REFERENCE,
    "smoke": SMOKE,
    "mixture:smoke": {"evaluation": {"levels": MIXTURE_LEVELS[1:3]}},
}


def get_config(arg: str | None = None) -> ConfigDict:
    """The experiment; `arg` names variants."""
    return experiment("denoiser", Settings, BASE, VARIANTS, arg)
