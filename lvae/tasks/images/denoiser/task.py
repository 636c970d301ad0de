"""The denoisers as a task: configs/denoise_conv.py, configs/denoise_mlp.py."""

from lvae.tasks.images.denoiser.data import load_data, spec
from lvae.tasks.images.denoiser.exploring import LEVEL, page
from lvae.tasks.images.denoiser.loss import loss
from lvae.tasks.images.denoiser.measures import evaluate
from lvae.tasks.images.denoiser.modes import MODES
from lvae.tasks.images.denoiser.network import init, network
from lvae.tasks.images.denoiser.pictures import figures
from lvae.tasks.images.denoiser.settings import Settings
from lvae.tasks.task import Task

TASK = Task(
    settings=Settings,
    load_data=load_data,
    spec=spec,
    network=network,
    init=init,
    loss=loss,
    evaluate=evaluate,
    figures=figures,
    modes={**MODES, "level": LEVEL},
    page=page,
    reported=("train", "test"),  # the flat numbers are the held-out ones: the test split is last
)
