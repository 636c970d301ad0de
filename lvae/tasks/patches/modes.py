"""The sampling modes: draws of the prior, reconstructions, the manifold, heat maps of volumes."""

import dataclasses
import gzip
import io
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PyTree, UInt8

from lvae.data.volumes import Volume, canonical, nifti_bytes, read_volume, stem
from lvae.errors import UserError
from lvae.figures.patches import montage
from lvae.imaging.levels import to_levels
from lvae.imaging.sheets import png
from lvae.keys import per_index, stream
from lvae.tasks.patches.data import load_data
from lvae.tasks.patches.measures import scan
from lvae.tasks.patches.pictures import decode, manifold_sheet, upright
from lvae.tasks.patches.scanning import HeatMap, scan_volume
from lvae.tasks.patches.settings import LesionDataSettings, LesionSamplingSettings, Settings
from lvae.tasks.task import (
    Encoded,
    Json,
    Mode,
    Numbered,
    Plan,
    Request,
    Run,
    Sample,
    Splits,
    option,
    with_data,
)

PLANE_CODES = 2000  # training patches whose codes span the manifold's plane


@dataclasses.dataclass(frozen=True)
class PriorOptions:
    """Of the mode `prior`."""

    factor: float = option(1.0, "Multiplies the noise of the prior; 0 gives its mean.", minimum=0)


def prior(run: Run[Settings], request: Request) -> Plan:
    """Decoded draws of the prior: sample i is of the seed and i alone."""
    settings, params = run.settings, run.variables["params"]
    count = request.num_samples or settings.sampling.samples
    factor = request.options.factor

    def draw(indices: np.ndarray) -> list[Sample]:
        codes = draws(settings, params, request.seed, indices, factor)
        levels = to_levels(upright(settings, decode(settings, params["all"], codes)))
        notes = [[round(float(value), 6) for value in code] for code in codes]
        return [
            Sample({"code": note}, lambda patch=patch: _image(patch), {"image": patch})
            for note, patch in zip(notes, levels)
        ]

    return Plan(Numbered(count), (".png",), draw)


def _image(patch: UInt8[np.ndarray, "height width"]) -> Encoded:
    return Encoded({".png": png(patch)}, patch)


def draws(
    settings: Settings, params: PyTree, seed: int, indices: np.ndarray, factor: float
) -> Float[np.ndarray, "n latents"]:
    """Codes of the prior; of a mixture a component by its weight first."""
    keys = per_index(stream(seed, "prior"), indices)
    shape = (settings.model.latents,)
    noise = factor * jax.vmap(lambda key: jax.random.normal(key, shape))(keys)
    if not settings.model.components:
        return np.asarray(noise)
    mixture = params["prior"]
    chosen = jax.vmap(
        lambda key: jax.random.categorical(jax.random.fold_in(key, 1), mixture["weights"])
    )(keys)
    scales = jnp.exp(jnp.asarray(mixture["log_scales"]))[chosen]
    return np.asarray(jnp.asarray(mixture["means"])[chosen] + scales * noise)


def reconstruct(run: Run[Settings], request: Request) -> Plan:
    """Held-out patches (of --data, laid out as config.data.path, or the run's own), rebuilt."""
    settings, params = run.settings, run.variables["params"]
    test = _splits(run, request)["test"]
    count = min(request.num_samples or settings.sampling.samples, len(test["image"]))
    chosen = np.linspace(0, len(test["image"]) - 1, count).astype(int)

    def draw(indices: np.ndarray) -> list[Sample]:
        examples = chosen[indices]
        patches = test["image"][examples]
        rebuilt = scan(settings, params["all"], patches).rebuilt
        errors = ((patches / 255.0 - rebuilt) ** 2).mean((1, 2))
        shown = [to_levels(upright(settings, part)) for part in (patches / 255.0, rebuilt)]
        samples = []
        for place, example in enumerate(examples.tolist()):
            note = {
                "test_patch": example,
                "case": int(test["case"][example]),
                "label": int(test["label"][example]),
                "squared_error": round(float(errors[place]), 6),
            }
            pair = (shown[0][place], shown[1][place])
            samples.append(Sample(note, lambda pair=pair: _pair(*pair), {"image": pair[1]}))
        return samples

    return Plan(Numbered(count), (".png",), draw)


