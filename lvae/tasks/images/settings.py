"""The config groups that both systems of grey images have."""

import dataclasses
from typing import Literal

Noise = Literal["gaussian", "salt_and_pepper", "speckle", "poisson", "blur_uniform"]


@dataclasses.dataclass(frozen=True)
class DataSettings:
    """Where images come from."""

    path: str = ""  # folder of IDX files or of images of one size; "": scikit-learn's digits
    validation_share: float = 0.05  # of the training images, the last ones

    def __post_init__(self) -> None:
        if not 0.0 < self.validation_share < 1.0:
            raise ValueError(f"validation_share={self.validation_share}: must be in (0, 1)")


@dataclasses.dataclass(frozen=True)
class CorruptionSettings:
    """What is done to the images: kinds in equal shares of every batch, levels uniform in a range
    each, (lowest, highest). Images are in [0, 1]."""

    noises: tuple[Noise, ...] = ()  # (): nothing is done
    gaussian: tuple[float, float] = (0.0, 70 / 255)  # sigma
    salt_and_pepper: tuple[float, float] = (0.0, 0.2)  # share of the pixels
    speckle: tuple[float, float] = (0.0, 0.6)  # sigma, as a share of the pixel
    poisson: tuple[float, float] = (1 / 255, 14 / 255)  # what one count is worth
    uniform: tuple[float, float] = (0.01, 1.5)  # half-range, of blur_uniform
    blur: tuple[float, float] = (0.0, 2.0)  # px; sigma of the blur before uniform noise
    # Of the images, whose levels are cubes of uniform numbers: a uniform draw has hardly any that
    # are nearly clean.
    low_share: float = 0.0
    clip_share: float = 0.0  # of the images, clipped to [0, 1]; all kinds but uniform clip anyway

    def __post_init__(self) -> None:
        for name in ("gaussian", "salt_and_pepper", "speckle", "poisson", "uniform", "blur"):
            low, high = getattr(self, name)
            if not 0.0 <= low <= high:
                raise ValueError(
                    f"{name}={(low, high)}: must be (lowest, highest), both at least 0"
                )
        if self.salt_and_pepper[1] > 1.0:
            raise ValueError(f"salt_and_pepper={self.salt_and_pepper}: a share is at most 1")
        if self.poisson[0] <= 0.0:
            raise ValueError(f"poisson={self.poisson}: a count must be worth more than 0")
        for name in ("low_share", "clip_share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name}={getattr(self, name)}: must be in [0, 1]")

    def strength(self, kind: Noise) -> tuple[float, float]:
        """The range of a kind's strength."""
        return self.uniform if kind == "blur_uniform" else getattr(self, kind)


def check_widths(hidden: tuple[int, ...]) -> None:
    """Raises a ValueError if a layer has no units."""
    if any(width < 1 for width in hidden):
        raise ValueError(f"hidden={hidden}: every width must be at least 1")
