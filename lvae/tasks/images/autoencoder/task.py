"""The regularised autoencoders as a task: configs/autoencoder.py."""

from lvae.tasks.images.autoencoder.auditing import AUDITOR
from lvae.tasks.images.autoencoder.data import load_data, spec
from lvae.tasks.images.autoencoder.exploring import CODE, EXPLORER, page
from lvae.tasks.images.autoencoder.loss import loss
from lvae.tasks.images.autoencoder.measures import evaluate
from lvae.tasks.images.autoencoder.modes import MODES
from lvae.tasks.images.autoencoder.network import init, network, prepare
from lvae.tasks.images.autoencoder.pictures import figures
from lvae.tasks.images.autoencoder.settings import Settings
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
    explore=EXPLORER,
    page=page,
    audit=AUDITOR,
)
