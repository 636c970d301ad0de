"""The codes of slices by hand: a code in place of others, and what the decoder makes of it."""

import dataclasses
import functools
from pathlib import Path

import numpy as np
from jaxtyping import Int

from lvae.errors import UserError
from lvae.imaging.levels import to_levels
from lvae.imaging.sheets import png
from lvae.tasks.brain import painting
from lvae.tasks.brain.codec.codec import Codec, codec_of
from lvae.tasks.brain.codec.modes import FORMATS, npy
from lvae.tasks.brain.codec.settings import Settings
from lvae.tasks.brain.painting import Source
from lvae.tasks.brain.slices import read_inputs
from lvae.tasks.exploring import Control, Exploration, Shown, State, Value
from lvae.tasks.task import Encoded, Mode, Numbered, Plan, Request, Run, Sample, option

MODE = "code"


@dataclasses.dataclass(frozen=True)
class CodeOptions:
    """Of the mode `code`."""

    example: str = option("", "Slice to start from, by its name; empty: the first.")
    painted: str = option("", "Cells of its code map, row:column,row:column.")
    code: int = option(0, "The code that they get.", minimum=0)


def code(run: Run[Settings], request: Request) -> Plan:
    """One slice (of --data, or held out), some of its codes set by hand, decoded."""
    names, images = read_inputs(run.settings.data, Request(MODE, data=request.data))
    return code_plan(codec_of(run), Source(names, images), request)


def code_plan(codec: Codec, source: Source, request: Request) -> Plan:
    """See `code`.

    Raises:
      UserError: no such slice, cell or code.
    """
    options = request.options
    mask = painting.painted_cells(options.painted, codec.grid)
    if options.code >= codec.size:
        raise UserError(f"--code={options.code}: there are {codec.size} codes, counted from 0")
    image = source.image(options.example)

    def draw(indices: Int[np.ndarray, " samples"]) -> list[Sample]:
        codes = np.where(mask, options.code, codec.encode(image[None])).astype(np.int32)
        levels = to_levels(codec.decode(codes))[0]
        files = {".png": png(levels), "_codes.npy": npy(codes[0])}
        note = {"painted": int(mask.sum())}
        arrays = {"image": levels, "codes": codes[0]}
        return [Sample(note, lambda: Encoded(files, levels), arrays) for _ in indices]

    return Plan(Numbered(request.num_samples or 1), (".png", "_codes.npy"), draw)


HELP = "One slice with codes set by hand: lvae explore copies such a command."
CODE = Mode(code, HELP, CodeOptions, FORMATS)


def page(run: Run[Settings], data: Path | None) -> Exploration:
    """A slice, its codes, and what they decode to; painted cells get the chosen code."""
    codec = codec_of(run)
    source = Source(*read_inputs(run.settings.data, Request(MODE, data=data)))
    number = Control("code", "code of painted cells", 0, "Paint the picture.", 0, codec.size - 1, 1)
    controls = [*painting.controls(source), number]
    return Exploration(controls, functools.partial(_shown, codec, source))


def _shown(codec: Codec, source: Source, state: State) -> Shown:
    chosen: dict[str, Value] = {"example": state["example"]}
    if state["painted"]:
        chosen |= {"painted": state["painted"], "code": state["code"]}
    request = Request(MODE, options=CodeOptions(**chosen))  # type: ignore[arg-type]
    (sample,) = code_plan(codec, source, request).draw(np.arange(1))
    codes, image = sample.arrays["codes"], source.image(str(state["example"]))
    pictures = painting.pictures("decoded", sample, image, codec.shades(codes[None])[0])
    facts = {"codes in use here": f"{len(np.unique(codes))} of {codec.size}"}
    return Shown(pictures, facts, painting.recipe(MODE, 0, chosen, sample))
