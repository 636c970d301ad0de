"""Data sets on disk: who reads them, that their bytes depend on nothing but the request, and that
nothing is lost or mixed up when a run stops half way."""

import errno
import gc
import io
import json
import os
import subprocess
import sys
import tarfile
import weakref
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lvae.data import lasten as layout
from lvae.errors import UserError
from lvae.grids import encoding, formats, plan, record, rendering, writer

SIZE = (96, 80)
REQUEST = {"seed": 3, "config": {"model": {"latents": 8}}, "mode": "noise", "factor": 1.0}


def draw(indices):
    """Grids of 4 x 5 that depend on their index alone."""
    points, visible = [], []
    for index in indices:
        rng = np.random.default_rng(int(index))
        x = 20 + 12 * np.arange(5)[np.newaxis, :] + rng.normal(0, 1, (4, 5))
        y = 70 - 14 * np.arange(4)[:, np.newaxis] + rng.normal(0, 1, (4, 5))
        points.append(np.stack([x, y], axis=-1))
        visible.append(rng.random((4, 5)) < 0.9)
    provenance = [{"frame": int(index) // 4, "alpha": 0.25} for index in indices]
    return writer.Drawn(np.stack(points), np.stack(visible), provenance)


def write(out, count=10, request=REQUEST, draw=draw, **options):
    options = {"size": SIZE, "batch_size": 4, "samples_per_file": 4, "preview": 3} | options
    options.setdefault("ids", range(40_000, 40_000 + count))
    return writer.write_data_set(out, draw, request, **options)


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def test_the_registration_codes_loader_reads_lasten_frames(lasten, tmp_path):
    frames = layout.read_frames(lasten / "validation", layout.GridGeometry())
    chosen = [0, 25]

    def draw(indices):
        rows = np.array(chosen)[indices]
        return writer.Drawn(frames.points[rows], frames.visible[rows], [{}] * len(rows))

    writer.write_data_set(tmp_path, draw, {}, ids=frames.ids[chosen], batch_size=2)
    # The consumer: a Keras Sequence over what glob finds, its ids the integers before the dot. The
    # manifest is no frame: docs/formats.md says to keep it from such a glob.
    (tmp_path / "manifest.json").unlink()
    ids = sorted(int(path.name.split(".")[0]) for path in tmp_path.glob("*.json"))
    assert ids == [160, 185]
    for number in ids:
        theirs = json.loads((lasten / "validation" / f"{number}.json").read_text())
        assert json.loads((tmp_path / f"{number}.json").read_text()) == theirs
        with Image.open(tmp_path / f"{number}_mov.png") as image:
            assert (image.mode, image.size) == ("L", (768, 768))
            moving = np.asarray(image.convert("L").resize((384, 384)), np.float32) / 255
        with Image.open(lasten / "validation" / f"{number}_mov.png") as image:
            original = np.asarray(image.convert("L").resize((384, 384)), np.float32) / 255
        assert np.abs(moving - original).max() <= 2 / 255 + 1e-6


def test_files_manifest_and_preview(tmp_path):
    summary = write(tmp_path, versions={"jax": "0.0"})
    assert str(summary) == f"{tmp_path}: 10 samples"
    names = {f"{number}{end}" for number in range(40_000, 40_010) for end in (".json", "_mov.png")}
    assert set(contents(tmp_path)) == names | {"manifest.json", "preview.png"}
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert {key: manifest[key] for key in REQUEST} == REQUEST
    assert manifest["versions"]["jax"] == "0.0"
    assert manifest["versions"]["numpy"] == np.__version__
    assert [sample["id"] for sample in manifest["samples"]] == list(range(40_000, 40_010))
    assert manifest["samples"][5] == {
        **{"id": 40_005, "frame": 1, "alpha": 0.25},
        "points": len(json.loads((tmp_path / "40005.json").read_text())),
    }
    points = sum(sample["points"] for sample in manifest["samples"])
    assert manifest["counts"] == {"samples": 10, "points": points}
    with Image.open(tmp_path / "preview.png") as sheet:
        assert sheet.size == (3 * (96 + 4) + 4, 80 + 8)
    # The JSON holds the nearest pixels of the visible points, and the image shows just those.
    drawn = draw([7])
    pixels = {
        str(key): np.rint(point).tolist()
        for key, (point, seen) in enumerate(
            zip(drawn.points[0].reshape(-1, 2), drawn.visible[0].ravel())
        )
        if seen
    }
    assert json.loads((tmp_path / "40007.json").read_text()) == pixels
    with Image.open(tmp_path / "40007_mov.png") as image:
        expected = rendering.render(np.rint(drawn.points[0]), drawn.visible[0], SIZE)
        assert np.array_equal(np.asarray(image), expected)


@pytest.mark.parametrize("format", formats.FORMATS)
def test_bytes_do_not_depend_on_batches_workers_or_shards(tmp_path, format):
    write(tmp_path / "one", format=format)
    expected = contents(tmp_path / "one")
    write(tmp_path / "batches", format=format, batch_size=3, workers=1)
    assert contents(tmp_path / "batches") == expected
    for index in (2, 0, 1):
        write(tmp_path / "shards", format=format, shard=(index, 3))
    with pytest.raises(UserError, match="being written in 3 shards"):
        write(tmp_path / "shards", format=format, shard=(0, 2))
    record.merge(tmp_path / "shards")
    assert contents(tmp_path / "shards") == expected


def test_loose_files_are_shared_out_evenly(tmp_path):
    totals = [write(tmp_path, shard=(index, 4)).total for index in range(4)]
    assert sorted(totals) == [2, 2, 3, 3]


def test_a_finished_data_set_is_left_alone(tmp_path):
    write(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}

    def never(indices):
        raise AssertionError("drawn again")

    summary = write(tmp_path, draw=never)
    assert str(summary) == f"{tmp_path}: already complete, 10 samples; nothing changed"
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"request": REQUEST | {"seed": 4}}, "seed: 3 -> 4"),
        ({"request": REQUEST | {"config": {"model": {"latents": 9}}}}, "latents: 8 -> 9"),
        ({"count": 12}, "export.ids.count: 10 -> 12"),
        ({"format": "webdataset"}, "export.format: 'files' -> 'webdataset'"),
        ({"size": (48, 40)}, "export.size: [96, 80] -> [48, 40]"),
        ({"images": False}, "export.images: True -> False"),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_another_request_into_the_same_folder_is_refused(tmp_path, finished, changes, words):
    with pytest.raises(RuntimeError) if not finished else _nothing():
        write(tmp_path, draw=draw if finished else fails_after(1))
    before = contents(tmp_path)
    with pytest.raises(UserError, match="another") as caught:
        write(tmp_path, **changes)
    assert words in str(caught.value)
    assert contents(tmp_path) == before


