"""`python -m benchmarks.training`: training steps of seven networks, and whole commands, against PyTorch.

1. Milliseconds a step of each network as its reference has it, after compilation. Ours is the whole
   step of the training loop (order, noise, augmentation, drawing, averages, numbers of the record);
   PyTorch's the same network, optimiser and batch on inputs that are ready, in the faster of its two
   memory formats. Each is timed in processes of its own, in turn: in one process PyTorch's threads,
   which spin for a while after their work, would take the cores from the other. The floor is what
   the products need at the rate of a large matrix product here, or the numbers that must be read and
   written at the rate of a large copy: parameters, gradients and Adam's moments once each way, the
   output of every layer twice each way.
2. Seconds of the whole command of `notebook`, imports, data, compilation and writing included: with an
   empty cache of compiled programs, the same again with the cache of the first, and PyTorch's.

Both use the same threads. Needs the extra `bench`. Quiet machines only: anything beside it changes the
ratios, PyTorch's threads, which wait for each other in loops, suffering most. `--one_core` gives
processor time of one core each, for machines that are not free.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from benchmarks import report
from lvae.commands import process

ROOT = Path(__file__).parent.parent
CODEC = "CODEC"  # stands for the run directory of a VQ-VAE
ADAM_BYTES, LAYER_BYTES = 4 * 7, 4 * 4  # per parameter; per number that a layer gives


class Row(NamedTuple):
    """experiment: ours. target: times PyTorch's steps."""

    experiment: str
    target: float
    changes: Mapping[str, Any] = MappingProxyType({})


ROWS = {
    "laser-grid notebook": Row("notebook", 5),
    "convolutional denoiser": Row("denoise_conv:reference", 1.5),
    "dense denoiser": Row("denoise_mlp:reference", 2),
    "VQ-VAE": Row("vqvae_brain:reference", 2),
    "PixelCNN": Row("pixelcnn_brain:reference", 2, {"vqvae": CODEC}),
    "patch VAE": Row("patches:isles_reference", 2),
    "registration U-Net": Row("registration", 1.5),
}


