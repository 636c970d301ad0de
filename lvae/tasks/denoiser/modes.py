"""The sampling modes: clean a user's images, or make noisy ones."""

import functools
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from lvae import atomic
from lvae.data.image_folder import PREVIEW, is_idx, read_named, read_splits
from lvae.errors import UserError
from lvae.keys import stream
from lvae.tasks.denoiser.corruption import corrupt_numbered
from lvae.tasks.denoiser.files import to_levels, write_idx, write_png, write_preview
from lvae.tasks.denoiser.restoring import restore
from lvae.tasks.denoiser.settings import CorruptionSettings, Settings, read
from lvae.tasks.interface import Run, SamplingOptions

MANIFEST = "manifest.json"


def denoise(run: Run, options: SamplingOptions) -> None:
    """Cleans --data (a PNG, a folder of PNGs, an IDX file): images of the same names into --out.

    Without --data the held-out images with noise as the config has it: a demonstration. An IDX file
    gives one PNG for each image, and an IDX file of its own name.

    Raises:
      UserError: nothing to clean, or --out is the input folder.
    """
    settings = read(run.config)
    if options.data is None:
        noisy = _demonstration(run, settings, options)
    else:
        if options.out.resolve() in (options.data.resolve(), options.data.resolve().parent):
            raise UserError(
                f"--out={options.out}: holds the input, which is never overwritten; "
                "choose another folder"
            )
        noisy = {
            name: image[..., None].astype(np.float32) / 255.0
            for name, image in read_named(options.data).items()
        }
    chosen = _shard(list(noisy)[: options.num_samples], options)
    whole = options.data is not None and len(chosen) == len(noisy)
    cleaned: dict[str, np.ndarray] = {}
    for names in _same_shape(noisy, chosen):
        images = restore(settings, run.variables["params"], np.stack([noisy[n] for n in names]))
        cleaned |= dict(zip(names, map(to_levels, images)))
    for name in chosen:
        write_png(options.out / name, cleaned[name])
    if whole and options.data is not None and is_idx(options.data):
        write_idx(options.out / options.data.name, np.stack([cleaned[n] for n in chosen]))
    shown = chosen[: settings.sampling.preview]
    write_preview(
        options.out / PREVIEW, [to_levels(noisy[n]) for n in shown], [cleaned[n] for n in shown]
    )


def corrupt(run: Run, options: SamplingOptions) -> None:
    """Noisy copies of --data (default: the training split), and manifest.json: an augmentation set.

    Copy number i shows image i (counted round) with the mixture's kind i (counted round); its noise
    depends on --seed and on i alone. As many as there are images unless --num_samples says
    otherwise. Values outside [0, 1] are clipped, as a PNG must.

    Raises:
      UserError: bad input; --out holds a set made in another way.
    """
    settings = read(run.config)
    sources = _sources(settings, options)
    names = list(sources)
    count = options.num_samples or len(names)
    digits = max(5, len(str(count - 1)))
    manifest: dict[str, Any] = {
        "mode": "corrupt",
        "seed": options.seed,
        "data": str(options.data or settings.data.path or "built-in"),
        "count": count,
        "shard": list(options.shard),
        "noises": list(settings.corruption.noises),
        "samples": [],
    }
    place = options.out / _manifest_name(options)
    if _is_complete(place, manifest):
        print(f"{options.out}: this set is complete; nothing to do")
        return
    clean: list[np.ndarray] = []
    noisy: list[np.ndarray] = []
    for number in _shard(list(range(count)), options):
        source = names[number % len(names)]
        image, level = _corrupt_one(settings.corruption, options.seed, number, sources[source])
        name = f"{number:0{digits}d}.png"
        write_png(options.out / name, to_levels(image))
        manifest["samples"].append({"file": name, "source": source, "number": number} | level)
        if len(noisy) < settings.sampling.preview:
            clean.append(sources[source])
            noisy.append(to_levels(image))
    write_preview(options.out / PREVIEW, noisy, clean)
    atomic.write_text(
        place, json.dumps(manifest, indent=2) + "\n"
    )  # last: it says that all is there


MODES = {"denoise": denoise, "corrupt": corrupt}


def _corrupt_one(
    settings: CorruptionSettings, seed: int, number: int, image: np.ndarray
) -> tuple[np.ndarray, dict[str, Any]]:
    """One noisy image of a set, and what was done to it."""
    kind = settings.noises[number % len(settings.noises)]
    scaled = image[None, ..., None].astype(np.float32) / 255.0
    noisy, strength, blur = _numbered(
        stream(seed, "corrupt"), scaled, np.array([number]), kind, settings
    )
    level = {"noise": kind, "strength": float(strength[0]), "blur": float(blur[0]), "seed": seed}
    return np.asarray(noisy)[0], level


@functools.partial(jax.jit, static_argnums=(3, 4))
def _numbered(key: Any, images: Any, numbers: Any, kind: str, settings: CorruptionSettings) -> Any:
    return corrupt_numbered(key, images, numbers, kind, settings)


def _sources(settings: Settings, options: SamplingOptions) -> dict[str, np.ndarray]:
    if options.data is not None and not _is_digit_folder(options.data):
        return read_named(options.data)
    path = options.data if options.data is not None else settings.data.path
    images = read_splits(path, settings.data.validation_share)["train"]["image"]
    return {f"train-{index:05d}": image for index, image in enumerate(images)}


def _is_digit_folder(path: Path) -> bool:
    return path.is_dir() and any(map(is_idx, path.iterdir()))


def _demonstration(run: Run, settings: Settings, options: SamplingOptions) -> dict[str, Any]:
    images = read_splits(settings.data.path, settings.data.validation_share)["test"]["image"]
    count = options.num_samples or 64
    return {
        f"{number:05d}.png": _corrupt_one(
            settings.corruption, options.seed, number, images[number % len(images)]
        )[0]
        for number in range(count)
    }


def _shard(items: list[Any], options: SamplingOptions) -> list[Any]:
    index, count = options.shard
    return items[index::count]


def _manifest_name(options: SamplingOptions) -> str:
    index, count = options.shard
    return MANIFEST if count == 1 else f"manifest-{index}-of-{count}.json"


def _is_complete(place: Path, manifest: dict[str, Any]) -> bool:
    if not place.exists():
        return False
    try:
        found = json.loads(place.read_text())
    except ValueError:
        return False
    for name, value in manifest.items():
        if name != "samples" and found.get(name) != value:
            raise UserError(
                f"{place}: holds a set with {name}={found.get(name)!r}, this one has {value!r}; "
                "choose another folder with --out"
            )
    return True


def _same_shape(images: dict[str, np.ndarray], names: list[str]) -> list[list[str]]:
    """Names in groups whose images have one shape."""
    groups: dict[tuple[int, ...], list[str]] = {}
    for name in names:
        groups.setdefault(images[name].shape, []).append(name)
    return list(groups.values())
