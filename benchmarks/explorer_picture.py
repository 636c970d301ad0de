"""The picture of the explorer in README.md: python -m benchmarks.explorer_picture [--runs=DIR].

Trains the generator on simulated recordings where it is not trained yet (configs/default.py), opens
the page in headless Chromium, moves two sliders, shows the way between two frames, and takes the
picture. Needs the extras explore and test, and Chromium.
"""

import argparse
import io
from pathlib import Path

from PIL import Image

import lvae
from benchmarks.explorer import page
from lvae import atomic

CLIP = {"x": 0, "y": 0, "width": 1280, "height": 640}
COLOURS = 256  # of the PNG, which README loads


def main() -> None:
    """Parses the flags, takes the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs/readme"))
    parser.add_argument("--out", type=Path, default=Path("docs/explorer.png"))
    chosen = parser.parse_args()
    workdir = chosen.runs / "default"
    lvae.train("default", workdir=workdir)
    with page(workdir.absolute()) as shown:
        sliders = shown.locator("#codes input[type=range]")
        for place, value in ((0, "1.2"), (2, "-0.8")):
            sliders.nth(place).fill(value)
        for layer in ("lines", "missing"):
            shown.locator(f"#layer-{layer}").check()
        frames = shown.evaluate(
            "[...document.querySelectorAll('#example option')].map(option => option.value)"
        )
        first, second = frames[0], str(int(frames[-1]) + 1)  # of the next recording
        shown.evaluate("strip => { location.hash += `&strip=${strip}`; }", f"{first}+{second}")
        shown.reload()
        shown.wait_for_selector("main[aria-busy=false][data-shown=newest]")
        shown.locator("#strip button").nth(6).wait_for()
        shown.wait_for_selector("#map .drawn")
        shown.evaluate("document.getElementById('run').textContent = 'laser_grid: runs/default'")
        shown.locator("#command").evaluate("line => line.remove()")  # holds this machine's paths
        picture = Image.open(io.BytesIO(shown.screenshot(clip=CLIP))).convert("RGB")
    content = io.BytesIO()
    picture.quantize(COLOURS, Image.Quantize.FASTOCTREE).save(content, "PNG", optimize=True)
    atomic.write_bytes(chosen.out, content.getvalue())
    print(f"{chosen.out}: {chosen.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
