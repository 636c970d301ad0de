"""A labelled frame, corrected by hand: sample.py --mode=correct, and its page."""

import dataclasses
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from lvae.data.image_folder import MANIFESTS
from lvae.errors import UserError
from lvae.grids.labelling import UNMATCHED, Labelling
from lvae.grids.rendering import render
from lvae.imaging.sheets import png
from lvae.tasks.exploring import Control, Drawn, Exploration, Layer, Picture, Shown, State, Value
from lvae.tasks.grids.registration.exploring import held_out_frames, ray_layers
from lvae.tasks.grids.registration.frames import Frame
from lvae.tasks.grids.registration.matched import in_space, matched_sample, suffixes
from lvae.tasks.grids.registration_points.matching import facts_of, match_points, unsure
from lvae.tasks.grids.registration_points.recordings import open_recording
from lvae.tasks.grids.registration_points.settings import Settings
from lvae.tasks.grids.scale import Scale, scale_of
from lvae.tasks.task import Mode, Plan, Request, Run, Sample, option

MODE = "correct"
NONE = "none"  # of a point that belongs to no ray

Rays = Int[np.ndarray, " points"]


@dataclasses.dataclass(frozen=True)
class CorrectOptions:
    """Of the mode `correct`."""

    example: str = option("", "Frame of --data (default: of the held-out ones); empty: the first.")
    named: str = option(
        "", "Points named by hand, point:row:column or point:none, commas between; counted from 0."
    )
    keep: bool = option(
        True, "Whether labels that --data has stay where none is corrected; else all are made anew."
    )


class Shot(NamedTuple):
    """A frame, and the rays of its points as the file says or the recording knows; None: unknown."""

    frame: Frame
    rays: Rays | None


class Source(NamedTuple):
    """Frames by name. read: name -> frame. labels: whether they are labels to be corrected; else
    what the matcher is to be compared with."""

    names: tuple[str, ...]
    read: functools.partial[Shot]
    labels: bool


def source_of(run: Run[Settings], data: Path | None) -> Source:
    """The frames of --data, or the held-out ones of the run.

    Raises:
      UserError: there are none.
    """
    size = scale_of(run.spec).frame
    if data is None:
        held_out = held_out_frames(run.settings.data)
        return Source(tuple(held_out.names), functools.partial(_held_out, held_out, size), False)
    recording = open_recording(data, size)
    return Source(tuple(recording.names), functools.partial(_of_file, recording), True)


def _of_file(recording, name: str) -> Shot:
    place = list(recording.names).index(name)
    return Shot(recording.read(place), recording.labels(place))


def _held_out(source, size: tuple[int, int], name: str) -> Shot:
    shot = source.read(name)
    seen = np.ones((1, len(shot.points)), bool)
    return Shot(Frame(render(shot.points[None], seen, size), shot.points, "file"), shot.rays)


def correct(run: Run[Settings], request: Request) -> Plan:
    """One frame of --data, some of its points named by hand: the frame's files of `match`, under its
    name. What is named stays, and points that nobody has named go along with it."""
    return correct_plan(run, source_of(run, request.data), request)


def correct_plan(run: Run[Settings], source: Source, request: Request) -> Plan:
    """See `correct`.

    Raises:
      UserError: no such frame, point or ray.
    """
    options, spatial = request.options, in_space(run.spec)
    name = options.example or source.names[0]
    if name not in source.names:
        raise UserError(f"--example={name}: no such frame; there are {source.names[0]} ...")
    shot = source.read(name)
    named = named_points(options.named, len(shot.frame.points), scale_of(run.spec))
    kept = shot.rays if source.labels and options.keep else None

    def draw(indices: Int[np.ndarray, " samples"]) -> list[Sample]:
        (labelled,) = match_points(run, [shot.frame.points], [known_rays(kept, named)])
        note = {"named": {str(point): ray for point, ray in named.items()}}
        sample = matched_sample(
            shot.frame,
            labelled.ray,
            run.spec,
            spatial,
            facts_of(shot.frame.points, labelled) | note,
        )
        own = {"rays": labelled.ray, "certainty": labelled.certainty}
        return [sample._replace(arrays={**sample.arrays, **own})]

    return Plan([name], suffixes(spatial), draw, block=1)


