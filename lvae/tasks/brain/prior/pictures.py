"""Which pictures a prior gets: arrays here, drawing in `lvae.figures.brain`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from lvae.figures import brain as drawing
from lvae.figures.canvas import loss_curves
from lvae.tasks.brain.prior import planning
from lvae.tasks.brain.prior.below import codec_below
from lvae.tasks.brain.prior.drawing import draw
from lvae.tasks.brain.prior.network import surprises
from lvae.tasks.brain.prior.settings import Settings
from lvae.tasks.brain.slices import spread_out
from lvae.tasks.task import NamedPicture, Run, Splits

SHOWN = 8  # slices


def figures(
    run: Run[Settings], splits: Splits, history: Sequence[Mapping[str, Any]]
) -> Iterator[NamedPicture]:
    """Samples beside decoded real codes; where held-out codes surprise the prior; losses."""
    codec = codec_below(run.spec, run.variables)
    real = spread_out(splits["validation"]["image"], SHOWN)
    codes = codec.encode(real)
    plan = planning.maps_of_images(run, real, codec.grid)
    drawn = draw(run, run.settings.seed, "figures", np.arange(SHOWN))
    yield (
        "samples",
        drawing.generated(real, codec.decode(codes), codec.decode(drawn), codec.shades(drawn)),
    )
    yield "anomaly", drawing.anomalies(real, surprises(run, codes, plan))
    names = ["nats_per_code", "unigram_nats", "context_nats"]
    yield "losses", loss_curves(history, names, logarithmic=False)
