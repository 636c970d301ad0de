"""Reading a data set back, in any of its layouts: loose files, tar shards, Parquet."""

import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

from lvae.errors import UserError
from lvae.runs.export import journal

NOT_SAMPLES = ("croissant.json", "fix.json", "preview.png", "manifold.png")


def header(folder: Path) -> journal.Header | None:
    """What the set was asked for, from its manifest; None where it has none.

    Raises:
      UserError: the manifest cannot be read, or the set is not finished.
    """
    manifest = journal.manifest_path(folder)
    if not manifest.exists():
        if journal.records(folder):
            raise UserError(
                f"{folder}: is not finished, or its shards are not merged; finish it (lvae merge)"
            )
        return None
    return journal.read_header(manifest)


def notes(folder: Path) -> Iterator[Mapping[str, Any]]:
    """What the manifest says of every sample, in order; none without a manifest."""
    manifest = journal.manifest_path(folder)
    if manifest.exists():
        yield from journal.samples(manifest)


def samples(folder: Path, ending: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every sample's name, and its file that ends in `ending` (".json": bytes) or its row of a
    table.

    Raises:
      UserError: the folder holds no samples, or a file cannot be read.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; name one that lvae sample has written")
    tables, tars = sorted(folder.glob("data-*.parquet")), sorted(folder.glob("data-*.tar"))
    if tables:
        found = _rows(tables)
    elif tars:
        found = _members(tars, ending)
    else:
        found = _files(folder, ending)
    count = 0
    for count, sample in enumerate(found, 1):  # noqa: B007  # counted for the message below
        yield sample
    if not count:
        raise UserError(f"{folder}: holds no samples (*{ending}); name a folder of lvae sample")


def _files(folder: Path, ending: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for path in sorted(folder.glob(f"*{ending}")):
        if path.name in NOT_SAMPLES or path.name.startswith(("manifest", ".")):
            continue
        yield path.name, {ending: path.read_bytes()}


def _members(tars: list[Path], ending: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for path in tars:
        try:
            with tarfile.open(path) as archive:
                for member in archive:
                    if PurePath(member.name).suffix == ending:
                        file = archive.extractfile(member)
                        assert file is not None
                        yield f"{path.name}/{member.name}", {ending: file.read()}
        except tarfile.TarError as error:
            raise UserError(f"{path}: is damaged ({error}); draw the set again") from error


def _rows(tables: list[Path]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UserError(f"{tables[0]}: needs pyarrow; pip install 'lvae[parquet]'") from None
    for path in tables:
        try:
            for batch in parquet.ParquetFile(path).iter_batches():
                for row in batch.to_pylist():
                    yield f"{path.name}/{row.get('id')}", row
        except pyarrow.ArrowException as error:
            raise UserError(f"{path}: is damaged ({error}); draw the set again") from error
