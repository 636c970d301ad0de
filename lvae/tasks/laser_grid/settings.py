"""The config groups that every laser-grid experiment has; configs/default.py explains the values."""

import dataclasses

from lvae.data.lasten import GridGeometry


@dataclasses.dataclass(frozen=True)
class DataSettings:
    """Where recordings come from and what their frames have in common."""

    path: str
    rows: int
    columns: int
    width: int
    height: int
    recording_length: int
    minimum_visible: int
    training_recordings: int
    validation_recordings: int
    test_recordings: int
    simulation_seed: int
    extra_recordings: int
    extra_length: int
    extra_variety: float

    def geometry(self) -> GridGeometry:
        """What the reader checks frames against."""
        return GridGeometry(
            rows=self.rows,
            columns=self.columns,
            width=self.width,
            height=self.height,
            recording_length=self.recording_length,
            minimum_visible=self.minimum_visible,
        )


@dataclasses.dataclass(frozen=True)
class AugmentationSettings:
    """How coordinates are varied at every step of training."""

    mirror: float
    shift: int
    mix: float
    mix_reach: float
    warp_x: float
    warp_y: float
    warp_order: int
    warp_decay: float
    linear: float
    translation: float
    dropout: float
    jitter: float


@dataclasses.dataclass(frozen=True)
class OrderedModelSettings:
    """The pose-and-shape VAE."""

    design: str
    latents: int
    hidden: int
    gap: float
    shape_scale: float


@dataclasses.dataclass(frozen=True)
class OrderedLossSettings:
    """Terms of the pose-and-shape VAE's loss."""

    kl_weight: float
    kl_warmup: int
    visibility_weight: float
    initial_scale: float


@dataclasses.dataclass(frozen=True)
class NotebookModelSettings:
    """The reference network."""

    design: str
    latents: int
    coordinate_scale: float
    epsilon_factor: float


@dataclasses.dataclass(frozen=True)
class NotebookLossSettings:
    """Terms of the reference loss."""

    reconstruction_weight: float
    coding_loss_factor: float


@dataclasses.dataclass(frozen=True)
class SamplingSettings:
    """How sets are drawn."""

    variations: int
    pair_frames: int
    prior: str
    prior_components: int
    prior_codes: int
    prior_spread: float
    observation_noise: float
    visibility_noise: float
    bilateral: bool
    corners: tuple

    def __post_init__(self):
        if self.prior not in ("normal", "mixture"):
            raise ValueError(f"prior={self.prior!r}: must be normal or mixture")


@dataclasses.dataclass(frozen=True)
class EvaluationSettings:
    """How many samples the measures are taken over."""

    samples: int
