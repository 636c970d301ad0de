"""The config groups of the patch VAE."""

import dataclasses
from typing import ClassVar, Literal

from lvae.configuration import check_at_least
from lvae.tasks.training_settings import TrainingSettings


@dataclasses.dataclass(frozen=True)
class DigitDataSettings:
    """Two digits, one of which is label 1."""

    source: Literal["digits"]
    path: str = ""  # folder of IDX files; "": scikit-learn's digits
    classes: tuple[int, int] = (7, 9)  # label 0 and label 1
    case_seed: int = 0  # of which training digits are held out
    validation_share: float = 0.1  # of the training digits; the set has its own test images
    size: Literal[28] = 28  # px, of a digit

    def __post_init__(self) -> None:
        if self.classes[0] == self.classes[1]:
            raise ValueError(f"classes={self.classes}: must be two different digits")
        _check_shares(validation_share=self.validation_share)


@dataclasses.dataclass(frozen=True)
class LesionDataSettings:
    """Patches of stroke MRI, label 1 where there is a lesion."""

    source: Literal["lesions"]
    path: str = ""  # folder of cases; "": the built-in pseudo-cases
    cases: int = 40  # pseudo-cases, where there is no path; ISLES 2015 has 28, 2022 has 250
    case_seed: int = 0  # of the pseudo-cases, and of which case is in which split
    validation_share: float = 0.15  # of the cases
    test_share: float = 0.25  # of the cases
    size: int = 28  # px, of a patch
    spacing_mm: float = 2.0  # mm per pixel, as DWI has; other volumes are resampled in the plane
    slice_mm: float = 5.0  # mm between slices that are cut into patches; neighbours are alike
    head_share: float = 0.25  # of a patch that must be head; emptier ones are dropped
    lesion_share: float = 0.0  # label 1 where more than this share is lesion; 0: any voxel
    all_test: bool = False  # every case is a test case: --data of a trained run

    def __post_init__(self) -> None:
        _check_shares(validation_share=self.validation_share, test_share=self.test_share)


def _check_shares(**shares: float) -> None:
    for name, share in shares.items():
        if not 0 < share < 1:
            raise ValueError(f"{name}={share}: must be in (0, 1)")


@dataclasses.dataclass(frozen=True)
class DenseModelSettings:
    """Fully connected: pixels - hidden - codes - hidden - pixels."""

    design: Literal["dense"]
    latents: int = 16  # dimension of the code; two do not hold anatomy and lesion both
    hidden: int = 256  # units either side of the code
    components: int = 0  # of the Gaussian-mixture prior; 0: standard normal

    def __post_init__(self) -> None:
        check_at_least(self, 1, "latents", "hidden")
        if self.components < 0:
            raise ValueError(f"components={self.components}: must be 0 (normal prior) or more")


@dataclasses.dataclass(frozen=True)
class ConvModelSettings(DenseModelSettings):
    """Convolutions down to a quarter of the size, then fully connected."""

    design: Literal["conv"]  # type: ignore[assignment]
    channels: int = 16  # feature maps at half the size, twice as many at a quarter

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(self, 1, "channels")


@dataclasses.dataclass(frozen=True)
class LossSettings:
    """The options of the one loss."""

    kl_weight: float = 0.1  # of the divergence, against cross-entropy summed over pixels
    healthy_kl_weight: float = 1.0  # the same in the healthy-only model
    free_bits: float = 0.0  # nats per patch below which the mean divergence costs nothing
    labels: int = 100  # labelled training patches of each kind; 0: no supervision
    label_weight: float = 1000.0  # nats of label against nats of pixels, of which there are 784
    label_shift: int = 3  # px; labelled patches are moved by up to this
    label_mirror: bool = True  # labelled patches are mirrored left-right; wrong for digits
    label_gain: float = 0.4  # sigma of the log of the power that brightens labelled patches
    pair_weight: float = 0.0  # of finding the other changed copy of a patch by its code; 0: off
    pair_scale: float = 0.3  # distance of codes that counts as near; the prior's deviation is 1

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if getattr(self, field.name) < 0:
                raise ValueError(f"{field.name}={getattr(self, field.name)}: must not be negative")
        if not self.pair_scale:
            raise ValueError("pair_scale=0: must be above 0")
        if bool(self.labels) != bool(self.label_weight):
            raise ValueError(
                f"labels={self.labels} and label_weight={self.label_weight}: both 0 or both above 0"
            )


@dataclasses.dataclass(frozen=True)
class NoFinderSettings:
    """Digits have no lesions to find."""

    source: ClassVar[str] = "digits"


@dataclasses.dataclass(frozen=True)
class FinderSettings:
    """The networks of whole scans: the one that foresees healthy patches, and the lesion finder."""

    source: ClassVar[str] = "lesions"
    width: int = 12  # feature maps of their convolutions
    patches: int = 48  # of a batch that they learn from: convolutions cost more than dense layers
    weight: float = 1000.0  # of the finder's nats per pixel, against nats of all pixels of a patch
    # Of the patches that keep their DWI, ADC, FLAIR in training: any subset can be scanned.
    channel_shares: tuple[float, float, float] = (0.95, 0.7, 0.5)
    gain: float = 0.1  # sigma of the log of what brightens a channel

    def __post_init__(self) -> None:
        check_at_least(self, 1, "width", "patches")
        check_at_least(self, 0, "weight", "gain")
        if not all(0 < share <= 1 for share in self.channel_shares):
            raise ValueError(f"channel_shares={self.channel_shares}: must be in (0, 1]")


@dataclasses.dataclass(frozen=True)
class EvaluationSettings:
    """How codes and scores are measured."""

    neighbours: int = 30  # of the k-NN score, among the training codes
    anomaly_score: Literal["reconstruction", "elbo", "distance", "spot"] = "spot"
    spot: int = 5  # px; side of the square over which the residual is averaged
    bright_only: bool = True  # strokes are bright on DWI; False: darker spots count too
    bootstrap_draws: int = 200  # resamplings of the cases, for intervals
    batch_size: int = 1000  # patches per call

    def __post_init__(self) -> None:
        check_at_least(self, 1, "neighbours", "spot", "bootstrap_draws", "batch_size")


@dataclasses.dataclass(frozen=True)
class DigitSamplingSettings:
    """How digits are drawn."""

    source: ClassVar[str] = "digits"
    samples: int = 64  # of `prior` and `reconstruct`, unless --num_samples says so
    grid: int = 20  # patches along a side of the manifold

    def __post_init__(self) -> None:
        check_at_least(self, 1, "samples")
        check_at_least(self, 2, "grid")


@dataclasses.dataclass(frozen=True)
class LesionSamplingSettings(DigitSamplingSettings):
    """How patches are drawn and whole volumes are scanned."""

    source: ClassVar[str] = "lesions"
    stride: int = 14  # px between the patches of a scanned volume: 4 over each pixel

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(self, 1, "stride")


@dataclasses.dataclass(frozen=True)
class Settings:
    """All groups."""

    data: DigitDataSettings | LesionDataSettings
    model: DenseModelSettings | ConvModelSettings
    loss: LossSettings
    finder: NoFinderSettings | FinderSettings
    training: TrainingSettings
    evaluation: EvaluationSettings
    sampling: DigitSamplingSettings | LesionSamplingSettings
    seed: int = 0  # of initialisation, order, noise and which patches are labelled
