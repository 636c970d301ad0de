"""Codes of grey images by hand: the mode `code` and the explorer page of every task whose decoder
gives pictures."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from lvae.imaging.sheets import png
from lvae.keys import stream
from lvae.models.gaussian import normal_codes
from lvae.tasks import latent_space
from lvae.tasks.exploring import Drawn, Exploration, Picture, Shown, Space, State
from lvae.tasks.latent_space import CodeOptions, Draw, LatentSpace
from lvae.tasks.task import Encoded, Mode, Numbered, Plan, Request, Run, Sample

MODE = "code"
SUFFIX = ".png"
MOST = 2**30  # samples that a set of chosen ones may have
FORMATS = ("files", "webdataset")

Images = UInt8[np.ndarray, "n height width"]


class CodedImages(NamedTuple):
    """Images, their codes, and what codes decode to, as a reader looks at them.

    label: what the groups of the space are. decode: codes -> images. prior: seed -> codes of the
    prior's samples.
    """

    space: LatentSpace
    images: Images
    label: str
    decode: Callable[[Float[np.ndarray, "n latents"]], Images]
    prior: Callable[[int], Draw]


Read = Callable[[Run[Any], Path | None], CodedImages]


def code_mode(read: Read) -> Mode:
    """The mode `code` of a task whose images are read so."""

    def plan(run: Run[Any], request: Request) -> Plan:
        return code_plan(read(run, request.data), request)

    return Mode(
        plan, "One code chosen by hand: lvae explore copies such a command.", CodeOptions, FORMATS
    )


def code_plan(source: CodedImages, request: Request) -> Plan:
    """Images of one code; of several samples each has noise of its own."""
    key, latents = stream(request.seed, MODE), len(source.space.spread)

    def draw(indices: Int[np.ndarray, " samples"]) -> list[Sample]:
        codes = latent_space.chosen_codes(
            source.space,
            request.options,
            source.prior(request.seed),
            lambda numbers: normal_codes(key, numbers, latents),
            indices,
        )
        notes = [[round(float(value), 6) for value in code] for code in codes]
        return [
            Sample(
                {"code": note},
                lambda image=image: Encoded({SUFFIX: png(image)}, image),
                {"image": image},
            )
            for note, image in zip(notes, source.decode(codes))
        ]

    return Plan(Numbered(request.num_samples or 1), (SUFFIX,), draw)


def exploration(source: CodedImages) -> Exploration:
    """The page of these images."""
    space = source.space
    return Exploration(
        latent_space.controls(space),
        functools.partial(_shown, source),
        Space(
            space.names,
            space.groups,
            space.mean,
            source.label,
            lambda indices: source.prior(0)(indices),
            functools.partial(_between, source),
        ),
    )


def _shown(source: CodedImages, state: State) -> Shown:
    chosen = latent_space.code_options(state, len(source.space.spread))
    request = Request(MODE, int(state["seed"]), options=CodeOptions(**chosen))  # type: ignore[arg-type]
    (sample,) = code_plan(source, request).draw(np.arange(1))
    encoded = sample.encode()
    pictures = [_picture("drawn", encoded.files[SUFFIX], encoded.picture)]
    facts = {}
    if state["example"]:
        row = source.space.names.index(str(state["example"]))
        image = source.images[row]
        pictures.append(_picture(f"example {state['example']}", png(image), image))
        difference = (encoded.picture.astype(np.float64) - image) / 255
        facts["squared error to it"] = f"{(difference**2).mean():.4f}"
    recipe = Drawn(
        MODE, request.seed, chosen, Numbered(MOST), sample.provenance, lambda: encoded.files
    )
    return Shown(pictures, facts, recipe)


def _picture(title: str, content: bytes, image: UInt8[np.ndarray, "height width"]) -> Picture:
    height, width = image.shape
    return Picture(title, content, width, height)


def _between(source: CodedImages, first: str, second: str, shares: Sequence[float]) -> Images:
    ends = [source.space.mean[source.space.names.index(name)] for name in (first, second)]
    part = np.array(shares, np.float32)[:, None]
    return source.decode(ends[0] + part * (ends[1] - ends[0]))
