"""Which pictures a VQ-VAE gets: arrays here, drawing in `lvae.figures.brain`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lvae.figures import brain as drawing
from lvae.figures.canvas import loss_curves
from lvae.tasks.brain.codec.codec import codec_of
from lvae.tasks.brain.codec.settings import Settings
from lvae.tasks.brain.slices import spread_out
from lvae.tasks.task import NamedPicture, Run, Splits

SHOWN = 6  # slices


def figures(
    run: Run[Settings], splits: Splits, history: Sequence[Mapping[str, Any]]
) -> Iterator[NamedPicture]:
    """Slices with reconstructions and code maps; losses, use of the codes, SSIM by epoch."""
    codec = codec_of(run)
    chosen = spread_out(splits["validation"]["image"], SHOWN)
    codes = codec.encode(chosen)
    yield (
        "reconstructions",
        drawing.reconstructions(chosen, codec.decode(codes), codec.shades(codes)),
    )
    yield "losses", loss_curves(history, ["loss", "squared_error", "quantiser"])
    yield "code_use", loss_curves(history, ["perplexity", "codes_used_share"])
    steps_per_epoch = run.spec.examples / run.settings.training.batch_size
    yield "ssim", drawing.ssim_by_epoch(history, steps_per_epoch)
