"""How well a trained matcher on points matches, recording by recording."""

from typing import Any

import numpy as np
from jaxtyping import Int

from lvae.tasks.grids.registration_points.matching import match_points, own_rays
from lvae.tasks.grids.registration_points.network import evidence
from lvae.tasks.grids.registration_points.settings import Settings
from lvae.tasks.task import Run, Split, Splits


def evaluate(run: Run[Settings], splits: Splits, split: str, thorough: bool) -> dict[str, Any]:
    """Matching on the frames of a split.

    accuracy: share of points with the right ray, by the network alone. repaired_accuracy and
    faultless_frames: after the global step, the share of points, and of frames all of whose points
    are right; tracked_: with neighbours in time, too. certainty: mean of it; certain_and_wrong: share
    of the points that are called at least 99 % certain and are wrong. All are means over
    recordings; worst_: of the worst recording; recordings: each one's, in the order of their numbers.
    """
    frames = splits[split]
    by_recording: dict[str, list[float]] = {}
    for number in np.unique(frames["recording"]):
        chosen = frames["recording"] == number
        one = {name: frames[name][chosen] for name in ("points", "visible")}
        for name, value in _of_recording(run, one).items():
            by_recording.setdefault(name, []).append(value)
    result: dict[str, Any] = {name: float(np.mean(rows)) for name, rows in by_recording.items()}
    for name in ("accuracy", "repaired_accuracy", "tracked_accuracy"):
        result[f"worst_{name}"] = min(by_recording[name])
    result["recordings"] = by_recording
    return result


def _of_recording(run: Run[Settings], frames: Split) -> dict[str, float]:
    truth = [np.flatnonzero(seen) for seen in frames["visible"]]
    points = [grid.reshape(-1, 2)[rays] for grid, rays in zip(frames["points"], truth)]
    alone = [own_rays(said) for said in evidence(run, points)]
    repaired = match_points(run, points)
    tracked = match_points(run, points, in_time=True)
    right = np.concatenate([one.ray == rays for one, rays in zip(repaired, truth)])
    certainty = np.concatenate([one.certainty for one in repaired])
    return {
        "accuracy": _shares(alone, truth)[0],
        **dict(
            zip(
                ("repaired_accuracy", "faultless_frames"),
                _shares([one.ray for one in repaired], truth),
            )
        ),
        **dict(
            zip(
                ("tracked_accuracy", "tracked_faultless_frames"),
                _shares([one.ray for one in tracked], truth),
            )
        ),
        "certainty": float(certainty.mean()),
        "certain_and_wrong": float((~right & (certainty >= 0.99)).mean()),
    }


def _shares(
    found: list[Int[np.ndarray, " _"]], truth: list[Int[np.ndarray, " _"]]
) -> tuple[float, float]:
    """Mean over frames of the share of right points, and the share of frames without a fault."""
    shares = [float((one == rays).mean()) for one, rays in zip(found, truth)]
    return float(np.mean(shares)), float(np.mean([share == 1.0 for share in shares]))
