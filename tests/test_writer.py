"""Data sets on disk: who reads them, that their bytes depend on nothing but the plan, and that
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

from lvae.errors import UserError
from lvae.imaging.sheets import png
from lvae.runs.export import formats, journal, parts, writer
from lvae.tasks.task import Encoded, Numbered, Plan, Sample

REQUEST = {"seed": 3, "config": {"model": {"latents": 8}}, "mode": "noise", "factor": 1.0}
WIDTH, HEIGHT = 12, 10


def picture(index):
    """An image that depends on its index alone."""
    return np.random.default_rng(index).integers(0, 256, (HEIGHT, WIDTH)).astype(np.uint8)


def draw(indices):
    return [
        Sample({"id": 40_000 + index}, lambda index=int(index): encoded(index)) for index in indices
    ]


def encoded(index):
    image = picture(index)
    row = {"id": index, "pixels": image.ravel(), "image": {"bytes": png(image), "path": "x.png"}}
    text = json.dumps({"index": index, "sum": int(image.sum())})
    return Encoded({".json": text.encode(), "_mov.png": png(image)}, image, row)


def schema():
    import pyarrow

    image = pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})
    fields = [
        pyarrow.field("id", pyarrow.int64()),
        pyarrow.field("pixels", pyarrow.list_(pyarrow.uint8(), WIDTH * HEIGHT)),
        pyarrow.field("image", image),
    ]
    note = {
        "info": {
            "features": {
                "id": {"dtype": "int64", "_type": "Value"},
                "pixels": {
                    "feature": {"dtype": "uint8", "_type": "Value"},
                    "length": WIDTH * HEIGHT,
                    "_type": "Sequence",
                },
                "image": {"_type": "Image"},
            }
        }
    }
    return pyarrow.schema(fields, metadata={"huggingface": json.dumps(note)})


def plan_of(count=10, draw=draw, names=None, block=4, **changes):
    names = Numbered(count, 40_000) if names is None else names
    plan = Plan(names, (".json", "_mov.png"), draw, block, schema=schema)
    return plan._replace(**changes)


def write(out, plan=None, request=REQUEST, format="files", shard=(0, 1), workers=None, **options):
    layout = writer.Layout(format, shard, samples_per_file=4, preview=3, workers=workers)
    return writer.write_data_set(out, plan or plan_of(), request, layout, **options)


def contents(folder):
    """Every file's bytes by its name, that of the folder in front."""
    paths = [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_files_manifest_and_preview(tmp_path):
    summary = write(tmp_path, versions={"jax": "0.0"})
    assert str(summary) == f"{tmp_path}: 10 samples"
    names = {f"{number}{end}" for number in range(40_000, 40_010) for end in (".json", "_mov.png")}
    assert set(contents(tmp_path)) == names | {".lvae/manifest.json", "preview.png"}
    manifest = json.loads((tmp_path / ".lvae" / "manifest.json").read_text())
    assert {key: manifest[key] for key in REQUEST} == REQUEST
    assert manifest["versions"]["jax"] == "0.0"
    assert manifest["versions"]["numpy"] == np.__version__
    assert manifest["samples"] == [
        {"name": str(number), "id": number} for number in range(40_000, 40_010)
    ]
    assert manifest["counts"] == {"samples": 10}
    with Image.open(tmp_path / "preview.png") as sheet:
        # Three pictures of 12 x 10, enlarged seven times: 84 / 12.
        assert sheet.size == (3 * (84 + 4) + 4, 70 + 8)
    with Image.open(tmp_path / "40007_mov.png") as image:
        assert np.array_equal(np.asarray(image), picture(7))


@pytest.mark.parametrize("format", formats.FORMATS)
def test_bytes_do_not_depend_on_workers_or_shards(tmp_path, format):
    write(tmp_path / "one", format=format)
    expected = contents(tmp_path / "one")
    write(tmp_path / "workers", format=format, workers=1)
    assert contents(tmp_path / "workers") == expected
    for index in (2, 0, 1):
        write(tmp_path / "shards", format=format, shard=(index, 3))
    with pytest.raises(UserError, match="being written in 3 shards"):
        write(tmp_path / "shards", format=format, shard=(0, 2))
    journal.merge(tmp_path / "shards")
    assert contents(tmp_path / "shards") == expected


def test_a_sample_is_always_drawn_in_the_same_block(tmp_path):
    blocks = []

    def watched(indices):
        blocks.append(indices.tolist())
        return draw(indices)

    write(tmp_path, plan_of(draw=watched), shard=(1, 2))  # samples 4 to 9
    assert blocks[:2] == [[4, 5, 6, 7], [8, 9]]


def test_a_journal_that_goes_while_another_shard_looks_is_no_fault(tmp_path, monkeypatch):
    """A shard that finishes removes its journal; the folder may have been listed just before."""
    write(tmp_path, shard=(0, 2))
    gone = journal.journal_path(tmp_path, (0, 2))
    listed = journal.records(tmp_path)
    monkeypatch.setattr(journal, "records", lambda out: [*listed, gone])
    assert write(tmp_path, shard=(1, 2)).written


def test_loose_files_are_shared_out_evenly(tmp_path):
    totals = [write(tmp_path, shard=(index, 4)).total for index in range(4)]
    assert sorted(totals) == [2, 2, 3, 3]


def test_a_finished_data_set_is_left_alone(tmp_path):
    write(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}

    def never(indices):
        raise AssertionError("drawn again")

    summary = write(tmp_path, plan_of(draw=never))
    assert str(summary) == f"{tmp_path}: already complete, 10 samples; nothing changed"
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"request": REQUEST | {"seed": 4}}, "seed: 3 -> 4"),
        ({"request": REQUEST | {"config": {"model": {"latents": 9}}}}, "latents: 8 -> 9"),
        ({"plan": plan_of(12)}, "export.names.count: 10 -> 12"),
        ({"plan": plan_of(names=[f"n{i}" for i in range(10)])}, "export.names.sha256"),
        ({"format": "webdataset"}, "export.format: 'files' -> 'webdataset'"),
        ({"plan": plan_of(suffixes=(".json",))}, "export.suffixes"),
        ({"plan": plan_of(settings={"stride": 7})}, "stride: absent -> 7"),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_another_request_into_the_same_folder_is_refused(tmp_path, finished, changes, words):
    if finished:
        write(tmp_path)
    else:
        with pytest.raises(RuntimeError):
            write(tmp_path, plan_of(draw=fails_after(1)))
    before = contents(tmp_path)
    with pytest.raises(UserError, match="another") as caught:
        write(tmp_path, **changes)
    assert words in str(caught.value)
    assert contents(tmp_path) == before


