"""The task of registration from points alone."""

from lvae.tasks.grids.registration.data import load_data, spec
from lvae.tasks.grids.registration_points.correcting import page
from lvae.tasks.grids.registration_points.loss import loss
from lvae.tasks.grids.registration_points.measures import evaluate
from lvae.tasks.grids.registration_points.modes import MODES
from lvae.tasks.grids.registration_points.network import init, network
from lvae.tasks.grids.registration_points.pictures import figures
from lvae.tasks.grids.registration_points.settings import Settings
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
    modes=MODES,
    page=page,
    reported=("validation",),  # what choices are compared by; the test split has names of its own
)
