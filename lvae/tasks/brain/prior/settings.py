"""The config groups of the prior; configs/pixelcnn_brain.py explains the values."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """See `configs/pixelcnn_brain.py`."""

    path: str


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """See `configs/pixelcnn_brain.py`."""

    features: int
    embedding: int
    kernel: int
    blocks: str
    heads: int
    tied: bool
    places: bool
    dropout: float


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """See `configs/pixelcnn_brain.py`."""

    mirror: bool
    shift: int
    gain: float
    label_smoothing: float


@dataclasses.dataclass(frozen=True)
class SamplingConfig:
    """See `configs/pixelcnn_brain.py`."""

    temperature: float
    top_k: int
    min_p: float
    count: int
    candidates: int
    hole: float


@dataclasses.dataclass(frozen=True)
class EvaluationConfig:
    """See `configs/pixelcnn_brain.py`."""

    batch_size: int
    samples: int
    neighbours: int
