"""The config groups of the denoisers; configs/denoise_conv.py explains the values."""

import dataclasses
from typing import Any

from lvae import configuration
from lvae.imaging.noise import KINDS, Corruption
from lvae.models import denoisers


@dataclasses.dataclass(frozen=True)
class DataSettings:
    """Where images come from, and the side of the square that the network sees."""

    path: str
    validation_share: float
    tile: int

    def __post_init__(self):
        if not 0.0 < self.validation_share < 1.0:
            raise ValueError(f"validation_share={self.validation_share}: must be in (0, 1)")
        if self.tile < 1:
            raise ValueError(f"tile={self.tile}: must be at least 1 pixel")


@dataclasses.dataclass(frozen=True)
class CorruptionSettings:
    """What is done to the images: kinds in equal shares, levels uniform in a range each.

    Without any kind nothing is done.
    """

    noises: tuple[str, ...]
    gaussian: tuple[float, float]
    salt_and_pepper: tuple[float, float]
    speckle: tuple[float, float]
    poisson: tuple[float, float]
    uniform: tuple[float, float]
    blur: tuple[float, float]
    clip_share: float

    def __post_init__(self):
        for kind in self.noises:
            if kind not in KINDS:
                raise ValueError(f"noises: {kind!r} is none of {', '.join(KINDS)}")
        for name in ("gaussian", "salt_and_pepper", "speckle", "poisson", "uniform", "blur"):
            values = getattr(self, name)
            if len(values) != 2 or not 0.0 <= values[0] <= values[1]:
                raise ValueError(f"{name}={values}: must be (lowest, highest), both at least 0")
        if self.poisson[0] <= 0.0:
            raise ValueError(f"poisson={self.poisson}: a count must be worth more than 0")
        if not 0.0 <= self.clip_share <= 1.0:
            raise ValueError(f"clip_share={self.clip_share}: must be in [0, 1]")

    def strength(self, kind: str) -> tuple[float, float]:
        """The range of a kind's strength."""
        return self.uniform if kind == "blur_uniform" else getattr(self, kind)


@dataclasses.dataclass(frozen=True)
class ModelSettings:
    """Which network of `lvae.models.denoisers`, and its widths."""

    design: str
    channels: int
    hidden: tuple[int, ...]

    def __post_init__(self):
        if self.design not in DESIGNS:
            raise ValueError(f"design={self.design!r}: must be one of {', '.join(DESIGNS)}")

    def module(self) -> Any:
        """The network."""
        return DESIGNS[self.design](self)


DESIGNS = {
    "hourglass": lambda model: denoisers.HourglassDenoiser(model.channels, model.hidden),
    "pyramid": lambda model: denoisers.PyramidDenoiser(),
    "mlp": lambda model: denoisers.MlpDenoiser(model.hidden),
}


@dataclasses.dataclass(frozen=True)
class LossSettings:
    """Weights of the terms."""

    cross_entropy: float
    squared_error: float
    log_error: float
    ssim: float

    def __post_init__(self):
        if max(self.cross_entropy, self.squared_error, self.log_error, self.ssim) <= 0.0:
            raise ValueError(
                "cross_entropy, squared_error, log_error and ssim: one weight must be above 0"
            )


@dataclasses.dataclass(frozen=True)
class EvaluationSettings:
    """Levels of noise to measure and to draw: (kind, strength, blur) each."""

    levels: tuple[Any, ...]
    growing: tuple[Any, ...]
    shown: tuple[Any, ...]
    images: int
    quick_images: int
    tuning_images: int

    def corruptions(self, name: str = "levels") -> list[Corruption]:
        """The levels of a field.

        Raises:
          ValueError: an entry is not (kind, strength, blur).
        """
        found = []
        for level in getattr(self, name):
            if len(level) != 3 or level[0] not in KINDS:
                raise ValueError(
                    f"{name}: {tuple(level)} is not (kind, strength, blur) with a kind of "
                    f"{', '.join(KINDS)}"
                )
            found.append(Corruption(level[0], float(level[1]), float(level[2])))
        return found

    def __post_init__(self):
        for name in ("levels", "growing", "shown"):
            self.corruptions(name)
        for name in ("images", "quick_images", "tuning_images"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: must be at least 1")


@dataclasses.dataclass(frozen=True)
class SamplingSettings:
    """How images are cleaned and previewed."""

    overlap: int
    batch_size: int
    preview: int


@dataclasses.dataclass(frozen=True)
class Settings:
    """All groups of a denoiser's config but `training`."""

    data: DataSettings
    corruption: CorruptionSettings
    model: ModelSettings
    loss: LossSettings
    evaluation: EvaluationSettings
    sampling: SamplingSettings


def read(config: Any) -> Settings:
    """The groups as frozen dataclasses.

    Raises:
      UserError: a field is unknown, missing, or out of its range.
    """
    groups: dict[str, Any] = {field.name: field.type for field in dataclasses.fields(Settings)}
    return Settings(
        **{name: configuration.section(kind, config[name], name) for name, kind in groups.items()}
    )
