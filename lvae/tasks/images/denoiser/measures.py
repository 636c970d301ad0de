"""What a denoiser is worth: PSNR and SSIM beside the tuned classical filters, digits read again."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int, PyTree, UInt8

from lvae.imaging import classical
from lvae.imaging.noise import Corruption
from lvae.tasks.images.corruption import corrupted
from lvae.tasks.images.denoiser.network import restore
from lvae.tasks.images.denoiser.settings import Settings
from lvae.tasks.images.scores import HostImages, scores, to_images
from lvae.tasks.task import Run, Splits

Row = dict[str, Any]  # what a level is, and numbers about it


def evaluate(run: Run[Settings], splits: Splits, split: str, thorough: bool) -> Row:
    """PSNR, SSIM and MSE, means over the levels of config.evaluation, of cleaned and noisy images.

    With `thorough`, on a held-out split, level by level beside the tuned classical methods, and how
    many digits a linear classifier reads.
    """
    evaluation = run.settings.evaluation
    most = evaluation.images if thorough else evaluation.quick_images
    if not thorough or split == "train":
        images = to_images(splits[split]["image"][:most])
        return means(level_rows(run.settings, run.variables["params"], images))
    return _thorough(run, splits, split, most)


def _thorough(run: Run[Settings], splits: Splits, split: str, most: int) -> Row:
    settings, train = run.settings, splits["train"]
    images = to_images(splits[split]["image"][:most])
    reader, labels = None, None
    if "label" in splits[split]:
        labels = splits[split]["label"][:most]
        reader = digit_reader(train["image"], train["label"])
    rows = level_rows(settings, run.variables["params"], images, labels, reader)
    tuning = to_images(train["image"][: min(most, settings.evaluation.tuning_images)])
    for row, methods in zip(rows, classical_rows(settings, tuning, images)):
        row["classical"] = methods
        for name in ("psnr", "ssim"):
            best = max(methods, key=lambda method, name=name: methods[method][name])
            row[f"best_classical_{name}"] = methods[best][name]
            row[f"best_classical_{name}_method"] = best
    result = means(rows)
    if reader is not None:
        result["clean_accuracy"] = _accuracy(reader, images, labels)
    return result | {"images": len(images), "levels": rows}


def levels_of(settings: Settings) -> list[Corruption]:
    """The levels that are measured."""
    return [Corruption(*level) for level in settings.evaluation.levels]


def level_rows(
    settings: Settings,
    params: PyTree,
    images: HostImages,
    labels: Int[np.ndarray, " batch"] | None = None,
    reader: Any | None = None,
) -> list[Row]:
    """One row for each level of config.evaluation: the noisy and the cleaned images' scores, and of
    a network that estimates the noise mean |noisy - clean| and the estimate of it.

    With labels and a `reader` (from `digit_reader`) also the share of digits that it reads right.
    """
    rows = []
    for level in levels_of(settings):
        noisy = corrupted(settings.seed, "evaluation", images, level)
        cleaned, noise = restore(settings, params, noisy)
        row: Row = {"noise": level.kind, "strength": level.strength, "blur": level.blur}
        row |= scores(cleaned, images)
        row |= {f"noisy_{name}": value for name, value in scores(noisy, images).items()}
        if noise is not None:
            row["true_noise"] = float(np.mean(np.abs(noisy - images)))
            row["estimated_noise"] = float(np.mean(noise))
        if reader is not None:
            row["accuracy"] = _accuracy(reader, cleaned, labels)
            row["noisy_accuracy"] = _accuracy(reader, noisy, labels)
        rows.append(row)
    return rows


def classical_rows(
    settings: Settings, tuning: Float[np.ndarray, "n height width 1"], images: HostImages
) -> list[Row]:
    """For each level every classical method's scores on `images`, tuned on `tuning` for each score.

    Returns:
      For each level {method: {"psnr", "ssim", "psnr_parameters", "ssim_parameters"}}.
    """
    by_name = {
        name: functools.partial(_score, name=name)
        for name in ("psnr", "ssim")  # tuned for each: the strongest opponent
    }
    rows = []
    for level in levels_of(settings):
        noisy_tuning = corrupted(settings.seed, "tuning", tuning, level)
        noisy = corrupted(settings.seed, "evaluation", images, level)
        methods = {}
        for method in classical.GRIDS:
            parameters = classical.tune(method, noisy_tuning, tuning, by_name)
            found: Row = {}
            cleaned = classical.denoise(method, noisy, parameters["psnr"])
            for name, score in by_name.items():
                if parameters[name] != parameters["psnr"]:
                    cleaned = classical.denoise(method, noisy, parameters[name])
                found[name] = score(cleaned, images)
                found[f"{name}_parameters"] = parameters[name]
            methods[method] = found
        rows.append(methods)
    return rows


def means(rows: Sequence[Row]) -> Row:
    """Means over the levels of everything that is a number, but for the levels themselves."""
    names = [
        name
        for name, value in rows[0].items()
        if isinstance(value, float) and name not in ("strength", "blur")
    ]
    return {name: float(np.mean([row[name] for row in rows])) for name in names}


def digit_reader(images: UInt8[np.ndarray, "n height width"], labels: Int[np.ndarray, " n"]) -> Any:
    """A linear classifier trained on clean images: least squares, closed form."""
    from sklearn.linear_model import RidgeClassifier  # slow to import

    return RidgeClassifier().fit(_flat(to_images(images)), labels)


def _accuracy(reader: Any, images: HostImages, labels: Int[np.ndarray, " batch"] | None) -> float:
    return float(np.mean(reader.predict(_flat(images)) == labels))


def _flat(images: HostImages) -> np.ndarray:
    return images.reshape(len(images), -1)


def _score(cleaned: HostImages, clean: HostImages, name: str) -> float:
    return scores(cleaned, clean)[name]
