"""A matcher by hand: a frame, the rays of its points, and how they change when points are moved."""

import dataclasses
import functools
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Real, UInt8
from PIL import Image

from lvae.errors import UserError
from lvae.figures.registration import overlay
from lvae.grids.rendering import render
from lvae.imaging.sheets import png
from lvae.metrics.matching import UNMATCHED, distinct_rays
from lvae.tasks.exploring import Control, Drawn, Exploration, Layer, Picture, Shown, State, Value
from lvae.tasks.grids import layers
from lvae.tasks.grids.data import load_recordings
from lvae.tasks.grids.registration.canvas import canvas_of
from lvae.tasks.grids.registration.frames import frame_id, image_paths, read_frame
from lvae.tasks.grids.registration.modes import on_canvas
from lvae.tasks.grids.registration.network import warp_points
from lvae.tasks.grids.registration.settings import Settings
from lvae.tasks.grids.scale import Scale, scale_of
from lvae.tasks.grids.settings import DataSettings
from lvae.tasks.task import Encoded, Mode, Numbered, Plan, Request, Run, Sample, Split, option

MODE = "move"
SUFFIXES = (".json", "_match.png")
MOST = 2**30  # samples that a set of chosen ones may have

Points = Real[np.ndarray, "points 2"]


@dataclasses.dataclass(frozen=True)
class MoveOptions:
    """Of the mode `move`."""

    example: str = option("", "Frame of --data (default: of the held-out ones); empty: the first.")
    moved: str = option("", "Points moved by hand, point:x:y,point:x:y, counted from 0, px.")


class Shot(NamedTuple):
    """A frame: its image, None where it is drawn from the points; its points; the rays that they
    are known to be of, or None."""

    image: UInt8[np.ndarray, "height width"] | None
    points: Points
    rays: Int[np.ndarray, " points"] | None


class Source(NamedTuple):
    """Frames by name, read when they are looked at. read: name -> frame."""

    names: Sequence[str]
    read: functools.partial[Shot]


def source_of(run: Run[Settings], data: Path | None) -> Source:
    """Moving images under --data, or the held-out frames of the run.

    Raises:
      UserError: there are none.
    """
    if data is not None:
        paths = {frame_id(path): path for path in image_paths(data)}
        return Source(list(paths), functools.partial(_file, scale_of(run.spec).frame, paths))
    return held_out_frames(run.settings.data)


def held_out_frames(data: DataSettings) -> Source:
    """Those that were not trained on, with the rays of their points."""
    splits = load_recordings(data)
    split = splits.get("validation", splits["train"])
    names = [str(number) for number in split["id"].tolist()]
    return Source(names, functools.partial(_labelled, split, names))


def _file(size: tuple[int, int], paths: dict[str, Path], name: str) -> Shot:
    frame = read_frame(paths[name], size)
    return Shot(frame.image, frame.points, None)


def _labelled(split: Split, names: list[str], name: str) -> Shot:
    row = names.index(name)
    seen = split["visible"][row]
    return Shot(None, split["points"][row][seen], np.flatnonzero(seen))


def move(run: Run[Settings], request: Request) -> Plan:
    """One frame, some of its points moved by hand, matched: `{id}.json` and `{id}_match.png`."""
    return move_plan(run, source_of(run, request.data), request)


def move_plan(run: Run[Settings], source: Source, request: Request) -> Plan:
    """See `move`. Where points are moved, or the frame has no image, it is drawn from the points.

    Raises:
      UserError: no such frame or point.
    """
    options, size = request.options, scale_of(run.spec).frame
    name = options.example or source.names[0]
    if name not in source.names:
        raise UserError(f"--example={name}: no such frame; there are {source.names[0]} ...")
    shot = source.read(name)
    points = moved_points(shot.points, options.moved, size)

    def draw(indices: Int[np.ndarray, " samples"]) -> list[Sample]:
        image = shot.image
        if image is None or options.moved:
            scale = scale_of(run.spec).rendering
            image = render(points[None], np.ones((1, len(points)), bool), size, scale=scale)
        rays = rays_of(run, image, points)
        note = {"frame": name, "points": len(points), "matched": int((rays != UNMATCHED).sum())}
        arrays = {"image": image, "points": points, "rays": rays}
        scale_ = scale_of(run.spec)
        return [Sample(note, lambda: _encoded(image, points, rays, scale_), arrays)]

    return Plan(Numbered(1, digits=0), SUFFIXES, draw, block=1)


def moved_points(points: Points, text: str, size: tuple[int, int]) -> Points:
    """The points, those that `--moved` names at their new places.

    Raises:
      UserError: not of the form 3:100:200, no such point, or a place outside the frame.
    """
    placed = np.array(points, np.float64)
    for part in text.split(",") if text else []:
        numbers = part.split(":")
        if len(numbers) != 3 or not all(number.isdecimal() for number in numbers):
            raise UserError(f"--moved={text}: {part!r} is not of the form point:x:y")
        index, x, y = map(int, numbers)
        if index >= len(points) or x >= size[0] or y >= size[1]:
            raise UserError(
                f"--moved={text}: {part!r}: the frame has {len(points)} points and "
                f"{size[0]} x {size[1]} px"
            )
        placed[index] = (x, y)
    return placed


