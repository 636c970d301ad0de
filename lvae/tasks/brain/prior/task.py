"""The prior over codes of brain slices as a task: configs/pixelcnn_brain.py."""

from lvae.tasks.brain.prior.auditing import AUDITOR
from lvae.tasks.brain.prior.exploring import REPAINT, page
from lvae.tasks.brain.prior.loss import load_data, loss, reload_data, spec
from lvae.tasks.brain.prior.measures import evaluate
from lvae.tasks.brain.prior.modes import MODES
from lvae.tasks.brain.prior.network import init, network, prepare
from lvae.tasks.brain.prior.pictures import figures
from lvae.tasks.brain.prior.settings import Settings
from lvae.tasks.task import Task

TASK = Task(
    settings=Settings,
    load_data=load_data,
    reload_data=reload_data,
    spec=spec,
    network=network,
    init=init,
    prepare=prepare,
    loss=loss,
    evaluate=evaluate,
    figures=figures,
    modes={**MODES, "repaint": REPAINT},
    page=page,
    audit=AUDITOR,
)
