"""What a task offers the explorer page: values to set, pictures to look at, what draws them.

The page knows no task. It shows the controls that an `Exploration` names, sends their values and
shows the pictures that come back, with what can be laid over them.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float, UInt8

from lvae.errors import UserError

Value: TypeAlias = str | int | float | bool
State: TypeAlias = Mapping[str, Value]  # value of every control, by its name
Note: TypeAlias = Mapping[str, object]  # JSON: an entry of a manifest, numbers under a picture
CODES = "codes"  # the group of controls that are latent dimensions


class Control(NamedTuple):
    """A value that the user sets.

    name: in the state and in the page's address. title: on the page. default: also says the type.
    help: one line. least, most, step: of numbers. choices: of texts; empty: any text. group: those
    of one group stand together. note: a word beside it. faint: of little effect.
    """

    name: str
    title: str
    default: Value
    help: str = ""
    least: float = 0.0
    most: float = 0.0
    step: float = 0.0
    choices: Sequence[str] = ()
    group: str = ""
    note: str = ""
    faint: bool = False


class Layer(NamedTuple):
    """Something laid over a picture that can be switched off.

    kind: "points" or "lines". places: x, y of points, or x, y, x, y of both ends of lines, px of
    the picture. texts: what is said of each point when it is pointed at. shown: from the start.
    """

    name: str
    title: str
    kind: str
    places: Float[np.ndarray, "n _"]
    texts: Sequence[str] = ()
    shown: bool = True


class Picture(NamedTuple):
    """One picture. title: above it. png: its bytes. width, height: px. layers: over it.

    cells: rows and columns of a grid over the picture whose cells can be painted; the painted ones
    are the value of the control `painted`, "row:column,row:column". drags: name of the control that
    says where points of the first layer were dragged to, "index:x:y,index:x:y". named: name of the
    control that says of which row and column of a grid they are, "index:row:column,index:none".
    """

    title: str
    png: bytes
    width: int
    height: int
    layers: Sequence[Layer] = ()
    cells: tuple[int, int] | None = None
    drags: str = ""
    named: str = ""


class Drawn(NamedTuple):
    """The sample on the page, as the command writes it.

    mode, seed, options: of `lvae sample`; options those that differ from the mode's defaults. names:
    of samples in a set. provenance: its entry in the manifest. files: content by suffix.
    name: of the sample, in place of the next of `names`; one that was saved before is replaced.
    """

    mode: str
    seed: int
    options: Mapping[str, Value]
    names: Sequence[str]
    provenance: Note
    files: Callable[[], Mapping[str, bytes]]
    name: str = ""


class Shown(NamedTuple):
    """What belongs to a state. facts: name and text of what is said under the pictures. drawn: None
    where no command draws it."""

    pictures: Sequence[Picture]
    facts: Mapping[str, str] = {}
    drawn: Drawn | None = None


class Space(NamedTuple):
    """A latent space with examples in it, for the map of codes.

    names, groups: of the examples. codes: means of their posteriors. label: what a group is. drawn:
    codes of the prior's samples of these indices, or None without a prior. between: small pictures
    from one example to another, at these shares of the way.
    """

    names: Sequence[str]
    groups: Sequence[str]
    codes: Float[np.ndarray, "examples latents"]
    label: str
    drawn: Callable[[np.ndarray], Float[np.ndarray, "n latents"]] | None
    between: Callable[[str, str, Sequence[float]], UInt8[np.ndarray, "n height width"]]


@dataclasses.dataclass(frozen=True)
class Exploration:
    """One run, opened for the page.

    controls: all values that `show` takes. show: the pictures of a state. space: the latent space,
    where there is one: the controls `example`, `number`, `toward` and `share` then choose places
    in it.
    """

    controls: Sequence[Control]
    show: Callable[[State], Shown]
    space: Space | None = None


def checked(controls: Sequence[Control], values: Mapping[str, object]) -> dict[str, Value]:
    """The value of every control: those given, and the defaults of the others.

    Raises:
      UserError: no such control, or a value that it does not take.
    """
    known = {control.name: control for control in controls}
    state = {control.name: control.default for control in controls}
    for name, value in values.items():
        if name not in known:
            raise UserError(f"{name}={value}: this run has no such value; press Reset")
        state[name] = _checked(known[name], value)
    return state


def _checked(control: Control, value: object) -> Value:
    default = control.default
    if isinstance(default, bool):
        right = isinstance(value, bool)
    elif isinstance(default, int):
        right = isinstance(value, int) and not isinstance(value, bool)
    elif isinstance(default, float):
        right = isinstance(value, int | float) and not isinstance(value, bool)
    else:
        right = isinstance(value, str)
        if right and control.choices and value not in control.choices:
            raise UserError(f"{control.name}={value}: no such choice; press Reset")
    if not right:
        expected = type(default).__name__
        raise UserError(f"{control.name}={value!r}: expected a value of type {expected}")
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not (math.isfinite(value) and control.least <= value <= control.most):
            raise UserError(
                f"{control.name}={value}: must be from {control.least:g} to {control.most:g}"
            )
        return float(value) if isinstance(default, float) else int(value)
    assert isinstance(value, str | bool)
    return value
