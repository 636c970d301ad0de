"""Simulated recordings as files: python -m lvae.simulate --out=DIR [--seed=N] [--variety=V].

Writes train/, validation/ and test/ in the layout of real recordings: {id}.json and {id}_mov.png
per frame, and the regular grid as fix.json, so that whatever reads real recordings reads these.
"""

import shutil
from pathlib import Path

import numpy as np

from lvae import atomic
from lvae.commands import arguments
from lvae.data.optics import placement
from lvae.data.recordings.lasten import regular_grid, write_frames
from lvae.data.simulator import SimulatorSettings, simulate_splits
from lvae.errors import UserError
from lvae.grids.encoding import frame_json
from lvae.grids.rendering import frame_scale, render
from lvae.imaging.sheets import png


def write_recordings(out: Path, settings: SimulatorSettings, seed: int) -> int:
    """Writes every split under `out`; returns the number of frames.

    Raises:
      UserError: `out` holds a split already, or cannot be written.
    """
    splits = simulate_splits(settings, seed)
    for name in splits:
        if (out / name).exists():
            raise UserError(f"{out / name}: is there already; choose another --out, or remove it")
    staging = out / ".writing"  # what a killed call leaves; the next one begins anew
    shutil.rmtree(staging, ignore_errors=True)
    size = settings.size
    place = placement(*size)
    frames = 0
    for name, split in splits.items():
        points, visible = split["points"], split["visible"]
        decimals = 0 if settings.whole_pixels else 2
        write_frames(staging / name, split["id"], points, visible, decimals=decimals)
        for identity, grid, seen in zip(split["id"], points, visible):
            image = png(render(grid, seen, size, scale=frame_scale(size)))
            atomic.write_bytes(staging / name / f"{identity}_mov.png", image)
        frames += len(split["id"])
    pitch = 32 * place.scale * 17 / (max(settings.rows, settings.columns) - 1)
    first_x, first_y = (place.scale * np.array([112, 656]) + place.shift).tolist()
    grid = regular_grid(settings.rows, settings.columns, (first_x, first_y), pitch)
    everywhere = np.ones(grid.shape[:2], bool)
    atomic.write_text(out / "fix.json", frame_json(np.round(grid).astype(int), everywhere))
    for name in splits:
        (staging / name).replace(out / name)
    staging.rmdir()
    return frames


_NUMBERS = {
    "train_recordings": "Recordings to train on.",
    "validation_recordings": "Recordings held out for validation.",
    "test_recordings": "Recordings held out for testing.",
    "recording_length": "Frames per recording.",
    "rows": "Rows of the laser grid.",
    "columns": "Columns of the laser grid.",
    "frame_size": "Width and height of a frame, px, where these are 0.",
    "width": "Width of a frame, px; 0: --frame_size.",
    "height": "Height of a frame, px; 0: --frame_size.",
}


def main(words: list[str]) -> None:
    """Parses the flags and writes."""
    chosen = _parser().parse_args(words)
    numbers = {field: getattr(chosen, field) for field in (*_NUMBERS, "variety")}
    try:
        settings = SimulatorSettings(**numbers)
    except ValueError as error:
        raise UserError(f"--rows, --columns, --width, --height, --recordings: {error}") from error
    print(f"{chosen.out}: {write_recordings(chosen.out, settings, chosen.seed)} frames")


def _parser() -> arguments.Parser:
    parser = arguments.Parser(description=__doc__)
    parser.add_argument(
        "--out", type=arguments.path, default=Path("simulated"), help="Folder to write to."
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="Seed; a recording depends on it and on its own number alone.",
    )
    parser.add_argument(
        "--variety",
        type=float,
        default=1.0,
        help="Spread of the shapes over that of real recordings.",
    )
    defaults = SimulatorSettings()
    for field, meaning in _NUMBERS.items():
        parser.add_argument(f"--{field}", type=int, default=getattr(defaults, field), help=meaning)
    return parser
