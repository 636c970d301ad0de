"""What an audit must know of grey images, in features that are no model's own.

Images are compared after their pixels are averaged to at most `SIDE` along the longer side: noise and
the last shift of a pixel do not make a copy a new image, another shape does.
"""

import io
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from scipy import ndimage

from lvae.tasks.auditor import Auditor, Examples
from lvae.tasks.task import Run, Splits

SIDE = 32  # px
NOISE = 2.0  # of 255 grey levels; deviation of the noise that is put on copies
PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
BLURS = (0.5, 1.0, 2.0, 4.0)  # px; deviations
REGIONS = 4  # along each side, whose mean grey levels are features

Levels = UInt8[np.ndarray, "n height width"]
Others = UInt8[np.ndarray, "m height width"]
Scores = Mapping[str, Float[np.ndarray, " n"]]


def image_auditor(
    group: str,
    unit: str,
    real: Callable[[Run[Any], Examples], Examples],
    load: Callable[[Run[Any], Path], Splits],
    scores: Callable[[Run[Any], Examples], Scores],
    texture: Callable[[Levels], Float[np.ndarray, "n features"]] | None = None,
    mirrored: bool = False,
) -> Auditor:
    """The auditor of a task whose examples are images, the field "image" of what `real` gives.

    Args:
      group, unit, real, load, scores: as of `Auditor`.
      texture: what a forest tells drawn images by; None: `image_features`.
      mirrored: whether training mirrors images, so that a mirrored copy is a copy.
    """
    features = texture or image_features

    def compared(run: Run[Any], first: Examples, second: Examples) -> np.ndarray:
        return distances(first["image"], second["image"], mirrored)

    def vectors(run: Run[Any], examples: Examples) -> np.ndarray:
        return flat(examples["image"])

    def examples(run: Run[Any], numbers: np.ndarray) -> Examples:
        return {"image": images_of(numbers, _shape(run))}

    def noisy(run: Run[Any], examples: Examples, seed: int) -> Examples:
        images = examples["image"]
        noise = np.random.default_rng(seed).normal(0, NOISE, images.shape)
        return {"image": _levels(images + noise)}

    return Auditor(
        group=group,
        unit=unit,
        measure="grey levels",
        real=real,
        load=load,
        kind=".png",
        parse=lambda run, sample: {"image": _read(sample[".png"], _shape(run))},
        distances=compared,
        vectors=vectors,
        examples=examples,
        texture=lambda run, examples: features(examples["image"]),
        scores=scores,
        noisy=noisy,
    )


def distances(first: Levels, second: Others, mirrored: bool) -> Float[np.ndarray, "n m"]:
    """Root mean square difference of averaged pixels, grey levels; mirrored: or of the mirror image,
    whichever is less."""
    middle = flat(second).mean(0, keepdims=True)
    one, other = flat(first) - middle, flat(second) - middle
    squares = _squares(one, other)
    if mirrored:
        squares = np.minimum(squares, _squares(flat(first[:, :, ::-1]) - middle, other))
    return np.sqrt(np.maximum(squares, 0))


def _squares(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    crossed = first @ second.T
    return (first**2).sum(1)[:, None] - 2 * crossed + (second**2).sum(1)[None]


def flat(images: Levels) -> Float[np.ndarray, "n numbers"]:
    """Averaged pixels as vectors whose Euclidean distance is the root mean square difference."""
    small = _averaged(images).reshape(len(images), -1)
    return small / np.float32(np.sqrt(small.shape[1]))


def images_of(numbers: Float[np.ndarray, "n numbers"], shape: tuple[int, int]) -> Levels:
    """The inverse of `flat`: images of that height and width, of equal squares."""
    factor = _factor(shape)
    rows, columns = (side // factor for side in shape)
    small = numbers.reshape(-1, rows, columns) * np.sqrt(rows * columns)
    large = small.repeat(factor, axis=1).repeat(factor, axis=2)
    rest = [(0, 0), (0, shape[0] - rows * factor), (0, shape[1] - columns * factor)]
    return _levels(np.pad(large, rest, mode="edge"))


def image_features(images: Levels) -> Float[np.ndarray, "n features"]:
    """Percentiles of the grey levels, logs of the energy between blurs, means of regions."""
    grey = images.astype(np.float32) / 255
    blurs = [grey, *(ndimage.gaussian_filter(grey, (0, width, width)) for width in BLURS)]
    bands = [((fine - coarse) ** 2).mean((1, 2)) for fine, coarse in itertools.pairwise(blurs)]
    parts = [
        part.mean((1, 2))
        for band in np.array_split(grey, REGIONS, axis=1)
        for part in np.array_split(band, REGIONS, axis=2)
    ]
    percentiles = np.percentile(grey, PERCENTILES, axis=(1, 2))
    return np.concatenate([percentiles, np.log(np.stack(bands) + 1e-8), np.stack(parts)]).T


def _averaged(images: Levels) -> Float[np.ndarray, "n rows columns"]:
    factor = _factor(images.shape[1:])
    rows, columns = (side // factor for side in images.shape[1:])
    whole = images[:, : rows * factor, : columns * factor].astype(np.float32)
    return whole.reshape(len(images), rows, factor, columns, factor).mean((2, 4))


def _factor(shape: tuple[int, ...]) -> int:
    """Pixels that become one, along each side; no side gets less than one."""
    return min(-(-max(shape) // SIDE), min(shape))


def _shape(run: Run[Any]) -> tuple[int, int]:
    height, width = run.spec.fields["image"].shape
    return height, width


def _levels(values: np.ndarray) -> Levels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _read(content: bytes, shape: tuple[int, int]) -> UInt8[np.ndarray, "height width"]:
    """A PNG file of that height and width.

    Raises:
      ValueError: it is none, or of another size.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            pixels = np.asarray(image.convert("L"))
    except (OSError, SyntaxError) as error:
        raise ValueError(f"it is no PNG file: {error}") from error
    if pixels.shape != shape:
        raise ValueError(
            f"it has {pixels.shape[1]} x {pixels.shape[0]} pixels, not {shape[1]} x {shape[0]}"
        )
    return pixels
