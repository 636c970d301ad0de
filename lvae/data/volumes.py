"""Three-dimensional images: NIfTI and Analyze files, and the MNI152 T1 template that nilearn ships.

Both need the extra `brain` (nibabel, nilearn); nothing here touches the network.
"""

import functools
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage

from lvae import atomic
from lvae.errors import UserError

SUFFIXES = (".nii", ".nii.gz", ".hdr", ".img", ".img.gz")
MASK_THRESHOLD = 0.2  # of the template's maximum; nilearn's own choice for its brain mask


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
    """array: float32 [x, y, z], the file's scale applied. affine: [4, 4], voxel to mm (RAS)."""

    array: np.ndarray
    affine: np.ndarray
    info: VolumeInfo


def is_volume(path: str | Path) -> bool:
    """Whether `read_volume` reads a file of this name; of an Analyze pair the header only."""
    name = Path(path).name.lower()
    if name.startswith("."):
        return False
    pair = name.endswith((".img", ".img.gz"))
    if pair:  # an .img with its .hdr beside it is the same volume
        return not Path(path).with_name(Path(path).name.split(".img")[0] + ".hdr").exists()
    return name.endswith(SUFFIXES)


def read_volume(path: str | Path) -> Volume:
    """One volume from a NIfTI or Analyze file, in the file's own axis order.

    A fourth axis of length one is dropped. Voxels that are not finite become 0 and are counted.

    Raises:
      UserError: no such file, not a readable volume, not three-dimensional, complex or RGB voxels,
        an affine that is singular, or nibabel is not installed.
    """
    nibabel = _nibabel()
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path}: no such file; expected a volume ({', '.join(SUFFIXES)})")
    if not path.name.lower().endswith(SUFFIXES):
        raise UserError(f"{path}: not the name of a volume; expected {', '.join(SUFFIXES)}")
    try:
        image = nibabel.load(path)
        stored = image.get_data_dtype()
        if stored.names or stored.kind == "c":
            raise UserError(f"{path}: voxels of type {stored}; expected one real number a voxel")
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", RuntimeWarning
            )  # overflow in the header's scale shows as inf
            array = np.asarray(image.dataobj, np.float32)
    except UserError:
        raise
    except Exception as error:  # nibabel, gzip and zlib raise a dozen kinds for damaged files
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"{path}: cannot be read as a volume ({reason}); is it complete, and NIfTI or Analyze?"
        ) from error
    if array.ndim == 4 and array.shape[3] == 1:
        array = array[..., 0]
    if array.ndim != 3 or 0 in array.shape:
        raise UserError(
            f"{path}: shape {tuple(array.shape)}; expected three axes (save one volume of a series "
            "a file)"
        )
    affine = np.asarray(image.affine, np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise UserError(f"{path}: the affine is singular, so voxels have no place; mend the header")
    finite = np.isfinite(array)
    info = VolumeInfo(
        voxel_size=_triple(np.linalg.norm(affine[:3, :3], axis=0).tolist()),
        orientation=_triple(nibabel.aff2axcodes(affine)),
        dtype=str(stored),
        non_finite=int(array.size - finite.sum()),
    )
    return Volume(np.where(finite, array, np.float32(0)), affine, info)


def canonical(volume: Volume) -> Volume:
    """The same voxels, axes flipped and permuted to right, anterior, superior, uninterpolated."""
    nibabel = _nibabel()
    orientation = nibabel.io_orientation(volume.affine)
    array = nibabel.apply_orientation(volume.array, orientation)
    affine = volume.affine @ nibabel.orientations.inv_ornt_aff(orientation, volume.array.shape)
    info = volume.info._replace(
        voxel_size=_triple(np.linalg.norm(affine[:3, :3], axis=0).tolist()),
        orientation=_triple(nibabel.aff2axcodes(affine)),
    )
    return Volume(np.ascontiguousarray(array), affine, info)


def write_volume(path: str | Path, array: np.ndarray, affine: np.ndarray) -> None:
    """Writes a NIfTI file (.nii or .nii.gz), complete or not at all.

    Raises:
      UserError: another suffix, or the place cannot be written to.
    """
    nibabel = _nibabel()
    path = Path(path)
    if not path.name.endswith((".nii", ".nii.gz")):
        raise UserError(f"{path}: volumes are written as .nii or .nii.gz")
    with atomic.replacing(path) as temporary:
        nibabel.save(nibabel.Nifti1Image(array, affine), temporary)


def template(resolution_mm: int = 1) -> tuple[Volume, np.ndarray]:
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
def _template(resolution_mm: int) -> tuple[np.ndarray, np.ndarray]:
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
