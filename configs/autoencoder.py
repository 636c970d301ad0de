"""Regularised autoencoders of digits: `:sparse`, `:contractive`, `:concrete` or `:variational`.

    python train.py --config=configs/autoencoder.py:sparse --config.data.path=DIR

DIR as for configs/denoise_conv.py. Without an argument: variational. `:smoke` shrinks that one, and
`:sparse:smoke` and so on each, to seconds. Time and quality: docs/denoising.md.
"""

import ml_collections

DESIGNS = ("sparse", "contractive", "concrete", "variational")
ARGUMENTS = (*DESIGNS, "smoke", *(f"{design}:smoke" for design in DESIGNS))


def get_config(arg: str | None = None) -> ml_collections.ConfigDict:
    """The experiment; `arg` is None or one of ARGUMENTS."""
    if arg not in (None, *ARGUMENTS):
        raise ValueError(f"unknown argument {arg!r}; known: {', '.join(ARGUMENTS)}")
    design = (arg or "").split(":")[0]
    config = _common()
    {
        "sparse": _sparse,
        "contractive": _contractive,
        "concrete": _concrete,
    }.get(design, _variational)(config)
    if (arg or "").endswith("smoke"):
        _smoke(config)
    return config.lock()


def _common() -> ml_collections.ConfigDict:
    config = ml_collections.ConfigDict()
    config.task = "autoencoder"
    config.seed = 0  # of initialisation, order and noise

    config.data = data = ml_collections.ConfigDict()
    data.path = ""  # folder of IDX files or of PNGs; "" is scikit-learn's digits
    data.validation_share = 0.05  # of the training images, the last ones

    config.corruption = corruption = ml_collections.ConfigDict()
    corruption.noises = ()  # kinds, in equal shares of every batch; () is none
    corruption.gaussian = (0.0, 70 / 255)  # sigma, lowest and highest; images are in [0, 1]
    corruption.salt_and_pepper = (0.0, 0.2)  # share of the pixels
    corruption.speckle = (0.0, 0.6)  # sigma, as a share of the pixel
    corruption.poisson = (1 / 255, 14 / 255)  # what one count is worth
    corruption.uniform = (0.01, 1.5)  # half-range
    corruption.blur = (0.0, 2.0)  # px; sigma of the blur before uniform noise
    corruption.clip_share = 0.0  # of the images, clipped to [0, 1]

    config.model = model = ml_collections.ConfigDict()
    model.design = ""  # set below
    model.code = 0  # units, selected pixels or latent dimensions
    model.hidden = ()  # widths between code and pixels
    model.selection = "learned"  # concrete only; "variance": the pixels of highest variance

    config.loss = loss = ml_collections.ConfigDict()
    loss.sparsity = 0.0  # weight of the code's divergence from its target activation, in nats
    loss.target_activation = 0.05  # mean activation of a unit of a sparse code
    loss.contraction = 0.0  # weight of the Jacobian's squared norm
    loss.divergence = 0.0  # weight of the divergence from the prior, 1 being the evidence bound
    loss.first_temperature = 10.0  # of the concrete selection, falling by an equal factor a step
    loss.last_temperature = 0.1
    loss.annealing_steps = 3000  # until the last temperature

    config.training = training = ml_collections.ConfigDict()
    training.steps = 3000  # optimiser steps
    training.epochs = 0  # passes over the training split; 0: steps decide
    training.batch_size = 64
    training.steps_per_dispatch = 50  # matrix products only: many steps in one call
    training.optimizer = "adam"
    training.learning_rate = 1e-3
    training.schedule = "cosine"  # to zero at the last step
    training.warmup_steps = 0
    training.adam_epsilon = 1e-8
    training.weight_decay = 0.0
    training.gradient_clip = 0.0  # off
    training.ema_decay = 0.0  # off
    training.log_every = 100  # steps
    training.evaluate_every = 1000  # steps
    training.checkpoint_every = 1000  # steps
    training.keep_checkpoints = 2

    config.evaluation = evaluation = ml_collections.ConfigDict()
    evaluation.images = 1000  # held-out images, at most
    evaluation.quick_images = 200  # validation images while training, at most
    evaluation.jacobian_images = 200  # images whose Jacobian is measured, at most

    config.sampling = sampling = ml_collections.ConfigDict()
    sampling.preview = 12  # pairs in preview.png
    sampling.samples = 64  # new images of --mode=prior
    return config


def _sparse(config: ml_collections.ConfigDict) -> None:
    """More units than pixels, one in twenty active."""
    config.model.design = "sparse"
    config.model.code = 1024  # of 784 pixels
    config.loss.sparsity = 1.0


def _contractive(config: ml_collections.ConfigDict) -> None:
    """A code that small changes of the image leave alone. Compare config.loss.contraction=0."""
    config.model.design = "contractive"
    config.model.code = 64
    config.model.hidden = (128,)
    config.loss.contraction = 1.0
    config.training.steps = 2000  # each takes the exact Jacobian of every image


def _concrete(config: ml_collections.ConfigDict) -> None:
    """Fifty pixels that tell the others. Compare config.model.selection=variance."""
    config.model.design = "concrete"
    config.model.code = 50  # pixels
    config.model.hidden = (256, 256)
    config.training.steps = 4000
    config.loss.annealing_steps = 3500  # the rest trains the decoder on what is chosen
    config.training.learning_rate = 2e-3  # of the selector too


def _variational(config: ml_collections.ConfigDict) -> None:
    """Restores noisy digits through a Gaussian code."""
    config.model.design = "variational"
    config.model.code = 20
    config.model.hidden = (512, 256)
    config.corruption.noises = ("gaussian", "speckle", "salt_and_pepper")
    config.loss.divergence = 1.0


def _smoke(config: ml_collections.ConfigDict) -> None:
    """Seconds on a laptop; nothing that is learned is of use."""
    config.model.code = min(config.model.code, 8)
    config.model.hidden = tuple(min(width, 16) for width in config.model.hidden)
    config.training.steps = 4
    config.training.batch_size = 8
    config.training.steps_per_dispatch = 2
    config.training.log_every = 2
    config.training.evaluate_every = 4
    config.training.checkpoint_every = 4
    config.evaluation.images = 16
    config.evaluation.quick_images = 8
    config.evaluation.jacobian_images = 4
    config.sampling.preview = 4
    config.sampling.samples = 8
