"""VQ-VAE of axial brain slices.

    python train.py --config=configs/vqvae_brain.py                 # ours
    python train.py --config=configs/vqvae_brain.py:reference       # the reference model
    python train.py --config=configs/vqvae_brain.py --config.data.path=/data/oasis

Time, memory and measured numbers: docs/brain.md.
"""

from ml_collections import ConfigDict

ARGUMENTS = (None, "reference", "fsq", "smoke")


def get_config(arg: str | None = None) -> ConfigDict:
    """The experiment; `arg` is what follows the colon: reference, fsq or smoke."""
    if arg not in ARGUMENTS:
        known = ", ".join(name for name in ARGUMENTS if name)
        raise ValueError(f"vqvae_brain:{arg}: no such variant; known: {known}")
    config = ConfigDict()
    config.task = "vqvae"
    config.seed = 0  # of parameters, batches, mirroring; the data have their own

    config.data = ConfigDict()
    config.data.path = ""  # OASIS PNG folders, or a folder of volumes; "": built-in pseudo-subjects
    config.data.size = 128  # pixels an edge; PNGs of a multiple of it are averaged down
    config.data.field_of_view_mm = (
        256.0  # edge of a slice cut from a volume; 2 mm a pixel, as OASIS at 128
    )
    config.data.slices = 12  # axial slices a volume or pseudo-subject
    config.data.subjects = (20, 4, 8)  # pseudo-subjects to train, validate, test: sized for 2 cores
    config.data.fractions = (0.8, 0.1, 0.1)  # of the subjects of a folder of volumes
    config.data.seed = 0  # of the pseudo-subjects and of the split

    config.model = ConfigDict()
    config.model.architecture = "residual"  # reference (codes on 1/16 of the edge) or residual
    config.model.width = 48  # channels of the residual networks, on 1/4 of the edge
    config.model.encoder_blocks = 1
    config.model.decoder_blocks = 2
    config.model.places = 4  # features, of `dimension`, that tell empty blocks apart by place
    config.model.quantizer = "ema"  # gradient, ema or fsq
    config.model.codes = 1024  # K; about half of them are for empty blocks
    config.model.dimension = 20  # of a code: 16 of content, 4 of place
    config.model.levels = ()  # fsq: levels a coordinate, their product is K
    config.model.decay = 0.98  # of the EMA codebook, a step
    config.model.kmeans_iterations = 10  # of the start, on the untrained encoder's features
    config.model.kmeans_slices = 24  # training slices whose features it clusters
    config.model.smallest_share = 0.05  # of a fair share of the uses: a code below it is moved

    config.loss = ConfigDict()
    config.loss.ssim = 1.0  # weight of 1 - SSIM beside MSE / variance
    config.loss.codebook = 0.0  # pulls codes to features; the EMA does it here
    config.loss.commitment = 30.0  # keeps features near their codes: far from them the gradient
    # that is passed straight through misleads, and at 0.25 SSIM fell from the second epoch on
    config.loss.spread = 0.0  # ln K less the entropy of the mean assignment: spreads features
    config.loss.temperature = 1.0  # of that assignment, in mean distances to the nearest code
    config.loss.mirror = True  # left and right exchanged in half of the slices

    config.training = ConfigDict()
    config.training.steps = 0  # epochs count
    config.training.epochs = 30  # as the reference
    config.training.batch_size = 8  # slices a step
    config.training.steps_per_dispatch = 1  # convolutions of this size run as well without a scan
    config.training.optimizer = "adam"
    config.training.learning_rate = 3e-4  # SSIM on black is steep: larger steps undo the start
    config.training.schedule = "cosine"  # to zero over the run
    config.training.warmup_steps = 40
    config.training.adam_epsilon = 1e-8
    config.training.weight_decay = 0.0
    config.training.gradient_clip = 1.0
    config.training.ema_decay = 0.99  # of the parameters, for the same reason
    config.training.log_every = 30  # an epoch of the built-in data
    config.training.evaluate_every = 90  # three epochs
    config.training.checkpoint_every = 300
    config.training.keep_checkpoints = 1

    config.evaluation = ConfigDict()
    config.evaluation.batch_size = 32  # slices encoded or decoded at once

    if arg == "fsq":
        config.model.quantizer = "fsq"
        config.model.levels = (8, 8, 4, 4)  # 1,024 codes
        config.model.dimension = 4
        config.model.places = 0
        config.loss.spread = 0.0
        config.loss.commitment = 0.0
    if arg == "reference":
        config.model.architecture = "reference"
        config.model.quantizer = "gradient"
        config.model.dimension = 16
        config.model.codes = 128  # the reference's PixelCNN has a 128-way output
        config.loss.ssim = 0.0
        config.loss.codebook = 1.0
        config.loss.commitment = 0.25
        config.loss.spread = 0.0
        config.loss.mirror = False
        config.training.learning_rate = 1e-3
        config.training.schedule = "constant"
        config.training.warmup_steps = 0
        config.training.gradient_clip = 0.0
        config.training.ema_decay = 0.0
        config.training.adam_epsilon = 1e-7  # Keras' default
    if arg == "smoke":
        config.data.size = 32
        config.data.slices = 4
        config.data.subjects = (4, 2, 2)
        config.model.width = 8
        config.model.decoder_blocks = 1
        config.model.codes = 16
        config.model.dimension = 18
        config.model.places = 2
        config.model.kmeans_slices = 4
        config.training.epochs = 3
        config.training.batch_size = 8
        config.training.log_every = 2
        config.training.evaluate_every = 6
        config.training.checkpoint_every = 6
        config.evaluation.batch_size = 8
    return config.lock()
