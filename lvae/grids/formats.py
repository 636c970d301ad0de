"""The three layouts of a data set on disk: loose files, tar shards for webdataset, Parquet.

Each writes the same bytes for the same samples, and every file appears complete or not at all.
Loose files are what the registration code reads; the packed formats hold `samples_per_file` samples
a file, for data sets of so many samples that a file each would hurt. `docs/formats.md` shows how to
read each.
"""

import io
import json
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from lvae import atomic
from lvae.errors import UserError
from lvae.grids.encoding import Encoded

Add = Callable[[Encoded], None]
_ROWS_A_GROUP = 100  # Parquet: a reader holds one row group in memory, here about 6 MB


def paths(out: Path, format: str, part: int, ids: Sequence[int], images: bool) -> Iterator[Path]:
    """The files of one part of a data set: of these ids, or the packed file number `part`."""
    if format == "files":
        for number in ids:
            yield out / f"{number}.json"
            if images:
                yield out / f"{number}_mov.png"
    else:
        yield out / f"data-{part:06d}.{_SUFFIXES[format]}"


@contextmanager
def writing(out: Path, format: str, part: int) -> Iterator[Add]:
    """Yields the function that adds a sample to a part of the data set.

    Raises:
      UserError: the disk is full or the place is read-only.
    """
    if format == "files":
        yield lambda sample: _write_files(out, sample)
    else:
        (path,) = paths(out, format, part, (), True)
        with atomic.replacing(path) as temporary, _PACKERS[format](temporary) as add:
            yield add


def check(format: str) -> None:
    """Refuses a format that is unknown, or whose package is absent.

    Raises:
      UserError: see above.
    """
    if format not in FORMATS:
        raise UserError(f"--format={format}: no such format; known formats: {', '.join(FORMATS)}")
    if format == "parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise UserError(
                "--format=parquet: needs pyarrow; pip install 'lvae[parquet]'"
            ) from None


def _write_files(out: Path, sample: Encoded) -> None:
    atomic.write_text(out / f"{sample.id}.json", sample.text)
    if sample.image is not None:
        atomic.write_bytes(out / f"{sample.id}_mov.png", sample.image)


@contextmanager
def _tar(path: Path) -> Iterator[Add]:
    """Members `{id}.json` and `{id}.png`: webdataset takes what precedes the first dot as the
    sample's key."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:

        def add(sample: Encoded) -> None:
            _add_member(archive, f"{sample.id}.json", sample.text.encode())
            if sample.image is not None:
                _add_member(archive, f"{sample.id}.png", sample.image)

        yield add


def _add_member(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)  # time 0, owner 0: nothing in it that differs from run to run
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


@contextmanager
def _parquet(path: Path) -> Iterator[Add]:
    """Columns id, points (rows * columns * 2 whole pixels, 0 where missing), visible, image
    (PNG)."""
    import pyarrow
    from pyarrow import parquet

    rows: list[Encoded] = []
    writer: Any = None

    def flush() -> None:
        nonlocal writer
        if not rows:
            return
        schema = _schema(rows[0].shown.size, rows[0].image is not None)
        if writer is None:
            writer = parquet.ParquetWriter(
                *(path, schema),
                compression={name: "none" if name == "image" else "zstd" for name in schema.names},
                use_dictionary=False,
                write_statistics=["id"],
            )
        columns: dict[str, Any] = {
            "id": [row.id for row in rows],
            "points": _fixed_lists([row.pixels for row in rows], np.int16, pyarrow),
            "visible": _fixed_lists([row.shown for row in rows], np.bool_, pyarrow),
            "image": [{"bytes": row.image, "path": f"{row.id}_mov.png"} for row in rows],
        }
        table = pyarrow.table({name: columns[name] for name in schema.names}, schema=schema)
        writer.write_table(table)
        rows.clear()

    def add(sample: Encoded) -> None:
        rows.append(sample)
        if len(rows) == _ROWS_A_GROUP:
            flush()

    try:
        yield add
        flush()
    finally:
        if writer is not None:
            writer.close()


def _fixed_lists(arrays: list[np.ndarray], dtype: Any, pyarrow: Any) -> Any:
    flat = np.stack(arrays).astype(dtype).reshape(-1)
    return pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(flat), arrays[0].size)


def _schema(cells: int, images: bool) -> Any:
    """The columns, with the note by which Hugging Face datasets decodes `image` as a picture."""
    import pyarrow

    fields = [
        pyarrow.field("id", pyarrow.int64()),
        pyarrow.field("points", pyarrow.list_(pyarrow.int16(), 2 * cells)),
        pyarrow.field("visible", pyarrow.list_(pyarrow.bool_(), cells)),
    ]
    features: dict[str, Any] = {
        "id": {"dtype": "int64", "_type": "Value"},
        "points": _sequence("int16", 2 * cells),
        "visible": _sequence("bool", cells),
    }
    if images:
        image = pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})
        fields.append(pyarrow.field("image", image))
        features["image"] = {"_type": "Image"}
    note = json.dumps({"info": {"features": features}})
    return pyarrow.schema(fields, metadata={"huggingface": note})


def _sequence(dtype: str, length: int) -> dict[str, Any]:
    return {"feature": {"dtype": dtype, "_type": "Value"}, "length": length, "_type": "Sequence"}


_PACKERS = {"webdataset": _tar, "parquet": _parquet}
_SUFFIXES = {"webdataset": "tar", "parquet": "parquet"}
FORMATS = ("files", *_PACKERS)
