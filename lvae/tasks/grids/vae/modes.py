"""The laser grid's sampling modes: which codes are decoded, and what becomes of the grids."""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from lvae.errors import UserError
from lvae.figures.laser_grid import manifold_sheet
from lvae.grids.cleanup import clean_up
from lvae.grids.encoding import rounded
from lvae.grids.rendering import drawable, frame_scale
from lvae.imaging.sheets import png
from lvae.keys import stream
from lvae.tasks.grids import samples
from lvae.tasks.grids.data import load_recordings, of_frame_size, read_source
from lvae.tasks.grids.scale import decimals_of, scale_of
from lvae.tasks.grids.vae import drawing
from lvae.tasks.grids.vae.design import Laws
from lvae.tasks.grids.vae.laws import SAMPLES, laws_of
from lvae.tasks.grids.vae.prior import noise_codes, prior_codes
from lvae.tasks.grids.vae.settings import Settings
from lvae.tasks.task import Json, Mode, Plan, Request, Run, Sample, Split, option

ALPHAS = (0.25, 0.5, 0.75)  # of the way between two frames
SIDE = 6  # of the manifold's sheet

Codes = Float[np.ndarray, "samples latents"]
Notes = Sequence[Mapping[str, Json]]
Combine = Callable[[np.ndarray, np.ndarray, float], np.ndarray]


@dataclasses.dataclass(frozen=True)
class GridOptions:
    """Of every mode."""

    postprocess: bool = option(
        True, "Smooth decoded grids and drop irregular points; false keeps them raw."
    )


@dataclasses.dataclass(frozen=True)
class NoiseOptions(GridOptions):
    """Of modes that draw."""

    factor: float = option(
        1.0, "Multiplies the noise of the sampling layer; 0 gives the mean.", minimum=0
    )


class Drawing(NamedTuple):
    """What a mode draws.

    codes: sample indices -> codes, and the provenance of each. total: samples in all. noise: factor
    of the likelihood's noise. ids: of the samples, or None to count up from FIRST_ID. seen: points
    that must be kept, by sample, or None. laws: of the noise and of missing points.
    """

    codes: Callable[[Int[np.ndarray, " samples"]], tuple[Codes, Notes]]
    total: int
    noise: float = 0.0
    ids: Int[np.ndarray, " samples"] | None = None
    seen: Bool[np.ndarray, "samples rows columns"] | None = None
    laws: Laws = Laws()


def noise(run: Run[Settings], request: Request) -> Plan:
    """Variations of frames: the posterior mean plus noise of its own width times the factor."""
    source = read_source(of_frame_size(run.settings.data, run.spec), request.data)
    frames, factor = len(source["id"]), request.options.factor
    encoded = drawing.encode_frames(run, source["points"], source["visible"])
    codes = noise_codes(encoded, request.seed, factor)

    def drawn(indices: Int[np.ndarray, " samples"]) -> tuple[Codes, Notes]:
        return codes(indices), [{"frame": int(one)} for one in source["id"][indices % frames]]

    laws = laws_of(run, codes(np.arange(SAMPLES)), source)
    count = request.num_samples or run.settings.sampling.variations * frames
    return grid_plan(run, request, Drawing(drawn, count, factor, laws=laws))


def prior(run: Run[Settings], request: Request) -> Plan:
    """New grids, of no frame in particular; by the codes of --data, where it is given."""
    frames, examples = None, run.spec.examples
    if request.data is not None:
        data = of_frame_size(run.settings.data, run.spec)
        data = dataclasses.replace(data, path=str(request.data), folds="")
        frames = load_recordings(data)["train"]
        examples = len(frames["id"])
    codes = prior_codes(run, request.seed, frames)
    count = request.num_samples or run.settings.sampling.variations * examples
    draw = Drawing(lambda indices: (codes(indices), [{}] * len(indices)), count)
    laws = laws_of(run, codes(np.arange(SAMPLES)), frames)
    return grid_plan(run, request, draw._replace(noise=request.options.factor, laws=laws))


def interpolate(run: Run[Settings], request: Request) -> Plan:
    """Between two recordings: z = z1 + (z2 - z1) alpha, alpha = 1/4, 1/2, 3/4."""
    return _between(run, request, lambda first, second, alpha: first + (second - first) * alpha)


