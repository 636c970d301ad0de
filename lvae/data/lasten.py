"""Names of `lvae.data.recordings` under their earlier address."""

from lvae.data.recordings.frames import Frames, GridGeometry
from lvae.data.recordings.lasten import regular_grid, write_frames
from lvae.data.recordings.reading import read_data_set, read_frames
from lvae.data.recordings.splits import SPLITS

__all__ = [
    "SPLITS",
    "Frames",
    "GridGeometry",
    "read_data_set",
    "read_frames",
    "regular_grid",
    "write_frames",
]
