"""The Python interface: everything here is also an attribute of the package, as `lvae.load`.

    run = lvae.load("runs/default")
    frames = lvae.read_recordings("DIR")["train"]
    rebuilt = run.decode(run.encode(frames))
    drawn = run.draw("prior", 1000, seed=0)
    for batch in run.iterate("prior", batch_size=64, seed=0):
        train_step(batch["points"], batch["visible"])

Arrays are NumPy's, on the host, unless a device is named; the computing is done on JAX's default
device. The same seed gives what the command `lvae sample` writes, whatever the batch. Mistakes
raise `lvae.UserError`, one line.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import jax
import numpy as np
from jaxtyping import Float, Shaped, UInt8

from lvae import configuration, experiments
from lvae.data.recordings.frames import Frames, GridGeometry
from lvae.data.recordings.reading import read_data_set
from lvae.errors import UserError
from lvae.runs import evaluation, loop, memory, modes
from lvae.tasks import registry, restoring
from lvae.tasks.restoring import Loaded
from lvae.tasks.task import Explorer, Plan, Request, Spec, check_options

Examples: TypeAlias = Frames | Mapping[str, np.ndarray]
Codes: TypeAlias = Float[np.ndarray, "examples latents"]
Fields: TypeAlias = dict[str, Shaped[np.ndarray, "samples ..."]]
Arrays: TypeAlias = dict[str, Shaped[np.ndarray | jax.Array, "samples ..."]]

ENDLESS = 2**31 - 1  # samples of an iterator that is not bounded

__all__ = ["Frames", "Posterior", "TrainedRun", "UserError", "load", "read_recordings", "train"]


class Posterior(NamedTuple):
    """What the encoder says of examples: mean and standard deviation of their codes."""

    mean: Codes
    deviation: Codes


@dataclasses.dataclass(frozen=True, repr=False)
class TrainedRun:
    """A trained model: of a run directory, or of the file that `lvae export` writes."""

    loaded: Loaded

    def __repr__(self) -> str:
        return f"<TrainedRun {self.loaded.run.workdir}: {self.task}; draws {', '.join(self.modes)}>"

    @property
    def task(self) -> str:
        """The task's name, as `laser_grid`."""
        return str(self.loaded.config.task)

    @property
    def config(self) -> dict[str, Any]:
        """The whole config that it was trained with, as config.json holds it."""
        return configuration.to_dict(self.loaded.config)

    @property
    def spec(self) -> Spec:
        """Shapes and facts of the training data."""
        return self.loaded.run.spec

    @property
    def variables(self) -> Mapping[str, Any]:
        """The trained arrays: "params" and "buffers"."""
        return self.loaded.run.variables

    @property
    def modes(self) -> dict[str, str]:
        """The modes of `draw`, with one line each."""
        return {name: mode.help for name, mode in self.loaded.task.modes.items()}

    def encode(self, examples: Examples) -> Codes:
        """The mean codes of examples: for the laser grid frames with `points` (px; frames, rows,
        columns, 2) and `visible` (frames, rows, columns).

        Raises:
          UserError: the task has no latent space, or a field is missing.
        """
        return self.posterior(examples).mean

    def posterior(self, examples: Examples) -> Posterior:
        """Mean and standard deviation of the codes of examples.

        Raises:
          UserError: see `encode`.
        """
        explorer = self._explorer("encode")
        try:
            return Posterior(*explorer.encode(self.loaded.run, _fields(examples)))
        except KeyError as error:
            raise UserError(f"encode: the examples have no field {error.args[0]!r}") from error

    def decode(self, codes: Float[np.ndarray, "examples latents"]) -> Fields:
        """What codes decode to, without noise, field by field: for the laser grid `points` (px) and
        `visible`.

        Raises:
          UserError: the task has no latent space.
        """
        values = np.asarray(codes, np.float32)
        return dict(self._explorer("decode").decode(self.loaded.run, values))

    def render(self, examples: Examples) -> UInt8[np.ndarray, "examples height width"]:
        """Grey images of examples, or of what `decode` and `draw` give: those of the command's PNGs.

        Raises:
          UserError: the task has nothing to render.
        """
        return self._explorer("render").render(self.loaded.run, _fields(examples))

    def draw(
        self,
        mode: str,
        num_samples: int | None = None,
        *,
        seed: int = 0,
        data: str | Path | None = None,
        device: jax.Device | None = None,
        **options: Any,
    ) -> Arrays:
        """All samples of a mode, field by field: those that `lvae sample --mode=MODE` writes.

        Args:
          mode: one of `modes`.
          num_samples: in all; None: the mode's own number.
          seed: of everything random.
          data: the mode's input, as --data.
          device: puts arrays of numbers on this device, as JAX arrays; None: NumPy, on the host.
          options: the mode's own, as `factor=0.5`.

        Returns:
          For the laser grid `name`, `id`, `points` (px, (0, 0) where missing) and `visible`;
          for images `name` and `image` (uint8). Fields whose arrays differ in size are arrays of
          arrays.

        Raises:
          UserError: an unknown mode or option, bad input.
        """
        plan = self._plan(mode, num_samples, seed, data, options)
        return _placed(next(memory.batches(plan, len(plan.names))), device)

    def iterate(
        self,
        mode: str,
        num_samples: int | None = None,
        *,
        batch_size: int,
        seed: int = 0,
        start: int = 0,
        data: str | Path | None = None,
        device: jax.Device | None = None,
        **options: Any,
    ) -> Iterator[Arrays]:
        """The samples of a mode in batches, for a training loop; nothing goes to the disk.

        Args:
          mode, seed, data, device, options: as for `draw`, whose samples these are.
          num_samples: None: until the loop stops; modes that go through --data end with them.
          batch_size: samples per batch; the last may be smaller.
          start: number of the first sample, to go on where another loop stopped.

        Raises:
          UserError: see `draw`.
        """
        if batch_size < 1 or start < 0:
            raise UserError(f"batch_size={batch_size}, start={start}: at least 1, and at least 0")
        plan = self._plan(mode, num_samples or ENDLESS, seed, data, options)
        return (_placed(batch, device) for batch in memory.batches(plan, batch_size, start))

    def match(self, images: str | Path) -> Fields:
        """The ray of every point of the moving images in a folder; of a matcher (registration).

        Returns:
          `name`; `points` (px, in the order of rays, (0, 0) where missing) and `visible`.

        Raises:
          UserError: the run is no matcher, or there are no images.
        """
        plan = self._plan("match", None, 0, images, {})
        return next(memory.batches(plan, len(plan.names)))

    def evaluate(self, data: str | Path | None = None) -> dict[str, Any]:
        """The numbers of `lvae evaluate`, on the run's own data or on that under `data`.

        Raises:
          UserError: the data are bad or gone.
        """
        return evaluation.of_run(self.loaded, None if data is None else Path(data).expanduser())

    def load_data(self, data: str | Path | None = None) -> dict[str, Fields]:
        """The examples of every split, field by field, of the run's own data or of those under
        `data`, read as training reads them.

        Raises:
          UserError: the data are bad or gone, or the config has no field for their place.
        """
        source = None if data is None else Path(data).expanduser()
        settings = evaluation.settings_on(self.loaded, source)
        splits = restoring.load_data(self.loaded.task, settings, self.spec)
        return {name: dict(split) for name, split in splits.items()}

    def _plan(
        self,
        mode: str,
        num_samples: int | None,
        seed: int,
        data: str | Path | None,
        values: Mapping[str, Any],
    ) -> Plan:
        if num_samples is not None and num_samples < 1:
            raise UserError(f"num_samples={num_samples}: must be at least 1")
        kind = modes.find_mode(self.loaded.task, mode, f"the task {self.task}")
        known = [field.name for field in dataclasses.fields(kind.options)]
        for name in values.keys() - known:
            offered = ", ".join(known) or "none of its own"
            raise UserError(f"mode {mode}: no option {name}; there are {offered}")
        options: Any = configuration.parse(kind.options, values, f"mode {mode}")
        check_options(options)
        source = None if data is None else Path(data).expanduser()
        return modes.planned(self.loaded, Request(mode, seed, num_samples, source, options))

    def _explorer(self, purpose: str) -> Explorer:
        explorer = self.loaded.task.explore
        if explorer is None:
            raise UserError(f"{purpose}: the task {self.task} has no latent space to go through")
        return explorer


