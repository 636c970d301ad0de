"""Grayscale images from wherever they are kept: PNG files, folders of them, MNIST's IDX files."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from lvae.data.digits import read_digits
from lvae.data.digits import read_images as read_idx_images
from lvae.errors import UserError

PREVIEW = "preview.png"  # the contact sheet that sampling puts beside images: no image itself
Splits = dict[str, dict[str, np.ndarray]]


def read_png(path: str | Path) -> UInt8[np.ndarray, "height width"]:
    """One grayscale image of 8 bits. Colour files whose channels are equal count as grayscale.

    Raises:
      UserError: the file is absent, no image, of 16 bits, in colour, or partly transparent.
    """
    path = Path(path)
    try:
        with Image.open(path) as image:
            image.load()
            mode = image.mode
            if mode == "1" or (mode == "P" and "transparency" not in image.info):
                pixels = np.asarray(image.convert("RGB"))
            else:
                pixels = np.asarray(image)
    except UnidentifiedImageError as error:
        raise UserError(f"{path}: is no image that Pillow can read; write it as a PNG") from error
    except (OSError, SyntaxError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{path}: cannot be read ({reason}); write it anew as a PNG") from error
    if pixels.dtype != np.uint8:
        raise UserError(f"{path}: has pixels of mode {mode}; convert it to 8-bit grayscale")
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4):
        if np.any(pixels[..., -1] != 255):
            raise UserError(f"{path}: is partly transparent; convert it to 8-bit grayscale")
        pixels = pixels[..., :-1]
    if pixels.ndim == 3:
        if np.any(pixels != pixels[..., :1]):
            raise UserError(f"{path}: is in colour; convert it to 8-bit grayscale")
        pixels = pixels[..., 0]
    return pixels


def read_named(path: str | Path) -> dict[str, UInt8[np.ndarray, "height width"]]:
    """Images of any sizes by file name: a PNG, a folder of PNGs, or an IDX file, gzipped or not.

    Images of an IDX file are named 00000.png, 00001.png, ... after their number.

    Raises:
      UserError: nothing is there, a folder holds no PNG, a file is damaged or not grayscale.
    """
    path = Path(path)
    if path.is_dir():
        files = _pngs(path)
        if not files:
            raise UserError(f"{path}: holds no PNG files; name a folder of images, or one file")
        return {file.name: read_png(file) for file in files}
    if not path.exists():
        raise UserError(
            f"{path}: no such file or folder; name a PNG, a folder of PNGs or an IDX file"
        )
    if path.suffix.lower() == ".png":
        return {path.name: read_png(path)}
    if is_idx(path):
        return {f"{index:05d}.png": image for index, image in enumerate(read_idx_images(path))}
    raise UserError(f"{path}: neither a PNG nor an IDX file (as train-images-idx3-ubyte[.gz])")


def is_idx(path: str | Path) -> bool:
    """Whether the name is that of an IDX file of images."""
    name = Path(path).name
    return "idx3" in name and "ubyte" in name


def read_folder(
    path: str | Path,
) -> tuple[UInt8[np.ndarray, "n height width"], np.ndarray]:
    """All PNG files of a folder, of one size, sorted by name.

    Returns:
      images, uint8 (N, height, width); names, an array of N strings.

    Raises:
      UserError: as `read_named`, and where two sizes differ.
    """
    images = read_named(path)
    first_name, first = next(iter(images.items()))
    for name, image in images.items():
        if image.shape != first.shape:
            raise UserError(
                f"{Path(path) / name}: {image.shape[1]} x {image.shape[0]} pixels, but "
                f"{first_name} has {first.shape[1]} x {first.shape[0]}; all images of a folder "
                "need one size"
            )
    return np.stack(list(images.values())), np.array(list(images))


def read_splits(path: str | Path, validation_share: float) -> Splits:
    """Images for training, validation and test.

    Args:
      path: a folder of MNIST's IDX files; a folder of PNGs of one size, of which the last tenth by
        name is the test split (neighbours often show one patient: they stay together); "" for the
        built-in digits.
      validation_share: of what is left for training, its last part.

    Returns:
      For each split "image", uint8 (N, height, width), and for digits "label", int32 (N,).

    Raises:
      UserError: no such folder, nothing in it, damaged files, too few images.
    """
    if str(path) == "" or _holds_digits(Path(path)):
        images, labels = read_digits(path, "train")
        test_images, test_labels = read_digits(path, "test")
        rest = {"image": images, "label": labels}
        test = {"image": test_images, "label": test_labels}
    else:
        images, _ = read_folder(path)
        if len(images) < 10:
            raise UserError(
                f"{path}: holds {len(images)} images; at least 10 are needed to train, validate "
                "and test"
            )
        count = max(1, len(images) // 10)
        rest, test = {"image": images[:-count]}, {"image": images[-count:]}
    count = max(1, round(validation_share * len(rest["image"])))
    return {
        "train": {name: values[:-count] for name, values in rest.items()},
        "validation": {name: values[-count:] for name, values in rest.items()},
        "test": test,
    }


def _holds_digits(folder: Path) -> bool:
    """Whether IDX files are meant; a folder without any image at all counts, for its message."""
    return folder.is_dir() and (any(map(is_idx, folder.iterdir())) or not _pngs(folder))


def _pngs(folder: Path) -> list[Path]:
    return sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() == ".png"
        and file.name != PREVIEW
        and not file.name.startswith(".")
        and file.is_file()
    )
