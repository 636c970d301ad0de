"""The config groups of a registration experiment on points alone."""

import dataclasses

from lvae.tasks.grids.registration.settings import AugmentationSettings, TrainingSetSettings
from lvae.tasks.grids.settings import DataSettings
from lvae.tasks.training_settings import TrainingSettings


@dataclasses.dataclass(frozen=True)
class PointAugmentationSettings(AugmentationSettings):
    """Another pose, and what detection does to points: some go missing together, others belong to
    no ray. Where the grid lies in the frame is of no account to this network, nor how large it is."""

    rotation: float = 10.0  # degrees
    shear: float = 5.0  # degrees
    translation: float = 0.0  # share of the frame
    warp_x: float = 0.0  # half a sine wave down the frame, share of its height
    warp_y: float = 0.0  # half a sine wave across the frame, share of its width
    jitter: float = 0.0  # of every point, share of the frame's width
    dropout: float = 0.0  # share of points hidden one by one
    relief: float = 1.5  # scale of what is not flat, from 1 / relief to relief; 1: off
    proposals: int = 2  # draws until all points stay in the frame, else no change
    runs: float = 0.04  # share of points, at most, at which a run of missing ones begins
    run_length: float = 0.35  # chance that a run goes on to a neighbour, four times over
    sunken: float = 0.5  # share of frames in which a stretch of a column lies on tissue below
    # Rows that it is shifted by, at most; below 0 for an endoscope that shows what is deeper at lower
    # rows. 2.8 in LASTEN, always to higher ones.
    sunken_rows: float = 3.2
    stray: int = 12  # points that belong to no ray, at most

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("runs", "run_length", "sunken"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name}={getattr(self, name)}: must be in [0, 1]")
        if self.stray < 0:
            raise ValueError(f"stray={self.stray}: must be at least 0")


@dataclasses.dataclass(frozen=True)
class ModelSettings:
    """The network on points."""

    features: int = 48  # of a point; 338,456 parameters for a grid of 18 x 18
    # Of the links to the next points in eight directions, by layer: 2 is four points on.
    doublings: tuple[int, ...] = (0, 1, 2, 0, 1, 2)
    summaries: int = 16  # means over a frame that every third layer tells all points; 0: none

    def __post_init__(self) -> None:
        if self.features < 4 or self.features % 4:
            raise ValueError(f"features={self.features}: must be a multiple of 4")
        if not self.doublings or not all(0 <= one <= 5 for one in self.doublings):
            raise ValueError(f"doublings={self.doublings}: expected numbers from 0 to 5")
        if self.summaries < 0:
            raise ValueError(f"summaries={self.summaries}: must be at least 0")


@dataclasses.dataclass(frozen=True)
class Settings:
    """All groups of an experiment; hashable."""

    data: DataSettings
    training_set: TrainingSetSettings
    augmentation: PointAugmentationSettings
    model: ModelSettings
    training: TrainingSettings
    seed: int = 0  # of initialisation, order and augmentation