def load(place: str | Path) -> TrainedRun:
    """The trained model of a run directory, or of a file of `lvae export`.

    Raises:
      UserError: there is none, or it is damaged.
    """
    return TrainedRun(restoring.load(Path(place).expanduser()))


def train(
    experiment: str,
    changes: Mapping[str, Any] | None = None,
    *,
    workdir: str | Path,
    trackers: Sequence[str] = (),
) -> TrainedRun:
    """Trains, as `lvae train` does; a run that is complete already is loaded.

    Args:
      experiment: a shipped config by name with its variants, as "default:smoke", or a file's name.
      changes: fields by dotted name, as {"data.path": "DIR", "training.steps": 100}.
      workdir: the run directory.
      trackers: "mlflow", "wandb": where numbers go beside TensorBoard.

    Raises:
      UserError: an unknown config or field, a value of another type, bad data, another run there.
    """
    config = experiments.read(experiment, changes)
    task = registry.find(config.task)
    settings = configuration.parse(task.settings, config)
    place = Path(workdir).expanduser()
    loop.train(task, configuration.to_config(config.task, settings), place, trackers)
    return load(place)


def read_recordings(path: str | Path, **geometry: int) -> dict[str, Frames]:
    """Recordings of a laser grid by split: "train" and, where there are any, "validation", "test".

    Args:
      path: a folder in any of the layouts that config.data.path takes.
      geometry: what all frames have in common, where it is not the default: rows, columns, width,
        height (px), recording_length (frames), minimum_visible (points).

    Raises:
      UserError: names everything that is wrong with the files.
    """
    options = configuration.parse(GridGeometry, geometry, "read_recordings")
    return read_data_set(Path(path).expanduser(), options)


def _placed(batch: Fields, device: jax.Device | None) -> Arrays:
    """A batch whose numbers are on a device; names, and arrays of arrays, stay on the host."""
    if device is None:
        return dict(batch)
    return {
        name: jax.device_put(array, device) if array.dtype.kind in "biuf" else array
        for name, array in batch.items()
    }


def _fields(examples: Examples) -> dict[str, np.ndarray]:
    """Examples field by field, numbers with the types that networks take."""
    values = vars(examples) if isinstance(examples, Frames) else examples
    fields = {name: np.asarray(array) for name, array in values.items() if name != "names"}
    return {
        name: array.astype(np.float32) if array.dtype == np.float64 else array
        for name, array in fields.items()
    }
