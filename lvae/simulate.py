"""Simulated recordings as files: python -m lvae.simulate --out=DIR [--seed=N] [--variety=V].

Writes train/, validation/ and test/ in the layout of real recordings: {id}.json and {id}_mov.png a
frame, and the regular grid as fix.json, so that whatever reads real recordings reads these.
"""

from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from lvae import atomic, doors
from lvae.data.lasten import regular_grid, write_frames
from lvae.data.simulator import SimulatorSettings, simulate_splits
from lvae.errors import UserError
from lvae.grids.encoding import frame_json, png
from lvae.grids.rendering import render


def write_recordings(out: Path, settings: SimulatorSettings, seed: int) -> int:
    """Writes every split under `out`; returns the number of frames.

    Raises:
      UserError: `out` holds a split already, or cannot be written.
    """
    splits = simulate_splits(settings, seed)
    for name in splits:
        if (out / name).exists():
            raise UserError(f"{out / name}: is there already; choose another --out")
    size = (settings.frame_size, settings.frame_size)
    frames = 0
    for name, split in splits.items():
        write_frames(out / name, split["id"], split["points"], split["visible"])
        for identity, points, visible in zip(split["id"], split["points"], split["visible"]):
            image = png(render(points, visible, size))
            atomic.write_bytes(out / name / f"{identity}_mov.png", image)
        frames += len(split["id"])
    share = settings.frame_size / 768
    pitch = 32 * share * 17 / (max(settings.rows, settings.columns) - 1)
    grid = regular_grid(settings.rows, settings.columns, (112 * share, 656 * share), pitch)
    everywhere = np.ones(grid.shape[:2], bool)
    atomic.write_text(out / "fix.json", frame_json(np.round(grid).astype(int), everywhere))
    return frames


def main() -> None:
    """Parses the flags and writes."""
    chosen: dict[str, Any] = {field: flags.FLAGS[field].value for field in (*_NUMBERS, "variety")}
    try:
        settings = SimulatorSettings(**chosen)
    except ValueError as error:
        raise UserError(f"--rows, --columns, --recordings: {error}") from error
    out = Path(flags.FLAGS.out)
    print(f"{out}: {write_recordings(out, settings, flags.FLAGS.seed)} frames")


_NUMBERS = {
    "train_recordings": "Recordings to train on.",
    "validation_recordings": "Recordings held out for validation.",
    "test_recordings": "Recordings held out for testing.",
    "recording_length": "Frames a recording.",
    "rows": "Rows of the laser grid.",
    "columns": "Columns of the laser grid.",
    "frame_size": "Width and height of a frame, px.",
}


def define_flags() -> None:
    """--out, --seed, --variety and the numbers of recordings, frames, rows and columns."""
    flags.DEFINE_string("out", "simulated", "Folder to write to.")
    flags.DEFINE_integer("seed", 0, "Seed; a recording depends on it and on its own number alone.")
    flags.DEFINE_float("variety", 1.0, "Spread of the shapes over that of real recordings.")
    defaults = SimulatorSettings()
    for field, meaning in _NUMBERS.items():
        flags.DEFINE_integer(field, getattr(defaults, field), meaning)
    doors.define_device_flag()


if __name__ == "__main__":
    define_flags()
    doors.run(main)
