"""The sampling modes: draws of the prior, reconstructions, the manifold, heat maps of volumes."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PyTree, UInt8

from lvae.imaging.levels import to_levels
from lvae.imaging.sheets import png
from lvae.keys import per_index, stream
from lvae.tasks.patches.data import load_data
from lvae.tasks.patches.examining import code
from lvae.tasks.patches.lesion_maps import AnomalyOptions, anomaly
from lvae.tasks.patches.pictures import decode, manifold_sheet, upright
from lvae.tasks.patches.settings import Settings
from lvae.tasks.task import (
    Encoded,
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
        rebuilt = code(settings, params["all"], patches).rebuilt
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
            codes = code(settings, params, train[:: max(1, len(train) // PLANE_CODES)]).codes
        sheet = manifold_sheet(settings, params, codes)
        return [Sample({"grid": settings.sampling.grid}, lambda: _image(sheet), {"image": sheet})]

    return Plan(["manifold"], (".png",), draw)


MODES = {
    "prior": Mode(
        prior, "Patches decoded from the prior.", PriorOptions, ("files", "webdataset"), new=True
    ),
    "reconstruct": Mode(reconstruct, "Held-out patches, rebuilt.", formats=("files", "webdataset")),
    "manifold": Mode(manifold, "One sheet: the decoder over a square of the latent space."),
    "anomaly": Mode(anomaly, "Lesions of the scans --data: heat maps, a table.", AnomalyOptions),
}
