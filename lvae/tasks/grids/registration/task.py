"""The registration task."""

from lvae.tasks.grids.registration.data import load_data, spec
from lvae.tasks.grids.registration.exploring import MOVE, page
from lvae.tasks.grids.registration.loss import loss
from lvae.tasks.grids.registration.measures import evaluate
from lvae.tasks.grids.registration.modes import MODES
from lvae.tasks.grids.registration.network import init, network
from lvae.tasks.grids.registration.pictures import figures
from lvae.tasks.grids.registration.settings import Settings
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
    modes={**MODES, "move": MOVE},
    page=page,
    reported=("validation",),  # what choices are compared by; the test split has names of its own
)
