"""Pictures of grids: reconstructions, the manifold, codes, contact sheets, a page with sliders."""

import base64
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lvae import atomic
from lvae.figures import canvas
from lvae.grids.rendering import render

_SLIDER_STEPS = (-2.0, -1.0, 0.0, 1.0, 2.0)


def write_reconstructions(
    path: Path,
    points: np.ndarray,
    visible: np.ndarray,
    decoded: np.ndarray,
    decoded_visible: np.ndarray,
    ids: np.ndarray,
    size: tuple[int, int],
) -> None:
    """One column a frame: true and decoded points over each other, then both moving images, then
    the coordinate maps, true above decoded."""
    count = len(points)
    # Placed by hand: a constrained layout of 7 rows takes seconds.
    figure = Figure(figsize=(2.6 * count, 18))
    axes = figure.subplots(7, count, squeeze=False, gridspec_kw={"wspace": 0.12, "hspace": 0.08})
    edge = 0.35 / (2.6 * count)
    figure.subplots_adjust(left=2 * edge, right=1 - edge / 2, top=0.975, bottom=0.01)
    for column in range(count):
        seen, guessed = visible[column], decoded_visible[column]
        _draw_overlay(axes[0, column], points[column], seen, decoded[column], guessed)
        axes[0, column].set_title(f"frame {ids[column]}", fontsize=9)
        images = {
            "moving image, true": _shrunk(render(points[column], seen, size), 192),
            "moving image, decoded": _shrunk(render(decoded[column], guessed, size), 192),
            "x, true": np.where(seen, points[column, ..., 0], np.nan),
            "x, decoded": np.where(guessed, decoded[column, ..., 0], np.nan),
            "y, true": np.where(seen, points[column, ..., 1], np.nan),
            "y, decoded": np.where(guessed, decoded[column, ..., 1], np.nan),
        }
        for row, (label, image) in enumerate(images.items(), start=1):
            axis = axes[row, column]
            is_map = row > 2
            axis.imshow(
                image,
                cmap="viridis" if is_map else "gray",
                origin="lower" if is_map else "upper",  # row 0 is the bottom row
                vmin=0 if is_map else None,
                vmax=max(size) if is_map else None,
            )
            axis.set(xticks=[], yticks=[])
            if column == 0:
                axis.set_ylabel(label, fontsize=9)
    canvas.save(figure, path, dpi=60)


def _draw_overlay(axis: Any, points, visible, decoded, decoded_visible) -> None:
    """True points as circles, decoded ones as dots, joined where they belong together."""
    both = visible & decoded_visible
    axis.plot(
        *np.stack([points[both], decoded[both]]).transpose(2, 0, 1),
        "-",
        color="gray",
        linewidth=0.5,
    )
    axis.plot(
        *points[visible].T, "o", mfc="none", markersize=2.5, markeredgewidth=0.5, label="true"
    )
    axis.plot(*decoded[decoded_visible].T, ".", color="tab:red", markersize=1.5, label="decoded")
    axis.invert_yaxis()
    axis.set_aspect("equal")
    axis.tick_params(labelsize=6)
    axis.legend(fontsize=6, loc="upper right")


def write_manifold(
    path: Path, points: np.ndarray, visible: np.ndarray, size: tuple[int, int]
) -> None:
    """Moving images in a square sheet, row by row."""
    side = round(len(points) ** 0.5)
    images = [render(grid, seen, size) for grid, seen in zip(points, visible)]
    sheet = contact_sheet(images, side, tile=192)
    _save_gray(path, sheet)


