"""Pseudo-subjects that are kept: drawn once, never trusted blindly, never needed."""

import numpy as np
import pytest

from lvae.data.brain import kept

IDENTITY = {"seed": 0, "size": 4}
SHAPE = (2, 4, 4)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LVAE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def drawing():
    """A function that draws other images at every call, and the list of its calls."""
    calls = []

    def make():
        calls.append(None)
        return np.full(SHAPE, len(calls), np.uint8)

    return make, calls


def test_a_subject_is_drawn_once_for_each_kind(cache):
    make, calls = drawing()
    first = kept.kept(IDENTITY, 3, SHAPE, make)
    np.testing.assert_array_equal(kept.kept(IDENTITY, 3, SHAPE, make), first)
    assert len(calls) == 1
    assert kept.kept(IDENTITY, 4, SHAPE, make).max() == 2
    assert kept.kept(IDENTITY | {"seed": 1}, 3, SHAPE, make).max() == 3
    assert len(list(cache.rglob("*.npy"))) == 3
    assert not list(cache.rglob(".*"))  # nothing half written


@pytest.mark.parametrize("damage", [b"", b"no array", None])
def test_what_is_damaged_is_drawn_anew(cache, damage):
    make, _ = drawing()
    kept.kept(IDENTITY, 0, SHAPE, make)
    (path,) = cache.rglob("*.npy")
    path.write_bytes(path.read_bytes()[:-5] if damage is None else damage)
    assert kept.kept(IDENTITY, 0, SHAPE, make).max() == 2
    assert kept.kept(IDENTITY, 0, SHAPE, make).max() == 2


def test_without_a_folder_all_is_drawn(tmp_path, monkeypatch):
    make, calls = drawing()
    monkeypatch.setenv("LVAE_CACHE", "")
    kept.kept(IDENTITY, 0, SHAPE, make)
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LVAE_CACHE", str(tmp_path / "file"))
    assert kept.kept(IDENTITY, 0, SHAPE, make).max() == len(calls) == 2
