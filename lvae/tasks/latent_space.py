"""Codes chosen by hand, for every task with a latent space: the options of the mode `code`, and the
controls of the explorer page that set them.

A code starts from an example, a share of the way to another one, or from a sample of the prior, and
is moved along single dimensions. The unit of such a move is the standard deviation of the aggregate
posterior: of the mixture of the codes of all examples.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lvae.errors import UserError
from lvae.tasks.exploring import CODES, Control, State, Value
from lvae.tasks.task import option

ACTIVE_KL = 0.1  # nats; a dimension that carries less is not in use
REACH = 4.0  # standard deviations that a slider goes to either side
STEP = 0.05  # of a slider

Codes = Float[np.ndarray, "n latents"]
Draw = Callable[[Int[np.ndarray, " n"]], Codes]


class LatentSpace(NamedTuple):
    """Where examples lie in a latent space.

    names, groups: of the examples. mean, deviation: of their posteriors. spread: standard
    deviations of the aggregate posterior. kl: nats per dimension, mean over examples.
    """

    names: Sequence[str]
    groups: Sequence[str]
    mean: Float[np.ndarray, "examples latents"]
    deviation: Float[np.ndarray, "examples latents"]
    spread: Float[np.ndarray, " latents"]
    kl: Float[np.ndarray, " latents"]


@dataclasses.dataclass(frozen=True)
class CodeOptions:
    """Of the mode `code`."""

    example: str = option(
        "", "Example to start from, as a frame's id; empty: a sample of the prior."
    )
    number: int = option(0, "Without --example: number of the prior's sample.", minimum=0)
    toward: str = option("", "Another example, part of the way to which the code goes.")
    share: float = option(0.5, "That part: 0 is --example, 1 is --toward.")
    shift: str = option(
        "",
        "Moves along latent dimensions in standard deviations of the examples' codes, as "
        "3:1.5,17:-0.25.",
    )
    factor: float = option(
        0.0, "Multiplies the noise of the sampling layer; 0 gives the code itself.", minimum=0
    )


def latent_space(
    names: Sequence[str], groups: Sequence[str], mean: np.ndarray, deviation: np.ndarray
) -> LatentSpace:
    """The space of these examples."""
    variance = deviation.astype(np.float64) ** 2
    spread = np.sqrt(mean.astype(np.float64).var(axis=0) + variance.mean(axis=0))
    kl = 0.5 * (mean.astype(np.float64) ** 2 + variance - 1.0 - np.log(variance)).mean(axis=0)
    return LatentSpace(names, groups, mean, deviation, spread.astype(np.float32), kl)


def chosen_codes(
    space: LatentSpace,
    options: CodeOptions,
    prior: Draw,
    normal: Draw,
    indices: Int[np.ndarray, " samples"],
) -> Codes:
    """Codes of the samples of these indices.

    Args:
      space: of the examples.
      options: of the mode.
      prior: the codes of the prior's samples.
      normal: standard normal noise, each of its own index.
      indices: of the samples. The first is the code itself plus its noise.

    Raises:
      UserError: no such example or dimension.
    """
    moved = shifts(options.shift, len(space.spread)) * space.spread
    if not options.example:
        return (prior(options.number + indices) + moved).astype(np.float32)
    row = _row(space, options.example, "example")
    code, deviation = space.mean[row], space.deviation[row]
    if options.toward:
        other = _row(space, options.toward, "toward")
        code = code + np.float32(options.share) * (space.mean[other] - code)
        deviation = deviation + np.float32(options.share) * (space.deviation[other] - deviation)
    codes = np.repeat((code + moved)[None], len(indices), axis=0)
    if options.factor:
        codes = codes + np.float32(options.factor) * np.abs(deviation) * normal(indices)
    return codes.astype(np.float32)


def _row(space: LatentSpace, name: str, flag: str) -> int:
    if name not in space.names:
        few = ", ".join(space.names[:3])
        raise UserError(
            f"--{flag}={name}: no such example; there are {len(space.names)}: {few} ..."
        )
    return list(space.names).index(name)


def shifts(text: str, latents: int) -> Float[np.ndarray, " latents"]:
    """The moves that `--shift` names.

    Raises:
      UserError: no such dimension, or not of the form 3:1.5,17:-0.25.
    """
    moves = np.zeros(latents, np.float32)
    for part in text.split(",") if text else []:
        dimension, _, amount = part.partition(":")
        try:
            number, value = int(dimension), float(amount)
        except ValueError:
            raise UserError(f"--shift={text}: {part!r} is not of the form 3:1.5") from None
        if not (0 <= number < latents and np.isfinite(value)):
            raise UserError(
                f"--shift={text}: {part!r}: dimensions are 0 to {latents - 1}, moves finite numbers"
            )
        moves[number] = value
    return moves


def controls(space: LatentSpace, extra: Sequence[Control] = ()) -> list[Control]:
    """The page's controls of a latent space: first where to start, then the dimensions by the nats
    that they carry, then the others."""
    place = [
        Control("example", "example", space.names[0], "Where the code starts; empty: the prior."),
        Control("number", "sample", 0, "Number of the prior's sample.", 0, 2**31 - 2, 1),
        Control("toward", "toward", "", "Another example to go toward."),
        Control("share", "share of the way", 0.5, "0 is the example itself.", -1.0, 2.0, 0.05),
    ]
    order = np.argsort(-space.kl, kind="stable").tolist()
    sliders = [
        Control(
            f"z{number}",
            f"z{number}",
            0.0,
            f"Dimension {number}, in standard deviations of the codes of all examples.",
            -REACH,
            REACH,
            STEP,
            group=CODES,
            note=_note(float(space.kl[number])),
            faint=bool(space.kl[number] < ACTIVE_KL),
        )
        for number in order
    ]
    drawing = [
        Control("factor", "noise factor", 0.0, "0: the code itself.", 0.0, 3.0, 0.05),
        *extra,
        Control("seed", "seed", 0, "Of the noise and of the prior.", 0, 2**31 - 1, 1),
    ]
    return [*place, *sliders, *drawing]


def _note(kl: float) -> str:
    return f"{kl:.2f} nats" if kl >= ACTIVE_KL else f"dead: {kl:.2f} nats"


def code_options(state: State, latents: int) -> dict[str, Value]:
    """The options of the mode `code` that a state stands for, without those that have no effect."""
    moves = [(number, float(state[f"z{number}"])) for number in range(latents)]
    shift = ",".join(f"{number}:{value:g}" for number, value in moves if value)
    found: dict[str, Value] = {}
    if state["example"]:
        found["example"] = state["example"]
        if state["toward"]:
            found |= {"toward": state["toward"], "share": state["share"]}
    elif state["number"]:
        found["number"] = state["number"]
    if shift:
        found["shift"] = shift
    if state["factor"]:
        found["factor"] = state["factor"]
    return found