def test_frames_of_unknown_origin_are_not_written_among(tmp_path):
    (tmp_path / "17.json").write_text("{}")
    with pytest.raises(UserError, match=r"holds 17\.json but no manifest"):
        write(tmp_path)
    assert list(contents(tmp_path)) == ["17.json"]


class _nothing:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False


def fails_after(batches):
    """A draw that breaks down in the batch after these."""
    calls = []

    def broken(indices):
        calls.append(indices)
        if len(calls) > batches:
            raise RuntimeError("the machine broke down")
        return draw(indices)

    return broken


@pytest.mark.parametrize("format", formats.FORMATS)
@pytest.mark.parametrize("shard", [(0, 1), (1, 2)])
def test_an_interrupted_export_continues_to_the_same_bytes(tmp_path, format, shard, monkeypatch):
    monkeypatch.setattr(plan, "FILES_AT_A_TIME", 4)
    options = {"count": 24, "format": format, "shard": shard, "batch_size": 2}
    write(tmp_path / "whole", **options)
    with pytest.raises(RuntimeError, match="broke down"):
        write(tmp_path / "resumed", draw=fails_after(4), **options)
    assert not any(
        name.endswith((".tmp", "manifest.json")) for name in contents(tmp_path / "resumed")
    )
    # As after kill -9: a note cut short, and half-written files.
    (journal,) = (tmp_path / "resumed").glob(".progress*")
    with journal.open("a") as file:
        file.write('{"id": 400')
    (tmp_path / "resumed" / ".40020.tmp-1.json").write_text("{")
    drawn = []

    def counted(indices):
        drawn.extend(indices.tolist())
        return draw(indices)

    summary = write(tmp_path / "resumed", draw=counted, **options)
    assert 0 < summary.written < summary.total
    assert f"{summary.total - summary.written} of them from before" in str(summary)
    assert min(set(drawn) - {0, 12, 23}) >= summary.total - summary.written  # less the preview's
    assert contents(tmp_path / "resumed") == contents(tmp_path / "whole")


