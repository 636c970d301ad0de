"""The config groups of a registration experiment."""

import dataclasses

from lvae.tasks.grids.settings import DataSettings
from lvae.tasks.training_settings import TrainingSettings


@dataclasses.dataclass(frozen=True)
class TrainingSetSettings:
    """Which frames the network is trained on, beside simulated ones (data.extra_recordings)."""

    real: bool = True  # the training split's own frames
    generated: str = ""  # folders of generated frames to mix in, separated by commas
    early_share: float = 0.0  # of the steps, at the start, on simulated frames alone

    def __post_init__(self) -> None:
        if not 0.0 <= self.early_share < 1.0:
            raise ValueError(f"early_share={self.early_share}: must be in [0, 1)")

    def folders(self) -> list[str]:
        """Of generated frames."""
        return [folder.strip() for folder in self.generated.split(",") if folder.strip()]


@dataclasses.dataclass(frozen=True)
class AugmentationSettings:
    """Classical augmentation of the coordinates: how far each change goes, at most, either way."""

    share: float = 1.0  # of the frames that are augmented; 0: off
    probability: float = 0.7  # of each of the changes below
    rotation: float = 20.0  # degrees
    warp_x: float = 0.15  # half a sine wave down the frame, share of its height
    warp_y: float = 0.015  # half a sine wave across the frame, share of its width
    scale: float = 1.25  # along x and y apart, between 1 / scale and scale
    shear: float = 10.0  # degrees
    translation: float = 0.2  # share of the frame
    jitter: float = 0.005  # of every point, share of the frame's width
    dropout: float = 0.2  # share of points hidden
    relief: float = 1.0  # scale of what is not flat, from 1 / relief to relief; 1: off
    mirror: float = 0.0  # share of frames seen in a mirror, left for right
    proposals: int = 16  # draws until all points stay in the frame, else no change

    def __post_init__(self) -> None:
        for name in ("share", "probability", "dropout", "mirror"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name}={getattr(self, name)}: must be in [0, 1]")
        for name in ("rotation", "warp_x", "warp_y", "translation", "jitter"):
            if getattr(self, name) < 0.0:
                raise ValueError(f"{name}={getattr(self, name)}: must be at least 0")
        for name in ("scale", "relief", "proposals"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: must be at least 1")
        if not 0.0 <= self.shear < 90.0:
            raise ValueError(f"shear={self.shear}: must be in [0, 90) degrees")


@dataclasses.dataclass(frozen=True)
class FixedGridSettings:
    """The regular grid of the fixed image, in the middle of the frame as in LASTEN's fix.json."""

    pitch: float = 1.548  # pitches (32 px of LASTEN) between neighbours; less where it does not fit

    def __post_init__(self) -> None:
        if self.pitch <= 0.0:
            raise ValueError(f"pitch={self.pitch}: must be above 0")


@dataclasses.dataclass(frozen=True)
class ModelSettings:
    """The U-Net and what it sees."""

    size: int = 192  # px; of the longer side of the network's images, frames averaged down
    filters: int = 12  # channels of the first level; 12: 773,186 parameters
    levels: int = 4  # how often the image is halved
    unit: float = 1.548  # pitches (32 px of LASTEN) of a displacement that are 1 for the network

    def __post_init__(self) -> None:
        for name in ("size", "filters", "levels"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: must be at least 1")
        if self.unit <= 0.0:
            raise ValueError(f"unit={self.unit}: must be above 0")
        if self.size % 2**self.levels:
            raise ValueError(
                f"size={self.size}: must be a multiple of 2 ** levels, {2**self.levels}"
            )


@dataclasses.dataclass(frozen=True)
class Settings:
    """All groups of an experiment, which fit each other; hashable."""

    data: DataSettings
    training_set: TrainingSetSettings
    augmentation: AugmentationSettings
    fixed: FixedGridSettings
    model: ModelSettings
    training: TrainingSettings
    seed: int = 0  # of initialisation, order and augmentation