def extrapolate(run: Run[Settings], request: Request) -> Plan:
    """Away from another recording: z = z1 + (z1 - z2) alpha."""
    return _between(run, request, lambda first, second, alpha: first + (first - second) * alpha)


def reconstruct(run: Run[Settings], request: Request) -> Plan:
    """What the frames' mean codes decode to, under the frames' own ids, with every visible point."""
    source = read_source(of_frame_size(run.settings.data, run.spec), request.data)
    codes = drawing.encode_frames(run, source["points"], source["visible"]).mean

    def drawn(indices: Int[np.ndarray, " samples"]) -> tuple[Codes, Notes]:
        return codes[indices], [{"frame": int(source["id"][one])} for one in indices]

    count = min(request.num_samples or len(codes), len(codes))
    return grid_plan(run, request, Drawing(drawn, count, 0.0, source["id"], source["visible"]))


def manifold(run: Run[Settings], request: Request) -> Plan:
    """A 6 x 6 sheet between the codes of four frames, bilinear; also drawn as manifold.png."""
    source = read_source(of_frame_size(run.settings.data, run.spec), request.data)
    corners = corner_rows(run.settings, source)
    frames = [int(source["id"][corner]) for corner in corners]
    codes = drawing.encode_frames(run, source["points"][corners], source["visible"][corners]).mean
    share = np.linspace(0.0, 1.0, SIDE, dtype=np.float32)
    down, across = (axis.ravel()[:, None] for axis in np.meshgrid(share, share, indexing="ij"))
    sheet = (1 - down) * ((1 - across) * codes[0] + across * codes[1])
    sheet = sheet + down * ((1 - across) * codes[2] + across * codes[3])

    def drawn(indices: Int[np.ndarray, " samples"]) -> tuple[Codes, Notes]:
        notes: list[Mapping[str, Json]] = [
            {"corners": frames, "down": float(down[one, 0]), "across": float(across[one, 0])}
            for one in indices
        ]
        return sheet[indices], notes

    def picture(out: Path) -> bytes:
        grids = drawing.decode_means(run, sheet)
        return png(manifold_sheet(grids.points, grids.visible, scale_of(run.spec).frame))

    plan = grid_plan(run, request, Drawing(drawn, SIDE * SIDE))
    return plan._replace(extras={"manifold.png": picture})


def corner_rows(settings: Settings, source: Split) -> list[int]:
    """Rows of the four corner frames, by their ids; by their places where those ids are absent."""
    wanted = list(settings.sampling.corners)
    rows = {int(identity): row for row, identity in enumerate(source["id"])}
    if all(identity in rows for identity in wanted):
        return [rows[identity] for identity in wanted]
    return [round(share * (len(source["id"]) - 1)) for share in (0.0, 0.33, 0.67, 1.0)]


def _between(run: Run[Settings], request: Request, combine: Combine) -> Plan:
    """Frames of every two recordings, paired at random, at three places each.

    The first `pairs of recordings * 3` samples take one pair of frames of every two recordings, the
    next as many the next pair; no frame is taken twice before all of its recording were.
    """
    source = read_source(of_frame_size(run.settings.data, run.spec), request.data)
    recordings = np.unique(source["recording"])
    if len(recordings) < 2:
        raise UserError(
            f"--mode={request.mode}: the data hold {len(recordings)} recording; at least two are "
            "needed; name other data with --data=DIR"
        )
    codes = drawing.encode_frames(run, source["points"], source["visible"]).mean
    pairs = list(itertools.combinations(recordings, 2))
    members = {number: np.flatnonzero(source["recording"] == number) for number in recordings}
    key = stream(request.seed, request.mode)

    def drawn(indices: Int[np.ndarray, " samples"]) -> tuple[Codes, Notes]:
        mixed: list[np.ndarray] = []
        notes: list[Mapping[str, Json]] = []
        for index in indices.tolist():
            rest, place = divmod(index, len(ALPHAS))
            turn, pair = divmod(rest, len(pairs))
            first, second = (
                _taken(key, 2 * pair + side, turn, members[pairs[pair][side]]) for side in (0, 1)
            )
            mixed.append(combine(codes[first], codes[second], ALPHAS[place]))
            frames = [int(source["id"][first]), int(source["id"][second])]
            notes.append({"frames": frames, "alpha": ALPHAS[place]})
        return np.stack(mixed), notes

    pair_frames = run.settings.sampling.pair_frames
    count = request.num_samples or len(pairs) * pair_frames * len(ALPHAS)
    return grid_plan(run, request, Drawing(drawn, count))


