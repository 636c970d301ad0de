"""The laser-grid VAE: learns point configurations, draws new ones that were never seen.

    python train.py --config=configs/default.py [--config.data.path=DIR]
    python sample.py --mode=noise

Takes frames in the LASTEN layout (a folder with train/, validation/ and maybe test/, or frames
themselves, which are split by whole recordings); without a path, recordings that it simulates.
Gives a run directory with everything in it. LASTEN, seed 0, on one busy core: 98 s; recordings that
it never saw are rebuilt to 1.30 px, and a classifier tells `prior` samples from real frames with an
AUROC of 0.52. Quality, also fold by fold: docs/quality.md.

`:smoke` shrinks it to seconds, for tests.
"""

from ml_collections import ConfigDict

from lvae.configuration import experiment
from lvae.tasks.grids.vae.settings import Settings

BASE = {
    "model": {"design": "ordered"},
    # x 2 frames: folds differ from recording to recording, hardly from frame to frame.
    "data": {"extra_recordings": 200},
    "augmentation": {},
    "training": {
        "steps": 3000,
        "batch_size": 64,  # frames per step
        "steps_per_dispatch": 100,  # matrix products only: scan is as fast as single steps
        "gradient_clip": 1.0,  # rare frames otherwise throw the scale off early
        "ema_decay": 0.998,  # over the last 500 steps: evaluation and sampling use the average
    },
}
VARIANTS = {
    "smoke": {
        "data": {
            "training_recordings": 2,
            "validation_recordings": 1,
            "test_recordings": 0,
            "recording_length": 4,
            "extra_recordings": 2,
        },
        "model": {"latents": 12, "hidden": 16},
        "loss": {"kl_warmup": 2},
        "training": {
            "steps": 4,
            "batch_size": 4,
            "steps_per_dispatch": 2,
            "log_every": 2,
            "evaluate_every": 2,
            "checkpoint_every": 2,
        },
        "sampling": {"prior_codes": 40, "prior_components": 2},
        "evaluation": {"samples": 8},
    },
}


def get_config(arg: str | None = None) -> ConfigDict:
    """The experiment, or a variant of it."""
    return experiment("laser_grid", Settings, BASE, VARIANTS, arg)
