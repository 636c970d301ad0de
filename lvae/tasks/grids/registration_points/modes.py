"""What a trained matcher on points does: sample.py --mode=match."""

import dataclasses

import numpy as np
from jaxtyping import Int

from lvae.errors import UserError
from lvae.grids.labelling import UNMATCHED, Labelling
from lvae.tasks.grids.registration.frames import Frame
from lvae.tasks.grids.registration.matched import in_space, matched_sample, suffixes
from lvae.tasks.grids.registration_points.matching import TOGETHER, match_points
from lvae.tasks.grids.registration_points.recordings import open_recording
from lvae.tasks.grids.registration_points.settings import Settings
from lvae.tasks.grids.scale import scale_of
from lvae.tasks.task import Json, Mode, Plan, Request, Run, Sample, option

SURE = 0.9  # certainty below which a label is listed to be looked at


@dataclasses.dataclass(frozen=True)
class MatchOptions:
    """How frames are matched."""

    video: bool = option(
        True, "Whether frames follow each other in time: points are followed from frame to frame."
    )


def match(run: Run[Settings], request: Request) -> Plan:
    """The ray of every point of the frames in --data.

    Reads a folder of `{id}_mov.png` and `{id}.json` (a list of [x, y], or an object of a labelled
    frame, whose labels are not looked at); without an image the points are enough, without points
    they are found in the image. Or reads an image file of several pages, a frame each. Frames may be
    of any size. Writes `{id}.json`, labelled, and `{id}_match.png`, the image with neighbouring rays
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
    spatial = in_space(run.spec)

    def draw(indices: Int[np.ndarray, " samples"]) -> list[Sample]:
        frames = [recording.read(int(index)) for index in indices]
        points = [frame.points for frame in frames]
        labelled = match_points(run, points, in_time=request.options.video)
        return [
            matched_sample(frame, one.ray, run.spec, spatial, _facts(frame, one))
            for frame, one in zip(frames, labelled)
        ]

    return Plan(names, suffixes(spatial), draw, block=TOGETHER)


def _facts(frame: Frame, labelled: Labelling) -> dict[str, Json]:
    """What the manifest says of a frame."""
    ray, certainty = labelled
    matched = ray != UNMATCHED
    sure = certainty[matched]
    return {
        "left_out": frame.points[~matched].tolist(),
        "certainty": round(float(sure.mean()), 4) if len(sure) else None,
        "least_certainty": round(float(sure.min()), 4) if len(sure) else None,
        "unsure": sorted(ray[matched & (certainty < SURE)].tolist()),
    }


MODES = {
    "match": Mode(match, "Names the ray of every point of the frames in --data.", MatchOptions),
}
