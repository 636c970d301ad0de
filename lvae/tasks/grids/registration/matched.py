"""Frames whose points have got their rays, as samples: labels, a picture, points in mm."""

import io
import json
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int
from PIL import Image

from lvae.figures import registration as pictures
from lvae.grids.point_clouds import npz, ply
from lvae.metrics.matching import UNMATCHED
from lvae.tasks.grids.calibrated import endoscope_of, in_mm
from lvae.tasks.grids.registration.frames import Frame
from lvae.tasks.grids.scale import Scale, scale_of
from lvae.tasks.task import Encoded, Json, Sample, Spec

SUFFIXES = (".json", "_match.png")
SPATIAL = (".npz", ".ply")  # of a run whose endoscope is calibrated


def in_space(spec: Spec) -> bool:
    """Whether a run knows where in mm its points lie."""
    known = endoscope_of(spec)
    return known is not None and known.calibration is not None


def suffixes(spatial: bool) -> tuple[str, ...]:
    """Of the files of a sample."""
    return SUFFIXES + SPATIAL if spatial else SUFFIXES


def matched_sample(
    frame: Frame,
    labels: Int[np.ndarray, " points"],
    spec: Spec,
    spatial: bool,
    more: Mapping[str, Json] | None = None,
) -> Sample:
    """The sample of a frame whose points have these rays, UNMATCHED for none; more: entries of its
    provenance."""
    pixels = frame.points.tolist()
    named = {
        int(label): pixels[row]
        for label, row in sorted(zip(labels.tolist(), range(len(labels))))
        if label != UNMATCHED
    }
    provenance: dict[str, Json] = {
        "points": len(labels),
        "matched": len(named),
        "points_from": frame.source,
        **(more or {}),
    }
    grid = _grid(named, scale_of(spec))
    files: dict[str, bytes] = {}
    if spatial:
        positions, apart = in_mm(spec, grid)
        seen = np.isfinite(positions).all(axis=-1)
        error = float(apart[seen].mean()) if seen.any() else None
        provenance |= {"points_in_mm": int(seen.sum()), "mean_error_mm": error}
        files = dict(zip(SPATIAL, (npz(positions, apart, grid), ply(positions[seen], apart[seen]))))
    arrays = {"points": np.nan_to_num(grid).astype(np.float32), "visible": ~np.isnan(grid[..., 0])}
    return Sample(provenance, lambda: _encoded(frame, named, grid, files), arrays)


def _encoded(
    frame: Frame,
    named: dict[int, list[int | float]],
    grid: Float[np.ndarray, "rows columns 2"],
    spatial: dict[str, bytes],
) -> Encoded:
    picture = Image.fromarray(pictures.overlay(frame.image, grid))
    content = io.BytesIO()
    picture.save(content, "PNG")
    text = json.dumps({str(label): point for label, point in named.items()})
    files = dict(zip(SUFFIXES, (text.encode(), content.getvalue())))
    return Encoded(files | spatial, np.asarray(picture.convert("L")))


def _grid(named: dict[int, list[int | float]], scale: Scale) -> Float[np.ndarray, "rows columns 2"]:
    """The points in the order of rays, NaN where no point has that label."""
    grid = np.full((scale.rows * scale.columns, 2), np.nan)
    for label, point in named.items():
        grid[label] = point
    return grid.reshape(scale.rows, scale.columns, 2)
