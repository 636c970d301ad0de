"""Can drawn frames be told from real ones, are they remembered, do they keep the laser's geometry?"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Num

from lvae.data.simulator import simulate_recordings
from lvae.grids.encoding import rounded
from lvae.metrics.grid_texture import grid_texture_features
from lvae.metrics.grouped_auroc import Estimate
from lvae.metrics.memorised import memorised_share, noisy_copies, rms_distances
from lvae.metrics.two_sample import auroc_against_itself, two_sample_auroc
from lvae.tasks.grids.calibrated import calibration_of, epipolar_px
from lvae.tasks.grids.data import real_frames, simulator
from lvae.tasks.grids.scale import decimals_of, scale_of
from lvae.tasks.grids.vae.settings import Settings
from lvae.tasks.task import Run, Split, Splits

SAMPLES = (
    400  # of each kind that are measured; intervals are over recordings, of which few are real
)
_SIMULATED = 60  # recordings of the control, which share their frames
_HALVES = 10  # of the real recordings, told from each other
_COPIES_OFF = 0.5  # px of a 768 frame; deviation of the control's copies
_SEED = 1  # of the simulated recordings


class Drawn(NamedTuple):
    """Drawn frames, px. groups: what near-copies have in common, or None for independent draws."""

    points: Num[np.ndarray, "frames rows columns 2"]
    visible: Bool[np.ndarray, "frames rows columns"]
    groups: np.ndarray | None = None


def fidelity(run: Run[Settings], splits: Splits, drawn: dict[str, Drawn]) -> dict[str, Any]:
    """Measures of each kind of drawn frames, led by its name, and their controls.

    `two_sample_auroc`: held-out recording by held-out recording, of all real ones that the splits
    hold ([lopezpaz2017]). Controls: `simulator_` (with its own groups) and `real_` against itself.
    `memorised_share`: nearest to training recordings, of all but the test split's. Controls:
    `chance_` and `copies_`, training frames plus noise. `epipolar_px`: where a calibration is known.
    What needs more recordings than there are is left out.
    """
    real = all_real_frames(splits)
    whole = {name: as_written(run, one) for name, one in drawn.items()}
    result = _told_apart(run, real, whole)
    if "validation" in splits:
        result |= _remembered(real_frames(splits), splits["validation"], run, whole)
    for name, one in whole.items():
        value = epipolar_px(run.spec, one.points, one.visible)
        if value is not None:
            result[f"{name}_epipolar_px"] = value
    return result


def texture(
    run: Run[Settings],
    points: Num[np.ndarray, "frames rows columns 2"],
    visible: Bool[np.ndarray, "frames rows columns"],
) -> Float[np.ndarray, "frames numbers"]:
    """What frames are told apart by, in the run's pitches."""
    places = rounded(points, decimals_of(run.spec))
    return grid_texture_features(places, visible, np.array(scale_of(run.spec).pitch))


def _told_apart(run: Run[Settings], real: Split, drawn: dict[str, Drawn]) -> dict[str, Any]:
    recordings = len(np.unique(real["recording"]))
    ours = texture(run, real["points"], real["visible"])
    result: dict[str, Any] = {}
    for name, one in (drawn | {"simulator": simulated_frames(run)}).items():
        groups = len(one.points) if one.groups is None else len(np.unique(one.groups))
        if 2 <= recordings <= groups:
            theirs = texture(run, one.points, one.visible)
            told = two_sample_auroc(ours, theirs, real["recording"], one.groups)
            result |= _interval(f"{name}_two_sample_auroc", told.auroc)
    if recordings >= 4:
        itself = auroc_against_itself(ours, real["recording"], splits=_HALVES)
        result |= _interval("real_two_sample_auroc", itself)
    return result


def _remembered(
    train: Split, held_out: Split, run: Run[Settings], drawn: dict[str, Drawn]
) -> dict[str, Any]:
    off = _COPIES_OFF * scale_of(run.spec).rendering
    copies, source = noisy_copies(train["points"], SAMPLES, off)
    result: dict[str, Any] = {}
    for name, one in (drawn | {"copies": Drawn(copies, train["visible"][source])}).items():
        near, far = (
            rms_distances(one.points, one.visible, split["points"], split["visible"])
            for split in (train, held_out)
        )
        found = memorised_share(near, far, train["recording"], held_out["recording"])
        result[f"{name}_memorised_share"] = found.share
        result[f"{name}_memorised_share_interval"] = [found.low, found.high]
        result["chance_memorised_share"] = found.chance
        result["chance_memorised_share_interval"] = [found.chance_low, found.chance_high]
    return result


def _interval(name: str, estimate: Estimate) -> dict[str, Any]:
    return {name: estimate.value, f"{name}_interval": [estimate.low, estimate.high]}


def simulated_frames(run: Run[Settings], count: int = SAMPLES, seed: int = _SEED) -> Drawn:
    """At least `count` frames of recordings of the simulator."""
    data = run.settings.data
    length = -(-count // _SIMULATED)
    settings = simulator(
        data,
        scale_of(run.spec).frame,
        train_recordings=_SIMULATED,
        validation_recordings=0,
        test_recordings=0,
        recording_length=length,
        whole_pixels=decimals_of(run.spec) == 0,
    )
    made = simulate_recordings(settings, data.simulation_seed + seed, calibration_of(data))
    return Drawn(made["points"], made["visible"], made["recording"])


def as_written(run: Run[Settings], drawn: Drawn) -> Drawn:
    """The first `SAMPLES`, rounded as they are written."""
    groups = None if drawn.groups is None else drawn.groups[:SAMPLES]
    places = rounded(drawn.points[:SAMPLES], decimals_of(run.spec))
    return Drawn(places, drawn.visible[:SAMPLES], groups)


def all_real_frames(splits: Splits) -> Split:
    """The frames of every real recording, recordings counted through."""
    parts = [
        real_frames(splits),
        *(splits[name] for name in ("validation", "test") if name in splits),
    ]
    joined = {
        name: np.concatenate([part[name] for part in parts]) for name in ("points", "visible")
    }
    recording, start = [], 0
    for part in parts:
        recording.append(part["recording"] + start)
        start = 1 + int(recording[-1].max())
    return joined | {"recording": np.concatenate(recording)}