def test_files_of_unknown_origin_are_not_written_among(tmp_path):
    (tmp_path / "40002.json").write_text("{}")
    with pytest.raises(UserError, match=r"holds 40002\.json but no manifest"):
        write(tmp_path)
    assert list(contents(tmp_path)) == ["40002.json"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a", "b", "a"], "a.json: two inputs would both become this file"),
        (["a", "manifest"], "manifest.json: an input of this name would be written over"),
    ],
)
def test_two_samples_are_never_one_file(tmp_path, names, words):
    with pytest.raises(UserError, match=words):
        write(tmp_path / "out", plan_of(names=names))
    assert not (tmp_path / "out").exists()


def fails_after(blocks):
    """A draw that breaks down in the block after these."""
    calls = []

    def broken(indices):
        calls.append(indices)
        if len(calls) > blocks:
            raise RuntimeError("the machine broke down")
        return draw(indices)

    return broken


@pytest.mark.parametrize("format", formats.FORMATS)
@pytest.mark.parametrize("shard", [(0, 1), (1, 2)])
def test_an_interrupted_export_continues_to_the_same_bytes(tmp_path, format, shard, monkeypatch):
    monkeypatch.setattr(parts, "FILES_AT_A_TIME", 4)
    options = {"format": format, "shard": shard}
    write(tmp_path / "whole", plan_of(24, block=2), **options)
    with pytest.raises(RuntimeError, match="broke down"):
        write(tmp_path / "resumed", plan_of(24, fails_after(4), block=2), **options)
    assert not (tmp_path / "resumed" / ".lvae" / "manifest.json").exists()
    # As after kill -9: a note cut short, and half-written files.
    (notes,) = (tmp_path / "resumed").glob(".progress*")
    with notes.open("a") as file:
        file.write('{"id": 400')
    staging = tmp_path / "resumed" / notes.name.replace(".progress", ".writing").split(".json")[0]
    staging.mkdir(exist_ok=True)
    (staging / ".40020.tmp-1.json").write_text("{")
    drawn = []

    def counted(indices):
        drawn.extend(indices.tolist())
        return draw(indices)

    summary = write(tmp_path / "resumed", plan_of(24, counted, block=2), **options)
    assert 0 < summary.written < summary.total
    assert f"{summary.total - summary.written} of them from before" in str(summary)
    # Less what the preview shows: samples 0, 12 and 23, each in a block of two.
    assert min(set(drawn) - {0, 1, 12, 13, 22, 23}) >= summary.total - summary.written
    assert contents(tmp_path / "resumed") == contents(tmp_path / "whole")


