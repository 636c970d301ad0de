"""The contract: a task is a value that holds pure functions, as an optimiser of optax is.

`lvae.runs` trains, restores, measures and draws whatever is such a value. A task lives in any
package and is found by its name through the entry-point group `lvae.tasks`.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import flax.linen as nn
import jax
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree, UInt8
from matplotlib.figure import Figure

from lvae.errors import UserError
from lvae.tasks.auditor import Auditor
from lvae.tasks.exploring import Exploration
from lvae.tasks.numbered import Numbered as Numbered  # part of the contract: names of samples
from lvae.tasks.training_settings import TrainingSettings

Split = Mapping[str, np.ndarray]  # field -> array, leading axis: example
Splits = Mapping[str, Split]  # "train", "validation", "test"; only "train" must be there
Variables = Mapping[
    str, PyTree
]  # "params": trained by gradients; "buffers": set by the loss itself
Numbers = Mapping[str, Any]  # name -> number, or lists and mappings of numbers
Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]
Batch = Mapping[str, Array]
NUMERIC = "biuf"  # kinds of dtypes that go to the device
LARGEST = 2**31  # numbers in an example


class SettingsLike(Protocol):
    """What the settings of every task hold, beside groups of its own."""

    @property
    def seed(self) -> int: ...
    @property
    def training(self) -> TrainingSettings: ...


if TYPE_CHECKING:
    S = TypeVar("S", bound=SettingsLike)
else:  # protocols with attributes cannot be checked while running
    S = TypeVar("S")


class Spec(NamedTuple):
    """What a network must know of its data; `spec.json` of a run directory.

    fields: shape and type of one example of each numeric field. examples: in the training split.
    facts: what else the task measured on the training split, as JSON holds it.
    """

    fields: Mapping[str, jax.ShapeDtypeStruct]
    examples: int
    facts: Mapping[str, Any] = {}


@runtime_checkable
class LossFunction(Protocol):
    """What training minimises.

    `batch` holds the numeric fields of the training split, gathered along the leading axis, on the
    device. Everything random comes from `key`, which is the step's own. Returns the scalar loss, and
    parts (arrays whose leading axis is the example, or scalars; their means are logged) with the
    buffers after this step.
    """

    def __call__(
        self,
        params: PyTree,
        buffers: PyTree,
        batch: Batch,
        key: Key[Array, ""],
        step: Int[Array, ""],
    ) -> tuple[Float[Array, ""], tuple[Mapping[str, Array], PyTree]]: ...


@dataclasses.dataclass(frozen=True)
class Run(Generic[S]):
    """A trained model, as evaluation, figures and modes see it.

    variables: host arrays; the averaged params where the run keeps an average. workdir: its
    directory, for messages.
    """

    settings: S
    spec: Spec
    variables: Variables
    workdir: Path


class Encoded(NamedTuple):
    """A sample as it is written.

    files: content by the plan's suffix. row: further columns of `--format=parquet`. picture: on the
    contact sheet.
    """

    files: Mapping[str, bytes]
    picture: UInt8[np.ndarray, "height width"]
    row: Mapping[str, Any] = {}


class Sample(NamedTuple):
    """One drawn sample. provenance: its entry in the manifest. encode: gives its files; called on
    another thread, and only if they are wanted. arrays: what those hold, field by field, for loops
    that stay in memory."""

    provenance: Mapping[str, Json]
    encode: Callable[[], Encoded]
    arrays: Mapping[str, np.ndarray] = {}


class Plan(NamedTuple):
    """What one call of a mode draws.

    names: of all samples, in order; a sample's files are its name and a suffix each. suffixes: of
    the files of every sample. draw: the samples of the given indices. block: samples drawn
    together; `draw` gets aligned blocks of as many (the last may be short), so that a sample's
    bytes do not depend on shards and interruptions. extras: files about the whole set, from the
    folder that holds all of it. settings: what else the samples depend on, for the manifest.
    schema: columns of `--format=parquet`, a pyarrow schema.
    """

    names: Sequence[str]
    suffixes: Sequence[str]
    draw: Callable[[Int[np.ndarray, " samples"]], Sequence[Sample]]
    block: int = 64
    extras: Mapping[str, Callable[[Path], bytes]] = {}
    settings: Mapping[str, Json] = {}
    schema: Callable[[], Any] | None = None


@dataclasses.dataclass(frozen=True)
class Request:
    """What sample.py was asked for.

    mode: its name. seed: of everything random. num_samples: in all, or None for the mode's own
    number. data: the input, or None for the mode's own default. options: the mode's own, an
    instance of `Mode.options`.
    """

    mode: str
    seed: int = 0
    num_samples: int | None = None
    data: Path | None = None
    options: Any = None


def with_data(settings: S, data: Path | None) -> S:
    """The settings of a run, `data.path` of which is that of --data where it is given: for a mode
    whose input is laid out as the training data are."""
    if data is None:
        return settings
    group: Any = getattr(settings, "data")  # noqa: B009  # not every task has it
    replaced = {"data": dataclasses.replace(group, path=str(data))}
    return dataclasses.replace(settings, **replaced)  # type: ignore[type-var]


@dataclasses.dataclass(frozen=True)
class NoOptions:
    """The options of a mode that has none."""


class Mode(NamedTuple):
    """A way to draw. plan: says what is drawn. help: one line. options: a frozen dataclass, one
    field per flag; see `option`. formats: layouts that it can write. new: samples are of no example
    in particular; those of all other modes are made from somebody's examples."""

    plan: Callable[[Run[Any], Request], Plan]
    help: str
    options: type = NoOptions
    formats: Sequence[str] = ("files",)
    new: bool = False


