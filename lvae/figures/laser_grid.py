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
    """One column a frame: true and decoded points over each other (px), then both moving images,
    then the coordinate maps, true above decoded."""
    count, side = len(points), max(size)
    # One axis a row, the frames side by side in it: matplotlib takes 15 ms an axis.
    figure = Figure(figsize=(0.4 + 2.6 * count, 18.4))
    axes = figure.subplots(7, 1, gridspec_kw={"hspace": 0.04})
    figure.subplots_adjust(left=0.35 / (0.4 + 2.6 * count), right=0.998, top=0.975, bottom=0.01)
    _draw_overlays(axes[0], points, visible, decoded, decoded_visible, side)
    axes[0].set_title("frames " + ", ".join(str(number) for number in ids), fontsize=9)
    true, guessed = visible[..., None], decoded_visible[..., None]
    true_maps = np.where(true, points, np.nan)
    decoded_maps = np.where(guessed, decoded, np.nan)
    rows = {
        "moving image, true": _moving_images(points, visible, size),
        "moving image, decoded": _moving_images(decoded, decoded_visible, size),
        "x, true": list(true_maps[..., 0]),
        "x, decoded": list(decoded_maps[..., 0]),
        "y, true": list(true_maps[..., 1]),
        "y, decoded": list(decoded_maps[..., 1]),
    }
    for axis, (label, images) in zip(axes[1:], rows.items()):
        is_map = not label.startswith("moving")
        axis.imshow(
            _side_by_side(images),
            cmap="viridis" if is_map else "gray",
            origin="lower" if is_map else "upper",  # row 0 is the bottom row
            vmin=0,
            vmax=side if is_map else 255,
            aspect="auto",
        )
        axis.set(xticks=[], yticks=[])
        axis.set_ylabel(label, fontsize=9)
    canvas.save(figure, path, dpi=60)


def _moving_images(points: np.ndarray, visible: np.ndarray, size: tuple[int, int]) -> list:
    return [_shrunk(render(grid, seen, size), 192) for grid, seen in zip(points, visible)]


def _side_by_side(images: Sequence[np.ndarray]) -> np.ndarray:
    """With a gap of a twentieth between them; gaps stay empty."""
    gap = np.full((images[0].shape[0], max(1, images[0].shape[1] // 20)), np.nan)
    parts = [part for image in images for part in (image.astype(np.float32), gap)]
    return np.concatenate(parts[:-1], axis=1)


def _draw_overlays(axis: Any, points, visible, decoded, decoded_visible, side: int) -> None:
    """True points as circles, decoded ones as dots, joined where they belong together."""
    step = side * 1.05
    shift = np.arange(len(points))[:, None, None, None] * np.array([step, 0.0])
    points, decoded, both = points + shift, decoded + shift, visible & decoded_visible
    pairs = np.stack([points[both], decoded[both], np.full((both.sum(), 2), np.nan)], axis=1)
    axis.plot(*pairs.reshape(-1, 2).T, "-", color="gray", linewidth=0.5)  # one line, with breaks
    axis.plot(
        *points[visible].T, "o", mfc="none", markersize=2.5, markeredgewidth=0.5, label="true"
    )
    axis.plot(*decoded[decoded_visible].T, ".", color="tab:red", markersize=1.5, label="decoded")
    axis.set(xlim=(0, step * len(points) - 0.05 * side), ylim=(side, 0), xticks=[])
    axis.vlines(shift[1:, 0, 0, 0] - 0.025 * side, 0, side, color="lightgray", linewidth=1)
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
