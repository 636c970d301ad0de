"""Damaged and odd files at every reader of images and volumes: a right result, or one line."""

import dataclasses

import numpy as np
import pytest

from benchmarks.damage import (
    damaged,
    head,
    inside_gzip,
    whole_idx,
    whole_images,
    whole_volumes,
    with_checksums,
)
from lvae.data import brain, digits, image_folder, isles, isles_files, volumes
from lvae.data.brain.volume_slices import slice_volume
from lvae.data.gray import read_gray
from lvae.data.heads import head_of
from lvae.data.problems import Problems
from lvae.data.scan_patches import PatchConfig
from lvae.errors import UserError

BRAIN = brain.DataSettings(
    size=16, field_of_view_mm=32.0, slices=2, subjects=(3, 1, 1), fractions=(0.6, 0.2, 0.2)
)
PATCHES = PatchConfig(4, 1.0, 1.0, 0.25, 0.0)


def attempt(reader, *arguments):
    """What a reader gives, or None where it refuses in one line that names the file."""
    try:
        return reader(*arguments)
    except UserError as error:
        line = str(error)
        assert "\n" not in line
        assert str(arguments[0]) in line, line
        assert line.isprintable(), line
        return None


def try_out(whole, path, content, reader, checked):
    """One damaged file; returns whether it was read."""
    path.write_bytes(content)
    found = attempt(reader, path)
    if found is not None:
        assert found.size
        assert np.isfinite(found).all()
        if checked:
            np.testing.assert_array_equal(found, whole.values)
    return found is not None


def both_ways(files, path, reader, rounds, random, again):
    """Every file in order once, then damaged: as it is, and with checksums that hide the damage."""
    read = 0
    for whole in files:
        place = path / whole.name
        assert try_out(whole, place, whole.content, reader, True), whole.name
        for number in range(rounds):
            hide = again(whole) if number % 2 else None
            content = (hide or damaged)(whole.content, random)
            read += try_out(whole, place, content, reader, whole.checked and not hide)
        place.unlink()
    return read


@pytest.mark.parametrize("seed", range(3))
def test_images(tmp_path, seed):
    random = np.random.default_rng([1, seed])

    def again(whole):
        if whole.name.lower().endswith(".png"):
            return lambda content, random: with_checksums(damaged(content, random))
        return None

    both_ways(whole_images(random), tmp_path, read_gray, 12, random, again)


@pytest.mark.parametrize("seed", range(2))
def test_idx(tmp_path, seed):
    random = np.random.default_rng([2, seed])

    def reader(path):
        labels = "labels" in path.name
        values = digits.read_labels(path) if labels else digits.read_images(path)
        assert values.dtype == (np.int32 if labels else np.uint8)
        assert values.ndim == (1 if labels else 3)
        return values

    def again(whole):
        return inside_gzip if whole.name.endswith(".gz") else None

    both_ways(whole_idx(random), tmp_path, reader, 20, random, again)


@pytest.mark.parametrize("seed", range(2))
def test_volumes(tmp_path, seed):
    random = np.random.default_rng([3, seed])

    def reader(path):
        volume = volumes.read_volume(path)
        assert volume.array.ndim == 3
        assert min(volume.info.voxel_size) > 0
        assert head_of(volume.array).shape == volume.array.shape
        if min(volume.array.shape) > 1:
            slices = attempt(slice_volume, path, BRAIN, Problems())
            assert slices is None or slices.shape == (2, 16, 16)
        volumes.write_volume(tmp_path / "w.nii", volume.array, volume.affine, volume.header)
        return volume.array

    def again(whole):
        return inside_gzip if whole.checked else None

    both_ways(whole_volumes(random, tmp_path), tmp_path, reader, 14, random, again)


def test_stroke_cases(tmp_path):
    random = np.random.default_rng(4)
    image = head(random)
    names = ("DWI", "OT")
    paths = [tmp_path / f"{name}.nii.gz" for name in names]
    whole = []
    for path, array in zip(paths, (image, (image > 190).astype(np.float32))):
        volumes.write_volume(path, array, np.eye(4))
        whole.append(path.read_bytes())

    files = isles_files.CaseFiles("7", {"dwi": paths[0]}, paths[1])

    def reader(_):
        return isles.case_patches(isles.read_case(files, Problems()), PATCHES)

    for number in range(40):
        for path, content in zip(paths, whole):
            path.write_bytes(content)
        path, content = paths[number % 2], whole[number % 2]
        path.write_bytes((damaged, inside_gzip)[number // 2 % 2](content, random))
        fields = attempt(reader, "case 7")
        if fields is not None:
            assert np.isfinite(fields["position"]).all()
            assert fields["image"].dtype == np.uint8


def write_tree(folder, random, makers):
    """Files and folders of odd names under `folder`, one in three of them damaged."""
    folder.mkdir()
    names = ["a", "b", "sub-1", "train", "val", "p_seg", ".git", "x y", "ü", "T1", "test"]
    for _ in range(random.integers(0, 14)):
        place = folder
        for _ in range(random.integers(0, 3)):
            place = place / names[random.integers(len(names))]
        if any(parent.is_file() for parent in (place, *place.parents)):
            continue
        place.mkdir(parents=True, exist_ok=True)
        whole = makers[random.integers(len(makers))]
        path = place / f"{names[random.integers(len(names))]}_{whole.name}"
        kind = random.random()
        if path.is_symlink() or path.exists():
            continue
        if kind < 0.1:
            path.symlink_to(folder / "gone")
        elif kind < 0.15:
            path.mkdir()
        else:
            path.write_bytes(damaged(whole.content, random) if kind < 0.4 else whole.content)


def test_folders(tmp_path):
    random = np.random.default_rng(5)
    makers = [*whole_images(random), *whole_idx(random), *whole_volumes(random, tmp_path)]
    readers = [
        lambda folder, problems: image_folder.read_splits(folder, 0.2, problems),
        image_folder.read_named,
        lambda folder, problems: brain.load(dataclasses.replace(BRAIN, path=str(folder)), problems),
        lambda folder, problems: brain.read_images(folder, BRAIN, problems),
        isles.find_cases,
    ]
    for number in range(60):
        folder = tmp_path / str(number)
        write_tree(folder, random, makers)
        for reader in readers:
            problems = Problems()
            try:
                reader(folder, problems)
                assert not problems.errors
            except UserError as error:
                lines = str(error).splitlines()
                assert len(lines) == min(len(problems.errors), 11)
                assert all(line.isprintable() for line in lines)
