"""Gray images from wherever they are kept: image files, folders of them, MNIST's IDX files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Shaped, UInt8

from lvae.data.digits import idx_files, is_idx, read_digits
from lvae.data.digits import read_images as read_idx_images
from lvae.data.gray import OTHER_SUFFIXES, SUFFIXES, is_image, read_gray, read_scaled
from lvae.data.problems import Problems, collecting, refused
from lvae.data.trees import files_under, split_folders

__all__ = ["PREVIEW", "is_idx", "read_folder", "read_named", "read_png", "read_splits"]

PREVIEW = "preview.png"  # the contact sheet that sampling puts beside images: no image itself
# One of these lies beside it where a folder is a set that sampling wrote; the second did before 1.1.
MANIFESTS = (".lvae/manifest.json", "manifest.json")
FEWEST = 10  # images, to train, validate and test
KINDS = ", ".join(SUFFIXES)

Splits = dict[str, dict[str, np.ndarray]]
Images = dict[str, UInt8[np.ndarray, "height width"]]

read_png = read_gray  # the name under which tasks know it


def read_named(path: str | Path, problems: Problems | None = None) -> Images:
    """Images of any sizes by name: an image file, a folder of them, or an IDX file, gzipped or not.

    A name is the path from the folder, sub-folders included, and ends in .png whatever the file is,
    so that it can name a result. Images of an IDX file are named 00000.png, 00001.png, ...

    Raises:
      UserError: nothing is there, a folder holds no image, files are damaged or not gray (all are
        named), two files would have one name.
    """
    path = Path(path)
    with collecting(problems) as found:
        if path.is_dir():
            return _read_all(path, _image_files(path, found), found) or _only_idx(path)
        if not path.exists():
            expected = f"name an image ({KINDS}), a folder of images or an IDX file"
            raise refused(path, "no such file or folder", expected)
        if is_idx(path):
            return _numbered(read_idx_images(path))
        if not is_image(path):
            raise refused(
                path,
                "neither an image nor an IDX file by its name",
                f"images end in {KINDS}; IDX files are named as train-images-idx3-ubyte[.gz]",
            )
        if path.name.lower() == PREVIEW:
            raise refused(
                path, "has the name of the contact sheet that is put beside results", "rename it"
            )
        return {_result_name(Path(path.name)): read_gray(path)}


def read_folder(
    path: str | Path, problems: Problems | None = None
) -> tuple[UInt8[np.ndarray, "n height width"], Shaped[np.ndarray, " n"]]:
    """All images of a folder and its sub-folders, of one size, sorted by path.

    Returns:
      images, uint8 (N, height, width); names, an array of N strings.

    Raises:
      UserError: as `read_named`, and where sizes differ.
    """
    with collecting(problems) as found:
        images = read_named(path, found)
        _check_sizes(Path(path), images, found)
        found.raise_if_any()
        return np.stack(list(images.values())), np.array(list(images))


def read_splits(
    path: str | Path, validation_share: float, problems: Problems | None = None
) -> Splits:
    """Images for training, validation and test.

    Args:
      path: a folder of MNIST's IDX files; a folder of images of one size, of which the last tenth
        by name is the test split (neighbours often show one patient: they stay together), or with
        the folders `train`, `validation` (or `val`) and `test`, of which the last two may be
        absent; "" for the built-in digits.
      validation_share: of what is left for training, its last part.

    Returns:
      For each split "image", uint8 (N, height, width), and for digits "label", int32 (N,).

    Raises:
      UserError: no such folder, nothing in it, damaged files, too few images.
    """
    with collecting(problems) as found:
        if str(path) == "" or _holds_digits(Path(path), found):
            given = _digits(path, found)
        else:
            given = _images(Path(path), found)
        if "test" not in given:
            given["train"], given["test"] = _last(given["train"], 0.1, rounded_down=True)
        if "validation" not in given:
            given["train"], given["validation"] = _last(given["train"], validation_share)
        if not all(len(split["image"]) for split in given.values()):
            counts = ", ".join(f"{len(split['image'])} {name}" for name, split in given.items())
            raise refused(path, f"leaves {counts} images", "each split needs one or more")
        return {name: given[name] for name in ("train", "validation", "test")}


def _digits(path: str | Path, found: Problems) -> Splits:
    given: Splits = {}
    for split in ("train", "test"):
        with found.skipping():
            images, labels = read_digits(path, split, found)
            given[split] = {"image": images, "label": labels}
    found.raise_if_any()
    sizes = [given[split]["image"].shape[1:] for split in ("train", "test")]
    if sizes[0] != sizes[1]:
        (height, width), (test_height, test_width) = sizes
        raise refused(
            path,
            f"training images of {width} x {height} pixels, test images of "
            f"{test_width} x {test_height}",
            "both need one size",
        )
    return given


def _images(folder: Path, found: Problems) -> Splits:
    """The splits that folders name, or all images as "train"."""
    places = split_folders(folder)
    if places:
        _warn_of_others(folder, list(places.values()), found)
    named: dict[str, Images] = {}
    for split, place in (places or {"train": folder}).items():
        with found.skipping():
            named[split] = read_named(place, found)
    relative = {
        f"{places[split].name}/{name}" if places else name: image
        for split, images in named.items()
        for name, image in images.items()
    }
    _check_sizes(folder, relative, found)
    found.raise_if_any()
    if not places and len(relative) < FEWEST:
        raise refused(
            folder,
            f"holds {len(relative)} images; at least {FEWEST} are needed to train, validate and "
            "test",
            "add some",
        )
    return {split: {"image": np.stack(list(images.values()))} for split, images in named.items()}


def _warn_of_others(folder: Path, places: Sequence[Path], found: Problems) -> None:
    """Names what lies beside the folders of splits and is not read."""
    others = [
        path
        for path in files_under(folder, is_image, Problems())
        if not any(path.is_relative_to(place) for place in places)
    ]
    if others:
        found.warn(
            folder,
            f"{len(others)} images beside the folders of splits are passed over, such as "
            f"{others[0].relative_to(folder)}",
            "folders that are read are named train, validation (or val) and test",
        )


def _last(
    split: dict[str, np.ndarray], share: float, rounded_down: bool = False
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Without and with the last part: `share` of the examples, at least one."""
    count = share * len(split["image"])
    count = max(1, int(count) if rounded_down else round(count))
    return (
        {name: values[:-count] for name, values in split.items()},
        {name: values[-count:] for name, values in split.items()},
    )


