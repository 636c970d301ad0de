"""The network on points at work: any number of points of any number of frames to what it says."""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key, PyTree, Real

from lvae.grids.labelling import PointEvidence, Steps
from lvae.models.batching import in_batches
from lvae.models.point_network import Evidence, PointNetwork
from lvae.tasks.grids.registration_points.settings import Settings
from lvae.tasks.grids.scale import scale_of
from lvae.tasks.task import Run, Spec, Variables

BATCH = 4  # frames that the network sees together
_SLOTS = 64  # the places for points are a multiple of as many: few programs for all frames


def network(settings: Settings, spec: Spec) -> PointNetwork:
    """Of the grid's rows and columns."""
    scale, model = scale_of(spec), settings.model
    return PointNetwork(scale.rows, scale.columns, model.features, model.doublings, model.summaries)


def init(settings: Settings, spec: Spec, key: Key[Array, ""]) -> Variables:
    """Parameters; no buffers."""
    points = jnp.zeros((1, 9, 2))
    variables = network(settings, spec).init(key, points, jnp.ones((1, 9), bool))
    return {"params": variables["params"], "buffers": {}}


def evidence(run: Run[Settings], frames: Sequence[Real[np.ndarray, "_ 2"]]) -> list[PointEvidence]:
    """What the network says of the points of every frame, px of a frame of any size."""
    if not frames:
        return []
    scale = scale_of(run.spec)
    most = max(scale.rows * scale.columns, *(len(frame) for frame in frames))
    most = -(-most // _SLOTS) * _SLOTS
    points = np.zeros((len(frames), most, 2), np.float32)
    present = np.zeros((len(frames), most), bool)
    for row, frame in enumerate(frames):
        points[row, : len(frame)] = frame
        present[row, : len(frame)] = True
    apply = functools.partial(_applied, network(run.settings, run.spec), run.variables["params"])
    found = in_batches(apply, points, present, size=min(BATCH, len(frames)))
    return [_of_frame(found, row, len(frame)) for row, frame in enumerate(frames)]


def _of_frame(found: Evidence, row: int, count: int) -> PointEvidence:
    """Of the points that there are. Every pair counts once from each side that it is linked from."""
    own_row, own_column, belongs, step, neighbour, linked = (
        np.asarray(part)[row, :count] for part in (*found[:4], *found.links)
    )
    first, direction = np.nonzero(linked)
    by_pair = step[first, direction]
    steps = Steps(first, neighbour[first, direction], by_pair[:, 0], by_pair[:, 1])
    return PointEvidence(own_row, own_column, belongs, steps)


@functools.partial(jax.jit, static_argnums=0)
def _applied(
    module: nn.Module,
    params: PyTree,
    points: Float[Array, "frames points 2"],
    present: Bool[Array, "frames points"],
) -> Evidence:
    said = module.apply({"params": params}, points, present)
    assert isinstance(said, Evidence)  # without `mutable` there is nothing but the output
    return said
