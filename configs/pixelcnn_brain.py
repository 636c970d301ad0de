"""Prior over the code maps of a trained VQ-VAE of brain slices.

    python train.py --config=configs/pixelcnn_brain.py --config.vqvae=runs/vqvae_brain
    python train.py --config=configs/pixelcnn_brain.py:reference --config.vqvae=DIR

Time, memory and measured numbers: docs/brain.md.
"""

from ml_collections import ConfigDict

ARGUMENTS = (None, "reference", "smoke")


def get_config(arg: str | None = None) -> ConfigDict:
    """The experiment; `arg` is what follows the colon: reference or smoke."""
    if arg not in ARGUMENTS:
        known = ", ".join(name for name in ARGUMENTS if name)
        raise ValueError(f"pixelcnn_brain:{arg}: no such variant; known: {known}")
    config = ConfigDict()
    config.task = "pixelcnn"
    config.seed = 0
    config.vqvae = ""  # the run directory of the VQ-VAE whose codes are modelled

    config.data = ConfigDict()
    config.data.path = ""  # "": the slices that the VQ-VAE was trained on, in its splits

    config.model = ConfigDict()
    config.model.features = 96  # width of the network
    config.model.embedding = 40  # length of the vector that stands for a code; 0: one-hot
    config.model.tied = True  # these are the codes' own 20 numbers and their squares, at the door
    # and at the end: what is learned of one code holds for those like it
    config.model.kernel = 5  # edge of the first layer, masked 'A'; each block sees further
    # R: reference block, G: gated 3 x 3 (a number: of codes this far apart), A: attention. These see
    # 17 codes far, half a slice: the outline on the left tells that on the right.
    config.model.blocks = "GG2G4G8"
    config.model.heads = 4  # of the attention
    config.model.places = True  # learned vectors and logits a position, from training counts
    config.model.dropout = 0.1  # of features, while training

    config.loss = ConfigDict()
    config.loss.mirror = True  # slices mirrored in half of the cases before they are encoded
    config.loss.shift = 2  # pixels, half a code: slices moved by up to that in both directions
    config.loss.gain = 0.05  # deviation of the log of a random brightness
    config.loss.label_smoothing = 0.0

    config.training = ConfigDict()
    config.training.steps = 0  # epochs count
    config.training.epochs = 50  # at 25 it is 0.08 nats a code worse, and samples have more faults
    config.training.batch_size = 8  # maps a step
    config.training.steps_per_dispatch = 1  # the frozen encoder has convolutions
    config.training.optimizer = "adamw"
    config.training.learning_rate = 2e-3
    config.training.schedule = "cosine"
    config.training.warmup_steps = 40
    config.training.adam_epsilon = 1e-8
    config.training.weight_decay = 0.01
    config.training.gradient_clip = 1.0
    config.training.ema_decay = 0.99  # of the parameters
    config.training.log_every = 30  # an epoch of the built-in data
    config.training.evaluate_every = 300
    config.training.checkpoint_every = 300
    config.training.keep_checkpoints = 1

    config.sampling = ConfigDict()
    config.sampling.temperature = 1.0  # of the noise; below 1: likelier, less varied
    config.sampling.top_k = 0  # codes to choose from at each position; 0: all
    config.sampling.min_p = 0.0  # least probability of a code, over that of the likeliest; 0: all
    config.sampling.count = 36  # slices that mode `prior` draws without --num_samples
    config.sampling.candidates = 8  # fillings of a hole, of which the likeliest whole map is kept
    config.sampling.hole = 0.25  # edge of the hole of mode `inpaint`, of the map's

    config.evaluation = ConfigDict()
    config.evaluation.batch_size = 32  # maps at once
    config.evaluation.samples = 256  # drawn for precision and recall
    config.evaluation.neighbours = 5  # k of precision, recall, density, coverage

    if arg == "reference":
        config.model.features = 128
        config.model.embedding = 0
        config.model.tied = False
        config.model.kernel = 7
        config.model.blocks = "RRRR"
        config.model.places = False
        config.model.dropout = 0.0
        config.loss.mirror = False
        config.loss.shift = 0
        config.loss.gain = 0.0
        config.training.epochs = 25
        config.training.optimizer = "adam"
        config.training.learning_rate = 3e-4
        config.training.schedule = "constant"
        config.training.warmup_steps = 0
        config.training.weight_decay = 0.0
        config.training.gradient_clip = 0.0
        config.training.ema_decay = 0.0
    if arg == "smoke":
        config.model.features = 16
        config.model.embedding = 4
        config.model.kernel = 3
        config.model.blocks = "GA"
        config.training.epochs = 3
        config.training.batch_size = 8
        config.training.log_every = 2
        config.training.evaluate_every = 6
        config.training.checkpoint_every = 6
        config.sampling.count = 4
        config.sampling.candidates = 2
        config.evaluation.batch_size = 8
        config.evaluation.samples = 8
        config.evaluation.neighbours = 1
    return config.lock()
