"""Regularised autoencoders of digits: `:sparse`, `:contractive`, `:concrete` or `:variational`.

    python train.py --config=configs/autoencoder.py:sparse --config.data.path=DIR

DIR as for configs/denoise_conv.py. Without an argument: variational. `:smoke` shrinks that one, and
`:sparse:smoke` and so on each, to seconds. Time and quality: docs/denoising.md.
"""

from ml_collections import ConfigDict

from lvae.configuration import experiment
from lvae.tasks.images.autoencoder.settings import Settings

DESIGNS = ("sparse", "contractive", "concrete", "variational")

BASE = {
    "training": {
        "steps": 3000,
        "steps_per_dispatch": 50,  # matrix products only: many steps in one call
    },
}
VARIANTS = {
    # More units than the 784 pixels, one in twenty active.
    "sparse": {"model": {"design": "sparse", "code": 1024, "hidden": ()}},
    # A code that small changes of the image leave alone. Compare config.loss.contraction=0.
    "contractive": {
        "model": {"design": "contractive", "code": 64, "hidden": (128,)},
        "training": {"steps": 2000},  # each takes the exact Jacobian of every image
    },
    # Fifty pixels that give the others. Compare config.model.selection=variance.
    "concrete": {
        "model": {"design": "concrete", "code": 50, "hidden": (256, 256)},
        # 500 steps after the annealing train the decoder on what is chosen; the rate is the
        # selector's too
        "training": {"steps": 4000, "learning_rate": 2e-3},
    },
    # Restores noisy digits through a Gaussian code.
    "variational": {
        "model": {"design": "variational", "code": 20, "hidden": (512, 256)},
        "corruption": {"noises": ("gaussian", "speckle", "salt_and_pepper")},
        "sampling": {},
    },
    # Seconds on a laptop; nothing that is learned is of use.
    "smoke": {
        "model": {"code": 8},
        "training": {
            "steps": 4,
            "batch_size": 8,
            "steps_per_dispatch": 2,
            "log_every": 2,
            "evaluate_every": 4,
            "checkpoint_every": 4,
        },
        "evaluation": {"images": 16, "quick_images": 8},
    },
    "sparse:smoke": {"evaluation": {"jacobian_images": 4}},
    "contractive:smoke": {"model": {"hidden": (16,)}, "evaluation": {"jacobian_images": 4}},
    "concrete:smoke": {"model": {"hidden": (16, 16)}},
    "variational:smoke": {"model": {"hidden": (16, 16)}, "sampling": {"samples": 8}},
}


def get_config(arg: str | None = None) -> ConfigDict:
    """The experiment; `arg` names variants, a design first."""
    names = arg.split(":") if arg else []
    design = [] if set(names) & set(DESIGNS) else ["variational"]
    return experiment("autoencoder", Settings, BASE, VARIANTS, ":".join([*design, *names]))
