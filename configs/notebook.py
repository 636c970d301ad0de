"""The published reference method, number for number; configs/default.py does better.

    python train.py --config=configs/notebook.py --config.data.path=DIR
    python sample.py --workdir=runs/notebook --mode=noise

100 epochs of 160 frames. Comments say where the reference is wrong. `:smoke` shrinks it to seconds.
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
    data.extra_recordings = 0  # the reference has none
    data.extra_length = 0
    data.extra_variety = 0.0

    config.model = model = ml_collections.ConfigDict()
    model.design = "notebook"  # 115,362 parameters
    model.latents = 8
    model.coordinate_scale = (
        728.0  # px; wrong: frames are 768, points beyond 728 px cannot be coded
    )
    model.epsilon_factor = 1.0  # of the sampling layer's noise in training

    config.loss = loss = ml_collections.ConfigDict()
    # Wrong: 20 * 20 = 400 is meant, `18 + 2 * 18 + 2` is computed. Counts missing points as (0, 0).
    loss.reconstruction_weight = 56.0
    loss.coding_loss_factor = 0.2  # of the KL term, a mean over the latents

    config.training = training = ml_collections.ConfigDict()
    training.steps = 0
    training.epochs = 100  # reshuffled every epoch
    training.batch_size = 4  # frames a step
    training.steps_per_dispatch = 40  # one epoch of 160 frames; convolutions are matrix products
    training.optimizer = "adam"
    training.learning_rate = 1e-3
    training.schedule = "constant"
    training.warmup_steps = 0
    training.adam_epsilon = 1e-7  # Keras' default
    training.weight_decay = 0.0
    training.gradient_clip = 0.0  # off
    training.ema_decay = 0.0  # off
    training.log_every = 40  # steps: one epoch
    training.evaluate_every = 2000  # steps
    training.checkpoint_every = 2000  # steps
    training.keep_checkpoints = 2

    config.sampling = sampling = ml_collections.ConfigDict()
    sampling.variations = 4  # `noise` and `prior`: samples a training frame
    sampling.pair_frames = 10  # `interpolate`, `extrapolate`: pairs of frames of two recordings
    sampling.prior = "normal"  # N(0, I): the reference knows no other
    sampling.prior_components = 8  # used with prior = "mixture" only
    sampling.prior_codes = 3000
    sampling.prior_spread = 0.0
    sampling.observation_noise = 0.0  # px; the reference adds none
    sampling.visibility_noise = 0.0  # visibility is not modelled: a point at the border is missing
    sampling.bilateral = True
    sampling.corners = (0, 108, 54, 18)  # ids of the frames at the manifold's corners

    config.evaluation = evaluation = ml_collections.ConfigDict()
    evaluation.samples = 1000  # drawn for the measures

    if arg == "smoke":
        data.training_recordings, data.validation_recordings, data.test_recordings = 2, 1, 0
        data.recording_length = 4
        training.epochs, training.steps_per_dispatch = 2, 2
        training.log_every, training.evaluate_every, training.checkpoint_every = 2, 4, 4
        evaluation.samples = 8
    elif arg:
        raise ValueError(f"configs/notebook.py:{arg}: no such variant; there is smoke")
    return config.lock()
