"""The registration network: which ray does every laser point in a moving image belong to?

    python train.py --config=configs/registration.py [--config.data.path=DIR]
    python sample.py --mode=match --workdir=runs/registration --data=DIR

Trains on real recordings (simulated ones without a path), measures on whole recordings that it
never saw. What else it trains on is in `training_set` and `augmentation`; `python -m
benchmarks.utility` compares the choices, which is how a generator is judged.

`:posed` is for generated frames, --config.training_set.generated=DIR: they bring the shapes, and only
their poses are varied, which eight recordings show too little of. `:full` is the field's own size,
384 x 384 and 32 filters, for a GPU. `:smoke` takes seconds.
"""

import ml_collections


def get_config(arg: str | None = None) -> ml_collections.ConfigDict:
    """The experiment; `arg` is None, "posed", "full" or "smoke"."""
    config = ml_collections.ConfigDict()
    config.task = "registration"
    config.seed = 0  # of initialisation, order and augmentation

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
    data.extra_recordings = 0  # simulated recordings mixed into the training split
    data.extra_length = 2  # frames of each; neighbouring frames are nearly the same
    data.extra_variety = 1.0  # spread of their shapes over that of the real ones

    config.training_set = training_set = ml_collections.ConfigDict()
    training_set.real = True  # the training split's own frames
    training_set.generated = ""  # folders of generated frames to mix in, separated by commas
    training_set.early_share = 0.0  # of the steps, at the start, on simulated frames alone

    config.augmentation = augmentation = ml_collections.ConfigDict()
    augmentation.share = 1.0  # of the frames that are augmented; 0: off
    augmentation.probability = 0.7  # of each of the changes below
    augmentation.rotation = 20.0  # degrees, at most, either way
    augmentation.warp_x = 0.15  # half a sine wave down the frame, share of its height
    augmentation.warp_y = 0.015  # half a sine wave across the frame, share of its width
    augmentation.scale = 1.25  # along x and y apart, between 1 / 1.25 and 1.25
    augmentation.shear = 10.0  # degrees
    augmentation.translation = 0.2  # share of the frame
    augmentation.jitter = 0.005  # of every point, share of the frame's width
    augmentation.dropout = 0.2  # share of points hidden, at most
    augmentation.relief = 1.0  # scale of what is not flat, from 1 / relief to relief; 1: off
    augmentation.mirror = 0.0  # share of frames seen in a mirror, left for right
    augmentation.proposals = 16  # draws until all points stay in the frame, else no change

    config.fixed = fixed = ml_collections.ConfigDict()
    fixed.x = 112.0  # px; where ray 0's point lies in the fixed image, as in LASTEN's fix.json
    fixed.y = 656.0
    fixed.pitch = 32.0  # px between neighbours

    config.model = model = ml_collections.ConfigDict()
    model.size = 192  # px; the network's images are frames averaged down to this
    model.filters = 12  # of the first level: 773,186 parameters
    model.levels = 4  # how often the image is halved
    model.unit = 32.0  # px of a displacement that are 1 for the network

    config.training = training = ml_collections.ConfigDict()
    training.steps = 3000  # optimiser steps
    training.epochs = 0  # passes over the training split; 0: steps decide
    training.batch_size = 4  # frames a step
    training.steps_per_dispatch = 1  # XLA:CPU runs convolutions in loops on a slow path
    training.optimizer = "adam"
    training.learning_rate = 1e-3
    training.schedule = "cosine"  # to zero at the last step
    training.warmup_steps = 0
    training.adam_epsilon = 1e-8
    training.weight_decay = 0.0
    training.gradient_clip = 0.0  # global norm; 0: off
    training.ema_decay = 0.0  # the running statistics belong to the last params, not to an average
    training.log_every = 50  # steps
    training.evaluate_every = 1000  # steps
    training.checkpoint_every = 500  # steps
    training.keep_checkpoints = 2

    if arg == "posed":  # another patient, another distance of the endoscope, and nothing else
        augmentation.rotation, augmentation.shear, augmentation.translation = 10.0, 5.0, 0.1
        augmentation.warp_x, augmentation.warp_y = 0.0, 0.0
        augmentation.jitter, augmentation.dropout = 0.0, 0.0
        augmentation.relief = 1.5  # no recording shows how steep the folds' edges can get
    elif arg == "full":
        model.size, model.filters = 384, 32  # 5,489,026 parameters
        training.steps_per_dispatch = 50
    elif arg == "smoke":
        data.training_recordings, data.validation_recordings, data.test_recordings = 2, 1, 0
        data.recording_length = 2
        model.size, model.filters, model.levels = 48, 2, 2
        augmentation.proposals = 2
        training.steps, training.batch_size, training.steps_per_dispatch = 4, 2, 1
        training.log_every, training.evaluate_every, training.checkpoint_every = 2, 0, 2
    elif arg:
        raise ValueError(
            f"configs/registration.py:{arg}: no such variant; there are posed, full and smoke"
        )
    return config.lock()
