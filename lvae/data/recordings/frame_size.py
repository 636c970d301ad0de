"""Width and height of a frame, from the video or an image that lies beside the labels."""

import struct
from pathlib import Path

from PIL import Image

from lvae.data.problems import refused

_IMAGES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
_LISTS = (b"RIFF", b"LIST")


def frame_size_beside(folder: str | Path) -> tuple[int, int] | None:
    """Width and height, px, of the first video (.avi) of the folder, else of its first image; None
    where it has neither.

    Raises:
      UserError: the video or the image cannot be read.
    """
    files = sorted(path for path in Path(folder).iterdir() if not path.name.startswith("."))
    for path in files:
        if path.suffix.lower() == ".avi":
            return avi_size(path)
    for path in files:
        if path.suffix.lower() in _IMAGES and path.stem != "preview":  # a contact sheet
            return _image_size(path)
    return None


def avi_size(path: str | Path) -> tuple[int, int]:
    """Width and height, px, that the main header of an AVI file states (RIFF, hdrl, avih).

    Raises:
      UserError: the file cannot be read or has no such header.
    """
    try:
        with Path(path).open("rb") as file:
            start = file.read(1 << 16)  # the header comes first
    except OSError as error:
        raise refused(path, f"cannot be read ({error.strerror})", "check its rights") from error
    at = 0
    while at + 8 <= len(start):
        kind = start[at : at + 4]
        if kind in _LISTS:
            at += 12  # into the list
        elif kind == b"avih" and at + 8 + 40 <= len(start):
            width, height = struct.unpack_from("<2I", start, at + 8 + 32)
            if 0 < width < 1 << 16 and 0 < height < 1 << 16:
                return width, height
            break
        else:
            (size,) = struct.unpack_from("<I", start, at + 4)
            at += 8 + size + size % 2
    raise refused(
        path,
        "no header of an AVI video with a width and a height in it",
        "export the video again, or move it elsewhere and give width and height",
    )


def _image_size(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise refused(
            path, f"not an image that can be read ({error})", "move it elsewhere or export it again"
        ) from error
