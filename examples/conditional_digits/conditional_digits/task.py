"""The system as one value: what the entry point in pyproject.toml names."""

from conditional_digits import data, measures, modes, network, settings
from lvae.tasks.task import Task

TASK = Task(
    settings=settings.Settings,
    load_data=data.load_data,
    spec=data.spec,
    network=network.network,
    init=network.init,
    loss=network.loss,
    evaluate=measures.evaluate,
    figures=measures.figures,
    modes=modes.MODES,
)
