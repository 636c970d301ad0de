"""Convolutional denoiser of digits, or of a user's own grayscale images.

    python train.py --config=configs/denoise_conv.py --config.data.path=DIR
    python sample.py --mode=denoise --workdir=runs/denoise_conv --data=IMAGES

DIR holds MNIST's IDX files or grayscale PNGs of one size; without a path, scikit-learn's digits.
Trained on blur + uniform noise; `:mixture` on all other kinds together; `:reference` is the small
network of the reference with its own settings; `:smoke` shrinks the experiment to seconds.
Time, memory and quality: docs/denoising.md.
"""

import ml_collections

ARGUMENTS = ("mixture", "reference", "smoke")


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
    corruption.noises = ("blur_uniform",)  # kinds, in equal shares of every batch
    corruption.gaussian = (0.0, 70 / 255)  # sigma, lowest and highest; images are in [0, 1]
    corruption.salt_and_pepper = (0.0, 0.2)  # share of the pixels
    corruption.speckle = (0.0, 0.6)  # sigma, as a share of the pixel
    corruption.poisson = (1 / 255, 14 / 255)  # what one count is worth
    corruption.uniform = (0.01, 2.2)  # half-range; the reference's figure goes to 2.0, beyond the
    # 1.5 it was trained on, and what lies at the edge of a range is learned worst
    corruption.blur = (0.0, 2.8)  # px; sigma of the blur before uniform noise; the figure: 2.5
    corruption.clip_share = 0.2  # of the images, clipped to [0, 1] as files of noisy images are

    config.model = model = ml_collections.ConfigDict()
    model.design = "hourglass"  # hourglass, pyramid or mlp
    model.channels = 24  # of its convolutions
    model.hidden = (1024, 1024, 1024)  # widths of its dense layers

    config.loss = loss = ml_collections.ConfigDict()
    loss.cross_entropy = 1.0  # weight of the mean over pixels, nats
    loss.squared_error = 0.0
    loss.log_error = 0.05  # weight of the mean over images of log squared error, PSNR's own
    loss.ssim = 0.05  # weight of 1 - SSIM; counts where little noise is left

    config.training = training = ml_collections.ConfigDict()
    training.steps = 6000  # optimiser steps; held-out digits fare as training ones do even then
    training.epochs = 0  # passes over the training split; 0: steps decide
    training.batch_size = 64
    training.steps_per_dispatch = (
        10  # the convolutions are matrix products on CPUs: scan is as fast
    )
    training.optimizer = "adam"
    training.learning_rate = 2e-3
    training.schedule = "cosine"  # to zero at the last step
    training.warmup_steps = 0
    training.adam_epsilon = 1e-8
    training.weight_decay = 0.0
    training.gradient_clip = 0.0  # off
    training.ema_decay = 0.995  # average over the last 200 steps: evaluation and sampling use it
    training.log_every = 50  # steps
    training.evaluate_every = 500  # steps
    training.checkpoint_every = 500  # steps
    training.keep_checkpoints = 2

    config.evaluation = evaluation = ml_collections.ConfigDict()
    # (kind, strength, blur) each. The first is the lowest; the others the reference's figure has
    evaluation.levels = (
        ("blur_uniform", 0.1, 0.0),
        ("blur_uniform", 0.4, 0.5),
        ("blur_uniform", 0.8, 1.0),
        ("blur_uniform", 1.2, 1.5),
        ("blur_uniform", 1.6, 2.0),
        ("blur_uniform", 2.0, 2.5),
    )
    evaluation.growing = tuple(("blur_uniform", 0.4 * i, 0.5 * i) for i in range(6))  # of one image
    evaluation.shown = (("blur_uniform", 0.8, 1.0),)  # of six images
    evaluation.images = 1000  # held-out images, at most
    evaluation.quick_images = 200  # validation images while training, at most
    evaluation.tuning_images = 100  # training images on which classical filters are tuned

    config.sampling = sampling = ml_collections.ConfigDict()
    sampling.overlap = 14  # px that neighbouring tiles of a large image share
    sampling.batch_size = 128  # tiles a call
    sampling.preview = 12  # pairs in preview.png

    if arg == "mixture":
        _mixture(config)
    if arg == "reference":
        _reference(config)
    if arg == "smoke":
        _smoke(config)
    return config.lock()


def _mixture(config: ml_collections.ConfigDict) -> None:
    """One network for the four other kinds of noise."""
    config.corruption.noises = ("gaussian", "speckle", "salt_and_pepper", "poisson")
    config.corruption.clip_share = 0.0  # these are clipped anyway
    levels = (
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
    config.evaluation.levels = levels
    config.evaluation.growing = tuple(("gaussian", 0.06 * i, 0.0) for i in range(6))
    config.evaluation.shown = (levels[1], levels[4], levels[5], levels[7])


def _reference(config: ml_collections.ConfigDict) -> None:
    """The reference's network, noise and training: 50 epochs of 230 steps."""
    config.corruption.uniform = (0.01, 1.5)
    config.corruption.blur = (0.0, 2.0)
    config.corruption.clip_share = 0.0  # the reference's noise is not clipped
    config.model.design = "pyramid"  # 4,385 parameters
    config.model.channels = 0  # its own
    config.model.hidden = ()
    config.loss.log_error = 0.0
    config.loss.ssim = 0.0
    config.training.steps = 50 * 230
    config.training.batch_size = 256
    config.training.learning_rate = 3e-3
    config.training.schedule = "constant"
    config.training.ema_decay = 0.0
    config.training.log_every = 230  # an epoch of the reference
    config.training.evaluate_every = 2300
    config.training.checkpoint_every = 2300


def _smoke(config: ml_collections.ConfigDict) -> None:
    """Seconds on a laptop; nothing that is learned is of use."""
    config.model.channels = 4
    config.loss.log_error = 0.0
    config.loss.ssim = 0.0
    config.model.hidden = (32, 32)
    config.training.steps = 4
    config.training.batch_size = 8
    config.training.steps_per_dispatch = 2
    config.training.log_every = 2
    config.training.evaluate_every = 4
    config.training.checkpoint_every = 4
    config.evaluation.levels = config.evaluation.levels[1:3]
    config.evaluation.images = 16
    config.evaluation.quick_images = 8
    config.evaluation.tuning_images = 2
    config.sampling.batch_size = 8
    config.sampling.preview = 4
