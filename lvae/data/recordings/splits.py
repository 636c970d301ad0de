"""Splits by whole recordings: frames of one recording are near-copies of each other, so a split
through a recording makes every held-out number look better than it is."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lvae.data.problems import Problems, refused
from lvae.data.recordings.frames import Frames, joined

SPLITS = ("train", "validation", "test")


class Fold(NamedTuple):
    """The held-out one of a number of folds, counted from 1."""

    held_out: int
    folds: int


def parse_fold(text: str) -> Fold | None:
    """`i/n`; None for "".

    Raises:
      UserError: the text is no i/n, i is not 1 to n, or n is less than 3.
    """
    if not text:
        return None
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    fold = Fold(int(match[1]), int(match[2])) if match else Fold(0, 0)
    if fold.folds < 3 or not 1 <= fold.held_out <= fold.folds:
        raise refused(
            "data.folds",
            f"{text!r} is no fold",
            "expected i/n with n at least 3 and i from 1 to n, as 1/5: of n folds one is test, one "
            "validation, the others training",
        )
    return fold


def split_by_recordings(frames: Frames, path: str | Path, found: Problems) -> dict[str, Frames]:
    """In the order of the recordings: the last sixth is the test split, the sixth before it
    validation, at least one recording each where there are three; of two the second is validation;
    one is all training. LASTEN's 12 become 8 + 2 + 2."""
    count = int(frames.recording.max()) + 1
    held_back = max(1, count // 6)
    test = held_back if count >= 3 else 0
    validation = held_back if count >= 2 else 0
    if count < 3:
        found.warn(
            path,
            f"{count} recording{'' if count == 1 else 's'}",
            "too few for a training, a validation and a test split",
        )
    ends = np.cumsum([count - validation - test, validation, test]).tolist()
    starts = [0, *ends[:-1]]
    return _chosen(frames, {n: range(a, b) for n, a, b in zip(SPLITS, starts, ends)})


def split_by_fold(frames: Frames, fold: Fold, path: str | Path) -> dict[str, Frames]:
    """The recordings in their order in `fold.folds` runs whose lengths differ by at most one: the
    run `fold.held_out` is the test split, the next one (after the last the first) validation, the
    others training. Over all folds every recording is held out exactly once.

    Raises:
      UserError: there are fewer recordings than folds.
    """
    count = int(frames.recording.max()) + 1
    if fold.folds > count:
        raise refused(
            path,
            f"{count} recordings, too few for {fold.folds} folds",
            f"set data.folds to i/n with n at most {count}",
        )
    runs = [run.tolist() for run in np.array_split(np.arange(count), fold.folds)]
    test, validation = runs[fold.held_out - 1], runs[fold.held_out % fold.folds]
    held_out = {*test, *validation}
    train = [number for number in range(count) if number not in held_out]
    return _chosen(frames, {"train": train, "validation": validation, "test": test})


def pooled(splits: Mapping[str, Frames]) -> Frames:
    """All frames of several splits; recordings of the same name are one."""
    frames = joined(list(splits.values()))
    numbers = {name: number for number, name in enumerate(dict.fromkeys(frames.names))}
    labels = np.array([numbers[name] for name in frames.names], np.int32)
    return Frames(
        frames.ids, frames.points, frames.visible, labels[frames.recording], tuple(numbers)
    )


def warn_of_shared_recordings(
    splits: Mapping[str, Frames], path: str | Path, found: Problems
) -> None:
    """Names recordings that are in two splits."""
    owner: dict[str, str] = {}
    for split, frames in splits.items():
        for name in frames.names:
            if name in owner:
                found.warn(
                    path,
                    f"recording {name} is in {owner[name]}/ and in {split}/",
                    "keep it in one split",
                )
            owner.setdefault(name, split)


def _chosen(frames: Frames, recordings: Mapping[str, range | list[int]]) -> dict[str, Frames]:
    return {
        name: frames.take(np.isin(frames.recording, list(numbers)))
        for name, numbers in recordings.items()
        if len(numbers)
    }