def test_a_run_killed_outright_leaves_whole_files_and_resumes(tmp_path):
    script = (
        "import os, sys, test_writer as t\n"
        "def draw(indices):\n"
        "    if indices[0] >= 128: os.kill(os.getpid(), 9)\n"
        "    return t.draw(indices)\n"
        "t.write(t.Path(sys.argv[1]), t.plan_of(200, draw, block=16))\n"
    )
    tests = Path(__file__).parent
    killed = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "killed")],
        cwd=tests,
        env=os.environ | {"PYTHONPATH": f"{tests.parent}{os.pathsep}{tests}"},
        check=False,
    )
    assert killed.returncode == -9
    files = list((tmp_path / "killed").glob("[0-9]*.json"))
    assert 64 <= len(files) < 200
    for path in files:
        json.loads(path.read_text())
    assert write(tmp_path / "killed", plan_of(200, block=16)).written == 200 - 64
    write(tmp_path / "whole", plan_of(200, block=16))
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_lost_files_and_lost_shards_are_redone_alone(tmp_path):
    for index in range(2):
        write(tmp_path, shard=(index, 2))
    expected = contents(tmp_path)
    for path in [*tmp_path.glob("4000[5-9]*"), tmp_path / ".lvae" / "manifest-1-of-2.json"]:
        path.unlink()
    with pytest.raises(UserError, match="shard 1 of 2 is not there; --shard=1/2"):
        journal.merge(tmp_path)
    write(tmp_path, shard=(1, 2))
    assert contents(tmp_path) == expected
    journal.merge(tmp_path)
    assert journal.merge(tmp_path) == tmp_path / ".lvae" / "manifest.json"
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
    assert not list(tmp_path.rglob("*.tmp-*"))
    assert write(tmp_path).total == 10


def test_two_processes_on_one_export_are_kept_apart(tmp_path):
    pytest.importorskip("fcntl")

    def meanwhile(indices):
        with pytest.raises(UserError, match="another process is writing"):
            write(tmp_path)
        return draw(indices)

    write(tmp_path, plan_of(draw=meanwhile))


def test_extras_are_made_of_the_whole_set(tmp_path):
    def count(out):
        return str(len(list(out.glob("*.json")))).encode()

    write(tmp_path, plan_of(extras={"count.txt": count}))
    assert (tmp_path / "count.txt").read_text() == "10"


def test_wrong_use_is_named(tmp_path):
    with pytest.raises(UserError, match="--format=zip: no such format; known formats: files, webd"):
        formats.check("zip", ("files",), "prior")
    with pytest.raises(
        UserError, match=r"--format=parquet: --mode=prior cannot write it; .* files"
    ):
        formats.check("parquet", ("files",), "prior")
    with pytest.raises(ValueError, match="request has a field samples"):
        write(tmp_path, request={"samples": 3})
    with pytest.raises(ValueError, match="the plan says"):
        write(tmp_path / "a", plan_of(suffixes=(".json", ".png")))
    with pytest.raises(ValueError, match="3 samples for 4 indices"):
        write(tmp_path / "b", plan_of(draw=lambda indices: draw(indices[:3])))
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write(tmp_path / "file")


