"""The sampling mode `anomaly`: lesions of scans as heat maps, tables and pictures."""

import csv
import dataclasses
import gzip
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int
from scipy import ndimage

from lvae.data.isles_files import find_scans, kind_of
from lvae.data.stroke_scans import CHANNELS, read_channels
from lvae.data.volumes import Affine, Volume, nifti_bytes, stem
from lvae.errors import UserError
from lvae.figures.patches import montage
from lvae.imaging.levels import to_levels
from lvae.metrics.voxels import NEIGHBOURS
from lvae.tasks.patches.scanning import HeatMap, scan_volume
from lvae.tasks.patches.settings import LesionDataSettings, LesionSamplingSettings, Settings
from lvae.tasks.task import Encoded, Json, Plan, Request, Run, Sample, option

TABLE = "_lesions.csv"
COLUMNS = (
    "lesion",
    "x_mm",
    "y_mm",
    "z_mm",
    "voxel_i",
    "voxel_j",
    "voxel_k",
    "voxels",
    "volume_ml",
    "highest_chance",
    "mean_chance",
)


@dataclasses.dataclass(frozen=True)
class AnomalyOptions:
    """Of the mode `anomaly`."""

    adc: str = option("", "The ADC map of the scan --data, on any grid.")
    flair: str = option("", "The FLAIR of the scan --data, on any grid.")
    threshold: float = option(0.5, "Chance above which a voxel counts as lesion.", minimum=0)


def anomaly(run: Run[Settings], request: Request) -> Plan:
    """Heat maps and tables of --data: a volume (with --adc and --flair), or a folder of scans.

    A volume is a DWI unless its name ends with another channel's, `_adc` or `_flair`. A folder is
    laid out as those to train on; masks are not needed. For every scan NAME_heat.nii.gz (chance of
    a lesion) and NAME_unusual.nii.gz (deviations from what a healthy brain shows) on the grid of
    its DWI, NAME_lesions.csv, and NAME_heat.png; lesions.csv holds all tables.

    Raises:
      UserError: no --data, no volume, or a run of digits.
    """
    settings = run.settings
    if not isinstance(settings.data, LesionDataSettings):
        raise UserError(
            f"--mode=anomaly: the run in {run.workdir} knows digits, not volumes; train one with "
            "configs/patches.py:isles"
        )
    if request.data is None:
        raise UserError("--mode=anomaly: needs --data=VOLUME.nii.gz or --data=FOLDER")
    options = request.options or AnomalyOptions()
    scans = scans_of(request.data, options)
    names = list(scans)
    read_channels(scans[names[0]])  # a file that cannot be read is refused before anything is drawn

    def draw(indices: Int[np.ndarray, " samples"]) -> list[Sample]:
        samples = []
        for index in indices.tolist():
            files = scans[names[index]]
            channels, _, given = read_channels(files)
            found = scan_volume(settings, run.variables["params"], channels, str(_first(files)))
            turned = found._replace(
                heat=_as_given(found.heat, given), unusual=_as_given(found.unusual, given)
            )
            lesions = lesions_of(turned.heat, options.threshold, given.affine)
            note = _note(turned, files, given.affine, len(lesions))
            samples.append(
                Sample(
                    note,
                    lambda turned=turned, found=found, given=given, lesions=lesions: _files(
                        turned, found, given, lesions, options.threshold
                    ),
                    {"heat": turned.heat, "unusual": turned.unusual},
                )
            )
        return samples

    assert isinstance(settings.sampling, LesionSamplingSettings)
    extra = {"stride": settings.sampling.stride, "threshold": options.threshold}
    return Plan(
        names,
        ("_heat.nii.gz", "_unusual.nii.gz", "_heat.png", TABLE),
        draw,
        block=1,
        settings=extra,
        extras={"lesions.csv": lambda out: _one_table(out, names)},
    )


