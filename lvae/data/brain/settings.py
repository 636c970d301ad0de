"""What brain slices are asked for: the group `data` of `configs/vqvae_brain.py`."""

import dataclasses

import numpy as np
from jaxtyping import Float

WINDOW_PERCENTILE = 99.5  # of a volume's foreground: white


@dataclasses.dataclass(frozen=True)
class BrainConfig:
    """Where slices come from; see `configs/vqvae_brain.py` for units and reasons."""

    path: str
    size: int
    field_of_view_mm: float
    slices: int
    subjects: tuple[int, ...]
    fractions: tuple[float, ...]
    seed: int

    def __post_init__(self) -> None:
        if self.size < 16 or self.size % 16:
            raise ValueError(f"size {self.size}: expected a multiple of 16, at least 16")
        if self.slices < 1:
            raise ValueError(f"slices {self.slices}: expected at least 1")
        if len(self.subjects) != 3 or min(self.subjects) < 1:
            raise ValueError(f"subjects {self.subjects}: expected three counts of at least 1")
        if (
            len(self.fractions) != 3
            or min(self.fractions) <= 0
            or abs(sum(self.fractions) - 1) > 1e-6
        ):
            raise ValueError(f"fractions {self.fractions}: expected three that add up to 1")

    def across_mm(self) -> Float[np.ndarray, " size"]:
        """Centres of the pixels of a row, from the middle of the field of view, mm."""
        pixel = self.field_of_view_mm / self.size
        return (np.arange(self.size) - (self.size - 1) / 2) * pixel
