"""What there is to look at after training a matcher."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lvae.figures import canvas
from lvae.figures import registration as drawn
from lvae.tasks.grids.registration.canvas import canvas_of
from lvae.tasks.grids.registration.network import warp_frames
from lvae.tasks.grids.registration.settings import Settings
from lvae.tasks.task import Run, Splits

MOST = 12  # recordings on one picture


def figures(
    run: Run[Settings], splits: Splits, history: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, Figure]]:
    """One frame of every held-out recording with its matches, and the curves of the losses."""
    seen = canvas_of(run.settings, run.spec)
    held_out = splits.get("validation", splits["train"])
    first = np.unique(held_out["recording"], return_index=True)[1][:MOST]
    points, visible = held_out["points"][first], held_out["visible"][first]
    matches = drawn.matches(
        points,
        visible,
        warp_frames(run, points, visible),
        seen.rays(),
        held_out["id"][first].tolist(),
        seen.scale.frame,
    )
    yield "matches", matches
    yield "losses", canvas.loss_curves(history, ("squared_error_px2", "error_px"))
