"""`python -m benchmarks.generation`: images per second from codes to files, against the plain way to
do it.

Both decode the same codes, clean up, draw, and write JSON and PNG to disk. The plain writer does
one sample at a time as the reference method is written down: scikit-image's bilateral filter, loops
over the grid, scipy.ndimage.gaussian_filter over whole frames, matplotlib.image.imsave. Prints
images per second, their ratio, what one sample costs in each part, and with --long whether cost and
memory stay flat up to 20,000 samples.
"""

import argparse
import functools
import json
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.restoration import denoise_bilateral

from benchmarks import report
from lvae import atomic
from lvae.grids import cleanup, encoding, rendering
from lvae.imaging import sheets
from lvae.runs.export import writer
from lvae.tasks.grids import samples
from lvae.tasks.task import Plan, Sample

SIZE = 768
ROWS = COLUMNS = 18
LATENTS = 16
Decoder = Callable[[np.ndarray], np.ndarray]  # codes (n, 16) -> points (n, 18, 18, 2), pixels


def stand_in_decoder() -> Decoder:
    """Two layers of random weights whose grids look like decoded ones: in place, nearly in order,
    some points missing at (0, 0)."""
    rng = np.random.default_rng(0)
    first = rng.normal(0, LATENTS**-0.5, (LATENTS, 512)).astype(np.float32)
    second = rng.normal(0, 512**-0.5, (512, ROWS * COLUMNS * 2)).astype(np.float32)
    x = np.linspace(210, 560, COLUMNS, dtype=np.float32)[np.newaxis, :]
    y = np.linspace(600, 150, ROWS, dtype=np.float32)[:, np.newaxis]
    center = np.stack(np.broadcast_arrays(x, y), axis=-1)
    missing = rng.random((ROWS, COLUMNS)) < 0.06

    def decode(codes: np.ndarray) -> np.ndarray:
        offsets = 4 * (np.tanh(codes @ first) @ second).reshape(-1, ROWS, COLUMNS, 2)
        return np.where(missing[..., np.newaxis], 0, center + offsets)

    return decode


def trained_decoder(workdir: str) -> Decoder:
    """The decoder of a run of a laser-grid config; its further latent dimensions are at 0."""
    from lvae.tasks import restoring
    from lvae.tasks.grids.vae import drawing

    run = restoring.load(Path(workdir)).run

    def decode(codes: np.ndarray) -> np.ndarray:
        padded = np.zeros((len(codes), run.settings.model.latents), np.float32)
        used = min(LATENTS, padded.shape[1])
        padded[:, :used] = codes[:, :used]
        return drawing.decode_means(run, padded).points

    return decode


def codes_of(indices: np.ndarray) -> np.ndarray:
    """A sample's code depends on its index alone."""
    codes = [np.random.default_rng([7, int(index)]).normal(size=LATENTS) for index in indices]
    return np.stack(codes).astype(np.float32)


def write_plainly(folder: Path, decode: Decoder, count: int) -> dict[str, float]:
    """The reference's way, one sample at a time; seconds spent in each part."""
    spent = dict.fromkeys(("decode", "clean-up", "render", "JSON", "PNG"), 0.0)
    for index in range(count):
        times = [time.perf_counter()]
        grid = decode(codes_of(np.array([index])))[0] / SIZE
        times.append(time.perf_counter())
        grid = _drop_plainly(_smooth_plainly(grid))
        times.append(time.perf_counter())
        pixels = {
            str(key): (int(x * SIZE), int(y * SIZE))
            for key, (x, y) in enumerate(grid.reshape(-1, 2))
            if int(x * SIZE) >= 5 and int(y * SIZE) >= 5
        }
        dots = np.zeros((SIZE, SIZE))
        for x, y in pixels.values():
            dots[y, x] = 1
        image = 0.3 * dots
        for sigma in rendering.SIGMAS:
            blurred = gaussian_filter(dots, sigma)
            image = image + 0.3 * 255 * blurred / blurred.max()
        times.append(time.perf_counter())
        (folder / f"{samples.FIRST_ID + index}.json").write_text(json.dumps(pixels))
        times.append(time.perf_counter())
        matplotlib.image.imsave(folder / f"{samples.FIRST_ID + index}_mov.png", image, cmap="gray")
        times.append(time.perf_counter())
        for part, seconds in zip(spent, np.diff(times).tolist()):
            spent[part] += seconds
    return spent


def _smooth_plainly(grid: np.ndarray) -> np.ndarray:
    channels = []
    for values in np.moveaxis(grid.astype(np.float64), -1, 0):
        filtered = denoise_bilateral(values, win_size=3, sigma_spatial=100, mode="edge")
        filtered = filtered - filtered.min()
        channels.append(filtered * values.max() / filtered.max())
    return np.stack(channels, axis=-1)


def _drop_plainly(grid: np.ndarray) -> np.ndarray:
    for row in range(ROWS):
        largest = 0.0
        for column in range(COLUMNS):
            if grid[row, column, 0] > largest:
                largest = grid[row, column, 0]
            else:
                grid[row, column] = 0
    for column in range(COLUMNS):
        largest = 0.0
        for row in reversed(range(ROWS)):
            if grid[row, column, 1] > largest:
                largest = grid[row, column, 1]
            else:
                grid[row, column] = 0
    return grid


