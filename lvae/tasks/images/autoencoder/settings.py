"""The config groups of the regularised autoencoders. A design has groups of its own."""

import dataclasses
from typing import ClassVar, Literal

from lvae.configuration import check_at_least
from lvae.tasks.images.settings import (
    CorruptionSettings,
    DataSettings,
    check_widths,
)
from lvae.tasks.training_settings import TrainingSettings


@dataclasses.dataclass(frozen=True)
class _Model:
    """What the models of all designs have."""

    code: int  # units, selected pixels or latent dimensions
    hidden: tuple[int, ...]  # widths between code and pixels

    def __post_init__(self) -> None:
        check_at_least(self, 1, "code")
        check_widths(self.hidden)


@dataclasses.dataclass(frozen=True)
class CodeModel(_Model):
    """`lvae.models.autoencoders.CodeAutoencoder`."""

    design: Literal["sparse", "contractive"]


@dataclasses.dataclass(frozen=True)
class ConcreteModel(_Model):
    """`lvae.models.autoencoders.ConcreteAutoencoder`."""

    design: Literal["concrete"]
    selection: Literal["learned", "variance"] = "learned"  # variance: the pixels of the highest


@dataclasses.dataclass(frozen=True)
class VariationalModel(_Model):
    """`lvae.models.autoencoders.VariationalAutoencoder`."""

    design: Literal["variational"]


@dataclasses.dataclass(frozen=True)
class SparseLoss:
    """Cross-entropy, and the divergence of each unit's mean activation from a target."""

    design: ClassVar[str] = "sparse"
    sparsity: float = 1.0  # weight of that divergence, in nats
    target_activation: float = 0.05  # mean over a batch

    def __post_init__(self) -> None:
        check_at_least(self, 0, "sparsity")
        if not 0.0 < self.target_activation < 1.0:
            raise ValueError(f"target_activation={self.target_activation}: must be in (0, 1)")


@dataclasses.dataclass(frozen=True)
class ContractiveLoss:
    """Cross-entropy, and the squared norm of the code's Jacobian."""

    design: ClassVar[str] = "contractive"
    contraction: float = 1.0  # weight of that norm

    def __post_init__(self) -> None:
        check_at_least(self, 0, "contraction")


@dataclasses.dataclass(frozen=True)
class ConcreteLoss:
    """Cross-entropy under a selection whose temperature falls by an equal factor per step.

    With model.selection=variance, which is there to be compared by that one flag, nothing falls.
    """

    design: ClassVar[str] = "concrete"
    first_temperature: float = 10.0
    last_temperature: float = 0.1
    annealing_steps: int = 3500  # optimiser steps until the last temperature

    def __post_init__(self) -> None:
        check_at_least(self, 1, "annealing_steps")
        if not 0.0 < self.last_temperature <= self.first_temperature:
            raise ValueError(
                f"first_temperature={self.first_temperature}, last_temperature="
                f"{self.last_temperature}: must fall and stay above 0"
            )


@dataclasses.dataclass(frozen=True)
class VariationalLoss:
    """Cross-entropy, and the divergence of the code from the prior."""

    design: ClassVar[str] = "variational"
    divergence: float = 1.0  # weight of that divergence; 1: the evidence bound

    def __post_init__(self) -> None:
        check_at_least(self, 0, "divergence")


@dataclasses.dataclass(frozen=True)
class EvaluationSettings:
    """How much is measured."""

    design: ClassVar[tuple[str, ...]] = ("concrete", "variational")
    images: int = 1000  # held-out images, at most
    quick_images: int = 200  # validation images while training, at most

    def __post_init__(self) -> None:
        check_at_least(self, 1, "images", "quick_images")


@dataclasses.dataclass(frozen=True)
class CodeEvaluationSettings(EvaluationSettings):
    """The same, of a code whose Jacobian counts."""

    design: ClassVar[tuple[str, ...]] = ("sparse", "contractive")
    jacobian_images: int = 200  # images whose Jacobian is measured, at most

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(self, 1, "jacobian_images")


@dataclasses.dataclass(frozen=True)
class SamplingSettings:
    """Of the variational design, which alone has a prior to draw from."""

    samples: int = 64  # new images of --mode=prior

    def __post_init__(self) -> None:
        check_at_least(self, 1, "samples")


@dataclasses.dataclass(frozen=True)
class Settings:
    """All groups of an autoencoder's config."""

    training: TrainingSettings
    data: DataSettings
    corruption: CorruptionSettings
    model: CodeModel | ConcreteModel | VariationalModel
    loss: SparseLoss | ContractiveLoss | ConcreteLoss | VariationalLoss
    evaluation: CodeEvaluationSettings | EvaluationSettings
    sampling: SamplingSettings | None = None  # the variational design has it
    seed: int = 0  # of initialisation, order and noise

    def __post_init__(self) -> None:
        if (self.sampling is not None) != isinstance(self.model, VariationalModel):
            raise ValueError("sampling: goes with model.design=variational, and with no other")
