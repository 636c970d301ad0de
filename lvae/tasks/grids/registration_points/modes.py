"""What a trained matcher on points does: sample.py --mode=match."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Int

from lvae.errors import UserError
from lvae.tasks.grids.registration.frames import Frame
from lvae.tasks.grids.registration.matched import in_space, matched_sample, suffixes
from lvae.tasks.grids.registration_points.correcting import CORRECT, read_named
from lvae.tasks.grids.registration_points.matching import (
    TOGETHER,
    facts_of,
    match_as_one,
    match_points,
    with_neighbours,
)
from lvae.tasks.grids.registration_points.recordings import open_recording
from lvae.tasks.grids.registration_points.settings import Settings
from lvae.tasks.grids.scale import scale_of
from lvae.tasks.task import Mode, Plan, Request, Run, Sample, option


@dataclasses.dataclass(frozen=True)
class MatchOptions:
    """How frames are matched."""

    video: bool = option(
        True, "Whether frames follow each other in time: points are followed from frame to frame."
    )
    epipolar: bool = option(
        True, "Whether a point gets only rays that the run's calibration allows, where it has one."
    )
    corrections: str = option(
        "",
        "Folder that lvae explore saved corrected frames of --data to: what was named there stays.",
    )


def match(run: Run[Settings], request: Request) -> Plan:
    """The ray of every point of the frames in --data.

    Reads a folder of `{id}_mov.png` and `{id}.json` (a list of [x, y], or an object of a labelled
    frame, whose labels are not looked at); without an image the points are enough, without points
    they are found in the image. Or reads an image file of several pages or a video, a frame each.
    Frames may be of any size. Writes `{id}.json`, labelled, and `{id}_match.png`, the image with neighbouring rays
    joined; where the run has a calibration, also the points in mm. The manifest says of each frame
    how many points belong to no ray, how sure it is on average and of the least sure point, and which
    rays it is not sure of.

    Raises:
      UserError: no --data, no frames in it, or a file that is not what it should be.
    """
    if request.data is None:
        raise UserError("--data: --mode=match needs a folder of frames or a file of several pages")
    recording = open_recording(request.data, scale_of(run.spec).frame)
    names = recording.names[: request.num_samples]
    spatial, options = in_space(run.spec), request.options
    corrected = read_named(Path(options.corrections)) if options.corrections else {}

    def draw(indices: Int[np.ndarray, " samples"]) -> list[Sample]:
        first, last = start, end = int(indices[0]), int(indices[-1]) + 1
        if options.video:
            first, last = with_neighbours(start, end, len(names))
        frames = [recording.read(index) for index in range(first, last)]
        points = [frame.points for frame in frames]
        known = [_named(corrected, name, frame) for name, frame in zip(names[first:last], frames)]
        matched = match_as_one if options.video else match_points
        labelled = matched(run, points, known, epipolar=options.epipolar)
        own = slice(start - first, end - first)
        return [
            matched_sample(frame, one.ray, run.spec, spatial, facts_of(frame.points, one))
            for frame, one in zip(frames[own], labelled[own])
        ]

    return Plan(names, suffixes(spatial), draw, block=TOGETHER)


def _named(
    corrected: Mapping[str, Mapping[int, int]], name: str, frame: Frame
) -> Mapping[int, int]:
    """What was named in a frame.

    Raises:
      UserError: it has no such point.
    """
    named = corrected.get(name, {})
    if max(named, default=-1) >= len(frame.points):
        raise UserError(
            f"--corrections: frame {name} has {len(frame.points)} points in --data, and point "
            f"{max(named)} was named; correct the frames of this --data"
        )
    return named


MODES = {
    "match": Mode(match, "Names the ray of every point of the frames in --data.", MatchOptions),
    "correct": CORRECT,
}