def _pair(original: np.ndarray, rebuilt: np.ndarray) -> Encoded:
    return Encoded({".png": png(rebuilt)}, np.concatenate([original, rebuilt]))


def _splits(run: Run[Settings], request: Request) -> Splits:
    return load_data(with_data(run.settings, request.data))


def manifold(run: Run[Settings], request: Request) -> Plan:
    """manifold.png: the decoder over a square of the latent space."""
    settings, params = run.settings, run.variables["params"]["all"]

    def draw(indices: np.ndarray) -> list[Sample]:
        codes = np.zeros((1, settings.model.latents), np.float32)
        if settings.model.latents > 2 or settings.model.components:
            train = _splits(run, request)["train"]["image"]
            codes = scan(settings, params, train[:: max(1, len(train) // PLANE_CODES)]).codes
        sheet = manifold_sheet(settings, params, codes)
        return [Sample({"grid": settings.sampling.grid}, lambda: _image(sheet), {"image": sheet})]

    return Plan(["manifold"], (".png",), draw)


def anomaly(run: Run[Settings], request: Request) -> Plan:
    """A heat map of --data, a volume: NAME_heat.nii.gz on its grid, and NAME_heat.png.

    Raises:
      UserError: no --data, no volume, or a run of digits.
    """
    settings = run.settings
    if not isinstance(settings.data, LesionDataSettings):
        raise UserError(
            f"--mode=anomaly: the run in {run.workdir} knows digits, not volumes; train one with "
            "configs/patches.py:isles"
        )
    if request.data is None:
        raise UserError("--mode=anomaly: needs --data=VOLUME.nii.gz")
    if request.data.is_dir():
        raise UserError(f"--data={request.data}: is a folder; name one volume (.nii, .nii.gz)")
    path: Path = request.data
    volume = read_volume(path)
    assert isinstance(settings.sampling, LesionSamplingSettings)

    def draw(indices: np.ndarray) -> list[Sample]:
        found = scan_volume(settings, run.variables["params"]["healthy"], volume, str(path))
        note = _highest(found, volume)
        return [Sample(note, lambda: _heat_files(found, volume), {"heat": found.heat})]

    extra = {"stride": settings.sampling.stride}
    return Plan([stem(path)], ("_heat.nii.gz", "_heat.png"), draw, settings=extra)


def _highest(found: HeatMap, volume: Volume) -> dict[str, Json]:
    """Where the heat map is hottest."""
    hottest = np.unravel_index(int(found.heat.argmax()), found.heat.shape)
    place = (volume.affine @ [*hottest, 1])[:3]
    return {
        "patches": found.patches,
        "highest": round(float(found.heat.max()), 4),
        "highest_at_voxel": [int(index) for index in hottest],
        "highest_at_mm": [round(float(value), 2) for value in place],
    }


def _heat_files(found: HeatMap, volume: Volume) -> Encoded:
    image, hot = (
        canonical(volume._replace(array=part)).array for part in (found.image, found.heat)
    )
    heat = nifti_bytes(found.heat, volume.affine, volume.header)
    buffer = io.BytesIO()
    montage(image, hot).savefig(buffer, metadata={"Software": None})
    files = {
        "_heat.nii.gz": gzip.compress(heat, mtime=0),
        "_heat.png": buffer.getvalue(),
    }
    return Encoded(files, to_levels(hot[:, :, hot.shape[2] // 2].T[::-1]))


MODES = {
    "prior": Mode(
        prior, "Patches decoded from the prior.", PriorOptions, ("files", "webdataset"), new=True
    ),
    "reconstruct": Mode(reconstruct, "Held-out patches, rebuilt.", formats=("files", "webdataset")),
    "manifold": Mode(manifold, "One sheet: the decoder over a square of the latent space."),
    "anomaly": Mode(anomaly, "A heat map of the volume --data."),
}
