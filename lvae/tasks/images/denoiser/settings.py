"""The config groups of the denoisers."""

import dataclasses
from typing import Literal

from lvae.configuration import check_at_least
from lvae.tasks.images.settings import (
    CorruptionSettings,
    DataSettings,
    Noise,
    check_widths,
)
from lvae.tasks.training_settings import TrainingSettings

Level = tuple[Noise, float, float]  # kind, strength, blur in px, as `lvae.imaging.noise.Corruption`
PYRAMID_SIDE = 28  # px; the one size that it takes


@dataclasses.dataclass(frozen=True)
class TileDataSettings(DataSettings):
    """Where images come from, and what the network sees of them."""

    tile: int = 28  # px; side of the square that the network sees. Larger images are tiled

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(self, 1, "tile")


@dataclasses.dataclass(frozen=True)
class HourglassModel:
    """`lvae.models.denoisers.HourglassDenoiser`."""

    design: Literal["hourglass"]
    channels: int = 24  # of its convolutions
    hidden: tuple[int, ...] = (1024, 1024, 1024)  # widths of its dense layers

    def __post_init__(self) -> None:
        check_at_least(self, 1, "channels")
        check_widths(self.hidden)


@dataclasses.dataclass(frozen=True)
class BlendedHourglassModel(HourglassModel):
    """The same; it estimates the noise first, and leaves alone what is nearly clean."""

    design: Literal["blended_hourglass"]  # type: ignore[assignment]


@dataclasses.dataclass(frozen=True)
class ResidualModel:
    """`lvae.models.denoisers.ResidualDenoiser`, which takes images of any size."""

    design: Literal["residual"]
    channels: int = 24  # of its convolutions at half the size
    depth: int = 2  # residual blocks at a quarter of the size
    largest: int = (
        288  # px; larger images are cleaned in squares of this side, small enough for caches
    )

    def __post_init__(self) -> None:
        check_at_least(self, 1, "channels", "depth", "largest")


@dataclasses.dataclass(frozen=True)
class PyramidModel:
    """`lvae.models.denoisers.PyramidDenoiser`, whose widths are its own."""

    design: Literal["pyramid"]


@dataclasses.dataclass(frozen=True)
class MlpModel:
    """`lvae.models.denoisers.MlpDenoiser`."""

    design: Literal["mlp"]
    hidden: tuple[int, ...] = (256, 128, 128, 64, 128, 128, 256)  # between pixels and pixels

    def __post_init__(self) -> None:
        check_widths(self.hidden)


@dataclasses.dataclass(frozen=True)
class LossSettings:
    """Weights of the terms; one or more above 0."""

    cross_entropy: float = 1.0  # of the mean over pixels, nats
    squared_error: float = 0.0  # of the mean over pixels
    log_error: float = 0.0  # of the mean over images of log squared error, PSNR's own
    ssim: float = 0.0  # of 1 - SSIM; counts where little noise is left

    def __post_init__(self) -> None:
        names = ("cross_entropy", "squared_error", "log_error", "ssim")
        check_at_least(self, 0, *names)
        if not any(getattr(self, name) for name in names):
            raise ValueError(
                "cross_entropy, squared_error, log_error and ssim: one weight must be above 0"
            )


@dataclasses.dataclass(frozen=True)
class EvaluationSettings:
    """Which noise is measured and drawn, on how many images."""

    levels: tuple[Level, ...]  # that are measured
    growing: tuple[Level, ...]  # of one image, from left to right in a figure
    shown: tuple[Level, ...]  # of six images, a figure each
    images: int = 1000  # held-out images, at most
    quick_images: int = 200  # validation images while training, at most
    tuning_images: int = 100  # training images on which classical filters are tuned, at most

    def __post_init__(self) -> None:
        check_at_least(self, 1, "images", "quick_images", "tuning_images")
        for name in ("levels", "growing", "shown"):
            for kind, strength, blur in getattr(self, name):
                if min(strength, blur) < 0.0:
                    raise ValueError(f"{name}: {(kind, strength, blur)} is below 0")
        for name in ("levels", "growing"):
            if not getattr(self, name):
                raise ValueError(f"{name}: is empty; give one or more (kind, strength, blur)")


@dataclasses.dataclass(frozen=True)
class SamplingSettings:
    """How images are cleaned."""

    overlap: int = 14  # px that neighbouring tiles of a large image share
    batch_size: int = 128  # tiles per call of the network

    def __post_init__(self) -> None:
        check_at_least(self, 0, "overlap")
        check_at_least(self, 1, "batch_size")


@dataclasses.dataclass(frozen=True)
class Settings:
    """All groups of a denoiser's config."""

    training: TrainingSettings
    data: TileDataSettings
    corruption: CorruptionSettings
    model: HourglassModel | BlendedHourglassModel | ResidualModel | PyramidModel | MlpModel
    loss: LossSettings
    evaluation: EvaluationSettings
    sampling: SamplingSettings
    seed: int = 0  # of initialisation, order and noise

    def __post_init__(self) -> None:
        if not self.corruption.noises:
            raise ValueError("corruption.noises: is empty; name one or more kinds of noise")
        tile = self.data.tile
        if self.sampling.overlap >= tile:
            raise ValueError(
                f"sampling.overlap={self.sampling.overlap}: must be below data.tile={tile}"
            )
        if isinstance(self.model, ResidualModel) and self.sampling.overlap >= self.model.largest:
            raise ValueError(
                f"sampling.overlap={self.sampling.overlap}: must be below "
                f"model.largest={self.model.largest}"
            )
        if isinstance(self.model, PyramidModel) and tile != PYRAMID_SIDE:
            raise ValueError(
                f"data.tile={tile}: model.design=pyramid takes tiles of {PYRAMID_SIDE} only"
            )
