"""A regression small enough to train in milliseconds, as a task."""

import dataclasses
import sys
from importlib.metadata import EntryPoint

import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from matplotlib.figure import Figure

from lvae.configuration import to_config
from lvae.tasks.task import Encoded, Mode, Plan, Sample, Task, option, spec_of
from lvae.tasks.training_settings import TrainingSettings


@dataclasses.dataclass(frozen=True)
class ToyData:
    """Where the data would come from."""

    path: str = ""


@dataclasses.dataclass(frozen=True)
class ToySettings:
    """The toy's groups."""

    training: TrainingSettings
    data: ToyData
    seed: int = 5


TRAINING = TrainingSettings(
    steps=12,
    batch_size=4,
    steps_per_dispatch=3,
    learning_rate=0.05,
    warmup_steps=2,
    gradient_clip=1.0,
    ema_decay=0.9,
    log_every=3,
    evaluate_every=6,
    checkpoint_every=3,
)


def toy_config(**training) -> ml_collections.ConfigDict:
    """A config of the toy task; keywords replace fields of its training group."""
    return to_config("toy", ToySettings(dataclasses.replace(TRAINING, **training), ToyData()))


class Toy(nn.Module):
    """Three weights; the offset is weakly typed, as numbers made from Python's are."""

    @nn.compact
    def __call__(self, inputs):
        weights = self.param("weights", lambda key: jax.random.normal(key, (3,)))
        return inputs @ weights + self.param("offset", lambda key: jnp.full((), 0.0))


@dataclasses.dataclass(frozen=True)
class ToyOptions:
    """Of the mode `numbers`."""

    factor: float = option(1.0, "Multiplies the numbers.", minimum=0)


def make_toy_task(spoiled_from: int = 10**9) -> Task[ToySettings]:
    """The task; its loss is NaN from step `spoiled_from` on."""
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(10, 3)).astype(np.float32)
    splits = {
        "train": {
            "inputs": inputs,
            "targets": inputs @ np.array([1.0, -2.0, 0.5], np.float32),
            "name": np.array(["a"] * 10),
        }
    }

    def init(settings, spec, key):
        (width,) = spec.fields["inputs"].shape
        params = Toy().init(key, jnp.zeros((1, width)))["params"]
        return {"params": params, "buffers": {"seen": jnp.zeros((), jnp.int32)}}

    def loss(settings, spec):
        def value(params, buffers, batch, key, step):
            noise = 0.1 * jax.random.normal(key, batch["targets"].shape)
            errors = Toy().apply({"params": params}, batch["inputs"]) - batch["targets"] + noise
            mean = jnp.where(step >= spoiled_from, jnp.nan, jnp.mean(errors**2))
            parts = {"error": errors**2, "per_input": batch["inputs"] ** 2}
            return mean, (parts, {"seen": buffers["seen"] + len(errors)})

        return value

    return Task(
        settings=ToySettings,
        load_data=lambda settings: splits,
        spec=lambda settings, splits: spec_of(splits),
        network=lambda settings, spec: Toy(),
        init=init,
        loss=loss,
        evaluate=lambda run, splits, split, thorough: {
            "weight": float(run.variables["params"]["weights"][0])
        },
        figures=lambda run, splits, history: iter([("empty", Figure(figsize=(1, 1)))]),
        modes={"numbers": Mode(_numbers, "Numbers of the samples.", ToyOptions)},
    )


def _numbers(run, request):
    def draw(indices):
        return [
            Sample({"number": index}, lambda index=index: _encoded(index, request.options.factor))
            for index in indices.tolist()
        ]

    count = request.num_samples or 10
    names = [f"{index:03d}" for index in range(count)]
    return Plan(names, (".txt",), draw, block=4)


def _encoded(index: int, factor: float) -> Encoded:
    content = f"{factor * index}\n".encode()
    return Encoded({".txt": content}, np.full((8, 8), index, np.uint8))


TOY = make_toy_task()


def register(monkeypatch) -> None:
    """Makes the toy task known by name, as an installed package would."""
    from lvae.tasks import registry

    point = EntryPoint("toy", f"{__name__}:TOY", registry.GROUP)
    known = {**registry._entry_points(), "toy": point}
    monkeypatch.setattr(registry, "_entry_points", lambda: known)
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
