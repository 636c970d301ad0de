"""The config groups of a laser-grid VAE."""

import dataclasses
from typing import ClassVar, Literal

from lvae.tasks.grids.settings import DataSettings, RecordingSettings
from lvae.tasks.training_settings import TrainingSettings

POSE = 6  # latent dimensions of the ordered design that are the pose


@dataclasses.dataclass(frozen=True)
class OrderedDataSettings(DataSettings):
    """Recordings, simulated ones mixed in."""

    design: ClassVar[str] = "ordered"


@dataclasses.dataclass(frozen=True)
class NotebookDataSettings(RecordingSettings):
    """Recordings alone."""

    design: ClassVar[str] = "notebook"


@dataclasses.dataclass(frozen=True)
class AugmentationSettings:
    """How coordinates are varied at every step of training."""

    mirror: float = 0.5  # probability of left and right exchanged
    shift: float = 0.11  # of rows and of columns by which the pattern moves along the grid: 2 of 18
    mix: float = 0.5  # probability of a mixture with another frame's shape
    mix_reach: float = 0.3  # how far before or beyond the two frames a mixture may lie
    # Pitches of 18 x 18 points as wide and high as the grid, x along x and y along y; the brackets
    # hold LASTEN's px. Spread of smooth warps: rays' planes hold x nearly fixed, depth moves y.
    warp_x: float = 0.0804  # (1.5)
    warp_y: float = 0.3492  # (8) about twice the spread between recordings
    warp_order: int = 8  # cosines along rows and along columns
    warp_decay: float = 1.5  # spread falls as (1 + wave number) ** -decay, as measured
    linear: float = 0.1  # spread of the linear map's entries about the identity
    translation: float = 2.418  # same pitches (50 px); spread of the grid's place about the mean
    dropout: float = 0.04  # share of points hidden, at most
    jitter: float = 0.0145  # pitches (0.3 px); rounding to whole pixels has this spread

    def __post_init__(self) -> None:
        for name in ("mirror", "mix", "dropout"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name}={getattr(self, name)}: must be in [0, 1]")
        for name in ("shift", "mix_reach", "warp_x", "warp_y", "linear", "translation", "jitter"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)}: must be at least 0")
        if self.warp_order < 1:
            raise ValueError(f"warp_order={self.warp_order}: must be at least 1")


@dataclasses.dataclass(frozen=True)
class OrderedModelSettings:
    """Pose and shape apart, visibility modelled, points in order."""

    design: Literal["ordered"]
    latents: int = 160  # the first 6 are the pose
    hidden: int = 512  # units of the two hidden layers each way
    # Pitches along x and along y (4 px of LASTEN): least step of x along a row and of y along a
    # column. Real frames have 8 px and more.
    gap: tuple[float, float] = (0.2144, 0.1746)
    least_noise: float = 0.014  # pitches (0.29 px: rounding); deviation of the likelihood, at least
    shape_scale: float = 0.4836  # 1 for the networks; pitches of 18 x 18 points (10 px)

    def __post_init__(self) -> None:
        if self.latents <= POSE or self.hidden < 1:
            raise ValueError(
                f"latents={self.latents}, hidden={self.hidden}: latents must be above {POSE}, which "
                "are the pose, and hidden at least 1"
            )
        if min(self.gap) < 0.0 or min(self.shape_scale, self.least_noise) <= 0.0:
            raise ValueError("gap must be at least 0, shape_scale and least_noise above 0")


@dataclasses.dataclass(frozen=True)
class NotebookModelSettings:
    """The network of the published notebook ([zilker])."""

    design: Literal["notebook"]
    latents: int = 8
    # px; wrong in the notebook: frames are 768, points beyond 728 px cannot be coded.
    coordinate_scale: float = 728.0
    epsilon_factor: float = 1.0  # of the sampling layer's noise in training

    def __post_init__(self) -> None:
        if self.latents < 1 or self.coordinate_scale <= 0.0:
            raise ValueError("latents must be at least 1, coordinate_scale above 0")


