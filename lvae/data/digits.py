"""Handwritten digits: MNIST's own IDX files, or scikit-learn's built-in digits without any."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8

from lvae.data.problems import Problems, collecting, refused
from lvae.data.trees import check_folder, files_under, placeholder

IMAGES_MAGIC = 0x00000803  # unsigned bytes, three axes
LABELS_MAGIC = 0x00000801  # unsigned bytes, one axis
PREFIXES = {"train": "train", "test": "t10k"}
BUILT_IN_TEST = 297  # the last of the 1,797 built-in digits, other writers than the first


def read_digits(
    path: str | Path, split: str = "train", problems: Problems | None = None
) -> tuple[UInt8[np.ndarray, "n height width"], Int[np.ndarray, " n"]]:
    """Digits and their labels.

    Args:
      path: a folder with MNIST's files (`train-images-idx3-ubyte`, ..., gzipped or not); "" for
        scikit-learn's 1,797 digits of 8 x 8 pixels, enlarged to 28 x 28 (no file is read).
      split: "train" or "test" (MNIST's `t10k`; of the built-in digits the last 297).

    Returns:
      images, uint8 (N, 28, 28), black background; labels, int32 (N,), 0 to 9.

    Raises:
      UserError: no such folder or file, a wrong magic number, a truncated file, counts that differ.
      ValueError: an unknown split.
    """
    if split not in PREFIXES:
        raise ValueError(f"split {split!r}: expected one of {', '.join(PREFIXES)}")
    if str(path) == "":
        return _built_in(split)
    folder = Path(path)
    names = f"{_name(split, 'images')}[.gz]"
    check_folder(folder, f'name one that holds {names} and its labels, or "" for built-in digits')
    with collecting(problems) as found:
        with found.skipping():
            image_file = _find(folder, split, "images", found)
            images = read_images(image_file)
        with found.skipping():
            label_file = _find(folder, split, "labels", found)
            labels = read_labels(label_file)
        found.raise_if_any()
        if len(images) != len(labels):
            raise refused(
                label_file,
                f"{len(labels)} labels for the {len(images)} images in {image_file.name}",
                "the two files are not a pair, fetch them again from one place",
            )
        return images, labels


def is_idx(path: str | Path) -> bool:
    """Whether the name is that of an IDX file of images."""
    name = Path(path).name.lower()
    return "idx3" in name and "ubyte" in name


def idx_files(folder: Path) -> list[Path]:
    """IDX files of images under a folder; of a plain and a gzipped one of a name, the plain one."""
    files = files_under(folder, is_idx, Problems())
    return [path for path in files if path.suffix.lower() != ".gz" or _plain(path) not in files]


def read_images(path: str | Path) -> UInt8[np.ndarray, "n height width"]:
    """The images of one IDX3 file, gzipped or not.

    Raises:
      UserError: the file is absent, is no such file, holds nothing, or ends early or late.
    """
    return _read_idx(Path(path), IMAGES_MAGIC, axes=3, kind="image")


def read_labels(path: str | Path) -> Int[np.ndarray, " n"]:
    """The labels of one IDX1 file, gzipped or not, as int32.

    Raises:
      UserError: as `read_images`.
    """
    return _read_idx(Path(path), LABELS_MAGIC, axes=1, kind="label").astype(np.int32)


def _name(split: str, kind: str) -> str:
    return f"{PREFIXES[split]}-{kind}-idx{3 if kind == 'images' else 1}-ubyte"


def _find(folder: Path, split: str, kind: str, found: Problems) -> Path:
    """The file under any name in use: a dash or a dot before idx, with or without .gz, in any case,
    also in a sub-folder (torchvision's `MNIST/raw`, Kaggle's folders named like the files)."""
    name = _name(split, kind)

    def wanted(path: Path) -> bool:
        return _plain(path).name.lower().replace(".idx", "-idx") == name

    files = files_under(folder, wanted, found)
    if not files:
        raise refused(folder, f"holds no {name} or {name}.gz", "MNIST's files keep their own names")
    return min(files, key=lambda path: (len(path.parts), path.suffix.lower() == ".gz", path))


def _plain(path: Path) -> Path:
    """The name without .gz."""
    return path.with_suffix("") if path.suffix.lower() == ".gz" else path


def _read_idx(path: Path, magic: int, axes: int, kind: str) -> UInt8[np.ndarray, "..."]:
    content = _content(path)
    header = 4 + 4 * axes
    if len(content) < header:
        raise refused(
            path,
            f"{len(content)} bytes, too short for the header of an IDX {kind} file "
            f"({header} bytes)",
            "the file is truncated, fetch it again",
        )
    found = int.from_bytes(content[:4], "big")
    if found != magic:
        raise refused(
            path,
            f"magic number 0x{found:08x}, expected 0x{magic:08x}",
            f"this is not an IDX {kind} file",
        )
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", axes, offset=4))
    expected = header + math.prod(shape)
    listed = " x ".join(map(str, shape))
    if len(content) != expected:
        problem = "truncated" if len(content) < expected else "longer than its header says"
        raise refused(
            path,
            f"{len(content)} bytes, but its header ({listed}) asks for {expected}",
            f"the file is {problem}, fetch it again",
        )
    if 0 in shape:
        raise refused(path, f"its header ({listed}) says that it is empty", "fetch it again")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise refused(path, f"cannot be read ({reason})", "name an IDX file") from error
    if hint := placeholder(path):
        raise refused(path, f"is {hint}", "")
    if content[:2] != b"\x1f\x8b":  # gzip by its content: a suffix may lie
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise refused(
            path, f"the gzip stream is damaged or truncated ({error})", "fetch it again"
        ) from error


def _built_in(split: str) -> tuple[np.ndarray, np.ndarray]:
    from PIL import Image  # these two take a second to import
    from sklearn.datasets import load_digits

    digits = load_digits()
    small = np.round(digits.images * (255 / 16)).astype(np.uint8)
    # 20 x 20 within a margin of 4, as MNIST's digits are
    images = np.zeros((len(small), 28, 28), np.uint8)
    for image, digit in zip(images, small):
        enlarged = Image.fromarray(digit).resize((20, 20), Image.Resampling.BICUBIC)
        image[4:24, 4:24] = np.asarray(enlarged)
    labels = digits.target.astype(np.int32)
    part = slice(None, -BUILT_IN_TEST) if split == "train" else slice(-BUILT_IN_TEST, None)
    return images[part], labels[part]