def _taken(key: Key[Array, ""], number: int, turn: int, members: np.ndarray) -> int:
    """The frame of a recording at the given turn: recordings are gone through in random order."""
    deck, place = divmod(turn, len(members))
    shuffle_key = jax.random.fold_in(jax.random.fold_in(key, number), deck)
    return int(members[int(jax.random.permutation(shuffle_key, len(members))[place])])


def grid_plan(run: Run[Settings], request: Request, plan: Drawing) -> Plan:
    """Decodes and cleans the samples of a mode."""
    size, decimals = scale_of(run.spec).frame, decimals_of(run.spec)

    def draw(indices: Int[np.ndarray, " samples"]) -> list[Sample]:
        _, (points, visible), notes = drawn_grids(run, request, plan, indices)
        ids = samples.FIRST_ID + indices if plan.ids is None else plan.ids[indices]
        return samples.grid_samples(ids.tolist(), points, visible, size, notes, decimals)

    if plan.ids is None:
        names: Sequence[str] = samples.names(plan.total)
    else:
        names = [str(number) for number in plan.ids[: plan.total].tolist()]
    cells = run.settings.data.rows * run.settings.data.columns
    return Plan(
        names,
        samples.SUFFIXES,
        draw,
        drawing.BLOCK,
        schema=lambda: samples.schema(cells, decimals),
    )


def drawn_grids(
    run: Run[Settings], request: Request, plan: Drawing, indices: Int[np.ndarray, " samples"]
) -> tuple[drawing.Grids, drawing.Grids, Notes]:
    """Samples of a mode as they are decoded, as they are written, and their provenance."""
    codes, notes = plan.codes(indices)
    key = stream(request.seed, request.mode)
    grids = drawing.decode_codes(run, codes, indices, key, plan.noise, plan.laws)
    seen = None if plan.seen is None else plan.seen[indices]
    bilateral = run.settings.sampling.bilateral if request.options.postprocess else None
    size, decimals = scale_of(run.spec).frame, decimals_of(run.spec)
    return grids, finished(grids, seen, bilateral, size, decimals), notes


def finished(
    grids: drawing.Grids,
    seen: Bool[np.ndarray, "samples rows columns"] | None,
    bilateral: bool | None,
    size: tuple[int, int],
    decimals: int = 0,
) -> drawing.Grids:
    """Decoded grids as they are written: cleaned, rounded, drawable points only.

    Args:
      grids: as decoded.
      seen: points that must be kept; they are moved into the frame, if need be. None: none.
      bilateral: whether the clean-up smooths; None leaves the clean-up out.
      size: width and height of the frame, px.
      decimals: of the coordinates, as the training frames have them; 0: whole pixels.
    """
    points, visible = grids
    if seen is not None:
        visible = visible | seen
    if bilateral is not None:
        points, kept = clean_up(points, visible, bilateral=bilateral)
        visible = kept if seen is None else kept | seen
        points = np.where(kept[..., None], points, grids.points)
    points = rounded(points, decimals)
    if seen is not None:
        points = np.clip(points, 0, np.array(size) - 10.0**-decimals)
    else:
        visible = drawable(points, visible, size, scale=frame_scale(size))
    return drawing.Grids(points.astype(np.float32), visible)


MODES = {
    "noise": Mode(noise, "Variations of frames.", NoiseOptions, samples.FORMATS),
    "interpolate": Mode(interpolate, "Between two recordings.", GridOptions, samples.FORMATS),
    "extrapolate": Mode(extrapolate, "Away from another recording.", GridOptions, samples.FORMATS),
    "prior": Mode(
        prior, "Grids of no frame in particular.", NoiseOptions, samples.FORMATS, new=True
    ),
    "reconstruct": Mode(
        reconstruct, "What --data decode to, under their ids.", GridOptions, samples.FORMATS
    ),
    "manifold": Mode(
        manifold, "A sheet between the codes of four frames.", GridOptions, samples.FORMATS
    ),
}
