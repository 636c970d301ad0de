"""The config group `data` of recordings of a laser grid, for every task that reads them."""

import dataclasses

from lvae.data.lasten import GridGeometry


@dataclasses.dataclass(frozen=True)
class RecordingSettings:
    """Where recordings come from and what their frames have in common."""

    path: str = ""  # folder of recordings; "": simulated ones
    rows: int = 18  # of the laser grid
    columns: int = 18
    width: int = 768  # of a frame, px
    height: int = 768
    recording_length: int = 20  # consecutive ids that are one recording
    minimum_visible: int = 100  # points; a frame with fewer is an error, not data
    training_recordings: int = 8  # simulated ones, as many as the public set has
    validation_recordings: int = 2
    test_recordings: int = 2
    simulation_seed: int = 0  # of the simulated recordings; config.seed leaves them alone

    def __post_init__(self) -> None:
        self.geometry()
        for name in ("validation_recordings", "test_recordings"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)}: must be at least 0")
        if self.training_recordings < 1:
            raise ValueError(f"training_recordings={self.training_recordings}: must be at least 1")

    def geometry(self) -> GridGeometry:
        """What the reader checks frames against."""
        return GridGeometry(
            rows=self.rows,
            columns=self.columns,
            width=self.width,
            height=self.height,
            recording_length=self.recording_length,
            minimum_visible=self.minimum_visible,
        )


@dataclasses.dataclass(frozen=True)
class DataSettings(RecordingSettings):
    """The same, with simulated recordings mixed into the training split."""

    extra_recordings: int = 0  # simulated recordings mixed into the training split
    extra_length: int = 2  # frames of each; neighbouring frames are nearly the same
    extra_variety: float = 1.0  # spread of their shapes over that of the real ones

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.extra_recordings < 0 or self.extra_variety < 0.0:
            raise ValueError("extra_recordings and extra_variety must be at least 0")
        if self.extra_recordings and self.extra_length < 1:
            raise ValueError(f"extra_length={self.extra_length}: must be at least 1")
