"""What a result was made with: versions, devices, command."""

import importlib.metadata
import platform
import sys
from typing import Any

import jax

from lvae.version import __version__

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "scipy", "scikit-image")


def versions() -> dict[str, str]:
    """Version by package, Python and this project included."""
    return {
        "lvae": __version__,
        "python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in _PACKAGES},
    }


def provenance() -> dict[str, Any]:
    """Versions, devices and the command line."""
    return {
        "versions": versions(),
        "devices": [str(device.device_kind) for device in jax.devices()],
        "processes": jax.process_count(),
        "command": sys.argv,
    }
