"""Frames of one or more recordings, and what all frames of a set have in common."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int


@dataclasses.dataclass(frozen=True)
class GridGeometry:
    """What every frame of a data set has in common.

    rows, columns: of the laser grid. width, height: of a frame, in pixels; both 0: as the video or
    the images beside the labels have it. recording_length: consecutive ids that are one recording
    where frames of several recordings lie in one folder. minimum_visible: a frame with fewer points
    is an error, not data.
    """

    rows: int = 18
    columns: int = 18
    width: int = 768
    height: int = 768
    recording_length: int = 20
    minimum_visible: int = 100

    def __post_init__(self) -> None:
        sizes = ("width", "height") if self.width or self.height else ()
        for name in ("rows", "columns", *sizes, "recording_length"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not 0 <= self.minimum_visible <= self.rows * self.columns:
            raise ValueError(
                f"minimum_visible is {self.minimum_visible}; a grid of {self.rows} x "
                f"{self.columns} has 0 to {self.rows * self.columns} points"
            )


@dataclasses.dataclass(frozen=True)
class Frames:
    """Frames by recording, in the order of their ids.

    ids: as in the files' names, each once. points: x, y in pixels, fractions kept, (0, 0) where
    missing. visible: which points were seen. recording: which recording a frame belongs to, counted
    from 0 within these frames. names: of the recordings, so counted.
    """

    ids: Int[np.ndarray, " frames"]
    points: Float[np.ndarray, "frames rows columns 2"]
    visible: Bool[np.ndarray, "frames rows columns"]
    recording: Int[np.ndarray, " frames"]
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, chosen: np.ndarray) -> "Frames":
        """The frames at these indices or under this mask; recordings are counted anew."""
        kept, recording = np.unique(self.recording[chosen], return_inverse=True)
        names = tuple(self.names[number] for number in kept.tolist()) if self.names else ()
        return Frames(
            self.ids[chosen],
            self.points[chosen],
            self.visible[chosen],
            recording.astype(np.int32),
            names,
        )


def joined(parts: Sequence[Frames]) -> Frames:
    """All frames of several sets, the recordings of each after those of the one before.

    Ids that stand for one frame only stay. Where two sets use the same id, a frame's id becomes
    that of its file behind its set's number: frame 17 of set 3 is 3017 (with as many digits as the
    largest id needs).
    """
    ids = np.concatenate([part.ids for part in parts])
    if len(np.unique(ids)) < len(ids):
        digits = 10 ** len(str(ids.max()))
        ids = np.concatenate([part.ids + digits * number for number, part in enumerate(parts)])
    counts = [int(part.recording.max(initial=-1)) + 1 for part in parts]
    firsts = np.cumsum([0, *counts[:-1]])
    return Frames(
        ids,
        np.concatenate([part.points for part in parts]),
        np.concatenate([part.visible for part in parts]),
        np.concatenate([part.recording + f for part, f in zip(parts, firsts)]).astype(np.int32),
        tuple(name for part in parts for name in part.names),
    )
