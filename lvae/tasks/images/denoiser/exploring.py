"""A denoiser by hand: noise of one kind and level, and what the network makes of it."""

import dataclasses
import functools
from pathlib import Path
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, UInt8

from lvae.errors import UserError
from lvae.imaging.levels import from_levels
from lvae.imaging.noise import KINDS, Corruption, corrupt
from lvae.imaging.sheets import png
from lvae.keys import per_index, stream
from lvae.metrics import images as measures
from lvae.tasks.exploring import Control, Drawn, Exploration, Picture, Shown, State, Value
from lvae.tasks.images.denoiser.data import load_data
from lvae.tasks.images.denoiser.results import NOISE, cleaned_samples
from lvae.tasks.images.denoiser.settings import Settings
from lvae.tasks.images.files import SUFFIX, Named, read_inputs
from lvae.tasks.images.settings import Noise
from lvae.tasks.task import Mode, Numbered, Plan, Request, Run, Sample, option

MODE = "level"
MOST = 2**30  # samples that a set of chosen ones may have
STRONGEST = {"gaussian": 0.5, "salt_and_pepper": 0.5, "speckle": 1.5, "poisson": 0.2}


@dataclasses.dataclass(frozen=True)
class LevelOptions:
    """Of the mode `level`."""

    example: int = option(0, "Which image of --data (default: of the held-out ones).", minimum=0)
    noise: str = option("gaussian", f"Kind of noise: {', '.join(KINDS)}.")
    strength: float = option(
        0.1,
        "Of the noise: sigma, share of the pixels, grey value of a count, or half-range.",
        minimum=0,
    )
    blur: float = option(0.0, "px, sigma of the blur before blur_uniform.", minimum=0)


def level(run: Run[Settings], request: Request) -> Plan:
    """Copies of one image with noise of one kind and level, cleaned; each has noise of its own.

    Raises:
      UserError: no such image or kind of noise.
    """
    return level_plan(run, _read(run, request.data), request)


def _read(run: Run[Settings], data: Path | None) -> Named:
    """The images of --data, or the held-out ones."""
    if data is not None:
        return read_inputs(data)
    images = load_data(run.settings)["test"]["image"]
    names = Numbered(len(images), prefix="test-")
    return Named(names, names, images)


def level_plan(run: Run[Settings], named: Named, request: Request) -> Plan:
    """See `level`."""
    options = request.options
    if options.noise not in KINDS:
        raise UserError(f"--noise={options.noise}: no such kind; there are {', '.join(KINDS)}")
    if options.example >= len(named.images):
        raise UserError(f"--example={options.example}: there are {len(named.images)} images")
    clean = from_levels(named.images[options.example])[None, ..., None]
    levels = (jnp.float32(options.strength), jnp.float32(options.blur))

    def draw(indices: Int[np.ndarray, " samples"]) -> list[Sample]:
        keys = per_index(stream(request.seed, MODE), indices)
        noisy = np.asarray(_noisy(keys, clean, options.noise, *levels), np.float32)
        note = {"source": named.sources[options.example], **dataclasses.asdict(options)}
        return cleaned_samples(run, noisy, [note] * len(noisy))

    return Plan(Numbered(request.num_samples or 1), (SUFFIX,), draw)


@functools.partial(jax.jit, static_argnums=2)
def _noisy(
    keys: Key[Array, " samples"],
    image: Float[Array, "1 height width 1"],
    kind: Noise,
    strength: Float[Array, ""],
    blur: Float[Array, ""],
) -> Float[Array, "samples height width 1"]:
    return jax.vmap(lambda key: corrupt(key, image, Corruption(kind, strength, blur))[0])(keys)


HELP = "One image with noise of one kind and level, cleaned: lvae explore copies such a command."
LEVEL = Mode(level, HELP, LevelOptions, ("files", "webdataset"))


def page(run: Run[Settings], data: Path | None) -> Exploration:
    """Kind, strength and blur of the noise; the clean, the noisy and the cleaned image."""
    named = _read(run, data)
    kinds = run.settings.corruption.noises or KINDS
    controls = [
        Control("example", "image", 0, "Which image.", 0, len(named.images) - 1, 1),
        Control("noise", "noise", kinds[0], "Kind of noise.", choices=KINDS),
        Control("strength", "strength", 0.1, "Sigma, share or half-range.", 0.005, 1.5, 0.005),
        Control("blur", "blur, px", 0.0, "Sigma of the blur of blur_uniform.", 0, 2.5, 0.05),
        Control("seed", "seed", 0, "Of the noise.", 0, 2**31 - 1, 1),
    ]
    return Exploration(controls, functools.partial(_shown, run, named))


def _shown(run: Run[Settings], named: Named, state: State) -> Shown:
    kind = cast(Noise, state["noise"])
    chosen: dict[str, Value] = {name: state[name] for name in ("example", "noise", "strength")}
    if kind == "blur_uniform":
        chosen["blur"] = state["blur"]
    request = Request(MODE, int(state["seed"]), options=LevelOptions(**chosen))  # type: ignore[arg-type]
    (sample,) = level_plan(run, named, request).draw(np.arange(1))
    encoded = sample.encode()
    clean = np.asarray(named.images[int(state["example"])])
    noisy, cleaned = np.split(encoded.picture, 2)
    facts = {
        "PSNR of the noisy image": _psnr(noisy, clean),
        "PSNR of the cleaned image": _psnr(cleaned, clean),
    }
    if NOISE in sample.provenance:
        facts["estimated noise"] = f"{sample.provenance[NOISE]} grey levels"
    titles = ("cleaned", "noisy", f"image {named.sources[int(state['example'])]}")
    pictures = [_picture(*pair) for pair in zip(titles, (cleaned, noisy, clean))]
    files = encoded.files
    drawn = Drawn(MODE, request.seed, chosen, Numbered(MOST), sample.provenance, lambda: files)
    return Shown(pictures, facts, drawn)


def _psnr(image: np.ndarray, clean: np.ndarray) -> str:
    first, second = (jnp.asarray(from_levels(levels))[None, ..., None] for levels in (image, clean))
    return f"{float(measures.psnr(first, second)[0]):.2f} dB"


def _picture(title: str, image: UInt8[np.ndarray, "height width"]) -> Picture:
    height, width = image.shape
    return Picture(title, png(np.ascontiguousarray(image)), width, height)
