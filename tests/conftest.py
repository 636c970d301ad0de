"""Strict settings for every test, and the real data where it is at hand."""

import os
from pathlib import Path

import jax
import pytest

os.environ["LVAE_CACHE"] = ""  # pseudo-subjects are not kept in the user's folders
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_platforms", "cpu")


def _folder(variable: str) -> Path:
    place = os.environ.get(variable)
    if not place:
        pytest.skip(f"{variable} is not set: it names the folder of real data that this test reads")
    path = Path(place).resolve()
    if not path.is_dir():
        pytest.skip(f"{variable}={place} is not a folder")
    return path


@pytest.fixture(scope="session")
def lasten() -> Path:
    """The LASTEN recordings: train/, validation/, fix.json."""
    return _folder("LVAE_LASTEN")


@pytest.fixture(scope="session")
def mnist() -> Path:
    """MNIST in IDX files."""
    return _folder("LVAE_MNIST")
