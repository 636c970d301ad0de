"""Patch VAE: lesion against healthy tissue, or one digit against another, without labels.

    python train.py --config=configs/patches.py:isles [--config.data.path=DIR]
    python train.py --config=configs/patches.py:digits --config.data.path=MNIST
    python sample.py --workdir=runs/patches --mode=anomaly --data=VOLUME.nii.gz

`:isles` (also without an argument) is stroke MRI: DIR in the ISLES 2015 layout, without one 30
built-in pseudo-cases. `:digits` is 7 against 9: DIR with IDX files, without one scikit-learn's
digits. Both are dense, 784 - 256 - codes - 256 - 784; `:isles_conv` and `:digits_conv` are
convolutional. `:isles_reference` and `:digits_reference` are the reference: two latents, a normal
prior, no labels. `:smoke` (pseudo-cases) and `:smoke_digits` shrink the experiments to seconds.
Times and numbers: docs/patches.md.
"""

import ml_collections

ARGUMENTS = (
    "isles",
    "isles_conv",
    "isles_reference",
    "digits",
    "digits_conv",
    "digits_reference",
    "smoke",
    "smoke_digits",
)


def get_config(arg: str | None = None) -> ml_collections.ConfigDict:
    """The experiment; `arg` is None (isles) or one of ARGUMENTS."""
    if arg not in (None, *ARGUMENTS):
        raise ValueError(f"unknown argument {arg!r}; known: {', '.join(ARGUMENTS)}")
    config = ml_collections.ConfigDict()
    config.task = "patches"
    config.seed = 0  # of initialisation, order, noise and which patches are labelled

    config.data = data = ml_collections.ConfigDict()
    data.source = "lesions"  # lesions or digits
    data.path = ""  # folder of cases or of IDX files; "" is the built-in data
    data.classes = (7, 9)  # of digits: label 0 and label 1
    data.cases = 30  # pseudo-cases, where there is no path; ISLES has 28
    data.case_seed = 0  # of the pseudo-cases, and of which case is in which split
    data.validation_share = 0.15  # of the cases (of the training digits)
    data.test_share = 0.25  # of the cases; digits come with their own test images
    data.size = 28  # px, of a patch
    data.spacing_mm = 1.0  # mm a pixel; other volumes are resampled in the plane
    data.slice_mm = 5.0  # mm between slices that are cut into patches; neighbours are alike
    data.head_share = 0.25  # of a patch that must be head; emptier ones are dropped
    data.lesion_share = 0.0  # label 1 where more than this share is lesion; 0: any voxel
    data.median = 0.2  # where a power law puts the head's median: a lesion moves it less than
    # the upper percentile, so that healthy tissue is equally dark in every case; 0: off

    config.model = model = ml_collections.ConfigDict()
    model.design = "dense"  # dense or conv
    model.latents = 16  # dimension of the code; two do not hold anatomy and lesion both
    model.hidden = 256  # units either side of the code
    model.channels = 16  # of conv: feature maps at half the size, twice as many at a quarter
    model.components = 0  # of the Gaussian-mixture prior; 0: standard normal

    config.loss = loss = ml_collections.ConfigDict()
    loss.kl_weight = 0.1  # of the divergence, against cross-entropy summed over pixels
    loss.healthy_kl_weight = 1.0  # the same in the healthy-only model
    loss.free_bits = 0.0  # nats a patch under which the batch's mean divergence costs nothing
    loss.labels = 100  # labelled training patches of each kind, of some 9,000; 0: no supervision
    loss.label_weight = 1000.0  # nats of label against nats of pixels: there are 784 pixels
    loss.label_shift = 3  # px; labelled patches are moved by up to this
    loss.label_mirror = True  # labelled patches are mirrored left-right; wrong for digits
    loss.label_gain = 0.4  # sigma of the log of the power that brightens labelled patches

    config.training = training = ml_collections.ConfigDict()
    training.steps = 1500  # optimiser steps, some 20 epochs
    training.epochs = 0  # passes over the training split; 0: steps decide
    training.batch_size = 128
    training.steps_per_dispatch = 100  # matrix products: many steps in one call
    training.optimizer = "adam"
    training.learning_rate = 1e-3
    training.schedule = "cosine"  # to zero at the last step
    training.warmup_steps = 0
    training.adam_epsilon = 1e-8
    training.weight_decay = 0.0
    training.gradient_clip = 0.0  # off
    training.ema_decay = 0.0  # off
    training.log_every = 100  # steps
    training.evaluate_every = 500  # steps
    training.checkpoint_every = 500  # steps
    training.keep_checkpoints = 1

    config.evaluation = evaluation = ml_collections.ConfigDict()
    evaluation.neighbours = 30  # of the k-NN score, among the training codes
    evaluation.anomaly_score = "spot"  # reconstruction, elbo, distance or spot
    evaluation.spot = 5  # px; side of the square over which the residual is averaged
    evaluation.bright_only = True  # strokes are bright on DWI; False: darker spots count too
    evaluation.bootstrap_draws = 200  # resamplings of the cases, for intervals
    evaluation.batch_size = 1000  # patches a call

    config.sampling = sampling = ml_collections.ConfigDict()
    sampling.stride = 7  # px between the patches of a scanned volume: 16 over each pixel
    sampling.samples = 64  # patches of `prior` and `reconstruct`, unless --num_samples says so
    sampling.grid = 20  # patches a side of the manifold

    if arg in ("digits", "digits_conv", "digits_reference", "smoke_digits"):
        data.source = "digits"
        data.validation_share = 0.1
        model.latents = 2  # two digits, one plane
        loss.kl_weight = 1.0
        loss.labels = 10  # of 650 each
        loss.label_weight = 100.0
        loss.label_mirror = False
        loss.label_shift = 2
        loss.label_gain = 0.1  # ink is about equally black everywhere
        training.steps = 1000  # 100 epochs of 1,300 digits
        evaluation.anomaly_score = "reconstruction"  # a 9 differs from every 7 in its strokes
        evaluation.bright_only = False
    if arg in ("isles_reference", "digits_reference"):
        model.latents = 2
        model.components = 0
        loss.kl_weight = 1.0
        loss.labels = 0
        loss.label_weight = 0.0
    if arg in ("isles_conv", "digits_conv"):
        model.design = "conv"
        training.steps = 500  # a step costs several times the dense one
    if arg in ("smoke", "smoke_digits"):
        loss.labels = 5
        data.cases = 4
        data.slice_mm = 20.0
        model.latents = 2  # no t-SNE, which takes longer than the rest
        model.hidden = 32
        training.steps = 20
        training.batch_size = 32
        training.steps_per_dispatch = 10
        training.log_every = 10
        training.evaluate_every = 20
        training.checkpoint_every = 10
        evaluation.bootstrap_draws = 10
        sampling.samples = 8
        sampling.grid = 4
    return config
