"""Three-dimensional images: NIfTI, Analyze and FreeSurfer files, and the MNI152 T1 template that
nilearn ships.

Both need the extra `brain` (nibabel, nilearn); nothing here touches the network.
"""

import functools
import gzip
import logging
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Num
from scipy import ndimage

from lvae import atomic
from lvae.data.problems import refused
from lvae.data.trees import placeholder
from lvae.errors import UserError

SUFFIXES = (".nii.gz", ".nii", ".hdr", ".img.gz", ".img", ".mgz", ".mgh")  # in any case
MASK_THRESHOLD = 0.2  # of the template's maximum; nilearn's own choice for its brain mask
MM = {"meter": 1000.0, "mm": 1.0, "micron": 0.001, "unknown": 1.0}  # of a header's unit
VOXEL_MM = (1e-3, 100.0)  # a voxel's edge: outside, the header is damaged or in another unit
LARGEST_MM = 3000.0  # along an axis
LARGEST_VALUE = 1e30  # beyond, sums overflow

Affine = Float[np.ndarray, "4 4"]


class Header(NamedTuple):
    """What a NIfTI header says of a volume's place beside its affine, to be written again.

    sform_code, qform_code: what the two affines refer to (0: none, 1: scanner, 2: aligned, 3:
    Talairach, 4: MNI). qform: the second affine. units: of space and of time, nibabel's words.
    """

    sform_code: int = 2
    qform_code: int = 0
    qform: Affine | None = None
    units: tuple[str, str] = ("unknown", "unknown")


class VolumeInfo(NamedTuple):
    """What a file says about its volume.

    voxel_size: mm along each array axis. orientation: where each axis points to, such as
    ("R", "A", "S"). dtype: as stored. non_finite: how many voxels were NaN or infinite (read as 0).
    """

    voxel_size: tuple[float, float, float]
    orientation: tuple[str, str, str]
    dtype: str
    non_finite: int


class Volume(NamedTuple):
    """array: float32, the file's scale applied. affine: voxel to RAS, in the header's unit."""

    array: Float[np.ndarray, "x y z"]
    affine: Affine
    info: VolumeInfo
    header: Header = Header()


def is_volume(path: str | Path) -> bool:
    """Whether `read_volume` reads a file of this name; of an Analyze pair the header only."""
    path = Path(path)
    ending = _ending(path)
    if not ending or path.name.startswith("."):
        return False
    if ending.startswith(".img"):  # an .img with its .hdr beside it is the same volume
        return not any(path.with_name(stem(path) + hdr).exists() for hdr in (".hdr", ".HDR"))
    return True


def stem(path: str | Path) -> str:
    """A volume's name without the endings of volumes, in any case: `UP.NII.GZ` is `UP`."""
    name = Path(path).name
    return name[: len(name) - len(_ending(Path(path)))]


def _ending(path: Path) -> str:
    name = path.name.lower()
    return next((ending for ending in SUFFIXES if name.endswith(ending)), "")


def read_volume(path: str | Path) -> Volume:
    """One volume from a NIfTI, Analyze or FreeSurfer file, in the file's own axis order.

    A fourth axis of length one is dropped. Voxels that are not finite become 0 and are counted.

    Raises:
      UserError: no such file, not a readable volume, not three-dimensional, complex or RGB voxels,
        an affine that is singular, a voxel size that no image has, or nibabel is not installed.
    """
    nibabel = _nibabel()
    path = Path(path)
    if not _ending(path):
        raise refused(path, "not the name of a volume", f"expected {', '.join(SUFFIXES)}")
    if not path.exists():
        raise refused(path, "no such file", f"expected a volume ({', '.join(SUFFIXES)})")
    image, array, header = _load(path)
    if array.ndim == 4 and array.shape[3] == 1:
        array = array[..., 0]
    if array.ndim != 3 or 0 in array.shape:
        raise refused(
            path,
            f"shape {tuple(array.shape)}",
            "expected three axes (save one volume of a series a file)",
        )
    affine = np.asarray(image.affine, np.float64)
    voxel_size = _voxel_size(path, affine, header.units[0], array.shape)
    finite = np.isfinite(array)
    array = np.where(finite, array, np.float32(0))
    largest = float(np.abs(array).max())
    if largest > LARGEST_VALUE:
        raise refused(path, f"values up to {largest:.3g}", "the header's scale is damaged, mend it")
    info = VolumeInfo(
        voxel_size=voxel_size,
        orientation=_triple(nibabel.aff2axcodes(affine)),
        dtype=str(image.get_data_dtype()),
        non_finite=int(array.size - finite.sum()),
    )
    return Volume(array, affine, info, header)


