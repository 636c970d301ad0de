"""The VQ-VAE of brain slices as a task: configs/vqvae_brain.py."""

from lvae.tasks.brain.codec.exploring import CODE, page
from lvae.tasks.brain.codec.loss import load_data, loss, prepare, spec
from lvae.tasks.brain.codec.measures import evaluate
from lvae.tasks.brain.codec.modes import MODES
from lvae.tasks.brain.codec.network import init, network
from lvae.tasks.brain.codec.pictures import figures
from lvae.tasks.brain.codec.settings import Settings
from lvae.tasks.task import Task

TASK = Task(
    settings=Settings,
    load_data=load_data,
    spec=spec,
    network=network,
    init=init,
    prepare=prepare,
    loss=loss,
    evaluate=evaluate,
    figures=figures,
    modes={**MODES, "code": CODE},
    page=page,
)
