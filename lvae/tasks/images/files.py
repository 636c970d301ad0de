"""What the sampling modes read and write: named grey images, PNGs, IDX files."""

import gzip
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from lvae.data.image_folder import read_named
from lvae.imaging.levels import to_levels
from lvae.imaging.sheets import Gray, png
from lvae.tasks.task import Encoded, Json, Sample

SUFFIX = ".png"


class Named(NamedTuple):
    """Images with the names of the results that are made from them, without a suffix. sources:
    what each is called where it comes from."""

    names: Sequence[str]
    sources: Sequence[str]
    images: Sequence[Gray] | UInt8[np.ndarray, "n height width"]


def read_inputs(path: Path, most: int | None = None) -> Named:
    """The images of --data: an image file, a folder, an IDX file. most: the first so many; None:
    all.

    Raises:
      UserError: see `lvae.data.image_folder.read_named`.
    """
    found = list(read_named(path).items())[:most]
    names = [name[: -len(SUFFIX)] for name, _ in found]
    return Named(names, [name for name, _ in found], [image for _, image in found])


def restored(
    source: Float[np.ndarray, "height width 1"],
    result: Float[np.ndarray, "height width 1"],
    note: Mapping[str, Json],
) -> Sample:
    """A sample that was made of an image: the result is written, both are on the contact sheet."""

    levels = to_levels(result[..., 0])

    def encode() -> Encoded:
        pair = np.concatenate([to_levels(source[..., 0]), levels])
        return Encoded({SUFFIX: png(levels)}, pair)

    return Sample(note, encode, {"image": levels})


def drawn(image: Float[np.ndarray, "height width 1"], note: Mapping[str, Json]) -> Sample:
    """A sample that was made of nothing."""
    levels = to_levels(image[..., 0])
    return Sample(note, lambda: Encoded({SUFFIX: png(levels)}, levels), {"image": levels})


def idx_bytes(images: UInt8[np.ndarray, "n height width"], compressed: bool) -> bytes:
    """An IDX3 file, gzipped if asked for; the same bytes for the same images."""
    content = struct.pack(">4I", 0x803, *images.shape) + images.tobytes()
    return gzip.compress(content, mtime=0) if compressed else content