def test_a_run_killed_outright_leaves_whole_files_and_resumes(tmp_path):
    script = (
        "import os, sys, test_writer as t\n"
        "def draw(indices):\n"
        "    if indices[0] >= 128: os.kill(os.getpid(), 9)\n"
        "    return t.draw(indices)\n"
        "t.write(sys.argv[1], count=200, draw=draw, batch_size=16)\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "killed")],
        cwd=Path(__file__).parent,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)},
        check=False,
    )
    assert killed.returncode == -9
    files = list((tmp_path / "killed").glob("[0-9]*.json"))
    assert 64 <= len(files) < 200
    for path in files:
        json.loads(path.read_text())
    assert write(tmp_path / "killed", count=200).written == 200 - 64
    write(tmp_path / "whole", count=200)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_lost_files_and_lost_shards_are_redone_alone(tmp_path):
    for index in range(2):
        write(tmp_path, shard=(index, 2))
    expected = contents(tmp_path)
    for path in [*tmp_path.glob("4000[5-9]*"), tmp_path / "manifest-1-of-2.json"]:
        path.unlink()
    with pytest.raises(UserError, match="shard 1 of 2 is not there; --shard=1/2"):
        record.merge(tmp_path)
    write(tmp_path, shard=(1, 2))
    assert contents(tmp_path) == expected
    record.merge(tmp_path)
    assert record.merge(tmp_path) == tmp_path / "manifest.json"
    expected = contents(tmp_path)
    (tmp_path / "40003_mov.png").unlink()
    assert write(tmp_path).written == 10
    assert contents(tmp_path) == expected


def test_a_full_disk_is_the_users_to_mend(tmp_path, monkeypatch):
    real = Path.write_bytes

    def full(path, content):
        if "40007" in path.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match=r"40007\.json: cannot be written \(No space left"):
        write(tmp_path)
    monkeypatch.undo()
    assert not list(tmp_path.glob(".4*"))
    assert write(tmp_path).total == 10


def test_two_processes_on_one_export_are_kept_apart(tmp_path):
    pytest.importorskip("fcntl")

    def meanwhile(indices):
        with pytest.raises(UserError, match="another process is writing"):
            write(tmp_path)
        return draw(indices)

    write(tmp_path, draw=meanwhile)


def test_wrong_use_is_named(tmp_path):
    with pytest.raises(UserError, match="--format=zip: no such format; known formats: files, webd"):
        write(tmp_path, format="zip")
    for shard in ((2, 2), (-1, 2), (0, 0)):
        with pytest.raises(UserError, match="must be i/n with i from 0 to n - 1"):
            write(tmp_path, shard=shard)
    with pytest.raises(ValueError, match="ids do not increase"):
        write(tmp_path, ids=[3, 2])
    with pytest.raises(ValueError, match="request has a field samples"):
        write(tmp_path, request={"samples": 3})
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write(tmp_path / "file")
    assert not list(tmp_path.glob("**/*.json"))


