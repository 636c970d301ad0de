"""The three layouts of a data set on disk: loose files, tar shards for webdataset, Parquet.

Each writes the same bytes for the same samples, and every file appears complete or not at all.
Loose files are what most readers want; the packed formats hold `samples_per_file` samples per file,
for data sets of so many samples that a file each would hurt. `docs/formats.md` shows how to read
each.
"""

import io
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from lvae import atomic
from lvae.errors import UserError
from lvae.tasks.task import Encoded, Plan

Add = Callable[[str, Encoded], None]
_ROWS_PER_GROUP = 100  # Parquet: a reader holds one row group in memory, here about 6 MB
_SUFFIXES = {"webdataset": "tar", "parquet": "parquet"}
FORMATS = ("files", *_SUFFIXES)


def paths(
    out: Path, format: str, part: int, names: Sequence[str], suffixes: Sequence[str]
) -> Iterator[Path]:
    """The files of one part of a data set: of these samples, or the packed file number `part`."""
    if format == "files":
        for name in names:
            for suffix in suffixes:
                yield out / f"{name}{suffix}"
    else:
        yield out / f"data-{part:06d}.{_SUFFIXES[format]}"


@contextmanager
def writing(out: Path, staging: Path, format: str, part: int, plan: Plan) -> Iterator[Add]:
    """Yields the function that adds a sample to a part of the data set.

    Files are written into `staging`, a folder on the same disk, and moved to their place.

    Raises:
      UserError: the disk is full or the place is read-only.
    """
    if format == "files":
        yield lambda name, sample: _write_files(out, staging, name, sample)
        return
    (path,) = paths(out, format, part, (), ())
    with atomic.replacing(path, staging) as temporary:
        packer = _tar(temporary) if format == "webdataset" else _parquet(temporary, plan)
        with packer as add:
            yield add


def check(format: str, offered: Sequence[str], mode: str) -> None:
    """Refuses a format that is unknown, that the mode cannot write, or whose package is absent.

    Raises:
      UserError: see above.
    """
    if format not in FORMATS:
        raise UserError(f"--format={format}: no such format; known formats: {', '.join(FORMATS)}")
    if format not in offered:
        raise UserError(
            f"--format={format}: --mode={mode} cannot write it; choose {' or '.join(offered)}"
        )
    if format == "parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise UserError(
                "--format=parquet: needs pyarrow; pip install 'lvae[parquet]'"
            ) from None


def _write_files(out: Path, staging: Path, name: str, sample: Encoded) -> None:
    for suffix, content in sample.files.items():
        atomic.write_bytes(out / f"{name}{suffix}", content, staging)


@contextmanager
def _tar(path: Path) -> Iterator[Add]:
    """Members `{name}.json`, `{name}.png`, ...: webdataset takes what precedes the first dot as the
    sample's key, so that of a suffix only its ending is left, and dots in names become underscores.
    """
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:

        def add(name: str, sample: Encoded) -> None:
            for suffix, content in sample.files.items():
                ending = PurePath(f"x{suffix}").suffix
                _add_member(archive, f"{name.replace('.', '_')}{ending}", content)

        yield add


def _add_member(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)  # time 0, owner 0: nothing in it that differs from run to run
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


@contextmanager
def _parquet(path: Path, plan: Plan) -> Iterator[Add]:
    """One row per sample; the columns are those of the plan's schema."""
    import pyarrow
    from pyarrow import parquet

    assert plan.schema is not None  # a mode that offers parquet has one
    schema = plan.schema()
    rows: list[Encoded] = []
    writer: Any = None

    def flush() -> None:
        nonlocal writer
        if not rows:
            return
        if writer is None:
            writer = parquet.ParquetWriter(
                *(path, schema),
                compression={name: "none" if name == "image" else "zstd" for name in schema.names},
                use_dictionary=False,
                write_statistics=["id"],
            )
        columns = [_column([row.row[field.name] for row in rows], field) for field in schema]
        writer.write_table(pyarrow.table(columns, schema=schema))
        rows.clear()

    def add(name: str, sample: Encoded) -> None:
        rows.append(sample)
        if len(rows) == _ROWS_PER_GROUP:
            flush()

    try:
        yield add
        flush()
    finally:
        if writer is not None:
            writer.close()


def _column(values: list[Any], field: Any) -> Any:
    import pyarrow

    if not pyarrow.types.is_fixed_size_list(field.type):
        return pyarrow.array(values, field.type)
    dtype = field.type.value_type.to_pandas_dtype()
    flat = np.stack(values).astype(dtype).reshape(-1)
    return pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(flat), field.type.list_size)
