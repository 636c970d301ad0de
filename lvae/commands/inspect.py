"""What the reader of a config finds, before training: lvae inspect --data=DIR --config=FILE.

Names every problem of the data at once, with its remedy, and exits with status 2 if training would
refuse them. Otherwise describes each split field by field and draws some examples of each as
inspect.png in --out.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lvae import atomic
from lvae.commands import arguments, process
from lvae.commands.train import DEFAULT, is_config, read_config
from lvae.errors import UserError

if TYPE_CHECKING:  # the rest is imported after the flags have been checked
    from lvae.tasks.task import Spec, Split, Splits, Task

PICTURE = "inspect.png"
SHOWN = 6  # examples per split on the picture
LISTED = 12  # values of a field that are counted one by one


def main(words: list[str]) -> None:
    """Parses the flags, prints the description, writes the picture."""
    config_words = [word for word in words if is_config(word)]
    chosen = _parser().parse_args([word for word in words if word not in config_words])
    _, config = read_config(config_words)
    if chosen.data is not None:
        if "data" not in config or "path" not in config.data:
            raise UserError(f"--data={chosen.data}: the config has no field data.path to set")
        config.data.path = str(chosen.data)
    source = Path(config.data.path).resolve() if config.get("data", {}).get("path") else None
    out = chosen.out.resolve()
    if source is not None and (out == source or source in out.parents):
        raise UserError(f"--out={chosen.out}: holds the data, where {PICTURE} would be read as one")
    process.prepare_jax(chosen.device)

    from lvae import configuration
    from lvae.imaging.sheets import png
    from lvae.tasks import registry

    task = registry.find(config.task)
    settings = configuration.parse(task.settings, config)
    splits = task.load_data(settings)
    for name, split in splits.items():
        print("\n".join(described(name, split)))
    spec = task.spec(settings, splits)
    refuse_what_training_refuses(task, settings, spec, splits)
    sheet = picture(task, settings, spec, splits)
    if sheet is not None:
        atomic.write_bytes(chosen.out / PICTURE, png(sheet))
        print(f"{chosen.out / PICTURE}: examples of {', '.join(splits)}, from top to bottom")


def _parser() -> argparse.ArgumentParser:
    parser = arguments.Parser(description=__doc__)
    parser.add_argument(
        "--config",
        default=DEFAULT,
        metavar="FILE[:VARIANT]",
        help="Experiment whose reader looks at the data. Any field is set by --config.field=value.",
    )
    parser.add_argument(
        "--data", type=arguments.path, help="The same as --config.data.path=DIR. Default: its own."
    )
    parser.add_argument(
        "--out",
        type=arguments.path,
        default=Path(),
        help=f"Folder for {PICTURE}; it may not be among the data.",
    )
    arguments.add_device(parser)
    return parser


def described(name: str, split: "Split") -> list[str]:
    """Lines about a split: its length, then a line per field."""
    count = len(next(iter(split.values()), ()))
    lines = [f"{name}: {count} examples"]
    if count:
        lines += [f"  {field}: {_described_field(array)}" for field, array in split.items()]
    return lines


def _described_field(array: np.ndarray) -> str:
    size = " x ".join(map(str, array.shape[1:])) or "one per example"
    facts = [size, "text" if array.dtype.kind in "UOS" else str(array.dtype)]
    if array.dtype.kind == "b":
        missing = array.size - np.count_nonzero(array)
        facts.append(f"{missing} of {array.size} false ({missing / max(array.size, 1):.2%})")
    elif array.ndim == 1 and array.dtype.kind in "iuUOS":
        facts.append(_values(array))
    elif array.size:
        finite = array[np.isfinite(array)]
        facts.append(f"{finite.min():.5g} to {finite.max():.5g}, mean {finite.mean():.5g}")
        if finite.size < array.size:
            facts.append(f"{array.size - finite.size} numbers not finite")
    return ", ".join(facts)


def _values(array: np.ndarray) -> str:
    """Of labels, names of recordings or subjects: how many there are, or how often each comes."""
    values, counts = np.unique(
        array.astype(str) if array.dtype == object else array, return_counts=True
    )
    if len(values) <= LISTED:
        return ", ".join(f"{value}: {count}" for value, count in zip(values, counts))
    return f"{len(values)} different, {values[0]} to {values[-1]}"


def refuse_what_training_refuses(
    task: "Task[Any]", settings: Any, spec: "Spec", splits: "Splits"
) -> None:
    """The checks that training makes before its first step, without compiling anything.

    Raises:
      UserError: training would refuse these data or this config.
    """
    import jax

    from lvae.keys import stream
    from lvae.runs import devices
    from lvae.tasks import restoring

    if spec.examples < 1:
        raise UserError("the training split is empty; name other data with --data")
    batch_size = settings.training.batch_size
    devices.batch_sharding(devices.make_mesh(), batch_size)
    for name, split in splits.items():
        for field, array in split.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise UserError(f"{name}: {field} holds numbers that are not finite; mend the data")
    shapes = restoring.variable_shapes(task, settings, spec)
    batch = {
        name: jax.ShapeDtypeStruct((batch_size, *field.shape), field.dtype)
        for name, field in spec.fields.items()
    }
    step = jax.ShapeDtypeStruct((), np.int32)
    key = stream(settings.seed, "step")
    loss = task.loss(settings, spec)
    jax.eval_shape(loss, shapes["params"], shapes["buffers"], batch, key, step)


def picture(task: "Task[Any]", settings: Any, spec: "Spec", splits: "Splits") -> np.ndarray | None:
    """Some examples of every split, a band of rows each; None where nothing can be drawn."""
    from lvae.imaging.sheets import contact_sheet
    from lvae.tasks.task import Run

    run = Run(settings, spec, {}, Path())
    images: list[np.ndarray | None] = []
    for split in splits.values():
        count = len(next(iter(split.values()), ()))
        places = np.linspace(0, count - 1, min(count, SHOWN)).round().astype(int)
        chosen = {field: array[places] for field, array in split.items()}
        drawn = task.explore.render(run, chosen) if task.explore else _images(chosen)
        row = list(drawn)
        images += [*row, *[None] * (-len(row) % SHOWN)]
    if all(image is None for image in images):
        return None
    return contact_sheet(images, SHOWN, smallest=112, largest=256)


def _images(fields: "Split") -> Iterator[np.ndarray]:
    """Grey images: of a field of images, or of grids of points."""
    for array in fields.values():
        if array.ndim == 4 and array.shape[-1] == 1:
            array = array[..., 0]
        if array.ndim == 3 and array.dtype.kind in "uf" and min(array.shape[1:]) > 4:
            yield from map(_levels, array)
            return
    if "points" in fields and "visible" in fields:
        from lvae.grids.rendering import render

        side = int(np.ceil(fields["points"].max(initial=0) / 64 + 1e-6)) * 64
        for points, visible in zip(fields["points"], fields["visible"]):
            yield render(points, visible, (side, side))


def _levels(image: np.ndarray) -> np.ndarray:
    """From black to white; bytes as they are."""
    if image.dtype == np.uint8:
        return image
    low, high = float(image.min()), float(image.max())
    return ((image - low) * (255 / max(high - low, 1e-12))).round().astype(np.uint8)