def test_merge_is_a_command(tmp_path):
    command = [sys.executable, "-m", "lvae.grids.merge", str(tmp_path)]
    wrong = subprocess.run(command, capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert wrong.stderr == f"{tmp_path}: no manifest of a shard in it; draw them with --shard=i/n\n"
    write(tmp_path, count=2, shard=(0, 2))
    write(tmp_path, count=2, shard=(1, 2))
    right = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (right.returncode, right.stdout) == (0, f"{tmp_path / 'manifest.json'}\n")


def expected_samples(count):
    """Ids, JSON and image of what `write` writes."""
    drawn = draw(range(count))
    for index in range(count):
        sample = encoding.encode(
            40_000 + index, drawn.points[index], drawn.visible[index], SIZE, images=True
        )
        with Image.open(io.BytesIO(sample.image)) as image:
            yield sample, np.asarray(image)


# webdataset leaves its files to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_webdataset_and_tar_read_the_shards(tmp_path):
    webdataset = pytest.importorskip("webdataset")
    write(tmp_path, format="webdataset")
    names = ["data-000000.tar", "data-000001.tar", "data-000002.tar"]
    assert sorted(path.name for path in tmp_path.glob("*.tar")) == names
    urls = [str(tmp_path / name) for name in names]
    data = (
        webdataset.WebDataset(urls, shardshuffle=False)
        .decode("l8")
        .to_tuple("__key__", "json", "png")
    )
    read = list(data)
    del data
    gc.collect()
    assert len(read) == 10
    for (key, points, image), (sample, picture) in zip(read, expected_samples(10)):
        assert key == str(sample.id)
        assert points == json.loads(sample.text)
        assert np.array_equal(image, picture)
    with tarfile.open(urls[2]) as archive:
        assert archive.getnames() == ["40008.json", "40008.png", "40009.json", "40009.png"]
        assert {member.mtime for member in archive} == {0}


def test_pyarrow_reads_the_parquet_files(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    write(tmp_path, format="parquet")
    rows = [
        row
        for path in sorted(tmp_path.glob("*.parquet"))
        for row in parquet.read_table(path).to_pylist()
    ]
    assert len(rows) == 10
    for row, (sample, picture) in zip(rows, expected_samples(10)):
        assert row["id"] == sample.id
        assert np.array_equal(np.reshape(row["points"], (4, 5, 2)), sample.pixels)
        assert np.array_equal(np.reshape(row["visible"], (4, 5)), sample.shown)
        with Image.open(io.BytesIO(row["image"]["bytes"])) as image:
            assert np.array_equal(np.asarray(image), picture)


def test_grain_reads_the_parquet_files(tmp_path):
    grain = pytest.importorskip("grain")
    write(tmp_path, count=4, format="parquet")
    rows = list(grain.experimental.ParquetIterDataset(str(tmp_path / "data-000000.parquet")))
    assert [row["id"] for row in rows] == [40_000, 40_001, 40_002, 40_003]


def test_hugging_face_datasets_decodes_the_images(tmp_path):
    datasets = pytest.importorskip("datasets")
    write(tmp_path, count=4, format="parquet")
    data = datasets.load_dataset(
        "parquet",
        data_files=str(tmp_path / "*.parquet"),
        split="train",
        cache_dir=str(tmp_path / "c"),
    )
    assert data[1]["image"].size == SIZE


@pytest.mark.parametrize("format", ["files", "parquet", "webdataset"])
def test_without_images_only_points_are_written(tmp_path, format):
    write(tmp_path, format=format, images=False, preview=0)
    assert not list(tmp_path.glob("*.png"))
    if format == "files":
        assert len(list(tmp_path.glob("*.json"))) == 11


def test_json_is_what_the_lasten_writer_writes(tmp_path):
    drawn = draw(range(3))
    layout.write_frames(tmp_path, range(3), drawn.points, drawn.visible)
    for index in range(3):
        pixels, shown = encoding.whole_pixels(drawn.points[index], drawn.visible[index], SIZE)
        assert (tmp_path / f"{index}.json").read_text() == encoding.frame_json(pixels, shown)


def test_points_outside_the_frame_are_not_written():
    points = np.array([[[-0.4, 3.0], [-0.6, 3.0], [95.4, 10.0], [95.6, 10.0], [np.nan, 1.0]]])
    pixels, shown = encoding.whole_pixels(points, np.ones((1, 5), bool), SIZE)
    assert shown.tolist() == [[True, False, True, False, False]]
    assert pixels[0, :3].tolist() == [[0, 3], [0, 0], [95, 10]]


def test_memory_does_not_hold_the_samples(tmp_path):
    """What is under way is bounded by the batch, however many samples there are."""
    alive, most = set(), []

    def watched(indices):
        drawn = draw(indices)
        token = object()
        alive.add(token)
        weakref.finalize(drawn.points, alive.discard, token)
        most.append(len(alive))
        return drawn

    done = []
    write(
        *(tmp_path, 80, REQUEST, watched),
        preview=0,
        progress=lambda *numbers: done.append(numbers),
    )
    assert len(most) == 20
    assert max(most) <= 5  # two batches wait, one is read, one is drawn, one is written
    assert done == [(64, 80), (80, 80)]
