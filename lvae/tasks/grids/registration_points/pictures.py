"""What there is to look at after training a matcher on points."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lvae.figures import canvas
from lvae.figures import registration as drawn
from lvae.tasks.grids.registration_points.matching import match_points
from lvae.tasks.grids.registration_points.settings import Settings
from lvae.tasks.task import Run, Splits

MOST = 12  # recordings on one picture
NATS = ("row_nats", "column_nats", "belongs_nats", "row_step_nats", "column_step_nats")


def figures(
    run: Run[Settings], splits: Splits, history: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, Figure]]:
    """One frame of every held-out recording with its matches, and the curves of the losses."""
    held_out = splits.get("validation", splits["train"])
    first = np.unique(held_out["recording"], return_index=True)[1][:MOST]
    truth = [np.flatnonzero(held_out["visible"][frame]) for frame in first]
    points = [held_out["points"][frame].reshape(-1, 2)[rays] for frame, rays in zip(first, truth)]
    labelled = match_points(run, points)
    yield (
        "matches",
        drawn.labelled(
            points, [one.ray for one in labelled], truth, held_out["id"][first].tolist()
        ),
    )
    yield "losses", canvas.loss_curves(history, NATS)
