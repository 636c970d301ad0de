"""`python -m benchmarks.gpu`: every figure that a GPU could change, on the GPU and on the CPU beside it.

Steps per second of each shipped config, the whole `default` command, moving images rendered on the
device. Every row is measured in processes of its own, one a device, in turn; a row whose data are
absent (brain, digits: an extra or a folder) says why. Prints the table and, where a GPU was found,
writes it into docs/performance_gpu.md. --smoke takes the variants that take seconds, and one device.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import report

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/performance_gpu.md"
START, END = "<!-- measured: begin -->", "<!-- measured: end -->"
CONFIGS = {
    "default": "default",
    "notebook": "notebook",
    "denoise_mlp": "denoise_mlp",
    "denoise_conv": "denoise_conv",
    "autoencoder": "autoencoder",
    "patches": "patches",
    "registration": "registration",
    "registration, full size": "registration:full",
    "vqvae_brain": "vqvae_brain",
}
SMOKE_CONFIGS = {"default": "default:smoke", "denoise_mlp": "denoise_mlp:smoke"}
SECONDS = 20.0  # of steps that are timed


def main() -> None:
    """Prints the table, or measures one row with --row."""
    options = _arguments()
    if options.row:
        print(json.dumps(_measured(options.row, options.smoke)))
        return
    gpu = _platform("gpu")
    devices = {"CPU": "cpu"} | ({"GPU": gpu} if gpu and not options.smoke else {})
    header = "\n".join((report.machine(), report.versions("jax", "jaxlib", "flax")))
    print(header, flush=True)
    rows = []
    for row in _rows(options.smoke):
        found: dict[str, Any] = {"what": row.partition("|")[2] or row}
        for name, platform in devices.items():
            found[name] = _in_process(row, platform, options.smoke)
        both = [value for value in found.values() if isinstance(value, float)]
        if len(devices) == 2:
            found["times faster"] = both[1] / both[0] if len(both) == 2 else ""
        rows.append(found)
    table = report.table(rows)
    print(f"\n{table}")
    if gpu and not options.smoke:
        _write(PAGE, f"{header}\n\n{table}")
    elif not gpu:
        print("\nno GPU is found by JAX: the page is left as it is")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="tiny variants, on the CPU alone")
    parser.add_argument("--row", default="", help="only measure this row, in this process")
    return parser.parse_args()


def _rows(smoke: bool) -> list[str]:
    """KIND|what of each row."""
    configs = SMOKE_CONFIGS if smoke else CONFIGS
    return [
        *(f"steps|steps per second, {name}" for name in configs),
        "runs|whole runs of default an hour",
        "images|moving images a second, 768 x 768, rendered on the device",
        "images|moving images a second, 192 x 192 of 768 x 768",
    ]


def _platform(kind: str) -> str:
    """JAX's name of that kind of device here; empty where there is none."""
    code = f"import jax; jax.devices('{kind}'); print(jax.devices('{kind}')[0].platform)"
    environment = {name: value for name, value in os.environ.items() if name != "JAX_PLATFORMS"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    names = {"gpu": "cuda"}
    return names.get(done.stdout.strip(), done.stdout.strip()) if done.returncode == 0 else ""


def _in_process(row: str, platform: str, smoke: bool) -> float | str:
    """The figure of a row on a device; why there is none."""
    command = [sys.executable, "-m", "benchmarks.gpu", f"--row={row}", *(["--smoke"] * smoke)]
    environment = os.environ | {"JAX_PLATFORMS": platform}
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "Error: " in line]
        return (lines or ["failed"])[-1][:80]
    return float(json.loads(done.stdout.splitlines()[-1]))


def _measured(row: str, smoke: bool) -> float:
    kind, _, what = row.partition("|")
    if kind == "steps":
        configs = SMOKE_CONFIGS if smoke else CONFIGS
        return _steps_per_second(configs[what.removeprefix("steps per second, ")], smoke)
    if kind == "runs":
        return _runs_an_hour(smoke)
    return _images_per_second(pool=4 if "192" in what else 1, count=4 if smoke else 64)


def _steps_per_second(experiment: str, smoke: bool) -> float:
    """Of the compiled loop, without evaluation and records."""
    from benchmarks import steps

    count = 0
    chosen = steps.of_config(experiment)
    chosen.run()  # compiles
    start = time.perf_counter()
    while not count or time.perf_counter() - start < (1 if smoke else SECONDS):
        chosen.run()
        count += chosen.count
    return count / (time.perf_counter() - start)


def _runs_an_hour(smoke: bool) -> float:
    """Of the whole command: start-up, training, evaluation, figures."""
    with tempfile.TemporaryDirectory() as folder:
        config = "default:smoke" if smoke else "default"
        start = time.perf_counter()
        command = [sys.executable, "train.py", f"--config={config}", f"--workdir={folder}/run"]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        return 3600 / (time.perf_counter() - start)


def _images_per_second(pool: int, count: int) -> float:
    """Rendered from points on the device, in batches, as a training loop does."""
    import functools

    import jax
    import numpy as np

    from lvae.grids.rendering import render_images

    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.linspace(100, 660, 18), np.linspace(660, 100, 18)), axis=-1)
    points = (grid + rng.normal(0, 3, (count, 18, 18, 2))).astype(np.float32)
    draw = jax.jit(functools.partial(render_images, pool=pool))
    on_device, visible = jax.device_put((points, np.ones(points.shape[:3], bool)))
    spent = report.seconds(lambda: jax.block_until_ready(draw(on_device, visible)))
    return count / report.median(spent)


def _write(page: Path, text: str) -> None:
    """Puts the text between the page's marks."""
    before, _, rest = page.read_text().partition(START)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{START}\n\n{text}\n\n{END}{after}")


if __name__ == "__main__":
    main()
