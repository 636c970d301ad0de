"""The config groups of the patch VAE; configs/patches.py explains the values."""

import dataclasses
from typing import Any, NamedTuple

from lvae.configuration import section
from lvae.data.isles import PatchConfig
from lvae.models.patch_vae import DESIGNS, MixturePrior, PatchVAE

SOURCES = ("digits", "lesions")
SCORES = ("reconstruction", "elbo", "distance", "spot")


@dataclasses.dataclass(frozen=True)
class DataSettings:
    """Where patches come from, how they are cut and split."""

    source: str
    path: str
    classes: tuple[int, int]
    cases: int
    case_seed: int
    validation_share: float
    test_share: float
    size: int
    spacing_mm: float
    slice_mm: float
    head_share: float
    lesion_share: float
    median: float

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise ValueError(f"source={self.source!r}: must be one of {', '.join(SOURCES)}")
        if self.source == "digits" and self.size != 28:
            raise ValueError(f"size={self.size}: digits have 28 pixels")
        if len(self.classes) != 2 or self.classes[0] == self.classes[1]:
            raise ValueError(f"classes={self.classes}: must be two different digits")
        for name in ("validation_share", "test_share"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: must be in (0, 1)")

    @property
    def patches(self) -> PatchConfig:
        """What the reader needs of it."""
        names = [field.name for field in dataclasses.fields(PatchConfig)]
        return PatchConfig(**{name: getattr(self, name) for name in names})


@dataclasses.dataclass(frozen=True)
class ModelSettings:
    """The network and the prior."""

    design: str
    latents: int
    hidden: int
    channels: int
    components: int

    def __post_init__(self) -> None:
        if self.design not in DESIGNS:
            raise ValueError(f"design={self.design!r}: must be one of {', '.join(DESIGNS)}")
        for name in ("latents", "hidden", "channels"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: must be at least 1")
        if self.components < 0:
            raise ValueError(f"components={self.components}: must be 0 (normal prior) or more")


@dataclasses.dataclass(frozen=True)
class LossSettings:
    """The options of the one loss."""

    kl_weight: float
    healthy_kl_weight: float
    free_bits: float
    labels: int
    label_weight: float
    label_shift: int
    label_mirror: bool
    label_gain: float

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if getattr(self, field.name) < 0:
                raise ValueError(f"{field.name}={getattr(self, field.name)}: must not be negative")
        if bool(self.labels) != bool(self.label_weight):
            raise ValueError(
                f"labels={self.labels} and label_weight={self.label_weight}: both 0 or both above 0"
            )


@dataclasses.dataclass(frozen=True)
class EvaluationSettings:
    """How codes and scores are measured."""

    neighbours: int
    anomaly_score: str
    spot: int
    bright_only: bool
    bootstrap_draws: int
    batch_size: int

    def __post_init__(self) -> None:
        if self.anomaly_score not in SCORES:
            raise ValueError(
                f"anomaly_score={self.anomaly_score!r}: must be one of {', '.join(SCORES)}"
            )
        for name in ("neighbours", "spot", "bootstrap_draws", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: must be at least 1")


@dataclasses.dataclass(frozen=True)
class SamplingSettings:
    """How whole volumes are scanned."""

    stride: int
    samples: int
    grid: int

    def __post_init__(self) -> None:
        for name in ("stride", "samples"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: must be at least 1")
        if self.grid < 2:
            raise ValueError(f"grid={self.grid}: must be at least 2")


class Settings(NamedTuple):
    """The checked groups."""

    data: DataSettings
    model: ModelSettings
    loss: LossSettings
    evaluation: EvaluationSettings
    sampling: SamplingSettings

    @property
    def network(self) -> Any:
        """The `PatchVAE` of both sets; Any, as Linen types what `apply` gives too widely."""
        model = self.model
        return PatchVAE(self.data.size, model.latents, model.hidden, model.design, model.channels)

    @property
    def prior(self) -> Any:
        """The `MixturePrior`; None for a standard normal prior."""
        if not self.model.components:
            return None
        return MixturePrior(self.model.components, self.model.latents)


def read(config: Any) -> Settings:
    """The groups of a config, checked.

    Raises:
      UserError: names the field.
    """
    return Settings(
        section(DataSettings, config.data, "data"),
        section(ModelSettings, config.model, "model"),
        section(LossSettings, config.loss, "loss"),
        section(EvaluationSettings, config.evaluation, "evaluation"),
        section(SamplingSettings, config.sampling, "sampling"),
    )
