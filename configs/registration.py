"""The registration network: which ray does every laser point in a moving image belong to?

    python train.py --config=configs/registration.py [--config.data.path=DIR]
    python sample.py --mode=match --workdir=runs/registration --data=DIR

Trains on real recordings (simulated ones without a path), measures on whole recordings that it
never saw. What else it trains on is in `training_set` and `augmentation`; `python -m
benchmarks.utility` compares the choices, which is how a generator is judged. What is not stated
here has the default of lvae/tasks/grids/registration/settings.py.

`:posed` is for generated frames, --config.training_set.generated=DIR: they bring the shapes, and only
their poses are varied, which eight recordings show too little of. `:full` is the field's own size,
384 x 384 and 32 filters, for a GPU. `:smoke` takes seconds.
"""

from ml_collections import ConfigDict

from lvae.configuration import experiment
from lvae.tasks.grids.registration.settings import Settings

BASE = {
    "training": {
        "steps": 3000,  # optimiser steps
        "batch_size": 4,  # frames per step
        "log_every": 50,  # steps
        "checkpoint_every": 500,  # steps
        # No average of params: the running statistics belong to the last ones.
    },
}

VARIANTS = {
    "posed": {  # another patient, another distance of the endoscope, and nothing else
        "augmentation": {
            "rotation": 10.0,  # degrees
            "shear": 5.0,  # degrees
            "translation": 0.1,  # share of the frame
            "warp_x": 0.0,  # shapes stay as they were drawn: no bending,
            "warp_y": 0.0,
            "jitter": 0.0,  # no noise,
            "dropout": 0.0,  # no points hidden
            "relief": 1.5,  # no recording shows how steep the folds' edges can get
        },
    },
    "full": {
        "model": {"size": 384, "filters": 32},  # px; channels: 5,489,026 parameters
        "training": {"steps_per_dispatch": 50},  # a GPU is not slow on convolutions in loops
    },
    "smoke": {
        "data": {
            "training_recordings": 2,
            "validation_recordings": 1,
            "test_recordings": 0,
            "recording_length": 2,  # frames
        },
        "model": {"size": 48, "filters": 2, "levels": 2},  # px; channels; halvings
        "augmentation": {"proposals": 2},
        "training": {
            "steps": 4,
            "batch_size": 2,
            "steps_per_dispatch": 1,
            "log_every": 2,
            "evaluate_every": 0,
            "checkpoint_every": 2,
        },
    },
}


def get_config(arg: str | None = None) -> ConfigDict:
    """The experiment; `arg` is None or variants, joined by colons."""
    return experiment("registration", Settings, BASE, VARIANTS, arg)
