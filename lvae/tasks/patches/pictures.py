"""Which pictures a patch VAE gets: arrays here, drawing in `lvae.figures.patches`."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float
from scipy.stats import norm

from lvae import atomic
from lvae.figures import patches as drawing
from lvae.grids.encoding import png
from lvae.metrics.clusters import embedding
from lvae.tasks.interface import Splits, Variables
from lvae.tasks.patches.measures import scan, scores, spot_map
from lvae.tasks.patches.settings import Settings

SHOWN_CODES = 2000  # in the scatter
SHOWN_PATCHES = 8  # of each label


def draw_all(
    settings: Settings, variables: Variables, splits: Splits, seed: int, directory: Path
) -> None:
    """Writes codes.png, manifold.png, reconstructions.png and anomalies.png of held-out cases."""
    held_out = splits["validation"]
    chosen = np.random.default_rng(seed).permutation(len(held_out["label"]))[:SHOWN_CODES]
    patches, labels = held_out["image"][chosen], held_out["label"][chosen]
    seen = scan(settings, variables["params"]["all"], patches)
    kind = "code" if settings.model.latents <= 2 else "t-SNE of the codes"
    drawing.scatter(
        directory / "codes.png", embedding(seen.codes, seed), labels, kinds(settings), kind
    )
    plane = latent_plane(settings, seen.codes)
    decoded = decode(settings, variables["params"]["all"], plane)
    sheet = drawing.sheet(upright(settings, decoded), settings.sampling.grid)
    atomic.write_bytes(directory / "manifold.png", png(sheet))
    shown = both_labels(labels)
    originals = patches[shown] / 255.0
    drawing.patch_rows(
        directory / "reconstructions.png",
        [upright(settings, originals), upright(settings, seen.rebuilt[shown])],
        ["patch", "rebuilt"],
    )
    healthy = scan(settings, variables["params"]["healthy"], patches)
    unusual = scores(patches, healthy, settings.evaluation)[settings.evaluation.anomaly_score]
    order = np.argsort(unusual)[::-1][: 2 * SHOWN_PATCHES]
    residual = patches[order] / 255.0 - healthy.rebuilt[order]
    drawing.patch_rows(
        directory / "anomalies.png",
        [
            upright(settings, patches[order] / 255.0),
            upright(settings, healthy.rebuilt[order]),
            upright(settings, spot_map(residual, settings.evaluation)),
        ],
        ["most unusual", "rebuilt", "heat"],
    )


def kinds(settings: Settings) -> tuple[str, str]:
    """Names of the two labels."""
    if settings.data.source == "digits":
        return str(settings.data.classes[0]), str(settings.data.classes[1])
    return "healthy", "lesion"


def both_labels(labels: np.ndarray) -> np.ndarray:
    """Indices of the first few of each label."""
    return np.concatenate([np.flatnonzero(labels == kind)[:SHOWN_PATCHES] for kind in (0, 1)])


def upright(settings: Settings, patches: np.ndarray) -> np.ndarray:
    """As a reader looks at them: patches of volumes have the front of the head on top."""
    if settings.data.source == "digits":
        return patches
    return patches.transpose(0, 2, 1)[:, ::-1]


def latent_plane(
    settings: Settings, codes: Float[np.ndarray, "n latents"]
) -> Float[np.ndarray, "m latents"]:
    """Codes of a picture: a square grid of the unit square through the normal's quantiles.

    With a normal prior and two latents the code itself; else the plane of the codes' two widest
    directions, a quantile of 1 standing for one standard deviation of these.
    """
    steps = (np.arange(settings.sampling.grid) + 0.5) / settings.sampling.grid
    quantiles = norm.ppf(steps)
    first, second = np.meshgrid(quantiles, quantiles[::-1])
    grid = np.stack([first.ravel(), second.ravel()], 1).astype(np.float32)
    if settings.model.latents == 2 and not settings.model.components:
        return grid
    if settings.model.latents == 1:
        return grid[:, :1]
    middle = codes.mean(0)
    _, lengths, directions = np.linalg.svd(codes - middle, full_matrices=False)
    scales = lengths[:2] / np.sqrt(max(len(codes) - 1, 1))
    return (middle + (grid * scales) @ directions[:2]).astype(np.float32)


def decode(
    settings: Settings, params: Any, codes: Float[np.ndarray, "n latents"]
) -> Float[np.ndarray, "n size size"]:
    """Pixels in [0, 1]."""
    logits = jax.jit(
        lambda values: settings.network.apply({"params": params}, values, method="decode").pixels
    )(codes)
    return np.asarray(jax.nn.sigmoid(logits))
