"""What the page is told: a run opened for exploring, as JSON."""

import base64
import dataclasses
import functools
import hashlib
import json
import shlex
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from lvae.errors import UserError
from lvae.explorer import saving
from lvae.explorer.maps import Maps
from lvae.imaging.sheets import png
from lvae.runs.modes import refuse_input_folder
from lvae.storage import checkpoints, records
from lvae.tasks import restoring
from lvae.tasks.exploring import Control, Drawn, Exploration, Layer, Picture, checked
from lvae.tasks.restoring import Loaded

STRIP = 7  # pictures between two examples, both included
FACTOR = "factor"  # the control that switches a second program on


@dataclasses.dataclass(frozen=True)
class Place:
    """What the command was started with. run: directory or file of a model. data: --data. out: the
    one folder that is written to."""

    run: Path
    data: Path | None
    out: Path


@dataclasses.dataclass(frozen=True)
class Opened:
    """A loaded run. step: of the newest checkpoint when it was loaded; None of a model's file."""

    loaded: Loaded
    exploration: Exploration
    step: int | None


class Session:
    """One page's run; requests come from several threads and are answered one at a time."""

    def __init__(self, place: Place):
        """Loads the run, compiles what the page will ask for.

        Raises:
          UserError: there is no trained run, its task has no such page, or the data are bad.
        """
        self.place = place
        if place.data is not None:
            refuse_input_folder(place.data, place.out)
        self._lock = threading.Lock()
        self._threads = ThreadpoolController()
        self._open()

    def _open(self) -> None:
        self._opened = opened(self.place)
        self.maps = Maps(self._opened.exploration.space)
        names = [control.name for control in self._opened.exploration.controls]
        self.show({})
        if FACTOR in names:
            self.show({FACTOR: 1.0})

    def start(self) -> None:
        """Begins to compute the maps that take longer."""
        self.maps.start()

    def describe(self) -> dict[str, Any]:
        """The run and its controls."""
        loaded, exploration = self._opened.loaded, self._opened.exploration
        return {
            "run": str(self.place.run),
            "task": str(loaded.config.task),
            "out": str(self.place.out),
            "controls": [_control(control) for control in exploration.controls],
            "space": None if exploration.space is None else _space(exploration.space),
        }

    def show(self, values: Mapping[str, object]) -> dict[str, Any]:
        """Pictures and facts of a state, and the command that draws it.

        Raises:
          UserError: a value that there is not.
        """
        shown = self._shown(values)
        return {
            "pictures": [_picture(picture) for picture in shown.pictures],
            "facts": [[name, text] for name, text in shown.facts.items()],
            "command": None if shown.drawn is None else command(self.place, shown.drawn),
        }

    def between(self, first: str, second: str) -> dict[str, Any]:
        """The strip from one example to another.

        Raises:
          UserError: there is no such example.
        """
        space = self._opened.exploration.space
        for name in (first, second):
            if space is None or name not in space.names:
                raise UserError(f"{name}: no such example")
        assert space is not None
        shares = np.linspace(0.0, 1.0, STRIP).round(3).tolist()
        with self._lock, self._threads.limit(limits=1, user_api="blas"):
            pictures = space.between(first, second, shares)
        return {
            "strip": [
                {"share": share, "source": _source(png(picture))}
                for share, picture in zip(shares, pictures)
            ]
        }

    def save(self, values: Mapping[str, object]) -> dict[str, Any]:
        """Appends the sample of a state to the set.

        Raises:
          UserError: the folder holds another set, or cannot be written.
        """
        shown = self._shown(values)
        if shown.drawn is None:
            raise UserError("there is no sample to save here")
        words = command(self.place, shown.drawn)
        with self._lock:
            data = None if self.place.data is None else str(self.place.data)
            name, count = saving.append(
                self.place.out, self._opened.loaded, data, shown.drawn, words
            )
        return {"message": f"saved as {name} in {self.place.out}, {count} in all"}

    def status(self) -> dict[str, Any]:
        """What has become of the run on the disk: a message, and whether a newer checkpoint is
        there."""
        run, step = self.place.run, self._opened.step
        if not run.exists():
            return {
                "message": f"{run} is gone: the page goes on from memory; bring it back before you "
                "use a copied command",
                "newer": False,
            }
        newest = _newest(run)
        if step is None or newest is None:
            return {"message": "", "newer": False}
        unfinished = "" if (run / records.SUMMARY).exists() else "training is not finished: "
        if newest > step:
            return {
                "message": f"{unfinished}this page shows step {step}, step {newest} is there",
                "newer": True,
            }
        return {"message": f"{unfinished}step {step}" if unfinished else "", "newer": False}

    def reload(self) -> dict[str, Any]:
        """Loads the newest checkpoint.

        Raises:
          UserError: the run is gone or damaged; what was loaded stays.
        """
        self._open()
        self.start()
        return self.describe()

    def _shown(self, values: Mapping[str, object]) -> Any:
        exploration = self._opened.exploration
        state = checked(exploration.controls, values)
        with (
            self._lock,
            self._threads.limit(limits=1, user_api="blas"),
        ):  # small products, other work beside
            return exploration.show(state)


def opened(place: Place) -> Opened:
    """Loads a run for exploring.

    Raises:
      UserError: see `Session`.
    """
    step = _newest(place.run)
    loaded = restoring.load(place.run)
    if loaded.task.page is None:
        raise UserError(
            f"{place.run}: the task {loaded.config.task} has nothing to explore by hand; name a run "
            "of another task"
        )
    return Opened(loaded, loaded.task.page(loaded.run, place.data), step)


def command(place: Place, drawn: Drawn) -> str:
    """The command line that writes the same bytes, into a folder of its own."""
    kind = "model" if place.run.is_file() else "workdir"
    words = ["lvae", "sample", f"--{kind}={place.run}", f"--mode={drawn.mode}"]
    if place.data is not None:
        words.append(f"--data={place.data}")
    words += [f"--{name}={_word(value)}" for name, value in drawn.options.items()]
    words += [f"--seed={drawn.seed}", "--num_samples=1"]
    mark = hashlib.sha256(json.dumps(words).encode()).hexdigest()[:8]
    return shlex.join([*words, f"--out={place.out}-{mark}"])


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _newest(run: Path) -> int | None:
    """Step of the newest checkpoint; None of a model's file, or without any."""
    steps = checkpoints.saved_steps(run)
    return steps[-1] if steps else None


def _control(control: Control) -> dict[str, Any]:
    kind = {bool: "switch", int: "whole", float: "number", str: "text"}[type(control.default)]
    return {**control._asdict(), "choices": list(control.choices), "kind": kind}


def _space(space: Any) -> dict[str, Any]:
    return {"names": list(space.names), "groups": list(space.groups), "label": space.label}


def _picture(picture: Picture) -> dict[str, Any]:
    return {
        "title": picture.title,
        "source": _source(picture.png),
        "width": picture.width,
        "height": picture.height,
        "cells": picture.cells,
        "drags": picture.drags,
        "named": picture.named,
        "layers": [_layer(layer) for layer in picture.layers],
    }


def _layer(layer: Layer) -> dict[str, Any]:
    places = np.round(np.asarray(layer.places, np.float64), 2).tolist()
    return {**layer._asdict(), "places": places, "texts": list(layer.texts)}


@functools.lru_cache(maxsize=64)
def _source(content: bytes) -> str:
    """An image as the page's own text: its bytes are the file's."""
    return "data:image/png;base64," + base64.b64encode(content).decode()
