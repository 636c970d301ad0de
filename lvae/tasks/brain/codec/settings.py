"""The config groups of the VQ-VAE; configs/vqvae_brain.py explains the values."""

import dataclasses
from typing import Any

from lvae.configuration import section
from lvae.models import quantizer

ARCHITECTURES = ("reference", "residual")
QUANTIZERS = ("gradient", "ema", "fsq")


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """See `configs/vqvae_brain.py`."""

    architecture: str
    width: int
    encoder_blocks: int
    decoder_blocks: int
    places: int
    quantizer: str
    codes: int
    dimension: int
    levels: tuple[int, ...]
    decay: float
    kmeans_iterations: int
    kmeans_slices: int
    smallest_share: float

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise ValueError(f"architecture {self.architecture!r}: known: {ARCHITECTURES}")
        if self.quantizer not in QUANTIZERS:
            raise ValueError(f"quantizer {self.quantizer!r}: known: {QUANTIZERS}")
        if self.quantizer == "fsq" and quantizer.fsq_size(self.levels) != self.codes:
            raise ValueError(
                f"codes {self.codes}: the levels make {quantizer.fsq_size(self.levels)}"
            )
        if self.quantizer == "fsq" and len(self.levels) != self.dimension:
            raise ValueError(f"dimension {self.dimension}: there are {len(self.levels)} levels")
        if not 0 <= self.places < self.dimension:
            raise ValueError(f"places {self.places}: expected 0 to dimension - 1")


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """See `configs/vqvae_brain.py`."""

    ssim: float
    codebook: float
    commitment: float
    spread: float
    temperature: float
    mirror: bool


@dataclasses.dataclass(frozen=True)
class EvaluationConfig:
    """See `configs/vqvae_brain.py`."""

    batch_size: int


def settings_of(config: Any) -> tuple[ModelConfig, LossConfig]:
    """The checked groups of a config."""
    return section(ModelConfig, config.model, "model"), section(LossConfig, config.loss, "loss")