def write_ours(folder: Path, decode: Decoder, count: int, format: str = "files") -> None:
    """The same samples through the exporter."""

    def draw(indices: np.ndarray) -> list[Sample]:
        points, kept = cleanup.clean_up(decode(codes_of(indices)))
        ids = (samples.FIRST_ID + indices).tolist()
        notes = [{"index": int(index)} for index in indices]
        return samples.grid_samples(ids, points, kept, (SIZE, SIZE), notes)

    names = samples.names(count)
    table = functools.partial(samples.schema, ROWS * COLUMNS)
    plan = Plan(names, samples.SUFFIXES, draw, schema=table)
    writer.write_data_set(folder, plan, {"seed": 7}, writer.Layout(format, preview=0))


def parts(decode: Decoder, count: int = 64) -> dict[str, float]:
    """Milliseconds of one core that a sample costs in each part of ours."""
    indices = np.arange(count)
    codes = codes_of(indices)
    decoded = decode(codes)
    points, kept = cleanup.clean_up(decoded)
    pixels, shown = encoding.written(points, kept, (SIZE, SIZE))
    images = [rendering.render(*grid) for grid in zip(pixels, shown)]
    pngs = [sheets.png(image) for image in images]
    with tempfile.TemporaryDirectory() as folder, writer.threadpool_limits(1, user_api="blas"):
        measured: dict[str, Callable[[], Any]] = {
            "decode": lambda: decode(codes_of(indices)),
            "clean-up": lambda: cleanup.clean_up(decoded),
            "render": lambda: [rendering.render(*grid) for grid in zip(pixels, shown)],
            "JSON": lambda: [encoding.frame_json(*grid) for grid in zip(pixels, shown)],
            "PNG": lambda: [sheets.png(image) for image in images],
            "files": lambda: _write_pairs(Path(folder), pngs),
        }
        return {
            name: 1000 * report.median(report.seconds(function)) / count
            for name, function in measured.items()
        }


def _write_pairs(folder: Path, pngs: list[bytes]) -> None:
    """An image and about as much text as a frame's JSON, for each."""
    for index, image in enumerate(pngs):
        atomic.write_bytes(folder / f"{index}_mov.png", image)
        atomic.write_bytes(folder / f"{index}.json", image[:5000])


def _timed(function: Callable[..., Any], decode: Decoder, count: int, **options: Any) -> float:
    """Seconds to write `count` samples into a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        function(Path(folder), decode, count, **options)
        return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generation", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="samples of ours a measurement")
    parser.add_argument("--plain", type=int, default=24, help="samples of the plain writer")
    parser.add_argument("--repeats", type=int, default=3, help="measurements; medians are printed")
    parser.add_argument("--long", action="store_true", help="also 20,000 samples: flat or not")
    parser.add_argument("--workdir", default="", help="run whose decoder to use; default: random")
    arguments = parser.parse_args()
    decode = trained_decoder(arguments.workdir) if arguments.workdir else stand_in_decoder()
    print(report.machine())
    print(report.versions("numpy", "scipy", "scikit-image", "matplotlib", "pillow"))

    rates: dict[str, list[float]] = {"plain": [], "ours": []}
    spent: dict[str, float] = {}
    _timed(write_ours, decode, 64)
    for _ in range(arguments.repeats):  # one after the other, so that both see the same machine
        with tempfile.TemporaryDirectory() as folder:
            spent = write_plainly(Path(folder), decode, arguments.plain)
        rates["plain"].append(arguments.plain / sum(spent.values()))
        rates["ours"].append(arguments.count / _timed(write_ours, decode, arguments.count))
    ratio = report.median(rates["ours"]) / report.median(rates["plain"])
    rows = [
        {"writer": "plain loop, one process", "images per second": report.median(rates["plain"])},
        {"writer": "lvae, all cores", "images per second": report.median(rates["ours"])},
    ]
    print(report.table(rows))
    print(f"ratio {ratio:.1f} (target 12, stretch 20)")

    ours = parts(decode)
    table = [
        {
            "part": part,
            "plain, ms per sample": 1000 * spent[part] / arguments.plain if part in spent else "",
            "lvae, ms of one core": milliseconds,
        }
        for part, milliseconds in ours.items()
    ]
    print(report.table(table))
    slowest = max(ours, key=lambda part: ours[part])
    share = 100 * ours[slowest] / sum(ours.values())
    print(
        f"where the time goes: {slowest}, {share:.0f} % of {sum(ours.values()):.2f} ms of one core"
    )

    for format in ("webdataset", "parquet"):
        seconds = _timed(write_ours, decode, arguments.count, format=format)
        print(f"--format={format}: {arguments.count / seconds:.0f} images per second")
    if arguments.long:
        for count in (1000, 20_000):
            seconds = _timed(write_ours, decode, count)
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            each = 1000 * seconds / count
            print(f"{count} samples: {each:.2f} ms per sample, {memory:.0f} MiB at most")


if __name__ == "__main__":
    main()
