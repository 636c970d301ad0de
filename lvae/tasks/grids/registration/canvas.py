"""What the network sees of frames of any size, and the units of what it says."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lvae.data.lasten import regular_grid
from lvae.errors import UserError
from lvae.tasks.grids.registration.settings import Settings
from lvae.tasks.grids.scale import Scale, scale_of
from lvae.tasks.task import Spec

_CANVAS = 768  # px, about: the longer side of what is drawn before it is averaged down
_MOST_OF_FRAME = 0.95  # that the fixed grid may take up


class Canvas(NamedTuple):
    """Hashable: a static argument of compiled programs.

    Frames are drawn enlarged by `factor` in the left upper corner of a canvas of `size` (width,
    height, px), which is then averaged over `pool` x `pool` pixels. rendering: scale of the blurs.
    unit: px of the canvas of a displacement that is 1 for the network. fixed: px of the frame
    between the points of the fixed grid. scale: of the run.
    """

    factor: float
    size: tuple[int, int]
    pool: int
    rendering: float
    unit: float
    fixed: float
    scale: Scale

    @property
    def images(self) -> tuple[int, int]:
        """Height and width of the network's images."""
        return self.size[1] // self.pool, self.size[0] // self.pool

    def rays(self) -> Float[np.ndarray, "rows columns 2"]:
        """Where each ray's point lies in the fixed image, px of the frame: a regular grid in its
        middle, as LASTEN's fix.json."""
        rows, columns = self.scale.rows, self.scale.columns
        width, height = self.scale.frame
        corner = (
            (width - self.fixed * (columns - 1)) / 2,
            (height + self.fixed * (rows - 1)) / 2,
        )
        return regular_grid(rows, columns, corner, self.fixed)


def canvas_of(settings: Settings, spec: Spec) -> Canvas:
    """The canvas of a run.

    Raises:
      UserError: the fixed grid's points would lie closer than the network's pixels.
    """
    scale, model = scale_of(spec), settings.model
    width, height = scale.frame
    pool = max(1, round(_CANVAS / model.size))
    factor = model.size * pool / max(scale.frame)
    step = pool * 2**model.levels
    size = tuple(-(-round(factor * side) // step) * step for side in (width, height))
    widest = _MOST_OF_FRAME * min(width / (scale.columns - 1), height / (scale.rows - 1))
    fixed = min(settings.fixed.pitch * scale.point, widest)
    if fixed * factor < pool:
        raise UserError(
            f"config.model.size={model.size}: {scale.rows} x {scale.columns} points in a frame of "
            f"{width} x {height} px lie closer than the network's pixels; raise it"
        )
    enlarged = (round(factor * width), round(factor * height))
    rendering = min(enlarged) / _CANVAS
    unit = model.unit * scale.point * factor
    return Canvas(factor, (size[0], size[1]), pool, rendering, unit, fixed, scale)
