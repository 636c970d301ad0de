"""The patch VAE as a task."""

from lvae.tasks.patches import data, loss
from lvae.tasks.patches.auditing import AUDITOR
from lvae.tasks.patches.exploring import CODE, EXPLORER, page
from lvae.tasks.patches.measures import evaluate
from lvae.tasks.patches.modes import MODES
from lvae.tasks.patches.pictures import figures
from lvae.tasks.patches.settings import Settings
from lvae.tasks.task import Task

TASK = Task(
    settings=Settings,
    load_data=data.load_data,
    spec=data.spec,
    network=loss.network,
    init=loss.init,
    prepare=loss.prepare,
    loss=loss.loss,
    evaluate=evaluate,
    figures=figures,
    modes={**MODES, "code": CODE},
    explore=EXPLORER,
    page=page,
    audit=AUDITOR,
)
