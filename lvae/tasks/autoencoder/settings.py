"""The config groups of the regularised autoencoders; configs/autoencoder.py explains the values."""

import dataclasses
from typing import Any

from lvae import configuration
from lvae.tasks.denoiser.settings import CorruptionSettings

DESIGNS = ("sparse", "contractive", "concrete", "variational")


@dataclasses.dataclass(frozen=True)
class DataSettings:
    """Where images come from."""

    path: str
    validation_share: float

    def __post_init__(self):
        if not 0.0 < self.validation_share < 1.0:
            raise ValueError(f"validation_share={self.validation_share}: must be in (0, 1)")


@dataclasses.dataclass(frozen=True)
class ModelSettings:
    """Which autoencoder, its code and its widths."""

    design: str
    code: int
    hidden: tuple[int, ...]
    selection: str

    def __post_init__(self):
        if self.design not in DESIGNS:
            raise ValueError(f"design={self.design!r}: must be one of {', '.join(DESIGNS)}")
        if self.selection not in ("learned", "variance"):
            raise ValueError(f"selection={self.selection!r}: must be learned or variance")
        if self.code < 1:
            raise ValueError(f"code={self.code}: must be at least 1")


@dataclasses.dataclass(frozen=True)
class LossSettings:
    """Weights of the terms, and what they aim at."""

    sparsity: float
    target_activation: float
    contraction: float
    divergence: float
    first_temperature: float
    last_temperature: float
    annealing_steps: int

    def __post_init__(self):
        if not 0.0 < self.target_activation < 1.0:
            raise ValueError(f"target_activation={self.target_activation}: must be in (0, 1)")
        if not 0.0 < self.last_temperature <= self.first_temperature:
            raise ValueError(
                f"first_temperature={self.first_temperature}, last_temperature="
                f"{self.last_temperature}: must fall and stay above 0"
            )
        if self.annealing_steps < 1:
            raise ValueError(f"annealing_steps={self.annealing_steps}: must be at least 1")


@dataclasses.dataclass(frozen=True)
class EvaluationSettings:
    """How much is measured."""

    images: int
    quick_images: int
    jacobian_images: int


@dataclasses.dataclass(frozen=True)
class SamplingSettings:
    """How images are drawn and previewed."""

    preview: int
    samples: int


@dataclasses.dataclass(frozen=True)
class Settings:
    """All groups of an autoencoder's config but `training`."""

    data: DataSettings
    corruption: CorruptionSettings
    model: ModelSettings
    loss: LossSettings
    evaluation: EvaluationSettings
    sampling: SamplingSettings


def read(config: Any) -> Settings:
    """The groups as frozen dataclasses.

    Raises:
      UserError: a field is unknown, missing, or out of its range.
    """
    groups: dict[str, Any] = {field.name: field.type for field in dataclasses.fields(Settings)}
    return Settings(
        **{name: configuration.section(kind, config[name], name) for name, kind in groups.items()}
    )
