"""The laser grid's sampling modes: which codes are decoded, and where the grids go."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Key

from lvae import configuration
from lvae.data.lasten import read_data_set, read_frames
from lvae.errors import UserError
from lvae.grids.cleanup import clean_up
from lvae.grids.rendering import drawable
from lvae.grids.writer import Drawn, write_data_set
from lvae.keys import stream
from lvae.tasks.interface import Run, SamplingOptions
from lvae.tasks.laser_grid import drawing
from lvae.tasks.laser_grid.settings import DataSettings, SamplingSettings
from lvae.training.progress import Progress
from lvae.training.provenance import versions

FIRST_ID = 40000  # where the ids of drawn samples start, as the readers of the sets expect
_ALPHAS = (0.25, 0.5, 0.75)  # of the way between two frames


class Source(NamedTuple):
    """Frames to start from: points, visible, id, recording, along the leading axis."""

    points: np.ndarray
    visible: np.ndarray
    id: np.ndarray
    recording: np.ndarray


class Plan(NamedTuple):
    """What a mode draws.

    codes: a function from sample indices to (codes, provenance of each). total: samples in all.
    noise: factor of the likelihood's noise. ids: of the samples, or None to count up from FIRST_ID.
    seen: points that must be kept, by sample, or None.
    """

    codes: Callable[[np.ndarray], tuple[np.ndarray, list[dict[str, Any]]]]
    total: int
    noise: float
    ids: np.ndarray | None = None
    seen: np.ndarray | None = None


def noise(run: Run, options: SamplingOptions) -> None:
    """Variations of frames: the posterior mean plus noise of its own width times the factor."""
    source = _source(run, options)
    settings = _sampling(run)
    codes = drawing.encode_frames(run, source.points, source.visible)
    frames = len(source.id)
    key = stream(options.seed, "noise")

    def draw(indices):
        frame = indices % frames
        normal = drawing.normal_codes(key, indices, codes.mean.shape[1])
        drawn = codes.mean[frame] + options.factor * codes.deviation[frame] * normal
        return drawn, [{"frame": int(source.id[one])} for one in frame]

    count = options.num_samples or settings.variations * frames
    _write(run, options, Plan(draw, count, options.factor))


def prior(run: Run, options: SamplingOptions) -> None:
    """New grids, of no frame in particular."""
    from lvae import tasks
    from lvae.tasks.laser_grid import measures

    splits = tasks.find(run.config.task).load_data(_with_data(run.config, options.data))
    codes = measures.prior_codes(run, splits, options.seed)
    count = options.num_samples or _sampling(run).variations * len(splits["train"]["id"])
    plan = Plan(lambda indices: (codes(indices), [{} for _ in indices]), count, options.factor)
    _write(run, options, plan)


def interpolate(run: Run, options: SamplingOptions) -> None:
    """Between two recordings: z = z1 + (z2 - z1) alpha, alpha = 1/4, 1/2, 3/4."""
    _write(
        run,
        options,
        _between(run, options, lambda first, second, alpha: first + (second - first) * alpha),
    )


def extrapolate(run: Run, options: SamplingOptions) -> None:
    """Away from another recording: z = z1 + (z1 - z2) alpha."""
    _write(
        run,
        options,
        _between(run, options, lambda first, second, alpha: first + (first - second) * alpha),
    )


def reconstruct(run: Run, options: SamplingOptions) -> None:
    """What the frames' mean codes decode to, under the frames' own ids, with every visible point."""
    source = _source(run, options)
    codes = drawing.encode_frames(run, source.points, source.visible).mean

    def draw(indices):
        return codes[indices], [{"frame": int(source.id[one])} for one in indices]

    count = min(options.num_samples or len(codes), len(codes))
    _write(run, options, Plan(draw, count, 0.0, source.id, source.visible))


def manifold(run: Run, options: SamplingOptions) -> None:
    """A 6 x 6 sheet between the codes of four frames, bilinear; also drawn as manifold.png."""
    from lvae.figures import laser_grid as pictures

    source = _source(run, options)
    corners = _corners(run, source)
    codes = drawing.encode_frames(run, source.points[corners], source.visible[corners]).mean
    side = 6
    share = np.linspace(0.0, 1.0, side, dtype=np.float32)
    down, across = (axis.ravel()[:, None] for axis in np.meshgrid(share, share, indexing="ij"))
    sheet = (1 - down) * ((1 - across) * codes[0] + across * codes[1])
    sheet = sheet + down * ((1 - across) * codes[2] + across * codes[3])

    def draw(indices):
        frames = [int(source.id[corner]) for corner in corners]
        return sheet[indices], [
            {"corners": frames, "down": float(down[one, 0]), "across": float(across[one, 0])}
            for one in indices
        ]

    _write(run, options, Plan(draw, side * side, 0.0))
    if options.shard[0] == 0:
        grids = drawing.decode_means(run, sheet)
        size = (run.config.data.width, run.config.data.height)
        pictures.write_manifold(options.out / "manifold.png", grids.points, grids.visible, size)


MODES = {
    "noise": noise,
    "interpolate": interpolate,
    "extrapolate": extrapolate,
    "prior": prior,
    "reconstruct": reconstruct,
    "manifold": manifold,
}


def _between(run: Run, options: SamplingOptions, combine: Callable) -> Plan:
    """Frames of every two recordings, paired at random, at three places each.

    The first `pairs of recordings * 3` samples take one pair of frames of every two recordings, the
    next as many the next pair; no frame is taken twice before all of its recording were.
    """
    source = _source(run, options)
    recordings = np.unique(source.recording)
    if len(recordings) < 2:
        raise UserError(
            f"--mode={options.mode}: the data hold {len(recordings)} recording; at least two are "
            "needed; name other data with --data=DIR"
        )
    codes = drawing.encode_frames(run, source.points, source.visible).mean
    pairs = list(itertools.combinations(recordings, 2))
    members = {recording: np.flatnonzero(source.recording == recording) for recording in recordings}
    key = stream(options.seed, options.mode)

    def draw(indices):
        drawn, provenance = [], []
        for index in indices.tolist():
            rest, place = divmod(index, len(_ALPHAS))
            turn, pair = divmod(rest, len(pairs))
            first, second = (
                _taken(key, 2 * pair + side, turn, members[pairs[pair][side]]) for side in (0, 1)
            )
            alpha = _ALPHAS[place]
            drawn.append(combine(codes[first], codes[second], alpha))
            frames = [int(source.id[first]), int(source.id[second])]
            provenance.append({"frames": frames, "alpha": alpha})
        return np.stack(drawn), provenance

    count = options.num_samples or len(pairs) * _sampling(run).pair_frames * len(_ALPHAS)
    return Plan(draw, count, 0.0)


def _taken(key: Key[Array, ""], number: int, turn: int, members: np.ndarray) -> int:
    """The frame of a recording at the given turn: recordings are gone through in random order."""
    deck, place = divmod(turn, len(members))
    shuffle_key = jax.random.fold_in(jax.random.fold_in(key, number), deck)
    return int(members[int(jax.random.permutation(shuffle_key, len(members))[place])])


def _write(run: Run, options: SamplingOptions, plan: Plan) -> None:
    """Decodes, cleans and writes the plan's samples."""
    key = stream(options.seed, options.mode)
    settings = _sampling(run)
    size = (run.config.data.width, run.config.data.height)

    def draw(indices: np.ndarray) -> Drawn:
        """A block of samples, as the writer asks for them: always the same samples together."""
        codes, provenance = plan.codes(indices)
        grids = drawing.decode_codes(run, codes, indices, key, plan.noise)
        points, visible = grids
        if plan.seen is not None:
            visible = visible | plan.seen[indices]
        if options.postprocess:
            points, kept = clean_up(points, visible, bilateral=settings.bilateral)
            visible = kept if plan.seen is None else kept | plan.seen[indices]
            points = np.where(kept[..., None], points, grids.points)
        points = np.floor(points + 0.5)  # whole pixels
        if plan.seen is not None:
            points = np.clip(points, 0, np.array(size) - 1)
        else:
            visible = drawable(points, visible, size)
        return Drawn(points.astype(np.float32), visible, provenance)

    with Progress(0, plan.total) as progress:
        summary = write_data_set(
            options.out,
            draw,
            _request(run, options, plan.total),
            ids=FIRST_ID + np.arange(plan.total) if plan.ids is None else plan.ids[: plan.total],
            size=size,
            format=options.format,
            shard=options.shard,
            batch_size=drawing.BLOCK,
            versions=versions(),
            progress=lambda done, total: progress.drawn(done, total),
        )
        progress.note(str(summary))


