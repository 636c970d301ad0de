"""Brain slices whose codes are changed by hand: cells of the code map that are painted."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from lvae.errors import UserError
from lvae.imaging.levels import to_levels
from lvae.imaging.sheets import png
from lvae.tasks.brain.slices import Slices
from lvae.tasks.exploring import Control, Drawn, Layer, Picture, Value
from lvae.tasks.task import Numbered, Sample

MOST = 2**30  # samples that a set of chosen ones may have
PAINTED = "painted"  # the option, and the control of the page that the pictures set

CodeMap = Int[np.ndarray, "rows columns"]


class Source(NamedTuple):
    """Slices by name."""

    names: Sequence[str]
    images: Slices

    def image(self, name: str) -> UInt8[np.ndarray, "height width"]:
        """The slice of that name; of an empty one, the first.

        Raises:
          UserError: there is none.
        """
        if name and name not in self.names:
            few = ", ".join(self.names[:3])
            raise UserError(f"--example={name}: no such slice; there are {few} ...")
        return self.images[list(self.names).index(name) if name else 0]


def painted_cells(text: str, grid: tuple[int, int]) -> Bool[np.ndarray, "rows columns"]:
    """The cells that `--painted` names.

    Raises:
      UserError: not of the form 3:4,3:5, or no cell of the map.
    """
    mask = np.zeros(grid, bool)
    for part in text.split(",") if text else []:
        row, _, column = part.partition(":")
        if not (row.isdecimal() and column.isdecimal()):
            raise UserError(f"--{PAINTED}={text}: {part!r} is not of the form row:column")
        if int(row) >= grid[0] or int(column) >= grid[1]:
            raise UserError(
                f"--{PAINTED}={text}: {part!r}: the map has {grid[0]} x {grid[1]} codes"
            )
        mask[int(row), int(column)] = True
    return mask


def pictures(
    title: str,
    drawn: Sample,
    image: UInt8[np.ndarray, "height width"],
    shades: Float[np.ndarray, "rows columns"],
) -> list[Picture]:
    """What a page shows of one slice: drawn, whose cells can be painted; as it is; its codes.

    drawn: a sample with the arrays `image` and `codes`.
    """
    codes = drawn.arrays["codes"]
    return [
        slice_picture(title, drawn.arrays["image"], codes.shape),
        slice_picture("slice", image),
        code_picture("codes", codes, shades, image.shape[0]),
    ]


def recipe(mode: str, seed: int, chosen: Mapping[str, Value], drawn: Sample) -> Drawn:
    """How `lvae sample` draws the same slice."""
    files = lambda: drawn.encode().files  # noqa: E731
    return Drawn(mode, seed, chosen, Numbered(MOST), drawn.provenance, files)


def controls(source: Source) -> list[Control]:
    """Which slice; which cells, painted in the picture."""
    return [
        Control("example", "slice", source.names[0], "Slice to start from.", choices=source.names),
        Control(PAINTED, "painted", "", "Cells of the code map.", group="picture"),
    ]


def slice_picture(
    title: str, image: UInt8[np.ndarray, "height width"], cells: tuple[int, int] | None = None
) -> Picture:
    """A slice, whose cells can be painted."""
    height, width = image.shape
    return Picture(title, png(np.ascontiguousarray(image)), width, height, cells=cells)


def code_picture(
    title: str, codes: CodeMap, shades: Float[np.ndarray, "rows columns"], side: int
) -> Picture:
    """A code map as grey cells, like codes alike, with the number of each code."""
    rows, columns = codes.shape
    edge = max(1, side // rows)
    image = np.kron(to_levels(shades), np.ones((edge, edge), np.uint8))
    down, across = np.mgrid[:rows, :columns]
    centres = edge * (np.stack([across.ravel(), down.ravel()], axis=1) + 0.5)
    texts = [
        f"row {row}, column {column}: code {code}"
        for row, column, code in zip(down.ravel(), across.ravel(), codes.ravel())
    ]
    layer = Layer("codes", "centres of codes", "points", centres, texts, shown=False)
    return Picture(title, png(image), image.shape[1], image.shape[0], layers=[layer])