def contact_sheet(images: Sequence[np.ndarray], columns: int, tile: int = 192) -> np.ndarray:
    """8-bit gray images, shrunk to `tile` pixels, row by row with a thin line between."""
    rows = -(-len(images) // columns)
    sheet = np.full((rows * (tile + 2) - 2, columns * (tile + 2) - 2), 64, np.uint8)
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        top, left = row * (tile + 2), column * (tile + 2)
        sheet[top : top + tile, left : left + tile] = _shrunk(image, tile)
    return sheet


def _shrunk(image: np.ndarray, side: int) -> np.ndarray:
    """`side` pixels square; shrinking dims the dots, which are a few pixels wide: lifted again."""
    from PIL import Image

    small = Image.fromarray(image).resize((side, side), Image.Resampling.BOX)
    return np.minimum(255, np.asarray(small).astype(np.float32) * 1.6).astype(np.uint8)


def write_code_map(path: Path, codes: np.ndarray, recording: np.ndarray) -> None:
    """t-SNE of the codes, coloured by recording."""
    from sklearn.manifold import TSNE

    figure = Figure(figsize=(6, 5), layout="constrained")
    axis = figure.subplots()
    if len(codes) >= 4:
        perplexity = min(20.0, (len(codes) - 1) / 3)
        places = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(codes)
        for number in np.unique(recording):
            here = recording == number
            axis.scatter(*places[here].T, s=12, label=f"recording {number}")
        axis.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    axis.set(xticks=[], yticks=[], title="t-SNE of the posterior means")
    canvas.save(figure, path)


def write_losses(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Every loss and the errors by step."""
    names = ("reconstruction", "coding", "kl", "visibility", "error_px", "reconstruction_px_mean")
    canvas.loss_curves(path, rows, names)


def write_sliders(
    path: Path,
    code: np.ndarray,
    decode: Callable[[np.ndarray], Any],
    size: tuple[int, int],
) -> None:
    """A page with a slider from -2 to 2 for every latent dimension, added to a frame's code.

    Holds the grids decoded along each dimension; between the stops, and where several sliders are
    moved, displacements are added up, which is exact for one slider at a stop.
    """
    latents = len(code)
    changed = np.repeat(code[None], latents * len(_SLIDER_STEPS) + 1, axis=0)
    for dimension in range(latents):
        for place, step in enumerate(_SLIDER_STEPS):
            changed[1 + dimension * len(_SLIDER_STEPS) + place, dimension] += step
    grids = decode(changed)
    moved = (grids.points[1:] - grids.points[0]).reshape(latents, len(_SLIDER_STEPS), -1)
    numbers = np.clip(np.round(moved * 10), -32767, 32767).astype("<i2")
    data = {
        "width": size[0],
        "height": size[1],
        "latents": latents,
        "steps": list(_SLIDER_STEPS),
        "points": np.round(grids.points[0].reshape(-1), 1).tolist(),
        "visible": grids.visible[0].reshape(-1).astype(int).tolist(),
        "moved": base64.b64encode(numbers.tobytes()).decode(),
    }
    atomic.write_text(path, _PAGE.replace("/*DATA*/", json.dumps(data)))


def _save_gray(path: Path, image: np.ndarray) -> None:
    from PIL import Image

    with atomic.replacing(path) as temporary:
        Image.fromarray(image).save(temporary)


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Latent dimensions</title>
<style>
body { font: 14px system-ui, sans-serif; margin: 1em; display: flex; gap: 1.5em; }
#sliders { height: 95vh; overflow-y: auto; min-width: 19em; }
label { display: flex; gap: .6em; align-items: center; } label span { width: 5.5em; }
output { width: 3em; } svg { height: 92vh; background: #111; }
</style></head><body>
<div id="sliders"><button id="reset">reset</button></div>
<svg id="grid" role="img" aria-label="decoded grid"></svg>
<script>
const data = /*DATA*/;
const bytes = Uint8Array.from(atob(data.moved), c => c.charCodeAt(0));
const moved = new Int16Array(bytes.buffer);
const size = data.points.length, stops = data.steps.length;
const values = new Array(data.latents).fill(0);
const grid = document.getElementById("grid");
grid.setAttribute("viewBox", `0 0 ${data.width} ${data.height}`);
const dots = [];
for (let k = 0; k < size / 2; k++) {
  const dot = document.createElementNS("http://www.w3.org/2000/svg", "circle");
  dot.setAttribute("r", 3);
  dot.setAttribute("fill", data.visible[k] ? "#fff" : "#653");
  grid.append(dot); dots.push(dot);
}
function draw() {
  const points = data.points.slice();
  values.forEach((value, dimension) => {
    if (!value) return;
    const place = (value - data.steps[0]) / (data.steps[1] - data.steps[0]);
    const left = Math.min(Math.floor(place), stops - 2), share = place - left;
    const a = (dimension * stops + left) * size, b = a + size;
    for (let i = 0; i < size; i++) points[i] += ((1 - share) * moved[a + i] + share * moved[b + i]) / 10;
  });
  dots.forEach((dot, k) => { dot.setAttribute("cx", points[2 * k]); dot.setAttribute("cy", points[2 * k + 1]); });
}
const sliders = document.getElementById("sliders");
for (let dimension = 0; dimension < data.latents; dimension++) {
  const label = document.createElement("label"), name = document.createElement("span");
  const slider = document.createElement("input"), shown = document.createElement("output");
  name.textContent = `latent ${dimension}`; shown.textContent = "0";
  Object.assign(slider, { type: "range", min: -2, max: 2, step: 0.05, value: 0 });
  slider.addEventListener("input", () => {
    values[dimension] = +slider.value; shown.textContent = slider.value; draw();
  });
  label.append(name, slider, shown); sliders.append(label);
}
document.getElementById("reset").addEventListener("click", () => {
  values.fill(0);
  sliders.querySelectorAll("input").forEach(slider => { slider.value = 0; });
  sliders.querySelectorAll("output").forEach(shown => { shown.textContent = "0"; });
  draw();
});
draw();
</script></body></html>
"""
