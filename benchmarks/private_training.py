"""The price of differential privacy: python -m benchmarks.private_training --data=DIR [--steps=300].

Trains `configs/default.py` by gradients of whole recordings, clipped and noised by Optax's
`differentially_private_aggregate` [abadi2016], so that the bound holds for a recording, not for a frame.
Simulated recordings are nobody's: their gradients are added as they are. Every recording is in every
step, so that the bound is that of the Gaussian mechanism, composed: with a noise of sigma times the
clipping norm over T steps rho = T / (2 sigma^2), epsilon = rho + 2 sqrt(rho ln(1 / delta))
[bun2016]. Prints a row for each sigma, one without clipping and noise, and one without any real
recording, whose epsilon is 0.
"""

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks import report
from lvae import configuration, experiments
from lvae.keys import stream
from lvae.tasks import registry
from lvae.tasks.task import Run, Splits, Task

DELTA = 0.01
PUBLIC_BATCH = 64  # simulated frames per step
SIGMAS = (0.01, 0.1, 1.0, 10.0)


def main(words: Sequence[str] | None = None) -> None:
    """Parses the flags, trains the rows, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="Recordings of equal length.")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sigmas", type=float, nargs="*", default=SIGMAS)
    chosen = parser.parse_args(words)
    config = configuration.changed(
        experiments.read("default"),
        {"data.path": str(chosen.data.resolve()), "seed": chosen.seed},
    )
    task = registry.find(config.task)
    settings = configuration.parse(task.settings, config)
    splits = task.load_data(settings)
    print(report.machine())
    rows = []
    for name, sigma in [
        ("no bound", None),
        *((f"sigma {sigma:g}", sigma) for sigma in chosen.sigmas),
        ("simulated alone", math.inf),
    ]:
        rows.append({"training": name} | row(task, settings, splits, sigma, chosen.steps))
        print(report.table(rows[-1:]), flush=True)
    print(report.table(rows))


def epsilon(sigma: float | None, steps: int) -> float:
    """Of a whole training at DELTA."""
    if sigma is None:
        return math.inf
    rho = steps / (2 * sigma**2)
    return rho + 2 * math.sqrt(rho * math.log(1 / DELTA))


def row(
    task: Task[Any], settings: Any, splits: Splits, sigma: float | None, steps: int
) -> dict[str, Any]:
    """Trains once and measures."""
    train = splits["train"]
    public = {name: array[~train["real"]] for name, array in train.items()}
    spec = task.spec(settings, splits)._replace(examples=len(public["real"]))
    variables = jax.jit(lambda: task.init(settings, spec, stream(settings.seed, "init")))()
    # What the run would keep of frames, for mixing and for drawing, is of simulated ones alone.
    variables = task.prepare(
        settings, jax.device_get(variables), {"train": public | {"real": ~public["real"]}}
    )
    params = _trained(
        task.loss(settings, spec), variables, by_recording(train), public, sigma, steps
    )
    run = Run(settings, spec, {**variables, "params": jax.device_get(params)}, Path("RUN"))
    found = {
        split: task.evaluate(run, splits, split, False)["reconstruction_px_mean"]
        for split in ("train", "validation")
    }
    bound = epsilon(sigma, steps)
    return {"epsilon": f"{bound:.3g}"} | {f"{name} px": px for name, px in found.items()}


def by_recording(train: Any) -> dict[str, np.ndarray]:
    """The numeric fields of real frames, (recordings, frames, ...)."""
    real = np.flatnonzero(train["real"])
    names = train["recording"][real]
    rows = np.stack([real[names == name] for name in np.unique(names)])
    return {name: array[rows] for name, array in train.items() if array.dtype.kind in "biuf"}


def _trained(
    loss: Callable[..., Any],
    variables: Any,
    private: dict[str, np.ndarray],
    public: Any,
    sigma: float | None,
    steps: int,
) -> Any:
    clip = 1.0 if sigma is not None else 1e9
    noise = sigma if sigma is not None and math.isfinite(sigma) else 0.0
    aggregate = optax.contrib.differentially_private_aggregate(clip, noise, jax.random.key(1))
    optimizer = optax.chain(
        optax.clip_by_global_norm(1.0), optax.adam(optax.cosine_decay_schedule(1e-3, steps))
    )
    known = {name: jnp.asarray(public[name]) for name in private}
    buffers, units = variables["buffers"], {k: jnp.asarray(v) for k, v in private.items()}
    recordings = len(private["real"])

    def gradient(params: Any, batch: Any, key: Any, step: Any) -> Any:
        return jax.grad(lambda p: loss(p, buffers, batch, key, step)[0])(params)

    def one(carry: Any, step: Any) -> Any:
        params, state, private_state = carry
        key = jax.random.fold_in(jax.random.key(2), step)
        rows = jax.random.randint(key, (PUBLIC_BATCH,), 0, len(known["real"]))
        total = gradient(params, {k: v[rows] for k, v in known.items()}, key, step)
        if sigma is None or math.isfinite(sigma):
            keys = jax.random.split(jax.random.fold_in(key, 1), recordings)
            each = jax.vmap(gradient, (None, 0, 0, None))(params, units, keys, step)
            mine, private_state = aggregate.update(each, private_state, params)
            total = jax.tree.map(lambda a, b: (a + b) / 2, total, mine)
        updates, state = optimizer.update(total, state, params)
        return (optax.apply_updates(params, updates), state, private_state), None

    params = jax.tree.map(jnp.asarray, variables["params"])
    start = (params, optimizer.init(params), aggregate.init(params))
    (params, _, _), _ = jax.jit(lambda s: jax.lax.scan(one, s, jnp.arange(steps)))(start)
    return params


if __name__ == "__main__":
    main()
