"""The sampling modes: new slices, reconstructions, holes filled anew, maps of surprise."""

import dataclasses

import numpy as np
from jaxtyping import Int, Shaped

from lvae.imaging.levels import to_levels
from lvae.imaging.sheets import png
from lvae.tasks.brain.codec import modes as codec_modes
from lvae.tasks.brain.codec.modes import FORMATS, npy
from lvae.tasks.brain.prior.below import codec_below, data_of
from lvae.tasks.brain.prior.drawing import SAMPLE_BATCH, draw
from lvae.tasks.brain.prior.inpainting import fill, hole
from lvae.tasks.brain.prior.network import surprises
from lvae.tasks.brain.prior.settings import Settings
from lvae.tasks.brain.slices import read_inputs
from lvae.tasks.task import Encoded, Mode, Numbered, Plan, Request, Run, Sample, option


@dataclasses.dataclass(frozen=True)
class PriorOptions:
    """Of the mode `prior`."""

    factor: float = option(
        1.0, "Multiplies the temperature: 0 draws the likeliest codes.", minimum=0
    )


def prior(run: Run[Settings], request: Request) -> Plan:
    """New slices: PNGs and their code maps."""
    codec = codec_below(run.spec, run.variables)
    count = request.num_samples or run.settings.sampling.count

    def samples(indices: Int[np.ndarray, " samples"]) -> list[Sample]:
        codes = draw(run, request.seed, "prior", indices, request.options.factor)
        levels = to_levels(codec.decode(codes))
        return [
            Sample(
                {"index": index},
                lambda place=place: Encoded(
                    {".png": png(levels[place]), "_codes.npy": npy(codes[place])}, levels[place]
                ),
                {"image": levels[place], "codes": codes[place]},
            )
            for place, index in enumerate(indices.tolist())
        ]

    names = Numbered(count, prefix="sample_")
    return Plan(names, (".png", "_codes.npy"), samples, block=SAMPLE_BATCH)


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
        filled = fill(run, request.seed, indices, codes, free)
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
        surprise = surprises(run, codec.encode(images[indices]))
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
    "prior": Mode(prior, "New slices, and their codes.", PriorOptions, FORMATS),
    "reconstruct": Mode(
        reconstruct, "Slices rebuilt from their codes, and the codes.", formats=FORMATS
    ),
    # Two NPY files per sample: webdataset tells a sample's files apart by their endings.
    "inpaint": Mode(inpaint, "Slices with a hole in their codes filled anew."),
    "anomaly": Mode(anomaly, "How unlikely each code of a slice is, as a map.", formats=FORMATS),
}
