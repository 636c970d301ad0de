"""The config groups of the prior."""

import dataclasses

from lvae.models.pixelcnn_blocks import block_kinds
from lvae.tasks.training_settings import TrainingSettings


@dataclasses.dataclass(frozen=True)
class DataSettings:
    """Which slices become codes."""

    path: str = ""  # laid out as the VQ-VAE's; "": what it was trained on, in its splits


@dataclasses.dataclass(frozen=True)
class ModelSettings:
    """The network; see `lvae.models.pixelcnn.PixelCNN`."""

    features: int = 96  # width of the network
    embedding: int = 40  # length of the vector that stands for a code; 0: one-hot
    # Vectors are the codes' own 20 numbers and their squares, where codes are read and where they
    # are guessed: what is learned of one code holds for those like it.
    tied: bool = True
    kernel: int = 5  # side of the first layer, masked 'A'; each block sees further
    # R: reference block, G: gated 3 x 3 (a number: of codes this far apart), A: attention. These
    # see 17 codes far, half a slice: the outline on the left tells that on the right.
    blocks: str = "GG2G4G8"
    heads: int = 4  # of the attention
    places: bool = True  # learned vectors and logits per position, from training counts
    dropout: float = 0.1  # of features, while training

    def __post_init__(self) -> None:
        kinds = {kind for kind, _ in block_kinds(self.blocks)}
        if self.features < 1 or self.embedding < 0:
            raise ValueError(
                f"features={self.features}, embedding={self.embedding}: must be at least 1 and 0"
            )
        if self.kernel < 1 or not self.kernel % 2:
            raise ValueError(f"kernel={self.kernel}: must be odd")
        if self.heads < 1 or ("A" in kinds and self.features % self.heads):
            raise ValueError(f"heads={self.heads}: must divide features={self.features}")
        if self.tied and not self.embedding:
            raise ValueError("tied=True: needs an embedding above 0")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout={self.dropout}: must be in [0, 1)")


@dataclasses.dataclass(frozen=True)
class PlanSettings:
    """What is drawn before the codes: a coarse picture of the slice; see `lvae.models.plans`."""

    components: int = 0  # of heads: numbers of a subject's code; 0: codes are drawn without a plan
    heights: int = 12  # at which pictures are kept; between them they are interpolated
    width: int = 48  # of the network that reads the plan

    def __post_init__(self) -> None:
        if self.components < 0 or self.heights < 1 or self.width < 1:
            raise ValueError(
                f"components={self.components}, heights={self.heights}, width={self.width}: must be "
                "at least 0, 1 and 1"
            )


@dataclasses.dataclass(frozen=True)
class PictureSettings:
    """What is drawn between plan and codes: a picture with 2 x 2 grey values per code, by a flow; see
    `lvae.models.picture_flow`."""

    steps: int = 0  # from noise to a picture; 0: codes are drawn from the plan
    widths: tuple[int, int, int] = (48, 128, 192)  # of the flow's three levels, fine to coarse
    blocks: int = 2  # of a level, on the way down and up
    noise: float = 0.02  # grey values: deviation, added to the pictures that codes are learned from
    without: float = 0.3  # share of slices whose codes are learned from the plan alone
    codes_of: int = 1  # slices of every batch whose codes are learned; the flow learns from all

    def __post_init__(self) -> None:
        if min(self.blocks, self.codes_of, *self.widths) < 1 or self.widths[-1] % 4:
            raise ValueError(
                f"blocks={self.blocks}, codes_of={self.codes_of}, widths={self.widths}: must be at least "
                "1, the last width a multiple of 4"
            )
        if self.steps < 0 or self.noise < 0.0:
            raise ValueError(f"steps={self.steps}, noise={self.noise}: must be at least 0")
        if not 0.0 <= self.without <= 1.0:
            raise ValueError(f"without={self.without}: must be in [0, 1]")


@dataclasses.dataclass(frozen=True)
class LossSettings:
    """How slices are varied before they are encoded, and what a code costs."""

    mirror: bool = True  # left and right exchanged in half of the cases
    shift: int = 2  # px, half a code: moved by up to that in both directions
    gain: float = 0.05  # deviation of the log of a random brightness
    label_smoothing: float = 0.0  # share of the target that all codes have alike

    def __post_init__(self) -> None:
        if self.shift < 0 or self.gain < 0.0:
            raise ValueError(f"shift={self.shift}, gain={self.gain}: must be at least 0")
        if not 0.0 <= self.label_smoothing < 1.0:
            raise ValueError(f"label_smoothing={self.label_smoothing}: must be in [0, 1)")


@dataclasses.dataclass(frozen=True)
class SamplingSettings:
    """How codes are drawn."""

    temperature: float = 1.0  # of the noise; below 1: likelier, less varied
    top_k: int = 0  # codes to choose from at each position; 0: all
    min_p: float = 0.0  # least probability of a code, over that of the likeliest; 0: all
    count: int = 36  # slices that mode `prior` draws without --num_samples
    candidates: int = 8  # fillings of a hole, of which the likeliest whole map is kept
    hole: float = 0.25  # side of the hole of mode `inpaint`, share of the map's

    def __post_init__(self) -> None:
        if self.temperature < 0.0 or self.top_k < 0:
            raise ValueError(
                f"temperature={self.temperature}, top_k={self.top_k}: must be at least 0"
            )
        if not 0.0 <= self.min_p <= 1.0:
            raise ValueError(f"min_p={self.min_p}: must be in [0, 1]")
        if self.count < 1 or self.candidates < 1:
            raise ValueError(
                f"count={self.count}, candidates={self.candidates}: must be at least 1"
            )
        if not 0.0 < self.hole <= 1.0:
            raise ValueError(f"hole={self.hole}: must be in (0, 1]")


@dataclasses.dataclass(frozen=True)
class EvaluationSettings:
    """How the prior is measured."""

    batch_size: int = 32  # maps at once
    samples: int = 256  # drawn for precision and recall
    neighbours: int = 5  # k of precision, recall, density, coverage

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if getattr(self, field.name) < 1:
                raise ValueError(f"{field.name}={getattr(self, field.name)}: must be at least 1")


@dataclasses.dataclass(frozen=True)
class Settings:
    """All groups; hashable."""

    data: DataSettings
    model: ModelSettings
    loss: LossSettings
    training: TrainingSettings
    sampling: SamplingSettings
    evaluation: EvaluationSettings
    plan: PlanSettings = PlanSettings()
    picture: PictureSettings = PictureSettings()
    # Run directory of the VQ-VAE whose codes are modelled, from the folder in which training is
    # begun; only training needs it.
    vqvae: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.picture.steps and not self.plan.components:
            raise ValueError(
                f"picture.steps={self.picture.steps}: pictures are drawn from plans, of which "
                "plan.components=0 has none"
            )