def _read_all(folder: Path, files: Sequence[Path], found: Problems) -> Images:
    images: Images = {}
    origin: dict[str, Path] = {}
    first_of: dict[str, Path] = {}  # scale of values -> first file that has it
    for path in files:
        name = _result_name(path.relative_to(folder))
        if name in origin:
            other = origin[name].name
            found.add(path, f"and {other} would both become {name}", "rename one of them")
            continue
        with found.skipping():
            images[name], scale = read_scaled(path)
            origin[name] = path
            first_of.setdefault(scale, path)
    if "8 in 16" in first_of and "16" in first_of:
        found.add(
            first_of["8 in 16"],
            f"has 16-bit values of at most 255, but {first_of['16'].name} uses all 16 bits, so that "
            "white is not the same",
            "convert all images to 8-bit gray in one way",
        )
    found.raise_if_any()
    return images


def _check_sizes(folder: Path, images: Images, found: Problems) -> None:
    """Notes every image whose size is not that of most."""
    shapes = [image.shape for image in images.values()]
    if len(set(shapes)) < 2:
        return
    usual = max(dict.fromkeys(shapes), key=shapes.count)
    first = next(name for name, image in images.items() if image.shape == usual)
    for name, image in images.items():
        if image.shape != usual:
            found.add(
                folder / name,
                f"{image.shape[1]} x {image.shape[0]} pixels, but {first} has "
                f"{usual[1]} x {usual[0]}",
                "all images of a folder need one size",
            )


def _image_files(folder: Path, found: Problems) -> list[Path]:
    """Image files, and a warning for each kind of file that looks like one and is not read."""
    images, others = [], []
    for path in files_under(folder, _looks_like_image, found):
        if path.suffix.lower() in OTHER_SUFFIXES:
            others.append(path)
        elif path.name.lower() != PREVIEW:
            images.append(path)
        elif not any((path.parent / manifest).exists() for manifest in MANIFESTS):
            found.warn(
                path,
                "is passed over, as a contact sheet of results has that name",
                "rename it if it is an image of yours",
            )
    if others:
        found.warn(
            folder,
            f"{len(others)} files such as {others[0].relative_to(folder)} are passed over",
            f"images end in {KINDS}; convert them",
        )
    return images


def _looks_like_image(path: Path) -> bool:
    return is_image(path) or path.suffix.lower() in OTHER_SUFFIXES


def _result_name(path: Path) -> str:
    """The name of a PNG made from this file."""
    name = path if path.suffix.lower() == ".png" else path.with_suffix(".png")
    return name.as_posix()


def _only_idx(folder: Path) -> Images:
    """The images of the one IDX file of a folder without images.

    Raises:
      UserError: there is none, or more than one.
    """
    files = idx_files(folder)
    if len(files) == 1:
        return _numbered(read_idx_images(files[0]))
    if files:
        listed = ", ".join(path.relative_to(folder).as_posix() for path in files)
        raise refused(folder, f"holds {len(files)} IDX files ({listed})", "name one of them")
    raise refused(
        folder,
        f"holds no images ({KINDS}), also not in sub-folders",
        "name a folder of images, one image, or an IDX file",
    )


def _numbered(images: UInt8[np.ndarray, "n height width"]) -> Images:
    return {f"{index:05d}.png": image for index, image in enumerate(images)}


def _holds_digits(folder: Path, found: Problems) -> bool:
    """Whether MNIST's files are meant.

    Raises:
      UserError: no such folder, or neither images nor IDX files in it.
    """
    expected = f"name a folder of images ({KINDS}) or of MNIST's files, or give none for digits"
    if not folder.is_dir():
        problem = "is a file, not a folder" if folder.exists() else "no such file or folder"
        raise refused(folder, problem, expected)
    if idx_files(folder):
        return True
    if not files_under(folder, _looks_like_image, Problems()):
        files_under(folder, _looks_like_image, found)  # links to nothing are named
        raise refused(folder, "holds neither images nor MNIST's train-images-idx3-ubyte", expected)
    return False