def main() -> None:
    """Prints both tables, or measures one side of one row with --measure."""
    options = _arguments()
    if options.measure:
        side, _, name = options.measure.partition("|")
        if options.one_core:
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        measure = _ours if side == "lvae" else _pytorch
        print(json.dumps(measure(name, options)))
        return
    if options.pytorch_run:
        _pytorch_command(options.data, options.epochs, Path(options.pytorch_run))
        return
    print(report.machine())
    print(report.versions("jax", "jaxlib", "flax", "torch"), flush=True)
    names = [name for name in options.networks.split(",") if name]
    if names:
        print("\nMilliseconds a step after compilation\n")
        print(report.table(_networks(names, options)), flush=True)
    if options.whole:
        print(f"\nSeconds of the whole command of notebook, {options.epochs} epochs\n")
        print(report.table(_commands(options.data, options.epochs)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    known = ",".join(ROWS)
    parser.add_argument("--networks", default=known, help="rows of the table; default: %(default)s")
    parser.add_argument("--seconds", type=float, default=3.0, help="that each measurement takes")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each, in turn")
    parser.add_argument(
        "--one_core",
        action="store_true",
        help="processor time of one core instead: hardly changed by what else runs",
    )
    parser.add_argument("--whole", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--data", default="", help="recordings; default: simulated ones")
    parser.add_argument("--epochs", type=int, default=100, help="of the whole command")
    parser.add_argument("--codec", default="", help=argparse.SUPPRESS)
    parser.add_argument("--pytorch_run", default="", help=argparse.SUPPRESS)
    parser.add_argument("--measure", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = {name for name in options.networks.split(",") if name} - set(ROWS)
    if unknown:
        parser.error(f"--networks={options.networks}: no network {unknown}; known: {known}")
    return options


# Steps.


def _networks(names: list[str], options: argparse.Namespace) -> list[dict[str, Any]]:
    """The first table."""
    with tempfile.TemporaryDirectory() as folder:
        codec = Path(folder) / "codec"
        if any(CODEC in ROWS[name].changes.values() for name in names):
            _train_codec(codec)
        rows = []
        for name in names:
            rows.append(_row(name, codec, options))
            print(rows[-1], file=sys.stderr, flush=True)  # an interrupted run is not lost
        return rows


def _train_codec(workdir: Path) -> None:
    """A VQ-VAE for the PixelCNN to stand on; how good it is does not matter."""
    command = [sys.executable, "train.py", "--config=vqvae_brain:reference"]
    command += [f"--workdir={workdir}", "--config.training.epochs=1"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


def _row(name: str, codec: Path, options: argparse.Namespace) -> dict[str, Any]:
    """A row of the first table."""
    ours: list[float] = []
    theirs: dict[str, list[float]] = {}
    floor = float("inf")
    for _ in range(options.rounds):
        measured = _in_process(f"PyTorch|{name}", codec, options)
        floor = min(floor, measured.pop("floor"))
        for layout, times in measured.items():
            theirs.setdefault(layout, []).extend(times)
        ours += _in_process(f"lvae|{name}", codec, options)["steps"]
    layouts = {layout: report.median(times) for layout, times in theirs.items()}
    best = min(layouts, key=lambda layout: layouts[layout])
    return {
        "network": name,
        **{f"PyTorch, {layout}": value for layout, value in layouts.items()},
        "lvae": report.median(ours),
        "fastest of each": f"{min(theirs[best]):.3g}, {min(ours):.3g}",
        "times faster": layouts[best] / report.median(ours),
        "target": ROWS[name].target,
        "floor": floor,
    }


def _in_process(measure: str, codec: Path, options: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.training", f"--measure={measure}"]
    command += [f"--codec={codec}", f"--data={options.data}", f"--seconds={options.seconds}"]
    command += ["--one_core"] * options.one_core
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def _timed(
    run: Callable[[], Any], steps: int, seconds: float, one_core: bool = False
) -> list[float]:
    """Milliseconds a step of each call of `run`, which takes `steps`."""
    clock = time.process_time if one_core else time.perf_counter
    run()
    run()
    times: list[float] = []
    first = clock()
    while len(times) < 3 or clock() < first + seconds:
        start = clock()
        run()
        times.append(clock() - start)
    return [1000 * spent / steps for spent in times]


def _ours(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Of our training loop."""
    process.prepare_jax("auto")
    from benchmarks import steps

    experiment, _, changes = ROWS[name]
    filled = {field: options.codec if value == CODEC else value for field, value in changes.items()}
    if experiment == "notebook":
        filled["data.path"] = options.data
    chosen = steps.of_config(experiment, filled)
    return {"steps": _timed(chosen.run, chosen.count, options.seconds, options.one_core)}


def _pytorch(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Of PyTorch in each memory format, and the floor."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from benchmarks.pytorch_networks import NETWORKS, step_of

    layouts = {"usual": torch.contiguous_format}
    if name not in ("dense denoiser", "patch VAE"):
        layouts["channels last"] = torch.channels_last
    measured: dict[str, Any] = {}
    for layout, kind in layouts.items():
        step = step_of(NETWORKS[name](kind))
        measured[layout] = _timed(step, 1, options.seconds / len(layouts), options.one_core)
    reference = NETWORKS[name](torch.contiguous_format)
    given = 0

    def count(layer: Any, inputs: Any, output: Any) -> None:
        nonlocal given
        given += output.numel() if isinstance(output, torch.Tensor) else 0

    for layer in reference.network.modules():
        if not list(layer.children()):
            layer.register_forward_hook(count)
    with FlopCounterMode(display=False) as counter:
        reference.loss().backward()
    parameters = sum(weight.numel() for weight in reference.network.parameters())
    flops = counter.get_total_flops() / _flops_per_second(options.one_core)
    traffic = (ADAM_BYTES * parameters + LAYER_BYTES * given) / _bytes_per_second(options.one_core)
    return measured | {"floor": 1000 * max(flops, traffic)}


def _flops_per_second(one_core: bool) -> float:
    """Of a large matrix product."""
    import torch

    matrix = torch.rand(1536, 1536)
    return 2e3 * 1536**3 / min(_timed(lambda: matrix @ matrix, 1, 0.5, one_core))


def _bytes_per_second(one_core: bool) -> float:
    """Read and written by a large copy."""
    import torch

    source, target = torch.rand(2**25), torch.rand(2**25)
    return 2e3 * 2**27 / min(_timed(lambda: target.copy_(source), 1, 0.5, one_core))


# Whole commands.


def _commands(data: str, epochs: int) -> list[dict[str, Any]]:
    """Whole commands, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        environment = os.environ | {
            "JAX_COMPILATION_CACHE_DIR": str(base / "compiled"),
            "JAX_PLATFORMS": "cpu",
        }

        def ours(name: str) -> list[str]:
            return [
                *(sys.executable, "train.py", "--config=configs/notebook.py"),
                *(f"--workdir={base / name}", f"--config.data.path={data}"),
                f"--config.training.epochs={epochs}",
            ]

        theirs = [
            *(sys.executable, "-m", "benchmarks.training", f"--pytorch_run={base / 'pytorch'}"),
            *(f"--data={data}", f"--epochs={epochs}"),
        ]
        measured = {
            "PyTorch": _command_seconds(theirs, environment),
            "train.py, nothing compiled before": _command_seconds(ours("first"), environment),
            "train.py, second run": _command_seconds(ours("second"), environment),
        }
    return [
        {"what": name, "seconds": spent, "times faster": measured["PyTorch"] / spent}
        for name, spent in measured.items()
    ]


def _command_seconds(command: list[str], environment: dict[str, str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    return time.perf_counter() - start


def _frames(data: str) -> np.ndarray:
    """(frames, 2, rows + 2, columns + 2): what the reference's network sees; without JAX."""
    if data:
        from lvae.data.lasten import GridGeometry, read_data_set

        train = read_data_set(data, GridGeometry())["train"]
        points, visible = train.points, train.visible
    else:
        from lvae.data.simulator import SimulatorSettings, simulate_splits

        split = simulate_splits(SimulatorSettings(), 0)["train"]
        points, visible = split["points"], split["visible"]
    scaled = np.where(visible[..., None], points / 728.0, 0).astype(np.float32)
    return np.pad(scaled.transpose(0, 3, 1, 2), ((0, 0), (0, 0), (1, 1), (1, 1)))


def _pytorch_command(data: str, epochs: int, folder: Path) -> None:
    """What a user of PyTorch would run: reads, trains, writes weights and losses."""
    import torch

    from benchmarks.pytorch_networks import Notebook

    folder.mkdir(parents=True, exist_ok=True)
    network, frames = Notebook(), torch.from_numpy(_frames(data))
    optimizer = torch.optim.Adam(network.parameters(), 1e-3, eps=1e-7)
    with (folder / "losses.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        for epoch in range(epochs):
            losses = []
            for chosen in torch.randperm(len(frames)).split(4):
                loss = network.loss(frames[chosen])
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                losses.append(loss.detach())
            rows.writerow([epoch, torch.stack(losses).mean().item()])
    torch.save(network.state_dict(), folder / "weights.pt")


if __name__ == "__main__":
    process.start_with_large_pages()  # PyTorch's memory, too
    main()
