"""Pseudo-subjects that were drawn before: a file for each, in a folder for each kind.

The folder is `$LVAE_CACHE`, or `lvae` in the user's cache folder (`$XDG_CACHE_HOME`, `~/.cache`); with
`LVAE_CACHE=` (empty) nothing is kept. What is in it can be removed at any time.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from lvae import atomic
from lvae.errors import UserError

Images = UInt8[np.ndarray, "slices size size"]


def kept(
    identity: Mapping[str, str | int | float],
    index: int,
    shape: tuple[int, ...],
    make: Callable[[], Images],
) -> Images:
    """The images of subject `index` of a kind: read, or made and written.

    A file that cannot be read, or is not of that shape, is made anew; a folder that cannot be written
    is done without.

    Args:
      identity: all that the images depend on, but for the index.
      index: of the subject.
      shape: of the images.
      make: draws them.
    """
    folder = cache_folder()
    if folder is None:
        return make()
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    path = folder / f"heads-{digest}" / f"{index:05d}.npy"
    with contextlib.suppress(OSError, ValueError, EOFError):
        images = np.load(path, allow_pickle=False)
        if images.dtype == np.uint8 and images.shape == shape:
            return images
    images = make()
    with contextlib.suppress(OSError, UserError):
        atomic.make_folder(path.parent)
        with atomic.replacing(path) as temporary:
            np.save(temporary, images, allow_pickle=False)
    return images


def cache_folder() -> Path | None:
    """Where subjects are kept; None: nowhere."""
    named = os.environ.get("LVAE_CACHE")
    if named is not None:
        return Path(named).expanduser() if named else None
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lvae"
    except RuntimeError:  # no home
        return None
