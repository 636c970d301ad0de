"""Grids as samples of a data set: labels, moving image, columns of a table."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Num

from lvae.grids.encoding import frame_json, written
from lvae.grids.rendering import frame_scale, render
from lvae.imaging.sheets import png
from lvae.tasks.task import Encoded, Json, Numbered, Sample

FIRST_ID = 40_000  # where the registration code expects generated samples
SUFFIXES = (".json", "_mov.png")
FORMATS = ("files", "webdataset", "parquet")


def names(count: int) -> Numbered:
    """Ids from FIRST_ID up, without zeros in front: a sample's name does not depend on the count."""
    return Numbered(count, FIRST_ID, digits=0)


def grid_samples(
    ids: Sequence[int],
    points: Float[np.ndarray, "grids rows columns 2"],
    visible: Bool[np.ndarray, "grids rows columns"],
    size: tuple[int, int],
    notes: Sequence[Mapping[str, Json]],
    decimals: int = 0,
) -> list[Sample]:
    """Samples of finished grids: rounded, without points outside the frame.

    Args:
      ids: of the samples.
      points, visible: of the grids, px.
      size: width and height of the frame, px.
      notes: provenance of each sample.
      decimals: of the coordinates; 0: whole pixels.
    """
    pixels, shown = written(points, visible, size, decimals)
    return [
        Sample(
            {"id": number, **note, "points": int(seen.sum())},
            lambda number=number, grid=grid, seen=seen: _encoded(number, grid, seen, size),
            {"id": np.array(number), "points": grid.astype(np.float32), "visible": seen},
        )
        for number, grid, seen, note in zip(ids, pixels, shown, notes)
    ]


def _encoded(
    number: int,
    pixels: Num[np.ndarray, "rows columns 2"],
    shown: Bool[np.ndarray, "rows columns"],
    size: tuple[int, int],
) -> Encoded:
    picture = render(pixels, shown, size, scale=frame_scale(size))
    image = png(picture)
    label, moving = SUFFIXES
    row = {
        "id": number,
        "points": pixels,
        "visible": shown,
        "image": {"bytes": image, "path": f"{number}{moving}"},
    }
    return Encoded({label: frame_json(pixels, shown).encode(), moving: image}, picture, row)


def schema(cells: int, decimals: int = 0) -> Any:
    """Columns id, points (rows * columns * 2 pixels, 0 where missing; whole numbers where decimals
    is 0), visible, image (PNG), with the note by which Hugging Face datasets decodes `image` as a
    picture."""
    import pyarrow

    number = "float32" if decimals else "int16"
    image = pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})
    fields = [
        pyarrow.field("id", pyarrow.int64()),
        pyarrow.field("points", pyarrow.list_(getattr(pyarrow, number)(), 2 * cells)),
        pyarrow.field("visible", pyarrow.list_(pyarrow.bool_(), cells)),
        pyarrow.field("image", image),
    ]
    features = {
        "id": {"dtype": "int64", "_type": "Value"},
        "points": _sequence(number, 2 * cells),
        "visible": _sequence("bool", cells),
        "image": {"_type": "Image"},
    }
    note = json.dumps({"info": {"features": features}})
    return pyarrow.schema(fields, metadata={"huggingface": note})


def _sequence(dtype: str, length: int) -> dict[str, Any]:
    return {"feature": {"dtype": dtype, "_type": "Value"}, "length": length, "_type": "Sequence"}