def _load(path: Path) -> tuple[Any, Float[np.ndarray, "..."], Header]:
    """nibabel's image, its voxels, and what its header says beside the affine."""
    nibabel = _nibabel()
    try:
        with _quiet(nibabel.imageglobals.logger):
            image = _open(path)
            stored = image.get_data_dtype()
            if stored.names or stored.kind == "c":
                raise refused(path, f"voxels of type {stored}", "expected one real number a voxel")
            return image, np.asarray(image.dataobj, np.float32), _header(image)
    except UserError:
        raise
    except Exception as error:  # nibabel, gzip and zlib raise a dozen kinds for damaged files
        if hint := placeholder(path):
            raise refused(path, f"is {hint}", "") from error
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise refused(
            path,
            f"cannot be read as a volume ({reason})",
            "is it complete, and NIfTI, Analyze or FreeSurfer?",
        ) from error


def _open(path: Path) -> Any:
    """nibabel's image of a file that is read to its end, where a packed one has its checksum; by
    its content it is known whether it is packed.

    Raises:
      nibabel's, gzip's and the system's exceptions, for damaged files.
    """
    nibabel = _nibabel()
    ending = _ending(path)
    if ending.startswith((".hdr", ".img")):  # a pair of files
        return nibabel.load(path)
    content = path.read_bytes()
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    if ending.startswith(".mg"):
        return nibabel.MGHImage.from_bytes(content)
    second = nibabel.Nifti2Header.sizeof_hdr in struct.unpack("<i", content[:4]) + struct.unpack(
        ">i", content[:4]
    )
    return (nibabel.Nifti2Image if second else nibabel.Nifti1Image).from_bytes(content)


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """nibabel logs what it mends in a header; overflow in the header's scale shows as inf."""
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _header(image: Any) -> Header:
    """Damaged codes count as absent: the affine is checked elsewhere, and reading needs no more."""
    header = image.header
    if not hasattr(header, "get_sform"):
        mgh = "goodRASFlag" in header  # FreeSurfer: the affine is the scanner's, in mm
        return Header(sform_code=1, units=("mm", "unknown")) if mgh else Header()
    try:
        units = header.get_xyzt_units()
    except KeyError:
        units = ("unknown", "unknown")
    try:
        qform, qform_code = header.get_qform(coded=True)
    except (ValueError, ArithmeticError, _nibabel().spatialimages.HeaderDataError):
        qform, qform_code = None, 0
    known = _nibabel().nifti1.xform_codes.value_set()
    sform_code, qform_code = (
        int(code) if int(code) in known else 0 for code in (header["sform_code"], qform_code)
    )
    return Header(sform_code, qform_code, qform if qform_code else None, units)


def _voxel_size(
    path: Path, affine: Affine, unit: str, shape: tuple[int, ...]
) -> tuple[float, float, float]:
    """Raises:
    UserError: the affine or the sizes cannot be those of an image.
    """
    matrix = affine[:3, :3]
    if not np.isfinite(affine).all() or np.linalg.matrix_rank(matrix) < 3:
        raise refused(path, "the affine is singular, so voxels have no place", "mend the header")
    with np.errstate(over="ignore"):  # infinite sizes are refused too
        sizes = np.linalg.norm(matrix, axis=0) * MM[unit]
    smallest, largest = VOXEL_MM
    if sizes.min() < smallest or sizes.max() > largest or (sizes * shape).max() > LARGEST_MM:
        listed, voxels = (" x ".join(f"{n:g}" for n in values) for values in (sizes, shape))
        raise refused(
            path,
            f"{voxels} voxels of {listed} mm (the header's unit is {unit})",
            f"a voxel has {smallest:g} to {largest:g} mm, a volume up to {LARGEST_MM:g} mm; mend "
            "the header",
        )
    return _triple(sizes.tolist())


