"""Numbers about a trained network, and its figures."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from einops import rearrange
from sklearn.neighbors import KNeighborsClassifier

from conditional_digits.modes import draws
from conditional_digits.network import apply
from conditional_digits.settings import Settings
from lvae.figures.canvas import loss_curves
from lvae.imaging.levels import to_levels
from lvae.imaging.sheets import contact_sheet, stacked
from lvae.models.gaussian import normal_kl
from lvae.tasks.images.scores import HostImages, scores, to_images
from lvae.tasks.task import NamedPicture, Numbers, Run, Splits

EACH = 12  # new digits of each class, classified and shown
ROWS = "n height width 1 -> n (height width)"


def evaluate(run: Run[Settings], splits: Splits, split: str, thorough: bool) -> Numbers:
    """psnr, ssim and mse of reconstructions, divergence (nats). Thorough: of digits drawn for each
    class the share that looks like it to a classifier by the three nearest training digits
    (`drawn_accuracy`), and the same of the split's own digits (`real_accuracy`)."""
    images, labels = to_images(splits[split]["image"]), splits[split]["label"]
    divergence = normal_kl(*map(jnp.asarray, apply(run, images, labels, method="encode")))
    result = scores(apply(run, images, labels), images)
    result["divergence"] = float(divergence.sum(1).mean())
    if thorough:
        known = rearrange(to_images(splits["train"]["image"]), ROWS)
        judge = KNeighborsClassifier(3).fit(known, splits["train"]["label"])
        new, wanted = _of_each_class(run)
        result["drawn_accuracy"] = float(judge.score(rearrange(new, ROWS), wanted))
        result["real_accuracy"] = float(judge.score(rearrange(images, ROWS), labels))
    return result


def _of_each_class(run: Run[Settings]) -> tuple[HostImages, np.ndarray]:
    labels = np.repeat(np.arange(run.spec.facts["classes"]), EACH)
    return draws(run, run.settings.seed, np.arange(len(labels)), labels), labels


def figures(
    run: Run[Settings], splits: Splits, history: Sequence[Mapping[str, Any]]
) -> Iterator[NamedPicture]:
    """A row of new digits for each class; held-out digits above their reconstructions; losses."""
    yield "draws", contact_sheet(list(to_levels(_of_each_class(run)[0][..., 0])), EACH)
    images, labels = (splits["test"][name][:EACH] for name in ("image", "label"))
    rebuilt = to_levels(apply(run, to_images(images), labels)[..., 0])
    yield "reconstructions", contact_sheet(stacked(list(zip(images, rebuilt)), EACH), EACH)
    yield "losses", loss_curves(history, ["loss", "reconstruction", "divergence"])