def _request(run: Run, options: SamplingOptions, count: int) -> dict[str, Any]:
    """What identifies a set: another request may not go to the same folder."""
    return {
        "mode": options.mode,
        "seed": options.seed,
        "count": count,
        "factor": options.factor,
        "postprocess": options.postprocess,
        "data": str(options.data) if options.data else None,
        "config": configuration.to_dict(run.config),
    }


def _source(run: Run, options: SamplingOptions) -> Source:
    """The frames of --data, or of the run's own training split."""
    if options.data is not None:
        geometry = configuration.section(DataSettings, run.config.data, "data").geometry()
        path = Path(options.data)
        split = (path / "train").is_dir()
        frames = read_data_set(path, geometry)["train"] if split else read_frames(path, geometry)
        return Source(frames.points, frames.visible, frames.ids, frames.recording)
    from lvae import tasks

    train = tasks.find(run.config.task).load_data(run.config)["train"]
    fields = (train[name][train["real"]] for name in ("points", "visible", "id", "recording"))
    return Source(*fields)


def _with_data(config: Any, data: Path | None) -> Any:
    if data is None:
        return config
    changed = configuration.from_json(configuration.to_json(config))
    changed.data.path = str(data)
    return changed


def _sampling(run: Run) -> SamplingSettings:
    return configuration.section(SamplingSettings, run.config.sampling, "sampling")


def _corners(run: Run, source: Source) -> list[int]:
    """Rows of the four corner frames, by their ids; by their places where those ids are absent."""
    wanted = list(_sampling(run).corners)
    rows = {int(identity): row for row, identity in enumerate(source.id)}
    if all(identity in rows for identity in wanted):
        return [rows[identity] for identity in wanted]
    return [round(share * (len(source.id) - 1)) for share in (0.0, 0.33, 0.67, 1.0)]
