"""What a trained matcher does with moving images: sample.py --mode=match."""

from collections.abc import Sequence

import einops
import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

from lvae.errors import UserError
from lvae.metrics.matching import distinct_rays
from lvae.tasks.grids.registration.canvas import Canvas, canvas_of
from lvae.tasks.grids.registration.frames import Frame, frame_id, image_paths, read_frame
from lvae.tasks.grids.registration.matched import in_space, matched_sample, suffixes
from lvae.tasks.grids.registration.network import BATCH, warp_points
from lvae.tasks.grids.registration.settings import Settings
from lvae.tasks.grids.scale import scale_of
from lvae.tasks.task import Mode, Plan, Request, Run, Sample


def match(run: Run[Settings], request: Request) -> Plan:
    """The ray of every point of the moving images in --data.

    Reads `{id}_mov.png` and the points in `{id}.json`: a list of [x, y], or an object of a labelled
    frame, whose labels are not looked at. Without that file the points are found in the image.
    Writes `{id}.json`, labelled, and `{id}_match.png`, the image with neighbouring rays joined; where
    the run has a calibration, also `{id}.npz` and `{id}.ply`, the points in mm where each ray meets
    the camera's line of sight, with the distance between the two lines as the error.

    Raises:
      UserError: no --data, no moving images in it, or a file that is not what it should be.
    """
    if request.data is None:
        raise UserError("--data: --mode=match needs a folder of moving images, {id}_mov.png")
    paths = image_paths(request.data)[: request.num_samples]
    size = scale_of(run.spec).frame
    spatial = in_space(run.spec)

    def draw(indices: Int[np.ndarray, " samples"]) -> list[Sample]:
        frames = [read_frame(paths[index], size) for index in indices]
        return [
            matched_sample(frame, labels, run.spec, spatial)
            for frame, labels in zip(frames, _labels(run, frames))
        ]

    return Plan([frame_id(path) for path in paths], suffixes(spatial), draw, block=BATCH)


MODES = {
    "match": Mode(match, "Names the ray of every point of the moving images in --data."),
}


def _labels(run: Run[Settings], frames: Sequence[Frame]) -> list[Int[np.ndarray, " points"]]:
    """A ray for every point of every frame."""
    canvas = canvas_of(run.settings, run.spec)
    images = np.stack([on_canvas(frame.image, canvas) for frame in frames])
    rays = canvas.rays().reshape(-1, 2)
    most = max(len(rays), *(len(frame.points) for frame in frames))
    filled = np.zeros((len(frames), most, 2), np.float32)
    for row, frame in enumerate(frames):
        filled[row, : len(frame.points)] = frame.points
    warped = warp_points(run, images, filled)
    return [distinct_rays(moved[: len(frame.points)], rays) for moved, frame in zip(warped, frames)]


def on_canvas(
    image: UInt8[np.ndarray, "height width"], canvas: Canvas
) -> Float[np.ndarray, "high wide"]:
    """An image as the network sees it, in [0, 1]: averaged down, black beyond the frame."""
    width, height = canvas.scale.frame
    high, wide = canvas.images
    step = canvas.pool / canvas.factor  # px of the frame that are one of the network's
    if step == round(step) and (high * step, wide * step) == (height, width):
        pooled = einops.reduce(
            image.astype(np.float32), "(h p) (w q) -> h w", "mean", p=int(step), q=int(step)
        )
        return pooled / 255
    inside = (min(wide, round(width / step)), min(high, round(height / step)))
    picture = Image.fromarray(image).convert("F").resize(inside, Image.Resampling.BOX)
    canvas_image = np.zeros((high, wide), np.float32)
    canvas_image[: inside[1], : inside[0]] = np.asarray(picture) / 255
    return canvas_image
