"""Frames of video files, one after the other: OpenCV decodes them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from lvae.data.problems import refused
from lvae.errors import UserError

SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv")

Image = UInt8[np.ndarray, "height width"]


class Video(NamedTuple):
    """frames: how many there are. read: the grey frame of a number."""

    frames: int
    read: Callable[[int], Image]


def open_video(path: Path) -> Video:
    """The frames of a video. All are decoded once to count them, since headers may say another
    number; after that only those that are read, and those before them.

    Raises:
      UserError: OpenCV is not installed, or the file holds no frames that it can decode.
    """
    try:
        import cv2
    except ImportError as error:
        raise UserError(f"{path}: videos need OpenCV; pip install 'lvae[video]'") from error
    reader = _Reader(cv2, path)
    count = 0
    while reader.capture.grab():
        count += 1
    if not count:
        raise refused(path, "holds no frames that can be decoded", "write it anew as AVI or MP4")
    return Video(count, reader.read)


class _Reader:
    """A file and how far it was decoded. Jumps are made by decoding what is between: by the key
    frames of a file they end at the wrong frame in some formats."""

    def __init__(self, cv2: Any, path: Path):
        self._cv2, self._path = cv2, path
        self.capture = cv2.VideoCapture(str(path))
        self._next: int | None = None

    def read(self, number: int) -> Image:
        if self._next is None or number < self._next:
            self.capture.release()
            self.capture.open(str(self._path))
            self._next = 0
        while self._next < number and self.capture.grab():
            self._next += 1
        found, image = self.capture.read()
        if not found:
            raise refused(self._path, f"frame {number} cannot be decoded", "write it anew")
        self._next += 1
        return image if image.ndim == 2 else self._cv2.cvtColor(image, self._cv2.COLOR_BGR2GRAY)
