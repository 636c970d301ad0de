"""The prior by hand: a region of a slice is painted and its codes are drawn anew."""

import dataclasses
import functools
from pathlib import Path

import numpy as np
from jaxtyping import Int

from lvae.imaging.levels import to_levels
from lvae.imaging.sheets import png
from lvae.tasks.brain import painting
from lvae.tasks.brain.codec.codec import Codec
from lvae.tasks.brain.codec.modes import npy
from lvae.tasks.brain.painting import Source
from lvae.tasks.brain.prior import picturing, planning
from lvae.tasks.brain.prior.below import codec_below, data_of
from lvae.tasks.brain.prior.drawing import SAMPLE_BATCH, redraw
from lvae.tasks.brain.prior.settings import Settings
from lvae.tasks.brain.slices import read_inputs
from lvae.tasks.exploring import Control, Exploration, Shown, State, Value
from lvae.tasks.task import Encoded, Mode, Numbered, Plan, Request, Run, Sample, option

MODE = "repaint"
SUFFIXES = (".png", "_codes.npy", "_mask.npy")


@dataclasses.dataclass(frozen=True)
class RepaintOptions:
    """Of the mode `repaint`."""

    example: str = option("", "Slice to start from, by its name; empty: the first.")
    painted: str = option("", "Cells of its code map that are drawn anew, row:column,row:column.")
    factor: float = option(
        1.0, "Multiplies the temperature: 0 draws the likeliest codes.", minimum=0
    )


def repaint(run: Run[Settings], request: Request) -> Plan:
    """One slice (of --data, or held out) with painted codes drawn anew; several samples differ."""
    codec = codec_below(run.spec, run.variables)
    data = data_of(codec.settings, run.settings)
    source = Source(*read_inputs(data, Request(MODE, data=request.data)))
    return repaint_plan(run, codec, source, request)


def repaint_plan(run: Run[Settings], codec: Codec, source: Source, request: Request) -> Plan:
    """See `repaint`.

    Raises:
      UserError: no such slice or cell.
    """
    options = request.options
    mask = painting.painted_cells(options.painted, codec.grid)
    image = source.image(options.example)

    def draw(indices: Int[np.ndarray, " samples"]) -> list[Sample]:
        codes = np.repeat(codec.encode(image[None]), len(indices), axis=0).astype(np.int32)
        if mask.any():
            free = np.repeat(mask[None], len(indices), axis=0)
            shown = np.repeat(image[None], len(indices), axis=0)
            plan = planning.maps_of_images(run, shown, codec.grid, request.seed, ~free)
            plan = picturing.drawn(run, request.seed, MODE, indices, plan, shown, ~free)
            codes = redraw(run, request.seed, MODE, indices, codes, free, options.factor, plan)
        levels = to_levels(codec.decode(codes))
        return [
            Sample(
                {"redrawn": int(mask.sum())},
                lambda place=place: Encoded(
                    dict(zip(SUFFIXES, (png(levels[place]), npy(codes[place]), npy(mask)))),
                    levels[place],
                ),
                {"image": levels[place], "codes": codes[place], "mask": mask},
            )
            for place in range(len(indices))
        ]

    return Plan(Numbered(request.num_samples or 1), SUFFIXES, draw, block=SAMPLE_BATCH)


HELP = "One slice with painted codes drawn anew: lvae explore copies such a command."
REPAINT = Mode(repaint, HELP, RepaintOptions)


def page(run: Run[Settings], data: Path | None) -> Exploration:
    """A slice, its codes, and the slice with the painted region drawn anew."""
    codec = codec_below(run.spec, run.variables)
    slices = data_of(codec.settings, run.settings)
    source = Source(*read_inputs(slices, Request(MODE, data=data)))
    controls = [
        *painting.controls(source),
        Control("factor", "temperature factor", 1.0, "0: the likeliest codes.", 0, 2, 0.05),
        Control("seed", "seed", 0, "Of the draw.", 0, 2**31 - 1, 1),
    ]
    return Exploration(controls, functools.partial(_shown, run, codec, source))


def _shown(run: Run[Settings], codec: Codec, source: Source, state: State) -> Shown:
    chosen: dict[str, Value] = {"example": state["example"]}
    if state["painted"]:
        chosen |= {"painted": state["painted"], "factor": state["factor"]}
    request = Request(MODE, int(state["seed"]), options=RepaintOptions(**chosen))  # type: ignore[arg-type]
    (sample,) = repaint_plan(run, codec, source, request).draw(np.arange(1))
    codes, image = sample.arrays["codes"], source.image(str(state["example"]))
    shades = codec.shades(codes[None])[0]
    pictures = painting.pictures("redrawn: paint a region", sample, image, shades)
    facts = {"codes drawn anew": f"{int(sample.arrays['mask'].sum())} of {codes.size}"}
    return Shown(pictures, facts, painting.recipe(MODE, request.seed, chosen, sample))