@dataclasses.dataclass(frozen=True)
class OrderedLossSettings:
    """Terms of the evidence lower bound."""

    design: ClassVar[str] = "ordered"
    kl_weight: float = 0.1  # below 1: finer codes; new ones are drawn from the codes' own mixture
    kl_warmup: int = 1000  # steps until the weight is full: no dimension is given up early
    visibility_weight: float = 1.0  # of the mask's likelihood
    initial_scale: float = 0.1451  # pitches (3 px); where the likelihood's deviation starts

    def __post_init__(self) -> None:
        if min(self.kl_weight, self.kl_warmup, self.visibility_weight) < 0:
            raise ValueError("kl_weight, kl_warmup and visibility_weight must be at least 0")
        if self.initial_scale <= 0.0:
            raise ValueError(f"initial_scale={self.initial_scale}: must be above 0")


@dataclasses.dataclass(frozen=True)
class NotebookLossSettings:
    """Terms of the notebook's loss."""

    design: ClassVar[str] = "notebook"
    # Wrong in the notebook: 20 * 20 = 400 is meant, `18 + 2 * 18 + 2` is computed. Counts missing
    # points as (0, 0).
    reconstruction_weight: float = 56.0
    coding_loss_factor: float = 0.2  # of the KL term, a mean over the latents


@dataclasses.dataclass(frozen=True)
class NotebookSamplingSettings:
    """How data sets are drawn; new codes are of N(0, I)."""

    design: ClassVar[str] = "notebook"
    variations: int = 4  # `noise` and `prior`: samples per training frame
    pair_frames: int = 10  # `interpolate`, `extrapolate`: pairs of frames of two recordings
    bilateral: bool = True  # whether the clean-up smooths
    corners: tuple[int, int, int, int] = (0, 108, 54, 18)  # ids of the manifold's corner frames

    def __post_init__(self) -> None:
        if self.variations < 1 or self.pair_frames < 1:
            raise ValueError("variations and pair_frames must be at least 1")


@dataclasses.dataclass(frozen=True)
class OrderedSamplingSettings(NotebookSamplingSettings):
    """How data sets are drawn, from a decoder that has a likelihood."""

    design: ClassVar[str] = "ordered"
    bilateral: bool = False  # points are in order already; smoothing would blur the glottis
    prior: Literal["mixture", "normal"] = "mixture"  # of the training codes, or N(0, I)
    prior_components: int = 8  # of the mixture
    prior_codes: int = 3000  # codes that the mixture is fitted to
    prior_spread: float = 0.045  # of the linear maps that widen them
    prior_simulated: float = 0.5  # share of codes that begin at any frame, not at a real one
    # Times the law of noise, which is found so that samples are as rough as the training frames.
    observation_noise: float = 1.0
    visibility_noise: float = 1.0  # of the law of missing points; 0: the more likely state

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.prior_components < 1 or self.prior_codes < 2:
            raise ValueError("prior_components must be at least 1, prior_codes at least 2")
        for name in ("prior_spread", "observation_noise", "visibility_noise"):
            if getattr(self, name) < 0.0:
                raise ValueError(f"{name}={getattr(self, name)}: must be at least 0")
        if not 0.0 <= self.prior_simulated <= 1.0:
            raise ValueError(f"prior_simulated={self.prior_simulated}: must be in [0, 1]")


@dataclasses.dataclass(frozen=True)
class EvaluationSettings:
    """How much is drawn for the measures."""

    samples: int = 2000

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError(f"samples={self.samples}: must be at least 1")


@dataclasses.dataclass(frozen=True)
class Settings:
    """All groups; the first names the design, on which the others depend."""

    model: OrderedModelSettings | NotebookModelSettings
    data: OrderedDataSettings | NotebookDataSettings
    loss: OrderedLossSettings | NotebookLossSettings
    training: TrainingSettings
    sampling: OrderedSamplingSettings | NotebookSamplingSettings
    evaluation: EvaluationSettings
    augmentation: AugmentationSettings | None = None  # ordered only
    seed: int = 0  # of initialisation, order and noise

    def __post_init__(self) -> None:
        if (self.augmentation is not None) != (self.model.design == "ordered"):
            raise ValueError(
                f"augmentation: the design {self.model.design} has "
                + ("none; leave the group out" if self.augmentation else "such a group; add it")
            )
