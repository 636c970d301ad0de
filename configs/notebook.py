"""The published notebook's method, number for number; configs/default.py does better.

    python train.py --config=configs/notebook.py --config.data.path=DIR
    python sample.py --workdir=runs/notebook --mode=noise

100 epochs of 160 frames; 115,362 parameters. lvae/tasks/grids/vae/settings.py says where the
notebook is wrong. `:smoke` shrinks it to seconds.
"""

from ml_collections import ConfigDict

from lvae.configuration import experiment
from lvae.tasks.grids.vae.settings import Settings

BASE = {
    "model": {"design": "notebook"},
    "training": {
        "epochs": 100,  # reshuffled every epoch
        "batch_size": 4,  # frames per step
        "steps_per_dispatch": 40,  # one epoch of 160 frames; convolutions are matrix products
        "schedule": "constant",
        "adam_epsilon": 1e-7,  # Keras' default
        "log_every": 40,  # steps: one epoch
        "evaluate_every": 2000,
        "checkpoint_every": 2000,
    },
    "evaluation": {"samples": 1000},
}
VARIANTS = {
    "smoke": {
        "data": {
            "training_recordings": 2,
            "validation_recordings": 1,
            "test_recordings": 0,
            "recording_length": 4,
        },
        "training": {
            "epochs": 2,
            "steps_per_dispatch": 2,
            "log_every": 2,
            "evaluate_every": 4,
            "checkpoint_every": 4,
        },
        "evaluation": {"samples": 8},
    },
}


def get_config(arg: str | None = None) -> ConfigDict:
    """The experiment, or a variant of it."""
    return experiment("laser_grid", Settings, BASE, VARIANTS, arg)
