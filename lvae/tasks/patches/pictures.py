"""Which pictures a patch VAE gets: arrays here, drawing in `lvae.figures.patches`."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Int, PyTree, Shaped, UInt8
from scipy.special import ndtri  # as norm.ppf, which is slow to import

from lvae.figures import canvas
from lvae.figures import patches as drawing
from lvae.imaging.levels import to_levels
from lvae.imaging.sheets import contact_sheet
from lvae.metrics.clusters import embedding
from lvae.models.patch_vae import PatchVAE
from lvae.tasks.patches import loss
from lvae.tasks.patches.examining import code, examine
from lvae.tasks.patches.loss import network_of
from lvae.tasks.patches.measures import scores, spot_map
from lvae.tasks.patches.settings import DigitDataSettings, Settings
from lvae.tasks.task import NamedPicture, Run, Splits

SHOWN_CODES = 2000  # in the scatter
SHOWN_PATCHES = 8  # of each label

Codes = Float[np.ndarray, "n latents"]
Pixels = Float[np.ndarray, "n size size"]  # in [0, 1]
Patches = Shaped[np.ndarray, "n size size"]


def figures(
    run: Run[Settings], splits: Splits, history: Sequence[Mapping[str, Any]]
) -> Iterator[NamedPicture]:
    """Codes by label, the decoded manifold, patches rebuilt and unusual ones, of held-out cases."""
    settings, params = run.settings, run.variables["params"]
    held_out = splits["validation"]
    chosen = np.random.default_rng(settings.seed).permutation(len(held_out["label"]))[:SHOWN_CODES]
    patches, labels = held_out["image"][chosen], held_out["label"][chosen]
    seen = code(settings, params["all"], patches)
    kind = "code" if settings.model.latents <= 2 else "t-SNE of the codes"
    places = embedding(seen.codes, settings.seed)
    yield "codes", drawing.scatter(places, labels, kinds(settings), kind)
    yield "manifold", manifold_sheet(settings, params["all"], seen.codes)
    shown = both_labels(labels)
    pairs = [patches[shown] / 255.0, seen.rebuilt[shown]]
    yield (
        "reconstructions",
        drawing.patch_rows([upright(settings, row) for row in pairs], ["patch", "rebuilt"]),
    )
    healthy = examine(settings, params, {name: held_out[name][chosen] for name in held_out})
    unusual = scores(patches, healthy, settings.evaluation)[settings.evaluation.anomaly_score]
    order = np.argsort(unusual)[::-1][: 2 * SHOWN_PATCHES]
    original, rebuilt = patches[order] / 255.0, healthy.rebuilt[order]
    rows = [original, rebuilt, spot_map(healthy.residual[order], settings.evaluation)]
    names = ["most unusual", "rebuilt", "heat"]
    yield "anomalies", drawing.patch_rows([upright(settings, row) for row in rows], names)
    terms = ("loss", "reconstruction", "divergence", "healthy_reconstruction", "label_error")
    yield "losses", canvas.loss_curves(history, terms)


def kinds(settings: Settings) -> tuple[str, str]:
    """Names of the two labels."""
    if isinstance(settings.data, DigitDataSettings):
        return str(settings.data.classes[0]), str(settings.data.classes[1])
    return "healthy", "lesion"


def both_labels(labels: Int[np.ndarray, " n"]) -> Int[np.ndarray, " few"]:
    """Indices of the first few of each label."""
    return np.concatenate([np.flatnonzero(labels == kind)[:SHOWN_PATCHES] for kind in (0, 1)])


def upright(settings: Settings, patches: Patches) -> Patches:
    """As a reader looks at them: patches of volumes have the front of the head on top."""
    if isinstance(settings.data, DigitDataSettings):
        return patches
    return patches.transpose(0, 2, 1)[:, ::-1]


def as_trained(settings: Settings, patches: Patches) -> Patches:
    """The inverse of `upright`."""
    if isinstance(settings.data, DigitDataSettings):
        return patches
    return patches[:, ::-1].transpose(0, 2, 1)


def manifold_sheet(
    settings: Settings, params: PyTree, codes: Codes
) -> UInt8[np.ndarray, "height width"]:
    """The decoder over a square of the latent space, patches edge to edge."""
    decoded = decode(settings, params, latent_plane(settings, codes))
    levels = to_levels(upright(settings, decoded))
    return contact_sheet(list(levels), settings.sampling.grid, gap=0)


def latent_plane(settings: Settings, codes: Codes) -> Float[np.ndarray, "m latents"]:
    """Codes of a picture: a square grid of the unit square through the normal's quantiles.

    With a normal prior and two latents the code itself; else the plane of the codes' two widest
    directions, a quantile of 1 standing for one standard deviation of these.
    """
    steps = (np.arange(settings.sampling.grid) + 0.5) / settings.sampling.grid
    quantiles = ndtri(steps)
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


def decode(settings: Settings, params: PyTree, codes: Codes) -> Pixels:
    """Pixels in [0, 1]."""
    return np.asarray(_decode(network_of(settings), params, codes))


@functools.partial(jax.jit, static_argnums=0)
def _decode(network: PatchVAE, params: PyTree, codes: Array) -> Array:
    return jax.nn.sigmoid(loss.decode(network, params, codes).pixels)
