"""`python -m benchmarks.registration`: one training step of configs/registration.py, against PyTorch.

Ours is the whole step: augmentation, drawing of the images, U-Net, loss, Adam. PyTorch's is the same
network and optimiser on images that are ready, in its faster memory format too. Both in turn in one
process, two threads each. Needs the extra `bench`; quiet machines only.
"""

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import report
from lvae.commands import process

LEVELS = 4


def main() -> None:
    """Prints the table."""
    options = _arguments()
    print(report.machine())
    print(report.versions("jax", "jaxlib", "flax", "torch"))
    from configs.registration import get_config

    config = get_config("full" if options.full else None)
    flops = 3 * forward_flops(config.model.size, config.model.filters) * config.training.batch_size
    print(f"{flops / 1e9:.1f} GFLOP per step; at 190 GFLOP/s {flops / 190e9:.3f} s\n", flush=True)
    steps = {
        "PyTorch": _pytorch_step(config, channels_last=False),
        "PyTorch, channels last": _pytorch_step(config, channels_last=True),
        "lvae": _our_step(config),
    }
    measured: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(options.repeats + 2):
        for name, step in steps.items():
            spent = report.seconds(step, repeats=1, warmup=0)
            if turn >= 2:
                measured[name] += spent
    reference = report.median(measured["PyTorch"])
    print(
        report.table(
            [
                {
                    "what": name,
                    "seconds per step": report.median(times),
                    "fastest": min(times),
                    "times PyTorch's": report.median(times) / reference,
                }
                for name, times in measured.items()
            ]
        )
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=10, help="steps that are timed of each")
    parser.add_argument("--full", action="store_true", help="384 x 384, 32 filters")
    return parser.parse_args()


def forward_flops(size: int, filters: int) -> int:
    """Multiplications and additions of the U-Net's 3 x 3 convolutions for one image."""
    total, channels = 0, 2
    for level in range(LEVELS):
        wide, pixels = filters * 2**level, (size // 2**level) ** 2
        total += pixels * 9 * wide * (channels + wide)
        total += pixels * 9 * wide * (2 * wide + wide + wide)  # on the way up: below and skip
        channels = wide
    total += (size // 2**LEVELS) ** 2 * 9 * channels * 2 * channels
    return 2 * total


def _our_step(config: Any) -> Callable[[], None]:
    import jax

    from lvae import configuration
    from lvae.runs.optimizer import make_optimizer
    from lvae.runs.state import init_state, make_step
    from lvae.tasks.grids.registration.settings import Settings
    from lvae.tasks.grids.registration.task import TASK

    settings = configuration.parse(Settings, config)
    splits = TASK.load_data(settings)
    spec = TASK.spec(settings, splits)
    training = settings.training
    optimizer = make_optimizer(training, training.total_steps(spec.examples))
    step = jax.jit(make_step(TASK.loss(settings, spec), optimizer, training), donate_argnums=0)
    state = jax.jit(lambda key: init_state(TASK.init(settings, spec, key), optimizer, training))(
        jax.random.key(0)
    )
    batch = {
        name: jax.device_put(splits["train"][name][: training.batch_size])
        for name in ("points", "visible")
    }
    held = {"state": state}

    def run() -> None:
        held["state"], metrics = step(held["state"], batch, jax.random.key(1))
        np.asarray(metrics["loss"])

    return run


def _pytorch_step(config: Any, channels_last: bool) -> Callable[[], None]:
    import torch
    from torch import nn
    from torch.nn import functional

    def block(inputs: int, features: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(inputs, features, 3, padding=1, bias=False),
            nn.BatchNorm2d(features),
            nn.ReLU(),
        )

    class Network(nn.Module):
        def __init__(self, filters: int):
            super().__init__()
            self.down, self.up = nn.ModuleList(), nn.ModuleList()
            channels = 2
            for level in range(LEVELS):
                wide = filters * 2**level
                self.down.append(nn.Sequential(block(channels, wide), block(wide, wide)))
                channels = wide
            self.lowest = block(channels, 2 * channels)
            channels = 2 * channels
            for level in reversed(range(LEVELS)):
                wide = filters * 2**level
                self.up.append(nn.Sequential(block(channels + wide, wide), block(wide, wide)))
                channels = wide
            self.last = nn.Conv2d(channels, 2, 1)

        def forward(self, x):
            skips = []
            for down in self.down:
                x = down(x)
                skips.append(x)
                x = functional.max_pool2d(x, 2)
            x = self.lowest(x)
            for up, skip in zip(self.up, reversed(skips)):
                x = up(torch.cat([functional.interpolate(x, scale_factor=2), skip], 1))
            return self.last(x)

    memory = torch.channels_last if channels_last else torch.contiguous_format
    network: Any = Network(config.model.filters)
    network.to(memory_format=memory)
    optimizer = torch.optim.Adam(network.parameters(), config.training.learning_rate)
    size, batch = config.model.size, config.training.batch_size
    images = torch.randn(batch, 2, size, size).to(memory_format=memory)
    points = torch.randint(size, (batch, 300, 2))
    frames = torch.arange(batch)[:, None]
    targets = torch.randn(batch, 300, 2)

    def run() -> None:
        field = network(images)
        read = field[frames, :, points[..., 1], points[..., 0]]
        loss = (read - targets).square().sum(-1).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        loss.item()

    return run


if __name__ == "__main__":
    process.start_with_large_pages()  # PyTorch's memory, too
    main()