def named_points(text: str, count: int, scale: Scale) -> dict[int, int]:
    """Point -> ray of `--named`, UNMATCHED for none.

    Raises:
      UserError: not of the form 5:3:12 or 5:none, no such point or ray, or a ray twice.
    """
    named: dict[int, int] = {}
    for part in text.split(",") if text else []:
        point, *place = part.split(":")
        numbers = [point, *place] if place != [NONE] else [point]
        if len(place) not in (1, 2) or not all(number.isdecimal() for number in numbers):
            raise UserError(f"--named={text}: {part!r} is not of the form point:row:column")
        if len(numbers) == 2:
            raise UserError(f"--named={text}: {part!r} lacks a column")
        if int(point) >= count:
            raise UserError(f"--named={text}: {part!r}: the frame has {count} points")
        row, column = map(int, place) if place != [NONE] else (0, 0)
        if row >= scale.rows or column >= scale.columns:
            raise UserError(
                f"--named={text}: {part!r}: the grid has {scale.rows} rows and "
                f"{scale.columns} columns, counted from 0"
            )
        ray = UNMATCHED if place == [NONE] else row * scale.columns + column
        if ray != UNMATCHED and ray in named.values():
            raise UserError(f"--named={text}: {part!r}: another point has this ray already")
        named[int(point)] = ray
    return named


def known_rays(kept: Rays | None, named: Mapping[int, int]) -> dict[int, int]:
    """What is certain: named points, and labels that are kept. A label gives way where its ray is
    named for another point."""
    taken = set(named.values()) - {UNMATCHED}
    known = {} if kept is None else dict(enumerate(kept.tolist()))
    return {point: ray for point, ray in known.items() if ray not in taken} | dict(named)


def read_named(folder: Path) -> dict[str, dict[int, int]]:
    """By frame, what was named in the frames that the page saved in a folder.

    Raises:
      UserError: no manifest of such frames.
    """
    path = next((one for name in MANIFESTS if (one := folder / name).exists()), folder)
    try:
        samples = json.loads(path.read_bytes())["samples"]
        return {
            one["name"]: {int(point): int(ray) for point, ray in one["named"].items()}
            for one in samples
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{path}: no frames that were corrected ({type(error).__name__} {error}); name the folder "
            "that lvae explore saved to"
        ) from error


CORRECT = Mode(
    correct, "One frame, points named by hand, labelled: lvae explore copies it.", CorrectOptions
)


def page(run: Run[Settings], data: Path | None) -> Exploration:
    """A frame and the rays of its points, each of which can be named."""
    source = source_of(run, data)
    controls = [
        Control("example", "frame", source.names[0], "Which frame.", choices=source.names),
        Control("named", "named", "", "Points named by hand.", group="picture"),
    ]
    if source.labels:
        controls.append(
            Control("keep", "keep the labels of --data", True, "Else all are made anew.")
        )
    return Exploration(controls, functools.partial(_shown, run, source))


def _shown(run: Run[Settings], source: Source, state: State) -> Shown:
    name, scale = str(state["example"]), scale_of(run.spec)
    shot = source.read(name)
    chosen: dict[str, Value] = {key: state[key] for key in ("example", "named") if state[key]}
    if state.get("keep") is False:
        chosen["keep"] = False
    request = Request(MODE, data=None, options=CorrectOptions(**chosen))  # type: ignore[arg-type]
    (sample,) = correct_plan(run, source, request).draw(np.arange(1))
    labelled = Labelling(sample.arrays["rays"], sample.arrays["certainty"])
    height, width = shot.frame.image.shape
    picture = Picture(
        f"frame {name}: click a point to name it",
        png(shot.frame.image),
        width,
        height,
        layers=_layers(shot, labelled, str(state["named"]), scale),
        named="named",
    )
    matched = int((labelled.ray != UNMATCHED).sum())
    facts = {
        "points": str(len(labelled.ray)),
        "matched": str(matched),
        "unsure": str(int(unsure(labelled).sum())),
    }
    if shot.rays is not None:
        facts["as in the file" if source.labels else "right"] = (
            f"{(labelled.ray == shot.rays).mean():.1%}"
        )
    drawn = Drawn(MODE, 0, chosen, [], sample.provenance, lambda: sample.encode().files, name)
    return Shown([picture], facts, drawn)


def _layers(shot: Shot, labelled: Labelling, named: str, scale: Scale) -> list[Layer]:
    """Points with their rays, matched neighbours, and points that are unsure, wrong or named."""
    points = shot.frame.points.astype(np.float64)
    over, lines, wrong = ray_layers(points, labelled.ray, shot.rays, scale)
    texts = [
        f"point {number}, {text}, {sure:.0%} certain"
        for number, (text, sure) in enumerate(zip(over.texts, labelled.certainty))
    ]
    by_hand = list(named_points(named, len(points), scale))
    return [
        over._replace(texts=texts),
        lines,
        Layer("unsure", "unsure", "points", points[unsure(labelled)]),
        wrong,
        Layer("named", "named by hand", "points", points[by_hand]),
    ]
