"""How well a trained matcher matches, recording by recording."""

from typing import Any

import numpy as np

from lvae.metrics.matching import matching_measures
from lvae.tasks.grids.registration.canvas import canvas_of
from lvae.tasks.grids.registration.network import warp_frames
from lvae.tasks.grids.registration.settings import Settings
from lvae.tasks.task import Run, Splits

ERROR_SIZE = 384  # px of a frame's shorter side, for which errors are given, whatever the frame's


def evaluate(run: Run[Settings], splits: Splits, split: str, thorough: bool) -> dict[str, Any]:
    """Matching on the frames of a split, drawn as moving images.

    error_px (at 384 x 384), error_pitches, accuracy, repaired_accuracy and faultless_frames: means over recordings;
    worst_: of the worst recording; recordings: each one's, in the order of their numbers.
    """
    canvas, frames = canvas_of(run.settings, run.spec), splits[split]
    warped = warp_frames(run, frames["points"], frames["visible"])
    by_recording = matching_measures(
        warped,
        frames["visible"].reshape(len(warped), -1),
        canvas.rays().reshape(-1, 2),
        frames["recording"],
        ERROR_SIZE / min(canvas.scale.frame),
    )
    result: dict[str, Any] = {name: float(np.mean(rows)) for name, rows in by_recording.items()}
    pitch = canvas.scale.point * ERROR_SIZE / min(canvas.scale.frame)
    result["error_pitches"] = result["error_px"] / pitch
    result["worst_accuracy"] = min(by_recording["accuracy"])
    result["worst_repaired_accuracy"] = min(by_recording["repaired_accuracy"])
    result["recordings"] = by_recording
    return result
