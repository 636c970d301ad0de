"""From a slider's move to the pixels on the page: python -m benchmarks.explorer [--workdir=DIR].

Starts `lvae explore` in a process of its own and the page in headless Chromium (needs the extras
explore and test, and Chromium), with a laser-grid run of 96 latent dimensions. Without --workdir it
trains one for 100 steps first: the time does not depend on what was learned. Prints, in ms,

- slider to pixel: from the input event of a slider to the frame of the browser in which the new
  picture is painted, one move at a time, another slider each time;
- the answer alone: the same question asked by the page without painting;
- held: a slider that moves 60 times a second for three seconds: pictures shown a second, and how
  long after the last move the last picture comes.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import report

ROOT = Path(__file__).parent.parent
TARGET = 200  # ms

MOVES = """async ([moves, question]) => {
  const sliders = [...document.querySelectorAll('#codes input[type=range]')];
  const image = document.querySelector('figure image');
  const frame = () => new Promise(requestAnimationFrame);
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  const measured = [];
  for (let move = 0; move < moves; move++) {
    const slider = sliders[(7 * move) % sliders.length];
    const before = image.getAttribute('href');
    // Another value than the slider has, so that the picture changes.
    const value = slider.valueAsNumber > 0 ? -1 - move / 200 : 1 + move / 200;
    await new Promise(done => setTimeout(done, 50));
    const start = performance.now();
    if (question) {
      const body = JSON.stringify({ [slider.id]: value });
      const headers = { Authorization: `Bearer ${token}` };
      await (await fetch('api/show', { method: 'POST', headers, body })).json();
    } else {
      slider.value = value;
      slider.dispatchEvent(new Event('input', { bubbles: true }));
      while (image.getAttribute('href') === before && performance.now() < start + 10000)
        await new Promise(done => setTimeout(done, 0));
      await frame();
      await frame();
    }
    measured.push(performance.now() - start);
  }
  return measured;
}"""

HELD = """async seconds => {
  const slider = document.querySelector('#codes input[type=range]');
  const image = document.querySelector('figure image');
  let shown = 0;
  let last = 0;
  const observer = new MutationObserver(() => { shown++; last = performance.now(); });
  observer.observe(image, { attributes: true, attributeFilter: ['href'] });
  const start = performance.now();
  while (performance.now() - start < 1000 * seconds) {
    slider.value = 2 * Math.sin((performance.now() - start) / 300);
    slider.dispatchEvent(new Event('input', { bubbles: true }));
    await new Promise(done => setTimeout(done, 1000 / 60));
  }
  const end = performance.now();
  const during = shown;
  while (document.querySelector('main').dataset.shown !== 'newest')
    await new Promise(done => setTimeout(done, 1));
  await new Promise(requestAnimationFrame);
  return [during / seconds, Math.max(0, last - end)];
}"""


@contextmanager
def page(workdir: Path) -> Iterator[Any]:
    """The explorer's page of a run."""
    sys.path.insert(0, str(ROOT / "tests"))
    from explorer_page import chromium, opened, serving

    with tempfile.TemporaryDirectory() as folder:
        started = serving(f"--workdir={workdir}", f"--out={folder}/saved")
        with started as address, chromium() as browser, opened(browser, address) as shown:
            shown.wait_for_selector(
                "#map-tsne:not(:disabled)", timeout=300_000
            )  # nothing else runs
            yield shown


def trained(folder: Path) -> Path:
    """A short run of the default config, with 96 latent dimensions."""
    steps = ["training.steps=100", "training.checkpoint_every=100", "training.evaluate_every=0"]
    steps.append("model.latents=96")
    flags = [f"--config.{step}" for step in steps]
    words = [sys.executable, "train.py", "--config=default", f"--workdir={folder}", *flags]
    subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
    return folder


def summary(name: str, milliseconds: list[float]) -> dict[str, Any]:
    """A row of the table."""
    return {
        "ms": name,
        "median": statistics.median(milliseconds),
        "95th percentile": statistics.quantiles(milliseconds, n=20)[-1],
        "most": max(milliseconds),
        "moves": len(milliseconds),
    }


def main() -> None:
    """Parses the flags, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workdir", type=Path, help="a laser-grid run; default: trains one")
    parser.add_argument("--moves", type=int, default=200, help="default: %(default)s")
    chosen = parser.parse_args()
    print(report.machine())
    print(report.versions("jax", "starlette", "uvicorn", "playwright"))
    with tempfile.TemporaryDirectory() as folder:
        workdir = (chosen.workdir or trained(Path(folder) / "run")).absolute()
        with page(workdir) as shown:
            latents = shown.locator("#codes input[type=range]").count()
            browser = shown.context.browser.version
            shown.evaluate(MOVES, [10, False])
            moves = shown.evaluate(MOVES, [chosen.moves, False])
            answers = shown.evaluate(MOVES, [chosen.moves, True])
            rate, late = shown.evaluate(HELD, 3)
    print(f"Chromium {browser}, {latents} latent dimensions")
    print(report.table([summary("slider to pixel", moves), summary("the answer alone", answers)]))
    print(f"held: {rate:.1f} pictures a second, the last {late:.0f} ms after the last move")
    share = sum(move <= TARGET for move in moves) / len(moves)
    print(f"within {TARGET} ms: {share:.1%} of the moves")


if __name__ == "__main__":
    main()
