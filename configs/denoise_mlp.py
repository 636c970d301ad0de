"""Dense denoiser of digits: Gaussian noise on half of the images, speckle on the other half.

    python train.py --config=configs/denoise_mlp.py --config.data.path=DIR

DIR as for configs/denoise_conv.py. `:reference` keeps the reference's optimiser, which took 1,700
epochs and some seven hours to a training error of 0.0235; `:smoke` shrinks the experiment to
seconds. Time and quality: docs/denoising.md.
"""

import ml_collections

ARGUMENTS = ("reference", "smoke")


def get_config(arg: str | None = None) -> ml_collections.ConfigDict:
    """The experiment; `arg` is None or one of ARGUMENTS."""
    if arg not in (None, *ARGUMENTS):
        raise ValueError(f"unknown argument {arg!r}; known: {', '.join(ARGUMENTS)}")
    config = ml_collections.ConfigDict()
    config.task = "denoiser"
    config.seed = 0  # of initialisation, order and noise

    config.data = data = ml_collections.ConfigDict()
    data.path = ""  # folder of IDX files or of PNGs; "" is scikit-learn's digits
    data.validation_share = 0.05  # of the training images, the last ones
    data.tile = 28  # px; side of the square that the network sees. Larger images are tiled

    config.corruption = corruption = ml_collections.ConfigDict()
    corruption.noises = ("gaussian", "speckle")  # half of every batch each
    corruption.gaussian = (42 / 255, 42 / 255)  # sigma, lowest and highest; images are in [0, 1]
    corruption.salt_and_pepper = (0.07, 0.07)  # share of the pixels
    corruption.speckle = (0.42, 0.42)  # sigma, as a share of the pixel
    corruption.poisson = (7 / 255, 7 / 255)  # what one count is worth
    corruption.uniform = (0.01, 1.5)  # half-range
    corruption.blur = (0.0, 2.0)  # px; sigma of the blur before uniform noise
    corruption.clip_share = 0.0  # these kinds are clipped anyway

    config.model = model = ml_collections.ConfigDict()
    model.design = "mlp"  # hourglass, pyramid or mlp
    model.channels = 0  # no convolutions
    model.hidden = (256, 128, 128, 64, 128, 128, 256)  # between 784 and 784

    config.loss = loss = ml_collections.ConfigDict()
    loss.cross_entropy = 0.0
    loss.squared_error = 1.0  # weight of the mean over pixels
    loss.log_error = 0.0  # weight of the mean over images of log squared error, PSNR's own
    loss.ssim = 0.0  # weight of 1 - SSIM

    config.training = training = ml_collections.ConfigDict()
    training.steps = 8000  # optimiser steps: 154 epochs of the 6,650 digits
    training.epochs = 0  # passes over the training split; 0: steps decide
    training.batch_size = 128
    training.steps_per_dispatch = 100  # matrix products: many steps in one call
    training.optimizer = "adam"  # plain gradient descent needs 1,700 epochs
    training.learning_rate = 2e-3
    training.schedule = "cosine"  # to zero at the last step
    training.warmup_steps = 0
    training.adam_epsilon = 1e-8
    training.weight_decay = 0.0
    training.gradient_clip = 0.0  # off
    training.ema_decay = 0.995  # average over the last 200 steps: evaluation and sampling use it
    training.log_every = 100  # steps
    training.evaluate_every = 1000  # steps
    training.checkpoint_every = 2000  # steps
    training.keep_checkpoints = 2

    config.evaluation = evaluation = ml_collections.ConfigDict()
    evaluation.levels = (
        ("gaussian", 42 / 255, 0.0),
        ("speckle", 0.42, 0.0),
    )  # kind, strength, blur
    evaluation.growing = tuple(("gaussian", 0.06 * i, 0.0) for i in range(6))  # of one image
    evaluation.shown = (("gaussian", 42 / 255, 0.0), ("speckle", 0.42, 0.0))  # of six images
    evaluation.images = 1000  # held-out images, at most
    evaluation.quick_images = 200  # validation images while training, at most
    evaluation.tuning_images = 100  # training images on which classical filters are tuned

    config.sampling = sampling = ml_collections.ConfigDict()
    sampling.overlap = 14  # px that neighbouring tiles of a large image share
    sampling.batch_size = 128  # tiles a call
    sampling.preview = 12  # pairs in preview.png

    if arg == "reference":
        _reference(config)
    if arg == "smoke":
        _smoke(config)
    return config.lock()


def _reference(config: ml_collections.ConfigDict) -> None:
    """The reference's training: plain gradient descent, 1,700 epochs."""
    config.training.steps = 0
    config.training.epochs = 1700
    config.training.batch_size = 32
    config.training.optimizer = "sgd"
    config.training.learning_rate = 5e-4
    config.training.schedule = "constant"
    config.training.weight_decay = 1e-5  # L2
    config.training.ema_decay = 0.0
    config.training.log_every = 1000
    config.training.evaluate_every = 10000
    config.training.checkpoint_every = 10000


def _smoke(config: ml_collections.ConfigDict) -> None:
    """Seconds on a laptop; nothing that is learned is of use."""
    config.model.hidden = (32, 16, 32)
    config.training.steps = 4
    config.training.batch_size = 8
    config.training.steps_per_dispatch = 2
    config.training.log_every = 2
    config.training.evaluate_every = 4
    config.training.checkpoint_every = 4
    config.evaluation.images = 16
    config.evaluation.quick_images = 8
    config.evaluation.tuning_images = 2
    config.sampling.batch_size = 8
    config.sampling.preview = 4