def scans_of(data: Path, options: AnomalyOptions) -> dict[str, dict[str, Path]]:
    """Files by channel of every scan of --data, by the name of its results.

    Raises:
      UserError: --adc or --flair beside a folder, a channel given twice.
    """
    others = {
        name: Path(value)
        for name, value in (("adc", options.adc), ("flair", options.flair))
        if value
    }
    if data.is_dir():
        if others:
            named = " and ".join(f"--{name}" for name in others)
            raise UserError(f"{named}: go with one volume, and --data={data} is a folder")
        return {name.replace("/", "_"): files for name, files in find_scans(data).items()}
    kind = kind_of(data)[1]
    channel = kind if kind in CHANNELS else "dwi"
    if channel in others:
        raise UserError(f"--{channel}={others[channel]}: --data={data} is that channel, too")
    return {stem(data): {channel: data, **others}}


def lesions_of(heat: np.ndarray, threshold: float, affine: Affine) -> list[dict[str, int | float]]:
    """What lies above the threshold, the largest first: a row of COLUMNS for each.

    A place is the middle of the lesion's voxels, weighted by their chances.
    """
    groups, count = ndimage.label(heat > threshold, NEIGHBOURS)
    voxel_ml = abs(float(np.linalg.det(affine[:3, :3]))) / 1000
    rows = []
    for part, box in zip(range(1, count + 1), ndimage.find_objects(groups)):
        inside = groups[box] == part
        places = np.argwhere(inside) + [side.start for side in box]
        chances = heat[box][inside].astype(np.float64)
        middle = chances @ places / chances.sum()
        place = affine @ [*middle, 1]
        numbers = [*np.round(place[:3], 2).tolist(), *np.rint(middle).astype(int).tolist()]
        size = len(places)
        numbers += [size, round(size * voxel_ml, 4)]
        numbers += [round(float(chances.max()), 4), round(float(chances.mean()), 4)]
        rows.append(numbers)
    rows.sort(key=lambda row: (-row[6], row[:3]))
    return [dict(zip(COLUMNS, [place, *row])) for place, row in enumerate(rows, 1)]


def _first(files: Mapping[str, Path]) -> Path:
    return next(files[channel] for channel in CHANNELS if channel in files)


def _note(
    found: HeatMap, files: Mapping[str, Path], affine: Affine, lesions: int
) -> dict[str, Json]:
    """Where the heat map is hottest, and of what it was made."""
    hottest = np.unravel_index(int(found.heat.argmax()), found.heat.shape)
    place = (affine @ [*hottest, 1])[:3]
    return {
        "channels": {channel: file.name for channel, file in files.items()},
        "patches": found.patches,
        "lesions": lesions,
        "highest": round(float(found.heat.max()), 4),
        "highest_at_voxel": [int(index) for index in hottest],
        "highest_at_mm": [round(float(value), 2) for value in place],
    }


def _as_given(array: np.ndarray, given: Volume) -> np.ndarray:
    """From axes right, anterior, superior to those of the file."""
    import nibabel

    orientation = nibabel.io_orientation(given.affine)
    back = nibabel.orientations.ornt_transform(
        nibabel.orientations.axcodes2ornt("RAS"), orientation
    )
    return np.ascontiguousarray(nibabel.apply_orientation(array, back), np.float32)


def _files(
    turned: HeatMap,
    upright: HeatMap,
    given: Volume,
    lesions: Sequence[Mapping[str, int | float]],
    threshold: float,
) -> Encoded:
    """turned: on the file's own axes. upright: the same for the picture."""
    buffer = io.BytesIO()
    figure = montage(upright.image, upright.heat, threshold)
    figure.savefig(buffer, metadata={"Software": None})
    files = {}
    for name, array in (("heat", turned.heat), ("unusual", turned.unusual)):
        content = nifti_bytes(array, given.affine, given.header)
        files[f"_{name}.nii.gz"] = gzip.compress(content, mtime=0)
    files |= {"_heat.png": buffer.getvalue(), TABLE: _csv(COLUMNS, lesions)}
    hottest = int(upright.heat.max((0, 1)).argmax())
    return Encoded(files, to_levels(upright.heat[:, :, hottest].T[::-1]))


def _csv(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _one_table(out: Path, names: Sequence[str]) -> bytes:
    """The tables of all scans, the scan's name in front."""
    rows = []
    for name in names:
        with (out / f"{name}{TABLE}").open(newline="") as file:
            rows += [{"scan": name, **row} for row in csv.DictReader(file)]
    return _csv(("scan", *COLUMNS), rows)
