"""The laser-grid VAE: learns point configurations, draws new ones that were never seen.

    python train.py --config=configs/default.py [--config.data.path=DIR]
    python sample.py --mode=noise

Takes frames in the LASTEN layout (a folder with train/, validation/ and maybe test/, or frames
themselves, which are split by whole recordings); without a path, recordings that it simulates.
Gives a run directory with everything in it. Time, memory and quality: docs/quality.md.

`:smoke` shrinks it to seconds, for tests.
"""

import ml_collections


def get_config(arg: str | None = None) -> ml_collections.ConfigDict:
    """The experiment; `arg` is None or "smoke"."""
    config = ml_collections.ConfigDict()
    config.task = "laser_grid"
    config.seed = 0  # of initialisation, order and noise

    config.data = data = ml_collections.ConfigDict()
    data.path = ""  # folder of recordings; "" simulates them
    data.rows = 18  # of the laser grid
    data.columns = 18
    data.width = 768  # of a frame, px
    data.height = 768
    data.recording_length = 20  # consecutive ids that are one recording
    data.minimum_visible = 100  # points; a frame with fewer is an error, not data
    data.training_recordings = 8  # simulated ones, as many as the public set has
    data.validation_recordings = 2
    data.test_recordings = 2
    data.simulation_seed = 0  # of the simulated recordings; config.seed leaves them alone
    data.extra_recordings = 80  # simulated recordings mixed into the training split
    data.extra_length = 2  # frames of each: as many simulated frames as LASTEN has real ones
    data.extra_variety = 1.0  # spread of their shapes over that of the real ones

    config.augmentation = augmentation = ml_collections.ConfigDict()
    augmentation.mirror = 0.5  # probability of left and right exchanged
    augmentation.shift = 2  # rows and columns by which the pattern moves along the grid, at most
    augmentation.mix = 0.5  # probability of a mixture with another frame's shape
    augmentation.mix_reach = 0.3  # how far before or beyond the two frames a mixture may lie
    augmentation.warp_x = 1.5  # px; spread of smooth warps: rays' planes hold x nearly fixed,
    augmentation.warp_y = 8.0  # px; depth moves y. About twice the spread between recordings
    augmentation.warp_order = 8  # cosines along rows and along columns
    augmentation.warp_decay = 1.5  # spread falls as (1 + wave number) ** -decay, as measured
    augmentation.linear = 0.1  # spread of the linear map's entries about the identity
    augmentation.translation = 50.0  # px; spread of the grid's place about the recordings' mean
    augmentation.dropout = 0.04  # share of points hidden, at most
    augmentation.jitter = 0.3  # px; rounding to whole pixels has this spread

    config.model = model = ml_collections.ConfigDict()
    model.design = "ordered"
    model.latents = 96  # the first 6 are the pose
    model.hidden = 512  # units of the two hidden layers each way
    model.gap = 4.0  # px; least step of x along a row and of y along a column. Real: 8 and more
    model.shape_scale = 10.0  # px that are 1 for the networks

    config.loss = loss = ml_collections.ConfigDict()
    loss.kl_weight = 0.2  # below 1: finer codes; new ones are drawn from the codes' own mixture
    loss.kl_warmup = 1000  # steps until the weight is full: no dimension is given up early
    loss.visibility_weight = 1.0  # of the mask's likelihood
    loss.initial_scale = 3.0  # px; where the learned scale of the likelihood starts

    config.training = training = ml_collections.ConfigDict()
    training.steps = 3000  # optimiser steps
    training.epochs = 0  # passes over the training split; 0: steps decide
    training.batch_size = 64  # frames a step
    training.steps_per_dispatch = 100  # matrix products only: scan is as fast as single steps
    training.optimizer = "adam"
    training.learning_rate = 1e-3
    training.schedule = "cosine"  # to zero at the last step
    training.warmup_steps = 0
    training.adam_epsilon = 1e-8
    training.weight_decay = 0.0
    training.gradient_clip = 1.0  # global norm; rare frames otherwise throw the scale off early
    training.ema_decay = 0.998  # average over the last 500 steps: evaluation and sampling use it
    training.log_every = 100  # steps
    training.evaluate_every = 1000  # steps
    training.checkpoint_every = 1000  # steps
    training.keep_checkpoints = 2

    config.sampling = sampling = ml_collections.ConfigDict()
    sampling.variations = 4  # `noise` and `prior`: samples a training frame
    sampling.pair_frames = 10  # `interpolate`, `extrapolate`: pairs of frames of two recordings
    sampling.prior = "mixture"  # of the training codes; or normal: N(0, I)
    sampling.prior_components = 8  # of the mixture
    sampling.prior_codes = 3000  # codes that the mixture is fitted to
    sampling.prior_spread = 0.045  # of the linear maps that widen them
    sampling.observation_noise = 1.0  # px; what the likelihood adds to a point, times the factor
    sampling.visibility_noise = 0.6  # of the Bernoulli draw; 0: the more likely state
    sampling.bilateral = False  # points are in order already; smoothing would blur the glottis
    sampling.corners = (0, 108, 54, 18)  # ids of the frames at the manifold's corners

    config.evaluation = evaluation = ml_collections.ConfigDict()
    evaluation.samples = 2000  # drawn for the measures

    if arg == "smoke":
        data.training_recordings, data.validation_recordings, data.test_recordings = 2, 1, 0
        data.recording_length = 4
        data.extra_recordings = 2
        model.latents, model.hidden = 12, 16
        loss.kl_warmup = 2
        training.steps, training.batch_size, training.steps_per_dispatch = 4, 4, 2
        training.log_every, training.evaluate_every, training.checkpoint_every = 2, 2, 2
        sampling.prior_codes, sampling.prior_components = 40, 2
        evaluation.samples = 8
    elif arg:
        raise ValueError(f"configs/default.py:{arg}: no such variant; there is smoke")
    return config.lock()
