"""The sampling modes: new slices, reconstructions, holes filled anew, maps of surprise."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped

from lvae.errors import UserError
from lvae.imaging.levels import to_levels
from lvae.imaging.sheets import png
from lvae.tasks.brain.codec import modes as codec_modes
from lvae.tasks.brain.codec.modes import FORMATS, npy
from lvae.tasks.brain.prior import picturing, planning
from lvae.tasks.brain.prior.below import codec_below, data_of
from lvae.tasks.brain.prior.drawing import SAMPLE_BATCH, Indices, draw
from lvae.tasks.brain.prior.inpainting import fill, hole
from lvae.tasks.brain.prior.network import surprises
from lvae.tasks.brain.prior.settings import Settings
from lvae.tasks.brain.slices import read_inputs
from lvae.tasks.task import Encoded, Mode, Numbered, Plan, Request, Run, Sample, option

STACKED = 4  # heads that mode `stack` draws without --num_samples


@dataclasses.dataclass(frozen=True)
class PriorOptions:
    """Of the mode `prior`."""

    factor: float = option(
        1.0, "Multiplies the temperature: 0 draws the likeliest codes.", minimum=0
    )
    height: float | None = option(
        None, "Of all slices: 0 the lowest, 1 the highest; without it each has its own.", minimum=0
    )


@dataclasses.dataclass(frozen=True)
class StackOptions:
    """Of the mode `stack`."""

    factor: float = option(
        1.0, "Multiplies the temperature: 0 draws the likeliest codes.", minimum=0
    )
    slices: int = option(
        12, "Of each head, evenly spaced from the lowest to the highest.", minimum=1
    )


def prior(run: Run[Settings], request: Request) -> Plan:
    """New slices: PNGs and their code maps."""
    count, height = request.num_samples or run.settings.sampling.count, request.options.height
    if height is not None:
        _check_plan(run, f"--height={height}")
        if height > 1:
            raise UserError(f"--height={height}: must be in [0, 1]; 1 is the highest slice")
    names = Numbered(count, prefix="sample_")

    def places(indices: Indices) -> tuple[np.ndarray, np.ndarray | None]:
        return indices, None if height is None else np.full(len(indices), height)

    return _new_slices(run, request, "prior", names, places)


def stack(run: Run[Settings], request: Request) -> Plan:
    """New heads, slice by slice: --num_samples heads (default 4) of --slices slices each.

    Slices of a head have one subject's code, so that their plans agree.

    Raises:
      UserError: a prior without plans knows no heads.
    """
    _check_plan(run, "--mode=stack")
    heads, slices = request.num_samples or STACKED, request.options.slices
    names = [
        f"head_{head:05d}_slice_{index:02d}" for head in range(heads) for index in range(slices)
    ]

    def places(indices: Indices) -> tuple[np.ndarray, np.ndarray]:
        return indices // slices, (indices % slices) / max(1, slices - 1)

    return _new_slices(run, request, "stack", names, places)


def _new_slices(
    run: Run[Settings],
    request: Request,
    name: str,
    names: Sequence[str],
    places: Callable[[Indices], tuple[np.ndarray, np.ndarray | None]],
) -> Plan:
    """What the modes `prior` and `stack` draw. places: head and height of every slice."""
    codec = codec_below(run.spec, run.variables)

    def samples(indices: Int[np.ndarray, " samples"]) -> list[Sample]:
        heads, heights = places(indices)
        planned = None
        if run.settings.plan.components:
            planned = planning.of_nobody(run, request.seed, name, heads, heights, codec.grid)
        plan = None if planned is None else planned.maps
        plan = picturing.drawn(run, request.seed, name, heads, plan)
        codes = draw(run, request.seed, name, indices, request.options.factor, plan)
        levels = to_levels(codec.decode(codes))

        def about(place: int) -> dict[str, Any]:
            if planned is None:
                return {"index": int(indices[place])}
            height = round(float(planned.heights[place]), 4)
            return {"index": int(indices[place]), "head": int(heads[place]), "height": height}

        return [
            Sample(
                about(place),
                lambda place=place: Encoded(
                    {".png": png(levels[place]), "_codes.npy": npy(codes[place])}, levels[place]
                ),
                {"image": levels[place], "codes": codes[place]},
            )
            for place in range(len(indices))
        ]

    return Plan(names, (".png", "_codes.npy"), samples, block=SAMPLE_BATCH)


def _check_plan(run: Run[Settings], asked: str) -> None:
    if not run.settings.plan.components:
        raise UserError(
            f"{asked}: the prior in {run.workdir} has no plans; train configs/planned_brain.py"
        )


def reconstruct(run: Run[Settings], request: Request) -> Plan:
    """Slices of --data, or held-out ones, in; reconstructions and code maps out."""
    codec = codec_below(run.spec, run.variables)
    return codec_modes.reconstruction(codec, data_of(codec.settings, run.settings), request)


def inpaint(run: Run[Settings], request: Request) -> Plan:
    """Codes under a mask redrawn: a square of `sampling.hole` of the map's side, at a place drawn
    per image.

    Each hole is filled `sampling.candidates` times; the filling that makes the whole map likeliest
    is kept, since the codes after the hole are not seen while it is drawn.
    """
    codec = codec_below(run.spec, run.variables)
    names, images = read_inputs(data_of(codec.settings, run.settings), request)
    share = run.settings.sampling.hole

    def samples(indices: Int[np.ndarray, " samples"]) -> list[Sample]:
        codes = codec.encode(images[indices])
        free = np.stack(
            [hole(request.seed, index, codec.grid, share) for index in indices.tolist()]
        )
        filled = fill(run, request.seed, indices, codes, free, images[indices])
        decoded, original = to_levels(codec.decode(filled)), codec.decode(codes)

        def encode(place: int, image: np.ndarray) -> Encoded:
            pixels = enlarged(free[place], images.shape[1])
            masked = to_levels(np.where(pixels, np.float32(0.5), original[place]))
            files = {
                ".png": png(decoded[place]),
                "_codes.npy": npy(filled[place]),
                "_mask.npy": npy(free[place]),
            }
            return Encoded(files, np.concatenate([image, masked, decoded[place]]))

        return [
            Sample(
                {"redrawn": int(free[place].sum())},
                lambda place=place, index=index: encode(place, images[index]),
                {"image": decoded[place], "codes": filled[place], "mask": free[place]},
            )
            for place, index in enumerate(indices.tolist())
        ]

    return Plan(names, (".png", "_codes.npy", "_mask.npy"), samples, block=SAMPLE_BATCH)


def anomaly(run: Run[Settings], request: Request) -> Plan:
    """-ln p of the codes of every image, as a map: NPY, nats per code, and PNG."""
    codec = codec_below(run.spec, run.variables)
    names, images = read_inputs(data_of(codec.settings, run.settings), request)

    def samples(indices: Int[np.ndarray, " samples"]) -> list[Sample]:
        plan = planning.maps_of_images(run, images[indices], codec.grid)
        surprise = surprises(run, codec.encode(images[indices]), plan)
        levels = to_levels(surprise / (1.5 * np.log(codec.size)))

        def encode(place: int, image: np.ndarray) -> Encoded:
            shown = enlarged(levels[place], images.shape[1])
            nats = surprise[place].astype(np.float32)
            files = {"_anomaly.png": png(shown), "_anomaly.npy": npy(nats)}
            return Encoded(files, np.concatenate([image, shown]))

        return [
            Sample(
                {"nats": round(float(surprise[place].sum()), 4)},
                lambda place=place, index=index: encode(place, images[index]),
                {"nats": surprise[place].astype(np.float32)},
            )
            for place, index in enumerate(indices.tolist())
        ]

    return Plan(names, ("_anomaly.png", "_anomaly.npy"), samples)


def enlarged(
    array: Shaped[np.ndarray, "rows columns"], size: int
) -> Shaped[np.ndarray, "{size} {size}"]:
    """Every entry as a square of pixels."""
    edge = size // array.shape[0]
    return np.repeat(np.repeat(array, edge, 0), edge, 1)


MODES = {
    "prior": Mode(prior, "New slices, and their codes.", PriorOptions, FORMATS, new=True),
    "stack": Mode(stack, "New heads, slice by slice.", StackOptions, FORMATS, new=True),
    "reconstruct": Mode(
        reconstruct, "Slices rebuilt from their codes, and the codes.", formats=FORMATS
    ),
    # Two NPY files per sample: webdataset tells a sample's files apart by their endings.
    "inpaint": Mode(inpaint, "Slices with a hole in their codes filled anew."),
    "anomaly": Mode(anomaly, "How unlikely each code of a slice is, as a map.", formats=FORMATS),
}
