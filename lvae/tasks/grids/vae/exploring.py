"""The laser grid's latent space by hand: the mode `code`, and what the explorer page shows."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from lvae.grids.rendering import render
from lvae.imaging.sheets import contact_sheet, png
from lvae.keys import stream
from lvae.models.gaussian import normal_codes
from lvae.tasks import latent_space
from lvae.tasks.exploring import Control, Drawn, Exploration, Layer, Picture, Shown, Space, State
from lvae.tasks.grids import layers, samples
from lvae.tasks.grids.calibrated import epipolar_strays
from lvae.tasks.grids.data import of_frame_size, read_source
from lvae.tasks.grids.scale import decimals_of, scale_of
from lvae.tasks.grids.vae import drawing
from lvae.tasks.grids.vae.design import Laws
from lvae.tasks.grids.vae.laws import SAMPLES, laws_of
from lvae.tasks.grids.vae.modes import Drawing, GridOptions, Notes, drawn_grids, grid_plan
from lvae.tasks.grids.vae.prior import Draw, noise_codes, seeded_prior
from lvae.tasks.grids.vae.settings import Settings
from lvae.tasks.latent_space import CodeOptions, LatentSpace
from lvae.tasks.task import Explorer, Mode, Plan, Request, Run, Split

MODE = "code"
STRIP_SIDE = 128  # px of the small pictures between two frames
USUAL = 99.0  # percentile of real points' distances from their epipolar lines; beyond: marked
MEASURED = 20  # real frames whose distances these are


@dataclasses.dataclass(frozen=True)
class GridCodeOptions(GridOptions, CodeOptions):
    """Of the mode `code`."""


class Source(NamedTuple):
    """What codes start from. prior: seed -> the prior's codes. laws: of the noise and of missing
    points, for frames or for samples of the prior. Both are fitted when they are first asked for."""

    frames: Split
    space: LatentSpace
    prior: Callable[[int], Draw]
    laws: Callable[[bool], Laws]


def read(run: Run[Settings], data: Path | None) -> Source:
    """Frames of --data (default: the training split) and their codes."""
    frames = read_source(of_frame_size(run.settings.data, run.spec), data)
    codes = drawing.encode_frames(run, frames["points"], frames["visible"])
    names = [str(number) for number in frames["id"].tolist()]
    groups = [str(number) for number in frames["recording"].tolist()]
    fitted = functools.cache(lambda: seeded_prior(run))
    space = latent_space.latent_space(names, groups, codes.mean, codes.deviation)

    @functools.cache
    def laws(of_frames: bool) -> Laws:
        some = np.arange(SAMPLES)
        if of_frames:
            return laws_of(run, noise_codes(codes, 0)(some), frames)
        return laws_of(run, fitted()(0)(some))

    return Source(frames, space, lambda seed: fitted()(seed), laws)


def code(run: Run[Settings], request: Request) -> Plan:
    """Grids of one code, chosen by hand; of several samples each has noise of its own."""
    return grid_plan(run, request, at_code(read(run, request.data), request))


def at_code(source: Source, request: Request) -> Drawing:
    """The codes that the options name."""
    options, space = request.options, source.space
    key, latents = stream(request.seed, request.mode), len(space.spread)

    def codes(indices: Int[np.ndarray, " samples"]) -> tuple[np.ndarray, Notes]:
        values = latent_space.chosen_codes(
            space,
            options,
            lambda numbers: source.prior(request.seed)(numbers),
            lambda numbers: normal_codes(key, numbers, latents),
            indices,
        )
        return values, [{"code": [round(float(one), 6) for one in row]} for row in values]

    laws = source.laws(bool(options.example)) if options.factor else Laws()
    return Drawing(codes, request.num_samples or 1, options.factor, laws=laws)


CODE = Mode(
    code, "One code chosen by hand: lvae explore copies such a command.", GridCodeOptions,
    samples.FORMATS,
)  # fmt: skip


def page(run: Run[Settings], data: Path | None) -> Exploration:
    """The page of a laser-grid run."""
    source = read(run, data)
    usual = _usual_strays(run, source)
    extra = [Control("postprocess", "clean-up", True, "Drop irregular points, as samples have it.")]
    if usual is not None:
        help = f"Points more than {usual:.1f} px off: 1 in 100 points of real frames is."
        extra.append(Control("epipolar", "mark points off their epipolar lines", True, help))
    true_picture = functools.lru_cache(maxsize=64)(functools.partial(_true_picture, run, source))
    return Exploration(
        latent_space.controls(source.space, extra),
        lambda state: _shown(run, source, true_picture, usual, state),
        Space(
            source.space.names,
            source.space.groups,
            source.space.mean,
            EXPLORER.label,
            lambda indices: source.prior(0)(
                indices
            ),  # fitting takes seconds: not before it is asked
            functools.partial(_between, run, source),
        ),
    )


def _usual_strays(run: Run[Settings], source: Source) -> float | None:
    """px; None without a calibration."""
    rows = np.linspace(0, len(source.frames["id"]) - 1, MEASURED).astype(int)
    off = epipolar_strays(run.spec, source.frames["points"][rows], source.frames["visible"][rows])
    return None if off is None else float(np.nanpercentile(np.abs(off), USUAL))


def _shown(
    run: Run[Settings],
    source: Source,
    true_picture: Callable[[int, float | None], Picture],
    usual: float | None,
    state: State,
) -> Shown:
    chosen = latent_space.code_options(state, len(source.space.spread))
    if not state["postprocess"]:
        chosen["postprocess"] = False
    options = GridCodeOptions(**chosen)  # type: ignore[arg-type]
    request = Request(MODE, int(state["seed"]), None, None, options)
    indices, size = np.arange(1), scale_of(run.spec).frame
    raw, written, notes = drawn_grids(run, request, at_code(source, request), indices)
    (sample,) = samples.grid_samples(
        [samples.FIRST_ID], written.points, written.visible, size, notes, decimals_of(run.spec)
    )
    encoded = sample.encode()
    points, visible = sample.arrays["points"], sample.arrays["visible"]
    places = np.where(visible[..., None], points, raw.points[0])
    mark = usual if state.get("epipolar") else None
    drawn = Picture(
        "drawn",
        encoded.files[samples.SUFFIXES[1]],
        *size,
        layers=_layers(run, places, visible, mark),
    )
    facts = {"points": f"{int(visible.sum())} of {visible.size}"}
    facts["order violations"] = str(len(layers.out_of_order(places, visible)))
    pictures = [drawn]
    if options.example:
        row = source.space.names.index(options.example)
        pictures.append(true_picture(row, mark))
        both = source.frames["visible"][row] & visible
        apart = np.linalg.norm(points - source.frames["points"][row], axis=-1)[both]
        if len(apart):
            facts["from the true frame"] = f"{apart.mean():.2f} px"
    recipe = Drawn(
        MODE, request.seed, chosen, samples.names(2**30), sample.provenance, lambda: encoded.files
    )
    return Shown(pictures, facts, recipe)


def _true_picture(run: Run[Settings], source: Source, row: int, mark: float | None) -> Picture:
    points, visible = source.frames["points"][row], source.frames["visible"][row]
    scale = scale_of(run.spec)
    image = png(render(points, visible, scale.frame, scale=scale.rendering))
    places = np.where(visible[..., None], points, source.frames["filled"][row])
    title = f"frame {source.space.names[row]}"
    return Picture(title, image, *scale.frame, layers=_layers(run, places, visible, mark))


def _layers(
    run: Run[Settings], places: np.ndarray, visible: np.ndarray, mark: float | None
) -> list[Layer]:
    found = layers.of_grid(places, visible)
    if mark is not None:
        off = epipolar_strays(run.spec, places[None], visible[None])
        assert off is not None  # there is a limit
        found.append(layers.far_off(places, np.abs(off[0]), mark))
    return found


def _between(
    run: Run[Settings], source: Source, first: str, second: str, shares: list[float]
) -> UInt8[np.ndarray, "n height width"]:
    """Small pictures of the codes at these shares of the way."""
    ends = [source.space.mean[source.space.names.index(name)] for name in (first, second)]
    part = np.array(shares, np.float32)[:, None]
    grids = drawing.decode_means(run, ends[0] + part * (ends[1] - ends[0]))
    pictures = rendered(run, grids._asdict())
    return np.stack(
        [contact_sheet([picture], largest=STRIP_SIDE, gap=0, lift=1.6) for picture in pictures]
    )


def encode(run: Run[Settings], frames: Split) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of the codes of frames (points, visible)."""
    return drawing.encode_frames(run, frames["points"], frames["visible"])


def decode(run: Run[Settings], codes: Float[np.ndarray, "n latents"]) -> Split:
    """The most likely grids: points, px, and visible."""
    return drawing.decode_means(run, codes)._asdict()


def rendered(run: Run[Settings], frames: Split) -> UInt8[np.ndarray, "n height width"]:
    """Moving images of frames (points, visible)."""
    scale = scale_of(run.spec)
    return np.stack(
        [
            render(grid, seen, scale.frame, scale=scale.rendering)
            for grid, seen in zip(frames["points"], frames["visible"])
        ]
    )


EXPLORER = Explorer(encode, decode, rendered, label="recording")