def option(default: Any, help: str, minimum: float | None = None) -> Any:
    """A field of a mode's options: `factor: float = option(1.0, "What it does.", minimum=0)`."""
    return dataclasses.field(default=default, metadata={"help": help, "minimum": minimum})


def check_options(options: Any) -> None:
    """Refuses values below their minimum.

    Raises:
      UserError: see above.
    """
    for field in dataclasses.fields(options):
        minimum, value = field.metadata.get("minimum"), getattr(options, field.name)
        if minimum is not None and value is not None and not value >= minimum:
            raise UserError(f"--{field.name}={value}: must be at least {minimum}")


class Explorer(NamedTuple):
    """What a page or a program needs to go through a latent space by hand.

    encode: an example's fields -> (mean, deviation) of codes. decode: codes -> what `render` draws,
    field by field. render: such fields -> grey images, uint8 (N, height, width). label: the split
    field that says to which group an example belongs.
    """

    encode: Callable[[Run[Any], Split], tuple[np.ndarray, np.ndarray]]
    decode: Callable[[Run[Any], Float[np.ndarray, "n latents"]], Split]
    render: Callable[[Run[Any], Split], UInt8[np.ndarray, "n height width"]]
    label: str


def nothing_to_prepare(settings: Any, variables: Variables, splits: Splits) -> Variables:
    """The default of `Task.prepare`."""
    return variables


@dataclasses.dataclass(frozen=True)
class Task(Generic[S]):
    """A system: data, network, loss, measures, figures, ways to draw.

    settings: frozen dataclass of all config groups; it has `seed` and `training`.
    load_data: reads files. spec: what the network must know of them. network: the module.
    init: variables of the right shapes, from shapes alone; jitted. prepare: fills in what the
    training data say (statistics, clusters, tables), same shapes; not jitted.
    loss: what is minimised. evaluate: numbers about one split; `thorough` takes minutes, not seconds.
    figures: (name, picture) each, after training; a picture is a Figure or uint8 pixels; `history`
    holds the rows of metrics. modes: ways to draw. explore: the latent space, for programs. page: a
    run and --data -> what the page of `lvae explore` shows; None: there is no such page.
    audit: how `lvae audit` compares examples; None: the task draws nothing new.
    watched: splits evaluated while training. reported: splits whose measures `lvae.evaluate` gives
    without the split's name, too; a later one wins.
    reload_data: `load_data` for a trained run, where that of training needs what may be gone by then;
    None: the same.
    """

    settings: type[S]
    load_data: Callable[[S], Splits]
    spec: Callable[[S, Splits], Spec]
    network: Callable[[S, Spec], nn.Module]
    init: Callable[[S, Spec, Key[Array, ""]], Variables]
    loss: Callable[[S, Spec], LossFunction]
    evaluate: Callable[[Run[S], Splits, str, bool], Numbers]
    figures: Callable[[Run[S], Splits, Sequence[Mapping[str, Any]]], Iterator["NamedPicture"]]
    modes: Mapping[str, Mode]
    prepare: Callable[[S, Variables, Splits], Variables] = nothing_to_prepare
    reload_data: Callable[[S, Spec], Splits] | None = None
    explore: Explorer | None = None
    page: Callable[[Run[S], Path | None], Exploration] | None = None
    audit: Auditor | None = None
    watched: Sequence[str] = ("validation",)
    reported: Sequence[str] = ("test",)


NamedPicture = tuple[str, Figure | np.ndarray]


def spec_of(splits: Splits, **facts: Any) -> Spec:
    """The spec of a training split: its numeric fields, its length, and these facts."""
    train = numeric(splits["train"])
    fields = {
        name: jax.ShapeDtypeStruct(array.shape[1:], array.dtype) for name, array in train.items()
    }
    return Spec(fields, len(next(iter(train.values()))), facts)


def numeric(fields: Split) -> dict[str, np.ndarray]:
    """The fields of a split that go to the device: strings and objects stay on the host."""
    return {name: array for name, array in fields.items() if array.dtype.kind in NUMERIC}


def spec_to_json(spec: Spec) -> dict[str, Any]:
    """What spec.json holds."""
    fields = {
        name: {"shape": list(field.shape), "dtype": str(field.dtype)}
        for name, field in spec.fields.items()
    }
    return {"fields": fields, "examples": spec.examples, "facts": dict(spec.facts)}


def spec_from_json(values: Mapping[str, Any]) -> Spec:
    """The inverse of `spec_to_json`.

    Raises:
      ValueError: the values are no spec.
    """
    try:
        fields = {
            name: jax.ShapeDtypeStruct(_shape(field["shape"]), _dtype(field["dtype"]))
            for name, field in values["fields"].items()
        }
        return Spec(fields, _count(values["examples"]), dict(values["facts"]))
    except (KeyError, TypeError, AttributeError, ValueError, SyntaxError) as error:
        raise ValueError(f"no spec of data: {type(error).__name__} {error}") from error


def _shape(sizes: Sequence[Any]) -> tuple[int, ...]:
    """The sizes of an array, each one that memory can hold."""
    shape = tuple(_count(size) for size in sizes)
    if math.prod(shape) > LARGEST:
        raise ValueError(f"shape {shape} has more than {LARGEST} numbers")
    return shape


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r}, expected a whole number")
    return value


def _dtype(name: Any) -> np.dtype:
    dtype = np.dtype(name) if isinstance(name, str) else None
    if dtype is None or dtype.kind not in NUMERIC:
        raise ValueError(f"{name!r} is no type of numbers")
    return dtype