def canonical(volume: Volume) -> Volume:
    """The same voxels, axes flipped and permuted to right, anterior, superior, uninterpolated."""
    nibabel = _nibabel()
    orientation = nibabel.io_orientation(volume.affine)
    array = nibabel.apply_orientation(volume.array, orientation)
    turn = nibabel.orientations.inv_ornt_aff(orientation, volume.array.shape)
    affine = volume.affine @ turn
    order = np.argsort(orientation[:, 0])
    info = volume.info._replace(
        voxel_size=_triple([volume.info.voxel_size[axis] for axis in order]),
        orientation=_triple(nibabel.aff2axcodes(affine)),
    )
    header = volume.header
    if header.qform is not None:
        header = header._replace(qform=header.qform @ turn)
    return Volume(np.ascontiguousarray(array), affine, info, header)


def write_volume(
    path: str | Path,
    array: Num[np.ndarray, "..."],
    affine: Affine,
    header: Header | None = None,
) -> None:
    """Writes a NIfTI file (.nii or .nii.gz), complete or not at all.

    Args:
      path: of the file.
      array: voxels.
      affine: voxel to place.
      header: of the volume whose grid this is: codes, second affine and units stay as they were.

    Raises:
      UserError: another suffix, or the place cannot be written to.
    """
    path = Path(path)
    if _ending(path) not in (".nii", ".nii.gz"):
        raise refused(
            path, "not the name of a NIfTI file", "volumes are written as .nii or .nii.gz"
        )
    content = nifti_bytes(array, affine, header)
    if _ending(path) == ".nii.gz":
        content = gzip.compress(content, mtime=0)
    atomic.write_bytes(path, content)


def nifti_bytes(
    array: Num[np.ndarray, "..."], affine: Affine, header: Header | None = None
) -> bytes:
    """The content of a NIfTI file (.nii), as `write_volume` writes it."""
    nibabel = _nibabel()
    image = nibabel.Nifti1Image(array, affine)
    if header is not None:
        image.header.set_xyzt_units(*header.units)
        if header.qform is not None:
            image.set_qform(header.qform, code=header.qform_code, update_affine=False)
        image.set_sform(affine, code=header.sform_code, update_affine=False)
    return image.to_bytes()


def template(resolution_mm: int | float = 1) -> tuple[Volume, Bool[np.ndarray, "x y z"]]:
    """The skull-stripped MNI152 T1 template and its brain mask, from the installed nilearn.

    Args:
      resolution_mm: edge of a voxel, whole millimetres (the template itself has 1).

    Returns:
      The volume, in [0, 1], axes right, anterior, superior; and the mask, bool of the same shape,
      ventricles included.

    Raises:
      UserError: nilearn is not installed, or the resolution is no whole number of millimetres.
    """
    if resolution_mm < 1 or int(resolution_mm) != resolution_mm:
        raise UserError(f"template resolution {resolution_mm} mm: expected 1, 2, 3, ...")
    array, affine = _template(int(resolution_mm))
    filled = ndimage.binary_fill_holes(array > MASK_THRESHOLD)
    info = VolumeInfo(_triple([float(resolution_mm)] * 3), ("R", "A", "S"), "float32", 0)
    return Volume(array.copy(), affine.copy(), info), np.asarray(filled, bool)


@functools.lru_cache(maxsize=2)
def _template(resolution_mm: int) -> tuple[Float[np.ndarray, "x y z"], Affine]:
    try:
        from nilearn import datasets
    except ImportError as error:
        raise UserError(
            "the built-in brain data need nilearn, which is not installed: pip install "
            "'lvae[brain]', or give your own images with --config.data.path=DIR"
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside nilearn's own resampling
        image = datasets.load_mni152_template(resolution=resolution_mm)
    array = np.clip(np.asarray(image.dataobj, np.float32), 0, 1)
    return array, np.asarray(image.affine, np.float64)


def _nibabel() -> Any:
    try:
        import nibabel
    except ImportError as error:
        raise UserError(
            "NIfTI and Analyze files need nibabel, not installed here: pip install 'lvae[brain]'"
        ) from error
    return nibabel


def _triple(values: Any) -> tuple[Any, Any, Any]:
    first, second, third = values
    return first, second, third
