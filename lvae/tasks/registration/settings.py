"""The config groups of a registration experiment; configs/registration.py explains the values."""

import dataclasses
from typing import Any

import numpy as np

from lvae import configuration
from lvae.data.lasten import regular_grid
from lvae.errors import UserError
from lvae.tasks.laser_grid.settings import DataSettings


@dataclasses.dataclass(frozen=True)
class TrainingSetSettings:
    """Which frames the network is trained on."""

    real: bool
    generated: str
    early_share: float

    def __post_init__(self):
        if not 0.0 <= self.early_share < 1.0:
            raise ValueError(f"early_share={self.early_share}: must be in [0, 1)")

    def folders(self) -> list[str]:
        """Of generated frames."""
        return [folder.strip() for folder in self.generated.split(",") if folder.strip()]


@dataclasses.dataclass(frozen=True)
class AugmentationSettings:
    """Classical augmentation of the coordinates."""

    share: float
    probability: float
    rotation: float
    warp_x: float
    warp_y: float
    scale: float
    shear: float
    translation: float
    jitter: float
    dropout: float
    relief: float
    mirror: float
    proposals: int

    def __post_init__(self):
        for name in ("share", "probability", "dropout", "mirror"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name}={getattr(self, name)}: must be in [0, 1]")
        if self.scale < 1.0 or self.relief < 1.0 or self.proposals < 1:
            raise ValueError("scale, relief and proposals must be at least 1")


@dataclasses.dataclass(frozen=True)
class FixedGridSettings:
    """Where the points of the fixed image lie, px."""

    x: float
    y: float
    pitch: float


@dataclasses.dataclass(frozen=True)
class ModelSettings:
    """The U-Net and what it sees."""

    size: int
    filters: int
    levels: int
    unit: float


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything that the loss and the prediction need, checked; hashable."""

    data: DataSettings
    training_set: TrainingSetSettings
    augmentation: AugmentationSettings
    fixed: FixedGridSettings
    model: ModelSettings

    def __post_init__(self):
        if self.data.width % self.model.size or self.data.width != self.data.height:
            raise ValueError(
                f"frames of {self.data.width} x {self.data.height} px, model.size="
                f"{self.model.size}: frames must be square and a multiple of the network's images"
            )
        if self.model.size % 2**self.model.levels:
            raise ValueError(
                f"model.size={self.model.size}: must be a multiple of 2 ** model.levels, "
                f"{2**self.model.levels}"
            )
        rays = self.rays()
        if rays.min() < 0 or rays.max() >= self.data.width:
            raise ValueError("the fixed grid leaves the frame; lower fixed.pitch or move it")

    @property
    def frame_size(self) -> tuple[int, int]:
        """Width and height of a frame, px."""
        return self.data.width, self.data.height

    @property
    def pool(self) -> int:
        """Pixels of a frame, along each side, that are one pixel of the network's images."""
        return self.data.width // self.model.size

    def rays(self) -> np.ndarray:
        """(rows, columns, 2): where each ray's point lies in the fixed image, px."""
        return regular_grid(
            self.data.rows, self.data.columns, (self.fixed.x, self.fixed.y), self.fixed.pitch
        )


def settings_of(config: Any) -> Settings:
    """The groups of a config, checked.

    Raises:
      UserError: a field is unknown, missing, of another type or does not fit the others.
    """
    groups: dict[str, Any] = {
        "data": DataSettings,
        "training_set": TrainingSetSettings,
        "augmentation": AugmentationSettings,
        "fixed": FixedGridSettings,
        "model": ModelSettings,
    }
    sections = {
        name: configuration.section(cls, config[name], name) for name, cls in groups.items()
    }
    try:
        return Settings(**sections)
    except ValueError as error:
        raise UserError(f"config: {error}") from error
