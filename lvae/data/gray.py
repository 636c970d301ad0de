"""One gray image of 8 bits from whatever a user's tool wrote: the reader of every image file.

Read as gray: 8 bits and 1 bit; RGB, RGBA and palettes where the channels are equal and every pixel
is opaque; 16 bits where the meaning is plain (`to_8_bits`). Everything else is refused.
"""

import io
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Int, Shaped, UInt8
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from lvae.data.problems import refused
from lvae.data.trees import placeholder
from lvae.errors import UserError

FORMATS = ("PNG", "TIFF", "BMP", "JPEG", "PPM")  # Pillow's names
SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".jpg", ".jpeg", ".pgm")
OTHER_SUFFIXES = (".gif", ".webp", ".jp2", ".dcm", ".heic")  # images, but not read
MOST_PIXELS = 89_478_485  # Pillow's own limit: a quarter of a gigabyte in RGB
CONVERT = "convert it to 8-bit gray"
PNG_DEPTH, PNG_COLOUR = 24, 25  # bytes of a PNG file: bits per channel, kind of pixels

PHOTOMETRIC, WHITE_IS_ZERO = 262, 0  # a TIFF's tag; Pillow turns 8 bits round, but not more

Scale = Literal["8", "8 in 16", "16", "black"]


class GrayImage(NamedTuple):
    """pixels: uint8. scale: what the file's values were: 8 bits, 8 bits stored in 16, all 16 bits;
    "black" where 16-bit values are all 0 and say nothing."""

    pixels: UInt8[np.ndarray, "height width"]
    scale: Scale


def is_image(path: str | Path) -> bool:
    """Whether `read_gray` reads files of this name."""
    name = Path(path).name
    return Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")


def read_gray(path: str | Path) -> UInt8[np.ndarray, "height width"]:
    """One gray image of 8 bits.

    Raises:
      UserError: the file is absent, no image, damaged, too large, in colour, partly transparent, or
        of 16 or more bits whose scale is not plain.
    """
    return read_scaled(path).pixels


def read_scaled(path: str | Path) -> GrayImage:
    """As `read_gray`, with the scale that was seen: images of one set should agree.

    Raises:
      UserError: see `read_gray`.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise refused(path, f"cannot be read ({reason})", "name an image file") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata, and sizes, which are checked here
            return _decode(path, content)
    except UserError:
        raise
    except Image.DecompressionBombError as error:
        count = re.search(r"\d+", str(error))
        raise _too_large(path, f"{int(count.group()):,} pixels" if count else "size") from error
    except Image.UnidentifiedImageError as error:
        if hint := placeholder(path):
            raise refused(path, f"is {hint}", "") from error
        kinds = ", ".join(FORMATS)
        raise refused(path, f"is no image of a kind read here ({kinds})", CONVERT) from error
    except Exception as error:  # Pillow's decoders raise a dozen kinds for damaged files
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise refused(path, f"cannot be read ({reason})", "write it anew as a PNG") from error


def read_pages(path: str | Path) -> list[UInt8[np.ndarray, "height width"]]:
    """The pages of a TIFF file, in their order, of any sizes; another image is one page.

    Raises:
      UserError: as `read_gray`, of any page.
    """
    path = Path(path)
    try:
        with Image.open(path, formats=("TIFF",)) as image:
            count = getattr(image, "n_frames", 1)
            if count == 1:
                return [read_gray(path)]
            pages = []
            for page in range(count):
                with _silenced():
                    image.seek(page)
                    image.load()
                pages.append(_to_gray(path, image).pixels)
            return pages
    except Image.UnidentifiedImageError:
        return [read_gray(path)]
    except UserError:
        raise
    except Exception as error:  # as in `read_scaled`
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise refused(path, f"cannot be read ({reason})", "write it anew as a TIFF") from error


def _decode(path: Path, content: bytes) -> GrayImage:
    """Raises:
    UserError: see `read_gray`; Pillow's own exceptions for damaged files.
    """
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        width, height = image.size
        if width * height > MOST_PIXELS:
            raise _too_large(path, f"{width} x {height} = {width * height:,} pixels")
        if (frames := getattr(image, "n_frames", 1)) > 1:
            raise refused(path, f"holds {frames} images", "save each as a file of its own")
        if image.format == "PNG":
            if content[PNG_DEPTH] == 16 and content[PNG_COLOUR] != 0:
                raise refused(path, f"has 16 bits per channel (mode {image.mode})", CONVERT)
            with Image.open(io.BytesIO(content), formats=("PNG",)) as again:
                again.verify()  # decoding alone does not look at the checksums
        with _silenced() if image.format == "TIFF" else nullcontext():
            image.load()
        return _to_gray(path, image)


@contextmanager
def _silenced() -> Iterator[None]:
    """libtiff writes what it finds damaged to the process's stderr, whatever Python does."""
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nothing:  # noqa: PTH123 (no path of a user's)
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _to_gray(path: Path, image: Image.Image) -> GrayImage:
    mode, keyed = image.mode, image.info.get("transparency")
    if mode.startswith("I") or mode == "F":
        values = np.asarray(image)
        if isinstance(image, TiffImageFile) and image.tag_v2.get(PHOTOMETRIC) == WHITE_IS_ZERO:
            raise refused(path, f"stores white as 0 in deep values (mode {mode})", CONVERT)
        if keyed is not None and np.any(values == keyed):
            raise _transparent(path)
        return _from_deep(path, values, mode)
    if mode in ("1", "P", "PA") or keyed is not None:
        _check_palette(path, image)
        image = image.convert("RGBA")
    if image.mode not in ("L", "LA", "RGB", "RGBA"):
        raise refused(path, f"has pixels of mode {image.mode}, which is in colour", CONVERT)
    pixels = np.asarray(image)
    if image.mode in ("LA", "RGBA"):
        if np.any(pixels[..., -1] != 255):
            raise _transparent(path)
        pixels = pixels[..., :-1]
    if pixels.ndim == 3:
        coloured = np.any(pixels != pixels[..., :1], axis=-1)
        if coloured.any():
            count = int(coloured.sum())
            raise refused(path, f"is in colour ({count} of {coloured.size} pixels)", CONVERT)
        pixels = pixels[..., 0]
    return GrayImage(np.ascontiguousarray(pixels), "8")


