"""The codes of patches by hand, and the heat map of a volume slice by slice."""

import functools
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Array, Float, PyTree, UInt8

from lvae.data.volumes import canonical, is_volume, read_volume
from lvae.imaging.levels import from_levels, to_levels
from lvae.imaging.sheets import png
from lvae.models.batching import in_batches
from lvae.models.patch_vae import PatchVAE
from lvae.tasks import coded_images, latent_space
from lvae.tasks.exploring import Control, Drawn, Exploration, Picture, Shown, State
from lvae.tasks.patches import loss
from lvae.tasks.patches.data import load_data
from lvae.tasks.patches.modes import MODES, draws
from lvae.tasks.patches.pictures import decode, kinds, upright
from lvae.tasks.patches.settings import Settings
from lvae.tasks.task import Explorer, Numbered, Request, Run, Split, with_data

MOST = 2000  # patches that codes start from; more are thinned out evenly


def encode(run: Run[Settings], split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of the codes of patches (image)."""
    function = functools.partial(
        _moments, loss.network_of(run.settings), run.variables["params"]["all"]
    )
    mean, log_variance = in_batches(
        function, split["image"], size=run.settings.evaluation.batch_size
    )
    return mean, np.exp(0.5 * log_variance)


@functools.partial(jax.jit, static_argnums=0)
def _moments(network: PatchVAE, params: PyTree, patches: Array) -> tuple[Array, Array]:
    return loss.encode(network, params, from_levels(patches))


def decoded(run: Run[Settings], codes: Float[np.ndarray, "n latents"]) -> Split:
    """Patches of codes, as levels, in the order of the volume's axes."""
    values = codes.astype(np.float32)
    return {"image": to_levels(decode(run.settings, run.variables["params"]["all"], values))}


def render(run: Run[Settings], split: Split) -> UInt8[np.ndarray, "n height width"]:
    """Patches as a reader looks at them."""
    return to_levels(upright(run.settings, split["image"] / 255.0))


def read(run: Run[Settings], data: Path | None) -> coded_images.CodedImages:
    """Held-out patches (of --data, laid out as config.data.path) and their codes."""
    test = load_data(with_data(run.settings, data))["test"]
    rows = np.unique(np.linspace(0, len(test["image"]) - 1, MOST).astype(int))
    split = {"image": test["image"][rows]}
    groups = [kinds(run.settings)[label] for label in test["label"][rows].tolist()]
    space = latent_space.latent_space([str(row) for row in rows], groups, *encode(run, split))
    params = run.variables["params"]
    return coded_images.CodedImages(
        space,
        render(run, split),
        EXPLORER.label,
        lambda codes: render(run, decoded(run, codes)),
        lambda seed: lambda indices: draws(run.settings, params, seed, indices, 1.0),
    )


def page(run: Run[Settings], data: Path | None) -> Exploration:
    """The page of a patch VAE: of patches; of a volume where --data is one."""
    if data is not None and data.is_file() and is_volume(data):
        return _volume_page(run, data)
    return coded_images.exploration(read(run, data))


def _volume_page(run: Run[Settings], path: Path) -> Exploration:
    """A slice, and its part of the heat map that the mode `anomaly` writes."""
    request = Request("anomaly", data=path, options=MODES["anomaly"].options())
    plan = MODES["anomaly"].plan(run, request)
    (sample,) = plan.draw(np.arange(1))
    volume = read_volume(path)
    heat = canonical(volume._replace(array=sample.arrays["heat"])).array
    image = canonical(volume).array.astype(np.float64)
    brightest = np.percentile(image[heat > 0] if (heat > 0).any() else image, 99.5)
    shown = to_levels(np.clip(image / max(brightest, 1e-9), 0, 1))
    warm = to_levels(heat / max(float(heat.max()), 1e-9))
    names = Numbered(coded_images.MOST, prefix=f"{plan.names[0]}_")
    drawn = Drawn("anomaly", 0, {}, names, sample.provenance, lambda: sample.encode().files)

    def show(state: State) -> Shown:
        place = int(state["slice"])
        slices = [part[:, :, place].T[::-1] for part in (shown, warm)]
        pictures = [
            Picture(title, png(np.ascontiguousarray(part)), part.shape[1], part.shape[0])
            for title, part in zip(("slice", "heat"), slices)
        ]
        highest = heat[:, :, place].max()
        return Shown(pictures, {"hottest here": f"{highest:.3f} of {heat.max():.3f}"}, drawn)

    hottest = int(np.unravel_index(heat.argmax(), heat.shape)[2])
    last = heat.shape[2] - 1
    return Exploration([Control("slice", "slice", hottest, "From below.", 0, last, 1)], show)


CODE = coded_images.code_mode(read)
EXPLORER = Explorer(encode, decoded, render, label="tissue")
