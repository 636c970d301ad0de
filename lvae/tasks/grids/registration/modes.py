"""What a trained matcher does with moving images: sample.py --mode=match."""

import io
import json
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from PIL import Image

from lvae.errors import UserError
from lvae.figures import registration as pictures
from lvae.metrics.matching import UNMATCHED, distinct_rays
from lvae.tasks.grids.registration.frames import Frame, frame_id, image_paths, read_frame
from lvae.tasks.grids.registration.network import BATCH, warp_points
from lvae.tasks.grids.registration.settings import Settings
from lvae.tasks.task import Encoded, Json, Mode, Plan, Request, Run, Sample

SUFFIXES = (".json", "_match.png")


def match(run: Run[Settings], request: Request) -> Plan:
    """The ray of every point of the moving images in --data.

    Reads `{id}_mov.png` and the points in `{id}.json`: a list of [x, y], or an object of a labelled
    frame, whose labels are not looked at. Without that file the points are found in the image.
    Writes `{id}.json`, labelled, and `{id}_match.png`, the image with neighbouring rays joined.

    Raises:
      UserError: no --data, no moving images in it, or a file that is not what it should be.
    """
    if request.data is None:
        raise UserError("--data: --mode=match needs a folder of moving images, {id}_mov.png")
    paths = image_paths(request.data)[: request.num_samples]

    def draw(indices: Int[np.ndarray, " samples"]) -> list[Sample]:
        frames = [read_frame(paths[index], run.settings.frame_size) for index in indices]
        return [
            _sample(frame, labels, run.settings)
            for frame, labels in zip(frames, _labels(run, frames))
        ]

    return Plan([frame_id(path) for path in paths], SUFFIXES, draw, block=BATCH)


MODES = {
    "match": Mode(match, "Names the ray of every point of the moving images in --data."),
}


def _labels(run: Run[Settings], frames: Sequence[Frame]) -> list[Int[np.ndarray, " points"]]:
    """A ray for every point of every frame."""
    side, pool = run.settings.model.size, run.settings.pool
    pooled = np.stack([frame.image for frame in frames]).astype(np.float32) / 255
    pooled = pooled.reshape(-1, side, pool, side, pool).mean(axis=(2, 4))
    rays = run.settings.rays().reshape(-1, 2)
    most = max(len(rays), *(len(frame.points) for frame in frames))
    filled = np.zeros((len(frames), most, 2), np.float32)
    for row, frame in enumerate(frames):
        filled[row, : len(frame.points)] = frame.points
    warped = warp_points(run, pooled, filled)
    return [distinct_rays(moved[: len(frame.points)], rays) for moved, frame in zip(warped, frames)]


def _sample(frame: Frame, labels: Int[np.ndarray, " points"], settings: Settings) -> Sample:
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
    }
    grid = _grid(named, settings).astype(np.float32)
    arrays = {"points": np.nan_to_num(grid), "visible": ~np.isnan(grid[..., 0])}
    return Sample(provenance, lambda: _encoded(frame, named, settings), arrays)


def _encoded(frame: Frame, named: dict[int, list[int | float]], settings: Settings) -> Encoded:
    picture = Image.fromarray(pictures.overlay(frame.image, _grid(named, settings)))
    content = io.BytesIO()
    picture.save(content, "PNG")
    text = json.dumps({str(label): point for label, point in named.items()})
    files = dict(zip(SUFFIXES, (text.encode(), content.getvalue())))
    return Encoded(files, np.asarray(picture.convert("L")))


def _grid(
    named: dict[int, list[int | float]], settings: Settings
) -> Float[np.ndarray, "rows columns 2"]:
    """The points in the order of rays, NaN where no point has that label."""
    grid = np.full((settings.data.rows * settings.data.columns, 2), np.nan)
    for label, point in named.items():
        grid[label] = point
    return grid.reshape(settings.data.rows, settings.data.columns, 2)
