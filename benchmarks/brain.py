"""`python -m benchmarks.brain`: what the brain models cost, and what they reach.

--part=flops      multiplications and additions of each network, counted layer by layer
--part=sampling   cached against naive sampling, --edge codes along a side, in one run, same codes
--part=drawing    seconds for --count slices of --run, from plans to slices
--part=sheet      drawn slices of --run beside real ones, unlabelled; which are which in another file
--part=train      trains both VQ-VAEs on the same slices for as many steps, and the prior that plans,
                  --seeds=0,1,2, into --workdir, with times
--part=table      the table of docs/brain.md from the runs that `train` left (several seeds)
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import report
from configs import pixelcnn_brain, planned_brain, vqvae_brain
from lvae import atomic
from lvae.configuration import parse
from lvae.imaging.levels import to_levels
from lvae.imaging.sheets import contact_sheet, png
from lvae.models import convolving, raster_sampling
from lvae.models.pixelcnn import PixelCNN
from lvae.tasks import restoring
from lvae.tasks.brain.codec.network import network_of
from lvae.tasks.brain.codec.settings import Settings as CodecSettings
from lvae.tasks.brain.prior import picturing, planning
from lvae.tasks.brain.prior.below import codec_below
from lvae.tasks.brain.prior.drawing import draw
from lvae.tasks.brain.prior.network import build
from lvae.tasks.brain.prior.settings import Settings as PriorSettings

PARTS = ("flops", "sampling", "drawing", "train", "table", "sheet")
PRODUCTS = ("dot_general", "conv_general_dilated")


def flops_of(function: Any, *arguments: Any) -> float:
    """2 x multiplications of all products and convolutions in the traced function.

    Multiplications with the zeros that a transposed convolution sets between its inputs are not
    counted: strided layers count as their strided equivalents.
    """

    def count(jaxpr: Any) -> float:
        total = 0.0
        for equation in jaxpr.eqns:
            for value in equation.params.values():
                inner = getattr(value, "jaxpr", value)
                if hasattr(inner, "eqns"):
                    total += count(inner)
            name = equation.primitive.name
            if name not in PRODUCTS:
                continue
            out = np.prod(equation.outvars[0].aval.shape)
            left, right = (variable.aval.shape for variable in equation.invars[:2])
            if name == "dot_general":
                (contracted, _), _ = equation.params["dimension_numbers"]
                total += 2 * out * np.prod([left[axis] for axis in contracted])
            else:
                spread = np.prod(equation.params["lhs_dilation"])
                total += 2 * out * np.prod(right[:-1]) / spread
        return total

    return count(jax.make_jaxpr(function)(*arguments).jaxpr)


def vqvae_flops(argument: str | None) -> dict[str, Any]:
    """Forward pass of one slice, and the parameters."""
    # count convolutions, not how they are laid out on a CPU
    with mock.patch.object(convolving, "_uses_matmul", return_value=False):
        settings = parse(CodecSettings, vqvae_brain.get_config(argument))
        network, size = network_of(settings.model), settings.data.size
        images = jax.ShapeDtypeStruct((1, size, size, 1), jnp.float32)
        params = jax.eval_shape(network.init, jax.random.key(0), images)
        counted = flops_of(network.apply, params, images)
    return {
        "network": f"vqvae_brain:{argument}" if argument else "vqvae_brain",
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(params)),
        "Mflop forward": counted / 1e6,
    }


def prior_flops(argument: str | None, codes: int, edge: int) -> dict[str, Any]:
    """Forward pass of one map of codes."""
    settings = parse(PriorSettings, pixelcnn_brain.get_config(argument))
    network = build(settings.model, codes, (edge, edge))
    maps = jax.ShapeDtypeStruct((1, edge, edge), jnp.int32)
    params = jax.eval_shape(network.init, jax.random.key(0), maps)
    name = f"pixelcnn_brain:{argument}" if argument else "pixelcnn_brain"
    return {
        "network": f"{name}, {edge} x {edge} of {codes}",
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(params)),
        "Mflop forward": flops_of(network.apply, params, maps) / 1e6,
    }


def flops() -> None:
    """The table of costs, and the ratio that the target speaks of."""
    reference, ours = vqvae_flops("reference"), vqvae_flops(None)
    rows = [reference, ours, prior_flops("reference", 128, 8), prior_flops(None, 1024, 32)]
    print(report.table(rows))
    ratio = ours["Mflop forward"] / reference["Mflop forward"]
    print(f"ours / reference: {ratio:.2f} (target: at most 3)")


def sample_naive(
    model: PixelCNN,
    params: Any,
    keys: jax.Array,
    codes: jax.Array,
    redraw: jax.Array,
    plan: jax.Array | None,
) -> jax.Array:
    """The definition of `raster_sampling.sample_cached`: the whole network once per position."""
    columns = codes.shape[2]

    def one(index: jax.Array, codes: jax.Array) -> jax.Array:
        row, column = index // columns, index % columns
        logits: Any = model.apply({"params": params}, codes, plan=plan)
        noise = raster_sampling._noise(keys, index, model.size)
        drawn = raster_sampling.draw(logits[:, row, column], noise, 1.0, 0, 0.0)
        kept = jnp.where(redraw[:, row, column], drawn, codes[:, row, column])
        return codes.at[:, row, column].set(kept)

    return jax.lax.fori_loop(0, codes.shape[1] * columns, one, codes)


def sample_cached(
    model: PixelCNN,
    params: Any,
    keys: jax.Array,
    codes: jax.Array,
    redraw: jax.Array,
    plan: jax.Array | None,
) -> jax.Array:
    """The way of the package, at temperature 1."""
    return raster_sampling.sample_cached(model, params, keys, codes, redraw, plan=plan)


def sampling(batch: int, priors: list[str], edge: int) -> None:
    """Naive and cached sampling of edge x edge maps: same keys, same codes, seconds and ratio."""
    rows = []
    for prior in priors:
        size = 128 if prior == "reference" else 1024
        argument = "reference" if prior == "reference" else None
        config = planned_brain if prior == "planned" else pixelcnn_brain
        settings = parse(PriorSettings, config.get_config(argument))
        reader = settings.plan.width if settings.plan.components else 0
        levels = picturing.SIDE**2 if settings.picture.steps else 0
        network = build(settings.model, size, (edge, edge), reader, levels)
        blank = jnp.zeros((batch, edge, edge), jnp.int32)
        plan = jnp.zeros((batch, edge, edge, 2)) if reader else None
        plan = picturing.readable(settings, plan)
        params = jax.jit(network.init)(jax.random.key(0), blank, plan=plan)["params"]
        keys = jax.random.split(jax.random.key(1), batch)
        arguments = (params, keys, blank, jnp.ones(blank.shape, bool), plan)
        drawn, seconds = {}, {}
        for name, way in (("cached", sample_cached), ("naive", sample_naive)):
            compiled = jax.jit(way, static_argnums=0).lower(network, *arguments).compile()
            measured = []
            for _ in range(4 if name == "cached" else 1):  # the naive way takes minutes
                start = time.perf_counter()
                drawn[name] = np.asarray(compiled(*arguments))
                measured.append(time.perf_counter() - start)
            seconds[name] = report.median(measured)
        rows.append(
            {
                "prior": prior,
                "codes": size,
                "map": f"{edge} x {edge}",
                "maps": batch,
                "naive s": seconds["naive"],
                "cached s": seconds["cached"],
                "ratio": seconds["naive"] / seconds["cached"],
                "cached maps/s": batch / seconds["cached"],
                "equal codes": float((drawn["cached"] == drawn["naive"]).mean()),
            }
        )
    print(report.table(rows))


def sheet(run: Path, out: Path, count: int, seed: int) -> None:
    """Drawn slices among as many real held-out ones, in an order that only the key tells.

    Real slices are shown as they are, not decoded. `OUT.png` is the sheet, `OUT_key.json` the key.
    """
    loaded = restoring.load(run)
    codec = codec_below(loaded.run.spec, loaded.run.variables)
    drawn = to_levels(codec.decode(draw(loaded.run, seed, "sheet", np.arange(count))))
    real = restoring.load_data(loaded.task, loaded.run.settings, loaded.run.spec)["test"]["image"]
    random = np.random.default_rng(seed)
    shown = [*drawn, *real[random.permutation(len(real))[:count]]]
    order = random.permutation(len(shown))
    pixels = contact_sheet([shown[index] for index in order], 10, gap=2, ground=60)
    kinds = ["drawn" if index < count else "real" for index in order]
    atomic.write_bytes(out.with_suffix(".png"), png(pixels))
    key = {f"row {place // 10}, column {place % 10}": kind for place, kind in enumerate(kinds)}
    atomic.write_text(out.with_name(f"{out.stem}_key.json"), json.dumps(key, indent=1) + "\n")
    print(f"{out.with_suffix('.png')}: {len(shown)} slices")


def drawing(run: Path, count: int, seed: int) -> None:
    """Seconds from plans to slices, everything compiled; what the flow of pictures takes of them."""
    loaded = restoring.load(run).run
    codec, indices = codec_below(loaded.spec, loaded.variables), np.arange(count)
    rows = []
    for measured in range(3):  # the first also compiles
        start = time.perf_counter()
        plan = planning.of_nobody(
            loaded, seed + measured, "drawing", indices, None, codec.grid
        ).maps
        plan = picturing.drawn(loaded, seed + measured, "drawing", indices, plan)
        pictured = time.perf_counter()
        codec.decode(draw(loaded, seed + measured, "drawing", indices, plan=plan))
        end = time.perf_counter()
        rows.append({"slices": count, "seconds": end - start, "plan and picture": pictured - start})
    print(report.table(rows[1:]))


def train(workdir: Path, seeds: list[int], device: list[str]) -> None:
    """Every run by its own command, timed; finished runs are left alone."""
    same = [  # slices and steps of ours, for the reference
        f"--config.data.anatomy={vqvae_brain.FOLDS['data']['anatomy']}",
        f"--config.data.subjects={vqvae_brain.FOLDS['data']['subjects']}",
        f"--config.training.steps={vqvae_brain.FOLDS['training']['steps']}",
        "--config.training.epochs=0",
    ]
    for seed in seeds:
        ours, reference = workdir / f"ours_{seed}", workdir / f"reference_{seed}"
        prior = workdir / f"prior_{seed}"
        for config, run, more in (
            ("vqvae_brain.py:folds", ours, []),
            ("vqvae_brain.py:reference", reference, same),
            ("planned_brain.py", prior, [f"--config.vqvae={ours}"]),
        ):
            if (run / "evaluation.json").exists():
                continue
            arguments = [f"--config=configs/{config}", f"--workdir={run}", f"--config.seed={seed}"]
            start = time.perf_counter()
            command = [sys.executable, "train.py", *arguments, *more, *device]
            subprocess.run(command, check=True)
            seconds = time.perf_counter() - start
            command = [sys.executable, "-m", "lvae.evaluate", f"--workdir={run}", *device]
            found = subprocess.run(command, check=True, capture_output=True, text=True)
            numbers = json.loads(found.stdout.splitlines()[-1]) | {"seconds": seconds}
            (run / "evaluation.json").write_text(json.dumps(numbers, indent=1) + "\n")
            print(f"{run}: {seconds:.0f} s", flush=True)


def table(workdir: Path, seeds: list[int]) -> None:
    """Mean and range over the seeds of every number."""
    for name in ("reference", "ours", "prior"):
        paths = [workdir / f"{name}_{seed}" / "evaluation.json" for seed in seeds]
        found = [json.loads(path.read_text()) for path in paths if path.exists()]
        if not found:
            continue
        rows = []
        for measure, value in found[0].items():
            if isinstance(value, int | float):
                values = [numbers[measure] for numbers in found]
                rows.append(
                    {
                        name: measure,
                        "mean": float(np.mean(values)),
                        "lowest": float(min(values)),
                        "highest": float(max(values)),
                        "seeds": len(values),
                    }
                )
        print(report.table(rows), end="\n\n")


def main() -> None:
    """Parses the flags, runs the part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=PARTS, required=True)
    parser.add_argument("--batch", type=int, default=16, help="maps drawn at once")
    parser.add_argument("--priors", default="planned", help="of the part sampling, by commas")
    parser.add_argument("--edge", type=int, default=32, help="codes along a side of a map")
    parser.add_argument(
        "--run", type=Path, default=Path("runs/planned_brain"), help="of sheet and drawing"
    )
    parser.add_argument("--out", type=Path, default=Path("sheet"), help="of the sheet")
    parser.add_argument("--count", type=int, default=50, help="drawn slices")
    parser.add_argument("--workdir", type=Path, default=Path("runs/brain"))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--device", default="auto", help="as for train.py")
    options = parser.parse_args()
    seeds = [int(seed) for seed in options.seeds.split(",")]
    print(report.machine())
    print(report.versions("jax", "jaxlib", "flax", "numpy"))
    if options.part == "flops":
        flops()
    elif options.part == "sampling":
        sampling(options.batch, options.priors.split(","), options.edge)
    elif options.part == "drawing":
        drawing(options.run, options.count, seeds[0])
    elif options.part == "sheet":
        sheet(options.run, options.out, options.count, seeds[0])
    elif options.part == "train":
        train(options.workdir, seeds, [f"--device={options.device}"])
    else:
        table(options.workdir, seeds)


if __name__ == "__main__":
    main()
