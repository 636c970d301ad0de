"""The sampling modes: draws of the prior, reconstructions, the manifold, heat maps of volumes."""

import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lvae.data.volumes import canonical, read_volume, write_volume
from lvae.errors import UserError
from lvae.figures.patches import montage, sheet
from lvae.keys import stream
from lvae.tasks._export import Export
from lvae.tasks.interface import Run, SamplingOptions, Splits
from lvae.tasks.patches.measures import scan
from lvae.tasks.patches.pictures import decode, latent_plane, upright
from lvae.tasks.patches.scanning import scan_volume
from lvae.tasks.patches.settings import Settings, read

COLUMNS = 8  # of a preview
PREVIEW = 64  # patches in it


def _splits(run: Run, options: SamplingOptions) -> Splits:
    from lvae.tasks.patches import load_data  # the package imports this module

    config = run.config.copy_and_resolve_references()
    if options.data is not None:
        config.data.path = str(options.data)
    return load_data(config)


def prior(run: Run, options: SamplingOptions) -> None:
    """Decoded draws of the prior: sample i is of the seed and i alone; --factor scales it."""
    settings = read(run.config)
    count = settings.sampling.samples if options.num_samples is None else options.num_samples
    with Export(run, options, {"samples": count, "factor": options.factor}) as export:
        mine = export.mine(count)
        if not mine:
            return
        codes = draws(settings, run.variables["params"], options.seed, mine, options.factor)
        decoded = decode(settings, run.variables["params"]["all"], codes)
        patches = upright(settings, decoded)
        for place, index in enumerate(mine):
            export.write_image(f"{index:05d}.png", patches[place])
            export.note({"id": index, "code": [round(float(v), 6) for v in codes[place]]})
        export.preview(sheet(patches[:PREVIEW], COLUMNS))


def draws(
    settings: Settings, params: Any, seed: int, indices: list[int], factor: float
) -> np.ndarray:
    """(N, latents): codes of the prior; of a mixture a component by its weight first."""
    key = stream(seed, "prior")
    keys = jax.vmap(lambda index: jax.random.fold_in(key, index))(jnp.asarray(indices))
    shape = (settings.model.latents,)
    noise = factor * jax.vmap(lambda key: jax.random.normal(key, shape))(keys)
    if settings.prior is None:
        return np.asarray(noise)
    mixture = params["prior"]
    chosen = jax.vmap(
        lambda key: jax.random.categorical(jax.random.fold_in(key, 1), mixture["weights"])
    )(keys)
    scales = jnp.exp(jnp.asarray(mixture["log_scales"]))[chosen]
    return np.asarray(jnp.asarray(mixture["means"])[chosen] + scales * noise)


def reconstruct(run: Run, options: SamplingOptions) -> None:
    """Held-out patches (of --data, laid out as config.data.path, or the run's own), rebuilt."""
    settings = read(run.config)
    test = _splits(run, options)["test"]
    wanted = settings.sampling.samples if options.num_samples is None else options.num_samples
    count = min(wanted, len(test["image"]))
    chosen = np.linspace(0, len(test["image"]) - 1, count).astype(int)
    with Export(run, options, {"patches": count}) as export:
        mine = export.mine(count)
        if not mine:
            return
        patches = test["image"][chosen[mine]]
        seen = scan(settings, run.variables["params"]["all"], patches)
        rebuilt = upright(settings, seen.rebuilt)
        for place, index in enumerate(mine):
            example = int(chosen[index])
            export.write_image(f"{index:05d}.png", rebuilt[place])
            export.note(
                {
                    "id": index,
                    "test_patch": example,
                    "case": int(test["case"][example]),
                    "label": int(test["label"][example]),
                    "squared_error": float(
                        ((patches[place] / 255.0 - seen.rebuilt[place]) ** 2).mean()
                    ).__round__(6),
                }
            )
        pairs = np.stack([upright(settings, patches / 255.0), rebuilt], 1)
        export.preview(sheet(pairs.reshape(-1, *rebuilt.shape[1:])[:PREVIEW], COLUMNS))


def manifold(run: Run, options: SamplingOptions) -> None:
    """manifold.png: the decoder over a square of the latent space."""
    settings = read(run.config)
    with Export(run, options, {"grid": settings.sampling.grid}) as export:
        if not export.mine(1):
            return
        params = run.variables["params"]["all"]
        codes = np.zeros((1, settings.model.latents), np.float32)
        if settings.model.latents > 2 or settings.model.components:
            train = _splits(run, options)["train"]["image"]
            codes = scan(settings, params, train[:: max(1, len(train) // 2000)]).codes
        patches = upright(settings, decode(settings, params, latent_plane(settings, codes)))
        picture = sheet(patches, settings.sampling.grid)
        export.write_image("manifold.png", picture)
        export.preview(picture)


def anomaly(run: Run, options: SamplingOptions) -> None:
    """A heat map of --data, a NIfTI volume: NAME_heat.nii.gz on its grid, and NAME_heat.png.

    Raises:
      UserError: no --data, no volume, or a run of digits.
    """
    settings = read(run.config)
    if settings.data.source != "lesions":
        raise UserError(
            f"--mode=anomaly: the run in {run.workdir} knows digits, not volumes; train one with "
            "configs/patches.py:isles"
        )
    if options.data is None:
        raise UserError("--mode=anomaly: needs --data=VOLUME.nii.gz")
    if options.data.is_dir():
        raise UserError(f"--data={options.data}: is a folder; name one volume (.nii, .nii.gz)")
    volume = read_volume(options.data)
    with Export(run, options, {"stride": settings.sampling.stride}) as export:
        if not export.mine(1):
            return
        start = time.perf_counter()
        found = scan_volume(settings, run.variables["params"]["healthy"], volume, str(options.data))
        seconds = time.perf_counter() - start
        name = _stem(options.data)
        write_volume(options.out / f"{name}_heat.nii.gz", found.heat, volume.affine)
        shown = [
            canonical(volume._replace(array=array)).array for array in (found.image, found.heat)
        ]
        montage(options.out / f"{name}_heat.png", shown[0], shown[1])
        hottest = np.unravel_index(int(found.heat.argmax()), found.heat.shape)
        export.note(
            {
                "id": name,
                "patches": found.patches,
                "highest": round(float(found.heat.max()), 4),
                "highest_at_voxel": [int(place) for place in hottest],
                "highest_at_mm": [
                    round(float(place), 2) for place in (volume.affine @ [*hottest, 1])[:3]
                ],
            }
        )
        print(f"{options.data}: {found.patches} patches in {seconds:.1f} s, {options.out}")


def _stem(path: Path) -> str:
    name = path.name
    for suffix in (".gz", ".nii", ".hdr", ".img"):
        name = name.removesuffix(suffix)
    return name


MODES = {
    "prior": prior,
    "reconstruct": reconstruct,
    "manifold": manifold,
    "anomaly": anomaly,
}
