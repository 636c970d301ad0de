"""Generative augmentation for medical imaging where data are scarce.

`lvae.load`, `lvae.train` and `lvae.read_recordings` are the Python interface, see `lvae.api`.
"""

from typing import TYPE_CHECKING, Any

from lvae.version import __version__

if TYPE_CHECKING:
    from lvae.api import Frames, Posterior, TrainedRun, UserError, load, read_recordings, train

__all__ = [
    "Frames",
    "Posterior",
    "TrainedRun",
    "UserError",
    "__version__",
    "load",
    "read_recordings",
    "train",
]


def __getattr__(name: str) -> Any:
    """Imports the interface when it is first used: JAX takes a second."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lvae import api

    value = globals()[name] = getattr(api, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