def rays_of(
    run: Run[Settings], image: UInt8[np.ndarray, "height width"], points: Points
) -> Int[np.ndarray, " points"]:
    """The ray of every point; UNMATCHED where another point has it."""
    canvas = canvas_of(run.settings, run.spec)
    rays = canvas.rays().reshape(-1, 2)
    most = max(len(rays), len(points))  # one size of program for all frames
    filled = np.zeros((1, most, 2), np.float32)
    filled[0, : len(points)] = points
    warped = warp_points(run, on_canvas(image, canvas)[None], filled, together=1)
    return distinct_rays(warped[0, : len(points)], rays)


def _grid(
    points: Points, rays: Int[np.ndarray, " points"], scale: Scale
) -> Float[np.ndarray, "rows columns 2"]:
    """The points in the order of rays, NaN where no point has that ray."""
    grid = np.full((scale.rows * scale.columns, 2), np.nan)
    grid[rays[rays != UNMATCHED]] = points[rays != UNMATCHED]
    return grid.reshape(scale.rows, scale.columns, 2)


def _encoded(
    image: UInt8[np.ndarray, "height width"],
    points: Points,
    rays: Int[np.ndarray, " points"],
    scale: Scale,
) -> Encoded:
    picture = Image.fromarray(overlay(image, _grid(points, rays, scale)))
    content = io.BytesIO()
    picture.save(content, "PNG")
    order = [index for index in np.argsort(rays, kind="stable") if rays[index] != UNMATCHED]
    labels = {str(rays[index]): [round(value, 2) for value in points[index]] for index in order}
    files = {".json": json.dumps(labels).encode(), "_match.png": content.getvalue()}
    return Encoded(files, np.asarray(picture.convert("L")))


MOVE = Mode(move, "One frame, points moved by hand, matched: lvae explore copies it.", MoveOptions)


def page(run: Run[Settings], data: Path | None) -> Exploration:
    """A frame and the rays of its points, which can be dragged."""
    source = source_of(run, data)
    controls = [
        Control("example", "frame", source.names[0], "Which frame.", choices=source.names),
        Control("moved", "moved", "", "Points moved by hand.", group="picture"),
    ]
    return Exploration(controls, functools.partial(_shown, run, source))


def _shown(run: Run[Settings], source: Source, state: State) -> Shown:
    chosen: dict[str, Value] = {name: state[name] for name in ("example", "moved") if state[name]}
    name = str(state["example"])
    shot, size = source.read(name), scale_of(run.spec).frame
    known = len(shot.points)
    kept = [part for part in str(state["moved"]).split(",") if part]
    kept = [part for part in kept if int(part.split(":")[0]) < known]  # of a frame with more points
    if kept:
        chosen["moved"] = ",".join(kept)
    else:
        chosen.pop("moved", None)
    request = Request(MODE, options=MoveOptions(**chosen))  # type: ignore[arg-type]
    (sample,) = move_plan(run, source, request).draw(np.arange(1))
    image, points, rays = (sample.arrays[field] for field in ("image", "points", "rays"))
    picture = Picture(
        f"frame {name}: drag a point",
        png(image),
        *size,
        layers=ray_layers(points, rays, shot.rays, scale_of(run.spec)),
        drags="moved",
    )
    facts = {"points": str(known), "matched": str(int((rays != UNMATCHED).sum()))}
    if shot.rays is not None:
        facts["right"] = f"{(rays == shot.rays).mean():.1%}"
    names = Numbered(MOST, digits=0)
    drawn = Drawn(MODE, 0, chosen, names, sample.provenance, lambda: sample.encode().files)
    return Shown([picture], facts, drawn)


def ray_layers(
    points: Points, rays: np.ndarray, known: np.ndarray | None, scale: Scale
) -> list[Layer]:
    """Points with their rays; lines between neighbouring rays; wrong and unmatched points."""
    texts = [_said(ray, point, scale) for ray, point in zip(rays.tolist(), points.tolist())]
    grid = _grid(points, rays, scale)
    found = [
        Layer("points", "points", "points", points, texts),
        Layer("lines", "matched grid", "lines", layers.grid_lines(grid, ~np.isnan(grid[..., 0]))),
    ]
    wrong = rays == UNMATCHED if known is None else rays != known
    found.append(Layer("wrong", "wrong or unmatched", "points", points[wrong]))
    return found


def _said(ray: int, point: list[float], scale: Scale) -> str:
    where = f"x {point[0]:.0f}, y {point[1]:.0f}"
    if ray == UNMATCHED:
        return f"no ray: {where}"
    row, column = divmod(ray, scale.columns)
    return f"ray {ray}, row {row}, column {column}: {where}"
