"""Denoiser of a user's own gray images, of any size: ultrasound, X-ray, or others.

    python train.py --config=configs/denoise_images.py:ultrasound --config.data.path=DIR
    python sample.py --mode=denoise --workdir=runs/denoise_images --data=IMAGES

DIR holds clean gray images of one size, IMAGES images of any sizes. `:ultrasound` learns from speckle
and Gaussian noise, `:xray` (also without a variant) from counted photons and Gaussian noise;
`:smoke` shrinks the experiment to seconds, on digits. `python -m benchmarks.image_kinds` makes
folders of both kinds to try it on. Time and quality: docs/denoising.md.
"""

from ml_collections import ConfigDict

from lvae.configuration import experiment
from lvae.tasks.images.denoiser.settings import Settings

# (kind, strength, blur in px), the lowest of each kind first
XRAY_LEVELS = (
    ("poisson", 0.25 / 255, 0.0),
    ("poisson", 2 / 255, 0.0),
    ("poisson", 7 / 255, 0.0),
    ("gaussian", 4 / 255, 0.0),
    ("gaussian", 16 / 255, 0.0),
    ("gaussian", 42 / 255, 0.0),
)
ULTRASOUND_LEVELS = (
    ("speckle", 0.05, 0.0),
    ("speckle", 0.2, 0.0),
    ("speckle", 0.42, 0.0),
    ("gaussian", 4 / 255, 0.0),
    ("gaussian", 16 / 255, 0.0),
    ("gaussian", 42 / 255, 0.0),
)
BASE = {
    "data": {"tile": 64},  # a random square of every image, every time
    "corruption": {
        "noises": ("poisson", "gaussian"),
        "poisson": (0.1 / 255, 14 / 255),
        "low_share": 0.5,  # that are nearly clean
    },
    "model": {"design": "residual"},
    "loss": {"cross_entropy": 1.0, "log_error": 0.3},
    "training": {
        "steps": 4000,
        "batch_size": 16,
        "learning_rate": 2e-3,
        "ema_decay": 0.995,  # average over the last 200 steps
        "log_every": 100,
        "evaluate_every": 1000,
        "checkpoint_every": 500,
    },
    "evaluation": {
        "levels": XRAY_LEVELS,
        "growing": tuple(("gaussian", 0.04 * i, 0.0) for i in range(6)),
        "shown": (XRAY_LEVELS[1], XRAY_LEVELS[4]),
        "images": 12,
        "quick_images": 4,
        "tuning_images": 2,
    },
    # 32 px: what lies farther off hardly changes a pixel
    "sampling": {"overlap": 32, "batch_size": 16},
}
ULTRASOUND = {
    "corruption": {"noises": ("speckle", "gaussian")},
    "evaluation": {
        "levels": ULTRASOUND_LEVELS,
        "shown": (ULTRASOUND_LEVELS[1], ULTRASOUND_LEVELS[4]),
    },
}
SMOKE = {  # seconds on a laptop; nothing that is learned is of use
    "data": {"tile": 28},  # digits
    "model": {"channels": 4, "depth": 1},
    "loss": {"log_error": 0.0},
    "training": {
        "steps": 4,
        "batch_size": 8,
        "steps_per_dispatch": 2,
        "log_every": 2,
        "evaluate_every": 4,
        "checkpoint_every": 4,
    },
    "evaluation": {"levels": XRAY_LEVELS[1:3], "images": 8},
    "sampling": {"overlap": 8},
}
VARIANTS = {"xray": {}, "ultrasound": ULTRASOUND, "smoke": SMOKE}


def get_config(arg: str | None = None) -> ConfigDict:
    """The experiment; `arg` names variants."""
    return experiment("denoiser", Settings, BASE, VARIANTS, arg)