def test_merge_is_a_command(tmp_path):
    command = [sys.executable, "-m", "lvae.merge", str(tmp_path)]
    wrong = subprocess.run(command, capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert wrong.stderr.endswith(
        f"{tmp_path}: no manifest of a shard in it; draw them with --shard=i/n\n"
    )
    write(tmp_path, plan_of(2), shard=(0, 2))
    write(tmp_path, plan_of(2), shard=(1, 2))
    right = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (right.returncode, right.stdout) == (0, f"{tmp_path / '.lvae/manifest.json'}\n")


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
    for index, (key, values, image) in enumerate(read):
        assert key == str(40_000 + index)
        assert values == {"index": index, "sum": int(picture(index).sum())}
        assert np.array_equal(image, picture(index))
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
    assert [row["id"] for row in rows] == list(range(10))
    for index, row in enumerate(rows):
        assert np.array_equal(np.reshape(row["pixels"], (HEIGHT, WIDTH)), picture(index))
        with Image.open(io.BytesIO(row["image"]["bytes"])) as image:
            assert np.array_equal(np.asarray(image), picture(index))


def test_grain_reads_the_parquet_files(tmp_path):
    grain = pytest.importorskip("grain")
    write(tmp_path, plan_of(4), format="parquet")
    rows = list(grain.experimental.ParquetIterDataset(str(tmp_path / "data-000000.parquet")))
    assert [row["id"] for row in rows] == [0, 1, 2, 3]


def test_hugging_face_datasets_decodes_the_images(tmp_path):
    datasets = pytest.importorskip("datasets")
    write(tmp_path, plan_of(4), format="parquet")
    data = datasets.load_dataset(
        "parquet",
        data_files=str(tmp_path / "*.parquet"),
        split="train",
        cache_dir=str(tmp_path / "c"),
    )
    assert data[1]["image"].size == (WIDTH, HEIGHT)


def test_memory_does_not_hold_the_samples(tmp_path):
    """What is under way is bounded by the block, however many samples there are."""
    alive, most = set(), []

    class Block(list):
        pass

    def watched(indices):
        drawn = Block(draw(indices))
        token = object()
        alive.add(token)
        weakref.finalize(drawn, alive.discard, token)
        most.append(len(alive))
        return drawn

    done = []
    layout = writer.Layout(preview=0)
    writer.write_data_set(
        *(tmp_path, plan_of(80, watched), REQUEST, layout),
        progress=lambda *numbers: done.append(numbers),
    )
    assert len(most) == 20
    assert max(most) <= 2  # one is read while the next is drawn
    assert done == [(64, 80), (80, 80)]


def test_a_merged_manifest_is_json_whatever_white_space_its_shards_hold(tmp_path):
    for index in range(2):
        write(tmp_path, shard=(index, 2))
    shard = journal.manifest_path(tmp_path, (0, 2))
    shard.write_bytes(shard.read_bytes().replace(b'"id": 40001},\n', b'"id": 40001},\x0b\n'))
    manifest = json.loads(journal.merge(tmp_path).read_bytes())
    assert len(manifest["samples"]) == 10


def test_names_are_counted_without_being_held():
    names = Numbered(3, 40_000, "sample_", 6)
    assert list(names) == ["sample_040000", "sample_040001", "sample_040002"]
    assert names[-1] == "sample_040002"
    assert names[1:] == ["sample_040001", "sample_040002"]
    assert "sample_040001" in names
    assert not {"sample_40001", "040001", "sample_040003", "sample_x"} & set(names)
    assert "sample_40001" not in names
    assert len(Numbered(10**12)) == 10**12


def test_names_without_zeros_in_front_do_not_depend_on_the_count():
    names = Numbered(60_001, 40_000, digits=0)
    assert (names[0], names[-1]) == ("40000", "100000")
    assert "40000" in names
    assert "040000" not in names
    assert Numbered(60_001, 40_000)[0] == "040000"  # else as many digits as the last


def test_a_set_of_a_former_version_is_known_finished_and_merged_where_it_is(tmp_path):
    """Its manifests lie beside the samples."""
    for index in range(2):
        write(tmp_path, shard=(index, 2))
    for path in (tmp_path / ".lvae").iterdir():
        path.rename(tmp_path / path.name)
    (tmp_path / ".lvae").rmdir()
    assert write(tmp_path, shard=(1, 2)).written == 0
    assert (
        journal.merge(tmp_path) == tmp_path / "manifest.json"
        or not (tmp_path / "manifest-0-of-2.json").exists()
    )
    assert write(tmp_path).written == 0
    write(tmp_path / "new")
    merged = journal.manifest_path(tmp_path)
    assert merged.read_bytes() == (tmp_path / "new" / ".lvae" / "manifest.json").read_bytes()
    with pytest.raises(UserError, match="holds another data set"):
        write(tmp_path, request=REQUEST | {"seed": 99})
