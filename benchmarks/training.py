"""`python -m benchmarks.training`: training `notebook`, against the same model and loop in PyTorch.

1. Seconds per epoch (160 frames, batch 4) after compilation, each in processes of its own, in turn.
2. Seconds of the whole command, imports, data, compilation and writing included: `train.py` with an
   empty cache of compiled programs, the same again with the cache of the first, and PyTorch's.

Both have the same layers, loss, optimiser, batches and number of steps; PyTorch the same two
threads. Needs the extra `bench`. Quiet machines only: anything beside it changes the ratios.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import report

ROWS = COLUMNS = 18
BATCH = 4
LATENTS = 8
COORDINATE_SCALE = 728.0
RECONSTRUCTION_WEIGHT, CODING_FACTOR = 56.0, 0.2
LEARNING_RATE, EPSILON = 1e-3, 1e-7


def main() -> None:
    """Prints both tables, or trains in PyTorch alone with --pytorch_run."""
    options = _arguments()
    if options.epochs_of:
        _print_epochs(options.epochs_of, options.data, options.repeats)
        return
    if options.pytorch_run:
        _pytorch_command(options.data, options.epochs, Path(options.pytorch_run))
        return
    print(report.machine())
    print(report.versions("jax", "jaxlib", "flax", "torch"), flush=True)
    print("\nSeconds per epoch after compilation\n")
    print(report.table(_epochs(options.data, options.repeats)), flush=True)
    if options.whole:
        print(f"\nSeconds of the whole command, {options.epochs} epochs\n")
        print(report.table(_commands(options.data, options.epochs)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="", help="recordings; default: simulated ones")
    parser.add_argument("--epochs", type=int, default=100, help="of the whole command")
    parser.add_argument("--repeats", type=int, default=15, help="epochs that are timed of each")
    parser.add_argument("--whole", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--pytorch_run", default="", help="only train in PyTorch, into this folder")
    parser.add_argument("--epochs_of", default="", help="only time epochs of lvae or PyTorch")
    return parser.parse_args()


# Ours.


def _epochs(data: str, repeats: int, rounds: int = 3) -> list[dict[str, Any]]:
    """The epochs of both, each in processes of its own, in turn, so that a change of the machine's
    speed meets both. In one process PyTorch's threads, which spin for a while after their work, would
    take the cores from the other."""
    measured: dict[str, list[float]] = {"PyTorch": [], "lvae": []}
    for _ in range(rounds):
        for name, times in measured.items():
            command = [sys.executable, "-m", "benchmarks.training", f"--epochs_of={name}"]
            command += [f"--data={data}", f"--repeats={repeats}"]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            times += json.loads(done.stdout.splitlines()[-1])
    reference = report.median(measured["PyTorch"])
    return [
        {
            "what": name,
            "seconds per epoch": report.median(times),
            "fastest": min(times),
            "times faster": reference / report.median(times),
        }
        for name, times in measured.items()
    ]


def _print_epochs(name: str, data: str, repeats: int) -> None:
    """Seconds of each counted epoch, as JSON on the last line."""
    epoch = _our_epoch(data)[0] if name == "lvae" else _pytorch_epoch(_frames(data))
    print(json.dumps(report.seconds(epoch, repeats=repeats, warmup=3)))


def _our_epoch(data: str) -> tuple[Callable[[], None], int]:
    """An epoch as the training loop runs it, and how many steps it has."""
    import jax

    from configs.notebook import get_config
    from lvae import configuration
    from lvae.keys import stream
    from lvae.runs import order
    from lvae.runs.optimizer import make_optimizer
    from lvae.runs.state import init_state, make_dispatch, make_step
    from lvae.tasks import registry
    from lvae.tasks.task import numeric

    config = configuration.changed(get_config(), {"data.path": data})
    task = registry.find(config.task)
    all_settings = configuration.parse(task.settings, config)
    settings = all_settings.training
    splits = task.load_data(all_settings)
    spec = task.spec(all_settings, splits)
    examples = spec.examples
    optimizer = make_optimizer(settings, settings.total_steps(examples))
    variables = task.init(all_settings, spec, stream(0, "init"))
    state = init_state(task.prepare(all_settings, variables, splits), optimizer, settings)
    step = make_step(task.loss(all_settings, spec), optimizer, settings)
    dispatch = jax.jit(make_dispatch(step), donate_argnums=0)
    on_device = jax.device_put(numeric(splits["train"]))
    steps = examples // settings.batch_size
    held = {"state": state, "now": 0}

    def epoch() -> None:
        indices = order.batch_indices(
            jax.random.key(1), held["now"], steps, settings.batch_size, examples
        )
        held["state"], metrics = dispatch(held["state"], on_device, indices, jax.random.key(2))
        held["now"] += steps
        np.asarray(metrics["loss"])

    return epoch, steps


def _commands(data: str, epochs: int) -> list[dict[str, Any]]:
    """Whole commands, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        environment = os.environ | {
            "JAX_COMPILATION_CACHE_DIR": str(base / "compiled"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
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
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return time.perf_counter() - start


# The same in PyTorch, which never imports JAX.


def _frames(data: str) -> np.ndarray:
    """(frames, 2, rows + 2, columns + 2): what the reference's network sees."""
    if data:
        from lvae.data.lasten import GridGeometry, read_data_set

        train = read_data_set(data, GridGeometry())["train"]
        points, visible = train.points, train.visible
    else:
        from lvae.data.simulator import SimulatorSettings, simulate_splits

        split = simulate_splits(SimulatorSettings(), 0)["train"]
        points, visible = split["points"], split["visible"]
    scaled = np.where(visible[..., None], points / COORDINATE_SCALE, 0).astype(np.float32)
    return np.pad(scaled.transpose(0, 3, 1, 2), ((0, 0), (0, 0), (1, 1), (1, 1)))


def _pytorch_network() -> Any:
    """Encoder and decoder, layer by layer those of lvae.models.notebook_vae."""
    import torch
    from torch import nn

    class Same(nn.Module):
        """Padding and cropping that make a layer's size what SAME means at stride 2."""

        def __init__(self, layer: nn.Module, pad: tuple[int, ...] = (), crop: int = 0):
            super().__init__()
            self.layer, self.pad, self.crop = layer, pad, crop

        def forward(self, x):
            if self.pad:
                x = nn.functional.pad(x, self.pad)
            x = self.layer(x)
            return x[:, :, : -self.crop, : -self.crop] if self.crop else x

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Sequential(
                Same(nn.Conv2d(2, 32, 3, 2), pad=(0, 1, 0, 1)),
                nn.ReLU(),
                Same(nn.Conv2d(32, 64, 3, 2), pad=(0, 1, 0, 1)),
                nn.ReLU(),
                nn.Flatten(),
                nn.Linear(1600, 16),
                nn.ReLU(),
            )
            self.mean, self.log_variance = nn.Linear(16, LATENTS), nn.Linear(16, LATENTS)
            self.decoder = nn.Sequential(
                nn.Linear(LATENTS, 1600),
                nn.ReLU(),
                nn.Unflatten(1, (64, 5, 5)),
                Same(nn.ConvTranspose2d(64, 64, 3, 2), crop=1),
                nn.ReLU(),
                Same(nn.ConvTranspose2d(64, 32, 3, 2), crop=1),
                nn.ReLU(),
                nn.ConvTranspose2d(32, 2, 3, padding=1),
            )

        def forward(self, x):
            hidden = self.encoder(x)
            mean, log_variance = self.mean(hidden), self.log_variance(hidden)
            code = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
            return self.decoder(code), mean, log_variance

    network = Network()
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            layer.bias.data.zero_()
    assert sum(weight.numel() for weight in network.parameters()) == 115_362
    return network


def _pytorch_epoch(frames: np.ndarray, network: Any = None) -> Callable[[], float]:
    """One pass over the frames, reshuffled; returns the mean loss."""
    import torch
    from torch.nn import functional

    network = network or _pytorch_network()
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE, eps=EPSILON)
    data = torch.from_numpy(frames)

    def epoch() -> float:
        losses = []
        for rows in torch.randperm(len(data)).split(BATCH):
            batch = data[rows]
            logits, mean, log_variance = network(batch)
            loss = RECONSTRUCTION_WEIGHT * functional.binary_cross_entropy_with_logits(
                logits, batch
            )
            divergence = 1 + log_variance - mean.square() - log_variance.exp()
            loss = loss - 0.5 * CODING_FACTOR * divergence.mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return torch.stack(losses).mean().item()

    return epoch


def _pytorch_command(data: str, epochs: int, folder: Path) -> None:
    """What a user of PyTorch would run: reads, trains, writes weights and losses."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    network = _pytorch_network()
    epoch = _pytorch_epoch(_frames(data), network)
    with (folder / "losses.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        for number in range(epochs):
            rows.writerow([number, epoch()])
    torch.save(network.state_dict(), folder / "weights.pt")


if __name__ == "__main__":
    main()
