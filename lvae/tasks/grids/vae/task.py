"""The laser-grid VAE as a task: each function is its design's."""

from jaxtyping import Array, Key

from lvae.models.encoder_decoder import EncoderDecoder
from lvae.tasks.grids.calibrated import measured_endoscope
from lvae.tasks.grids.data import frame_size, load_recordings, real_frames
from lvae.tasks.grids.scale import measured
from lvae.tasks.grids.vae.auditing import AUDITOR
from lvae.tasks.grids.vae.drawing import design_of
from lvae.tasks.grids.vae.exploring import CODE, EXPLORER, page
from lvae.tasks.grids.vae.measures import evaluate
from lvae.tasks.grids.vae.modes import MODES
from lvae.tasks.grids.vae.pictures import figures
from lvae.tasks.grids.vae.settings import Settings
from lvae.tasks.task import LossFunction, Spec, Splits, Task, Variables, spec_of


def load_data(settings: Settings) -> Splits:
    """Frames by split, see `lvae.tasks.grids.data`."""
    return load_recordings(settings.data)


def spec(settings: Settings, splits: Splits) -> Spec:
    """Shapes of the frames, their number, and the units of all lengths."""
    frame, where = frame_size(settings.data), settings.data.path or "simulated recordings"
    train = real_frames(splits)
    facts = measured(train, frame, where) | measured_endoscope(settings.data, train)
    return spec_of(splits, **facts)


def network(settings: Settings, spec: Spec) -> EncoderDecoder:
    """Encoder and decoder of the design."""
    return design_of(settings).network(settings)


def init(settings: Settings, spec: Spec, key: Key[Array, ""]) -> Variables:
    """Parameters and buffers of the design."""
    return design_of(settings).init(settings, spec, key)


def prepare(settings: Settings, variables: Variables, splits: Splits) -> Variables:
    """What the design measures on the training split."""
    return design_of(settings).prepare(settings, variables, splits)


def loss(settings: Settings, spec: Spec) -> LossFunction:
    """The design's loss."""
    return design_of(settings).loss(settings, spec)


TASK = Task(
    settings=Settings,
    load_data=load_data,
    spec=spec,
    network=network,
    init=init,
    prepare=prepare,
    loss=loss,
    evaluate=evaluate,
    figures=figures,
    modes={**MODES, "code": CODE},
    explore=EXPLORER,
    page=page,
    audit=AUDITOR,
    watched=("train", "validation"),
    reported=("train", "validation"),
)
