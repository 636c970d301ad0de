"""The registration network on points alone: which ray does every laser point of a frame belong to?

    python train.py --config=configs/registration_points.py [--config.data.path=DIR]
    python sample.py --mode=match --workdir=runs/registration_points --data=DIR_OR_FILE

Trains on real recordings and on simulated ones, in other poses, with runs of points missing and
with points that belong to no ray; measures on whole recordings that it never saw. What is not stated
here has the default of lvae/tasks/grids/registration_points/settings.py. Time and quality:
docs/utility.md. `:smoke` takes seconds.
"""

from ml_collections import ConfigDict

from lvae.configuration import experiment
from lvae.tasks.grids.registration_points.settings import Settings

BASE = {
    "data": {
        "extra_recordings": 1600,  # simulated recordings, 2 frames each: shapes that no set shows
        "extra_variety": 1.5,  # their shapes range farther than those of real ones
        "extra_runs": True,
    },
    "training": {
        "steps": 1500,
        "batch_size": 8,  # frames per step
        "steps_per_dispatch": 50,  # no convolutions: loops are as fast as single steps
        "learning_rate": 3e-3,
        "warmup_steps": 100,
        "gradient_clip": 1.0,
        "log_every": 50,
        "evaluate_every": 0,  # at the end only
        "checkpoint_every": 500,
    },
}

VARIANTS = {
    "smoke": {
        "data": {
            "training_recordings": 2,
            "validation_recordings": 1,
            "test_recordings": 0,
            "recording_length": 2,  # frames
            "extra_recordings": 2,
        },
        "model": {"features": 8, "doublings": (0, 1, 0), "summaries": 2},
        "training": {
            "steps": 4,
            "batch_size": 2,
            "steps_per_dispatch": 1,
            "warmup_steps": 0,
            "log_every": 2,
            "checkpoint_every": 2,
        },
    },
}


def get_config(arg: str | None = None) -> ConfigDict:
    """The experiment; `arg` is None or variants, joined by colons."""
    return experiment("registration_points", Settings, BASE, VARIANTS, arg)
