"""The config groups of the class-conditional VAE. No JAX here: a config file imports this."""

import dataclasses

from lvae.configuration import check_at_least
from lvae.tasks.images.settings import DataSettings
from lvae.tasks.training_settings import TrainingSettings


@dataclasses.dataclass(frozen=True)
class ModelSettings:
    """Fully connected: pixels and class - hidden - code; code and class - hidden - pixels."""

    latents: int = 8  # dimension of the code, which need not hold the class
    hidden: int = 256  # units on either side of the code
    divergence: float = 1.0  # weight of the code's divergence; 1: the evidence bound

    def __post_init__(self) -> None:
        check_at_least(self, 1, "latents", "hidden")
        check_at_least(self, 0, "divergence")


@dataclasses.dataclass(frozen=True)
class Settings:
    """All groups."""

    training: TrainingSettings
    data: DataSettings
    model: ModelSettings
    seed: int = 0  # of initialisation, order and noise
