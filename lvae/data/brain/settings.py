"""What brain slices are asked for: the config group `data` of the codec (VQ-VAE)."""

import dataclasses
from typing import Literal

import numpy as np
from jaxtyping import Float

WINDOW_PERCENTILE = 99.5  # of a volume's foreground: white


@dataclasses.dataclass(frozen=True)
class DataSettings:
    """Where slices come from."""

    path: str = ""  # OASIS PNG folders, or a folder of volumes; "": built-in pseudo-subjects
    size: int = 128  # px along each side; PNGs of a multiple of it are averaged down
    field_of_view_mm: float = 256.0  # mm, side of a slice cut from a volume; 2 mm/px, as OASIS
    slices: int = 12  # axial slices per volume or pseudo-subject
    # Of pseudo-subjects. folds: cortex exchanged, atrophy, lesions; template: deformed, no more
    anatomy: Literal["folds", "template"] = "template"
    # Pseudo-subjects to train, validate and test on: sized for two CPU cores
    subjects: tuple[int, int, int] = (20, 4, 8)
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)  # of the subjects of real volumes
    seed: int = 0  # of the pseudo-subjects and of the split; the run's own does not move them

    def __post_init__(self) -> None:
        if self.size < 16 or self.size % 16:
            raise ValueError(f"size={self.size}: must be a multiple of 16, at least 16")
        if self.slices < 1:
            raise ValueError(f"slices={self.slices}: must be at least 1")
        if self.field_of_view_mm <= 0.0:
            raise ValueError(f"field_of_view_mm={self.field_of_view_mm}: must be above 0")
        if min(self.subjects) < 1:
            raise ValueError(f"subjects={self.subjects}: must be three counts of at least 1")
        shares = self.fractions
        if min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
            raise ValueError(f"fractions={shares}: must be three above 0 that add up to 1")

    def across_mm(self) -> Float[np.ndarray, " size"]:
        """Centres of the pixels of a row, from the middle of the field of view, mm."""
        pixel = self.field_of_view_mm / self.size
        return (np.arange(self.size) - (self.size - 1) / 2) * pixel
