"""The picture of README.md: recorded, drawn and matched grids.

    python -m benchmarks.readme_picture [--runs=DIR] [--out=docs/grids.png]

Everything in it comes from simulated recordings. Trains what is not trained yet: a generator
(configs/default.py, half a minute) and a matcher (configs/registration.py, half its steps, ten
minutes or more). Held-out frames are above; below them grids that the generator draws; at the bottom
the held-out images again, with the points joined in the order that the matcher gives them.
"""

import argparse
import io
import tempfile
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

import lvae
from lvae import atomic
from lvae.figures.registration import overlay
from lvae.imaging.sheets import png

COLUMNS = 5
SIDE = 184  # px of a tile
GAP = 4  # px between tiles
MATCHER_STEPS = 1500

Tiles = UInt8[np.ndarray, "tiles height width 3"]


def trained(runs: Path) -> tuple[lvae.TrainedRun, lvae.TrainedRun]:
    """Generator and matcher."""
    changes = {"training.steps": MATCHER_STEPS, "training.checkpoint_every": 100}
    return (
        lvae.train("default", workdir=runs / "default"),
        lvae.train("registration", changes, workdir=runs / "registration"),
    )


def recorded(generator: lvae.TrainedRun) -> dict[str, np.ndarray]:
    """Frames of recordings that neither network has seen, spread over them."""
    task, run = generator.loaded.task, generator.loaded.run
    held_out = task.load_data(run.settings)["test"]
    rows = np.linspace(0, len(held_out["id"]) - 1, COLUMNS).round().astype(int)
    return {name: array[rows] for name, array in held_out.items()}


def matched(matcher: lvae.TrainedRun, images: UInt8[np.ndarray, "frames height width"]) -> Tiles:
    """The images with neighbouring rays joined; the points are found in the images."""
    with tempfile.TemporaryDirectory() as folder:
        for number, image in enumerate(images):
            Path(folder, f"{number}_mov.png").write_bytes(png(image))
        found = matcher.match(folder)
    grids = np.where(found["visible"][..., None], found["points"], np.nan)
    return np.stack([overlay(image, grid) for image, grid in zip(images, grids)])


def picture(rows: list[np.ndarray]) -> bytes:
    """Tiles in rows, as a PNG of few colours."""
    step = SIDE + GAP
    sheet = Image.new("RGB", (COLUMNS * step - GAP, len(rows) * step - GAP), "white")
    for down, images in enumerate(rows):
        for across, pixels in enumerate(images):
            tile = Image.fromarray(pixels).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
            sheet.paste(tile, (across * step, down * step))
    content = io.BytesIO()
    sheet.quantize(128).save(content, "PNG", optimize=True)
    return content.getvalue()


def main() -> None:
    """Parses the flags, trains, writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs/readme"))
    parser.add_argument("--out", type=Path, default=Path("docs/grids.png"))
    chosen = parser.parse_args()
    generator, matcher = trained(chosen.runs)
    seen = generator.render(recorded(generator))
    drawn = generator.render(generator.draw("prior", COLUMNS, seed=0))
    atomic.write_bytes(chosen.out, picture([seen, drawn, matched(matcher, seen)]))
    print(f"{chosen.out}: {chosen.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
