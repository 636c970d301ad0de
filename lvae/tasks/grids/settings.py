"""The config group `data` of recordings of a laser grid, for every task that reads them.

No other group holds a pixel: lengths are in pitches, the median spacing of neighbours in the set's
own training frames (`lvae.tasks.grids.scale`). LASTEN's are 18.66 px along x and 22.91 px along y;
their geometric mean, 20.68 px, is the unit of lengths without a direction.
"""

import dataclasses

from lvae.data.recordings.frames import GridGeometry
from lvae.data.recordings.splits import parse_fold
from lvae.errors import UserError

LASTEN = "lasten"  # the calibration of frames as LASTEN's
FEWEST, MOST = 5, 64  # rows or columns
_LEAST_SHARE = 0.31  # of the grid's points that a frame shows: 100 of LASTEN's 324


@dataclasses.dataclass(frozen=True)
class RecordingSettings:
    """Where recordings come from and what their frames have in common."""

    path: str = ""  # folder of recordings in any layout; "": simulated ones
    folds: str = ""  # i/n: recordings in n parts, the i-th held out; "": the path's own splits
    # Folder of camera_calibration.json and laser_calibration.json; "lasten": the published one, for
    # frames as LASTEN's, which are not the sensor's own; "": none known.
    calibration: str = ""
    rows: int = 18  # of the laser grid, 5 to 64
    columns: int = 18
    width: int = 768  # of a frame, px; 0 and height 0: of the video or image beside the labels
    height: int = 768
    recording_length: int = 20  # consecutive ids that are one recording, where no folder says it
    minimum_visible: int = -1  # points; a frame with fewer is an error. -1: 31 % of the grid
    training_recordings: int = 8  # simulated ones, as many as the public set has
    validation_recordings: int = 2
    test_recordings: int = 2
    simulation_seed: int = 0  # of the simulated recordings; config.seed leaves them alone

    def __post_init__(self) -> None:
        for name in ("rows", "columns"):
            if not FEWEST <= getattr(self, name) <= MOST:
                raise ValueError(f"{name}={getattr(self, name)}: must be {FEWEST} to {MOST}")
        if (self.width == 0) != (self.height == 0):
            raise ValueError(f"width={self.width}, height={self.height}: both must be 0, or none")
        self.geometry()
        for name in ("validation_recordings", "test_recordings"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)}: must be at least 0")
        if self.training_recordings < 1:
            raise ValueError(f"training_recordings={self.training_recordings}: must be at least 1")
        try:
            parse_fold(self.folds)
        except UserError as error:
            raise ValueError(str(error).removeprefix("data.")) from error

    def geometry(self) -> GridGeometry:
        """What the reader checks frames against."""
        least = self.minimum_visible
        return GridGeometry(
            rows=self.rows,
            columns=self.columns,
            width=self.width,
            height=self.height,
            recording_length=self.recording_length,
            minimum_visible=int(_LEAST_SHARE * self.rows * self.columns) if least < 0 else least,
        )


@dataclasses.dataclass(frozen=True)
class DataSettings(RecordingSettings):
    """The same, with simulated recordings mixed into the training split."""

    extra_recordings: int = 0  # simulated recordings mixed into the training split
    extra_length: int = 2  # frames of each; neighbouring frames are nearly the same
    extra_variety: float = 1.0  # spread of their shapes over that of the real ones
    extra_runs: bool = False  # in them neighbours go missing together, as in real frames

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.extra_recordings < 0 or self.extra_variety < 0.0:
            raise ValueError("extra_recordings and extra_variety must be at least 0")
        if self.extra_recordings and self.extra_length < 1:
            raise ValueError(f"extra_length={self.extra_length}: must be at least 1")
