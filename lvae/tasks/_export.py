"""What the brain tasks write with sample.py: files that appear whole, a preview, a manifest at the
end."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from lvae import atomic, configuration
from lvae.errors import UserError
from lvae.grids.encoding import png
from lvae.tasks.interface import Run, SamplingOptions
from lvae.training.provenance import versions


def as_bytes(images: np.ndarray) -> np.ndarray:
    """[0, 1] -> uint8; what is outside is clipped."""
    return np.rint(255 * np.clip(images, 0, 1)).astype(np.uint8)


class Export:
    """One call of sample.py, as a context manager.

    The manifest says what was asked for and comes last: a folder with a manifest is complete. The
    same request again changes nothing; another request into the same folder is refused.
    """

    def __init__(self, run: Run, options: SamplingOptions, request: dict[str, Any]):
        if options.format != "files":
            raise UserError(f"--format={options.format}: brain images are written as files")
        self.options = options
        index, count = options.shard
        suffix = "" if count == 1 else f"-{index}-of-{count}"
        self.manifest = options.out / f"manifest{suffix}.json"
        self.preview_path = options.out / f"preview{suffix}.png"
        self.header = {
            "mode": options.mode,
            "seed": options.seed,
            "data": None if options.data is None else str(options.data),
            "config": configuration.to_dict(run.config),
            "request": request,
        }
        self.samples: list[dict[str, Any]] = []
        self.complete = self._is_complete()

    def _is_complete(self) -> bool:
        if not self.manifest.exists():
            return False
        try:
            before = json.loads(self.manifest.read_text())
        except (OSError, ValueError) as error:
            raise UserError(f"{self.manifest}: cannot be read ({error}); remove it") from error
        changes = configuration.differences(
            {key: before.get(key) for key in self.header}, self.header
        )
        if changes:
            raise UserError(
                f"{self.options.out}: holds another export ({changes[0]}); choose another --out"
            )
        return True

    def __enter__(self) -> "Export":
        return self

    def mine(self, count: int) -> list[int]:
        """The indices of this process's shard; none if the export is complete."""
        if self.complete:
            print(f"{self.options.out}: this export is complete; nothing to do", file=sys.stderr)
            return []
        index, shards = self.options.shard
        return list(range(index, count, shards))

    def write_image(self, name: str, image: np.ndarray) -> None:
        """A grey PNG from uint8, or from numbers in [0, 1]."""
        if image.dtype != np.uint8:
            image = as_bytes(image)
        atomic.write_bytes(self.options.out / name, png(image))

    def write_array(self, name: str, array: np.ndarray) -> None:
        """An NPY file."""
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        atomic.write_bytes(self.options.out / name, buffer.getvalue())

    def note(self, sample: dict[str, Any]) -> None:
        """One line of the manifest."""
        self.samples.append(sample)

    def preview(self, sheet: np.ndarray) -> None:
        """The contact sheet."""
        atomic.write_bytes(self.preview_path, png(sheet))

    def __exit__(self, kind: Any, *_: object) -> None:
        if kind is not None or self.complete:
            return
        record = self.header | {
            "versions": versions(),
            "counts": {"samples": len(self.samples)},
            "samples": self.samples,
        }
        atomic.write_text(Path(self.manifest), json.dumps(record, indent=1) + "\n")
