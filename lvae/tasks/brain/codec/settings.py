"""The config groups of the VQ-VAE: a class per architecture, per quantiser, and per pair of both."""

import dataclasses
import math
from typing import ClassVar, Literal, TypeAlias

from lvae.data.brain.settings import DataSettings
from lvae.tasks.training_settings import TrainingSettings


@dataclasses.dataclass(frozen=True, kw_only=True)
class CodeSettings:
    """What every codec has."""

    codes: int = 1024  # K; with the built-in data about half of them are for empty blocks
    dimension: int = 20  # of a code: 16 of content, 4 of place

    def __post_init__(self) -> None:
        for name in ("codes", "dimension"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: must be at least 1")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResidualModel(CodeSettings):
    """A residual network; a code for every 4 x 4 pixels."""

    architecture: Literal["residual"]
    width: int = 48  # channels, on 1/4 of the side
    encoder_blocks: int = 1
    decoder_blocks: int = 2
    places: int = 4  # features, of `dimension`, that tell empty blocks apart by place
    texture: bool = False  # the decoder draws what is too fine for the codes

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width < 1 or self.encoder_blocks < 0 or self.decoder_blocks < 0:
            raise ValueError(
                f"width={self.width}, encoder_blocks={self.encoder_blocks}, decoder_blocks="
                f"{self.decoder_blocks}: must be at least 1, 0 and 0"
            )
        if not 0 <= self.places < self.dimension:
            raise ValueError(
                f"places={self.places}: must be in [0, dimension) with dimension={self.dimension}"
            )

    @property
    def block(self) -> int:
        """Pixels along each side of what a code stands for."""
        return 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReferenceModel(CodeSettings):
    """The reference's network ([oord2017], as its description has it); a code for 16 x 16 pixels."""

    architecture: Literal["reference"]

    @property
    def block(self) -> int:
        """Pixels along each side of what a code stands for."""
        return 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class GradientModel(CodeSettings):
    """Codes are parameters, learned by the loss."""

    quantizer: Literal["gradient"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class EmaModel(CodeSettings):
    """Codes are moving averages of the features that chose them."""

    quantizer: Literal["ema"]
    decay: float = 0.98  # of the averages, per step
    kmeans_iterations: int = 10  # of the start, on the untrained encoder's features
    kmeans_slices: int = 24  # training slices whose features it clusters
    smallest_share: float = 0.05  # of a fair share of the uses: a code below it is moved

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.decay < 1.0:
            raise ValueError(f"decay={self.decay}: must be in [0, 1)")
        if self.kmeans_iterations < 0 or self.kmeans_slices < 1:
            raise ValueError(
                f"kmeans_iterations={self.kmeans_iterations}, kmeans_slices={self.kmeans_slices}: "
                "must be at least 0 and 1"
            )
        if not 0.0 <= self.smallest_share < 1.0:
            raise ValueError(f"smallest_share={self.smallest_share}: must be in [0, 1)")


@dataclasses.dataclass(frozen=True, kw_only=True)
class FsqModel(CodeSettings):
    """Codes are the points of a fixed grid ([mentzer2024]): nothing is learned of them."""

    quantizer: Literal["fsq"]
    levels: tuple[int, ...] = (8, 8, 4, 4)  # per coordinate; their product is the number of codes

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.levels or min(self.levels) < 2:
            raise ValueError(f"levels={self.levels}: must be counts of at least 2")
        if math.prod(self.levels) != self.codes:
            raise ValueError(
                f"codes={self.codes}: must be the product of the levels, {math.prod(self.levels)}"
            )
        if len(self.levels) != self.dimension:
            raise ValueError(
                f"dimension={self.dimension}: must be the number of levels, {len(self.levels)}"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResidualGradient(ResidualModel, GradientModel):
    """Both."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResidualEma(ResidualModel, EmaModel):
    """Both."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResidualFsq(ResidualModel, FsqModel):
    """Both."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReferenceGradient(ReferenceModel, GradientModel):
    """Both."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReferenceEma(ReferenceModel, EmaModel):
    """Both."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReferenceFsq(ReferenceModel, FsqModel):
    """Both."""


ModelSettings: TypeAlias = (
    ResidualGradient | ResidualEma | ResidualFsq | ReferenceGradient | ReferenceEma | ReferenceFsq
)


@dataclasses.dataclass(frozen=True)
class FsqLoss:
    """Reconstruction alone: squared error over the variance of the training pixels, and SSIM."""

    quantizer: ClassVar[str] = "fsq"

    ssim: float = 1.0  # weight of 1 - SSIM
    mirror: bool = True  # left and right exchanged in half of the slices
    texture: float = 0.0  # weight of local energies in bands that are not those of the slice

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if getattr(self, field.name) < 0:
                raise ValueError(f"{field.name}={getattr(self, field.name)}: must be at least 0")


@dataclasses.dataclass(frozen=True)
class GradientLoss(FsqLoss):
    """With the two terms of [oord2017], eq. 3."""

    quantizer: ClassVar[str] = "gradient"

    codebook: float = 1.0  # weight of what pulls codes to features
    commitment: float = 0.25  # weight of what keeps features near their codes


@dataclasses.dataclass(frozen=True)
class EmaLoss(FsqLoss):
    """The averages pull the codes; the loss keeps the features near them."""

    quantizer: ClassVar[str] = "ema"

    # Far from the codes the gradient that is passed straight through misleads: at 0.25 SSIM fell
    # from the second epoch on.
    commitment: float = 30.0
    spread: float = 0.0  # weight of ln K less the entropy of the mean assignment; 0: off
    temperature: float = 1.0  # of that assignment, in mean distances to the nearest code

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.temperature <= 0.0:
            raise ValueError(f"temperature={self.temperature}: must be above 0")


LossSettings: TypeAlias = GradientLoss | EmaLoss | FsqLoss


@dataclasses.dataclass(frozen=True)
class EvaluationSettings:
    """How a trained codec is run."""

    batch_size: int = 32  # slices encoded or decoded at once

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size={self.batch_size}: must be at least 1")


@dataclasses.dataclass(frozen=True)
class Settings:
    """All groups; hashable."""

    data: DataSettings
    model: ModelSettings
    loss: LossSettings
    training: TrainingSettings
    evaluation: EvaluationSettings
    seed: int = 0  # of parameters, batches, mirroring; the data have their own

    def __post_init__(self) -> None:
        if self.model.quantizer != self.loss.quantizer:
            raise ValueError(
                f"model.quantizer={self.model.quantizer}: the loss is that of {self.loss.quantizer}"
            )

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of a code map."""
        edge = self.data.size // self.model.block
        return edge, edge