def _check_palette(path: Path, image: Image.Image) -> None:
    """Raises:
    UserError: a pixel's index is beyond the palette; Pillow takes it for black.
    """
    if image.mode == "P" and image.palette is not None:
        entries = len(image.palette.palette) // len(image.palette.mode)
        highest = int(np.asarray(image).max())
        if highest >= entries:
            raise refused(
                path, f"uses entry {highest} of a palette of {entries}", "write it anew as a PNG"
            )


def _from_deep(path: Path, values: Shaped[np.ndarray, "height width"], mode: str) -> GrayImage:
    low, high = values.min(), values.max()
    converted = None if mode == "F" or low < 0 else to_8_bits(values.astype(np.int32))
    if converted is None:
        raise refused(
            path,
            f"has values from {low:g} to {high:g} (mode {mode}), which are neither 8 bits nor all "
            "of 16 bits",
            f"say what is white: {CONVERT}",
        )
    return converted


def to_8_bits(values: Int[np.ndarray, "height width"]) -> GrayImage | None:
    """Values of up to 16 bits as 8 bits where their scale is plain, otherwise None.

    Plain are: at most 255, which are 8-bit values stored in 16; multiples of 257 or of 256, which
    are 8-bit values spread out; values that use the highest of 16 bits (32768 and above), which are
    divided by 257. Not plain is what lies between: 10, 12 or 14 bits, or a dark image of 16 bits.
    """
    high = int(values.max())
    if high == 0:
        return GrayImage(values.astype(np.uint8), "black")
    if high <= 255:
        return GrayImage(values.astype(np.uint8), "8 in 16")
    if high > 65535:
        return None
    for step in (257, 256):
        if not (values % step).any():
            return GrayImage((values // step).astype(np.uint8), "16")
    if high < 32768:
        return None
    return GrayImage(((values + 128) // 257).astype(np.uint8), "16")


def _too_large(path: Path, size: str) -> UserError:
    return refused(path, f"has {size}, above the limit of {MOST_PIXELS:,}", "cut or shrink it")


def _transparent(path: Path) -> UserError:
    return refused(path, "is partly transparent", f"choose its background and {CONVERT}")
