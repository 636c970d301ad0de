"""Cards of sets and models: read by the readers that they are for."""

import dataclasses
import hashlib
import json
import shutil

import numpy as np
import pytest
import yaml

import lvae
from lvae.commands import sample as command
from lvae.commands.audit import audit
from lvae.data.recordings.frames import GridGeometry
from lvae.data.recordings.reading import read_frames
from lvae.errors import UserError
from lvae.runs import labels, modes
from lvae.runs.audit.auditing import Wanted
from lvae.runs.cards import facts, readme, writing
from lvae.runs.cards.model_card import holds_examples, model_card, read_summary
from lvae.runs.export import checks, journal
from lvae.runs.export.writer import Layout
from lvae.tasks.task import Numbered, Plan, Request

FORMATS = ("files", "webdataset", "parquet")
SAMPLES = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cards")


@pytest.fixture(scope="module")
def loaded(folder):
    """A run of simulated recordings, trained for four steps."""
    return lvae.train("default:smoke", workdir=folder / "run").loaded


@pytest.fixture(scope="module")
def sets(folder, loaded):
    """`prior` in every layout, in two packed files."""
    options = loaded.task.modes["prior"].options()
    for format in FORMATS:
        layout = Layout(format, samples_per_file=3, preview=2)
        request = Request("prior", 5, SAMPLES, None, options)
        modes.draw(loaded, request, folder / f"set {format}", layout)
    return {format: folder / f"set {format}" for format in FORMATS}


def front_matter(path):
    text = (path / "README.md").read_text()
    return yaml.safe_load(text.split("---\n")[1])


@pytest.mark.parametrize("format", FORMATS)
def test_hugging_face_datasets_loads_the_folder(sets, format, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    loaded = datasets.load_dataset(str(sets[format]), cache_dir=str(tmp_path))
    assert set(loaded) == {"train"}
    assert len(loaded["train"]) == SAMPLES  # neither the contact sheet nor the manifest
    row = loaded["train"][0]
    assert row["png" if format == "webdataset" else "image"].size == (768, 768)


@pytest.mark.parametrize("format", FORMATS)
def test_without_a_card_it_takes_nothing_but_samples_and_the_contact_sheet(
    sets, format, tmp_path, monkeypatch
):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    plain = tmp_path / "plain"
    shutil.copytree(sets[format], plain)
    for name in ("README.md", "croissant.json"):
        (plain / name).unlink()
    loaded = datasets.load_dataset(str(plain), cache_dir=str(tmp_path / "cache"))
    assert len(loaded["train"]) == SAMPLES + (format == "files")


# What it reads with (rdflib, pandas, tarfile) is deprecated in places; that is not ours to mend.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("format", FORMATS)
def test_mlcroissant_finds_no_error_and_reads_every_sample(sets, format, tmp_path, monkeypatch):
    mlcroissant = pytest.importorskip("mlcroissant")
    # It keeps unpacked archives by their name alone, in one place for all sets.
    extract = mlcroissant._src.operation_graph.operations.extract
    monkeypatch.setattr(extract, "EXTRACT_PATH", extract.epath.Path(tmp_path))
    described = mlcroissant.Dataset(str(sets[format] / "croissant.json"))
    assert not described.metadata.issues.errors
    records = "samples" if format == "parquet" else "samples-mov-png"
    rows = list(described.records(records))
    assert len(rows) == SAMPLES
    assert rows[0][f"{records}/image"].size == (768, 768)
    metadata = json.loads((sets[format] / "croissant.json").read_text())
    assert metadata["conformsTo"][0] == "http://mlcommons.org/croissant/1.0"
    for name in ("dataLimitations", "dataBiases", "personalSensitiveInformation", "dataUseCases"):
        assert metadata[f"rai:{name}"]


@pytest.mark.parametrize("format", FORMATS)
def test_checksums_are_those_of_the_files(sets, format):
    out = sets[format]
    lines = (out / ".lvae" / facts.CHECKSUMS).read_text().splitlines()
    named = dict(reversed(line.split("  ")) for line in lines)
    samples = {path.name for path in out.iterdir() if path.suffix in (".json", ".png")}
    packed = {f"data-00000{i}.{'tar' if format == 'webdataset' else 'parquet'}" for i in (0, 1)}
    expected = samples - {"preview.png", "croissant.json"} if format == "files" else packed
    assert set(named) == expected
    for name, digest in named.items():
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest
    described = json.loads((out / "croissant.json").read_text())["distribution"]
    sums = next(one for one in described if one["name"].endswith(facts.CHECKSUMS))
    listed = (out / ".lvae" / facts.CHECKSUMS).read_bytes()
    assert sums["sha256"] == hashlib.sha256(listed).hexdigest()


def test_the_card_says_what_it_is_and_how_to_draw_it_again(sets, loaded, tmp_path):
    text = (sets["files"] / "README.md").read_text()
    for part in (labels.NEW, "Not for diagnosis", "Never a test set", "Not audited", "licence"):
        assert part in text
    words = text.split("```\n")[1].split()
    assert words[:2] == ["lvae", "sample"]
    changed = {"RUN": str(loaded.run.workdir), "OUT": str(tmp_path / "again")}
    words = [word.rpartition("=") for word in words[2:]]
    command.main([f"{name}={changed.get(value, value)}" for name, _, value in words])
    for path in sets["files"].glob("4*"):
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_modes_that_start_from_frames_are_called_so(loaded, tmp_path):
    options = loaded.task.modes["noise"].options()
    modes.draw(loaded, Request("noise", 0, 2, None, options), tmp_path, Layout(preview=1))
    text = (tmp_path / "README.md").read_text()
    assert "made from recordings' own examples by design; not new" in text
    assert "treat them as data of those people" in text
    assert front_matter(tmp_path)["size_categories"] == ["n<1K"]


def test_a_card_can_be_left_out_and_comes_when_the_command_is_run_again(loaded, tmp_path):
    words = [f"--workdir={loaded.run.workdir}", "--mode=prior", "--num_samples=2"]
    out = f"--out={tmp_path / 'set'}"
    command.main([*words, out, "--card=false"])
    names = {path.name for path in (tmp_path / "set").iterdir()}
    assert "README.md" not in names
    assert "croissant.json" not in names
    command.main([*words, out])
    assert {"README.md", "croissant.json"} < {path.name for path in (tmp_path / "set").iterdir()}


def test_shards_have_a_card_once_they_are_merged(loaded, tmp_path):
    request = Request("prior", 0, 4, None, loaded.task.modes["prior"].options())
    for index in range(2):
        modes.draw(loaded, request, tmp_path, Layout(shard=(index, 2), preview=0))
    assert not (tmp_path / "README.md").exists()
    journal.merge(tmp_path)
    assert modes.draw(loaded, request, tmp_path, Layout(preview=0)).written == 0
    assert (tmp_path / "README.md").exists()


def test_an_audit_goes_into_both_cards_and_leaves_what_the_owner_wrote(sets, loaded, tmp_path):
    out, workdir = tmp_path / "set", loaded.run.workdir
    shutil.copytree(sets["files"], out)
    card = out / "README.md"
    card.write_text(card.read_text().replace("license: other", "license: cc-by-4.0"))
    found = audit(workdir, Wanted(samples=out), workdir / "audit")
    text = card.read_text()
    assert "license: cc-by-4.0" in text
    assert "Not audited" not in text
    assert "| PCA mixture |" in text
    assert text.count(readme.BEGIN) == text.count(readme.END) == 1
    assert writing.add_audit(out, found)
    assert card.read_text() == text  # once more, the same
    model = (workdir / "model_card.md").read_text()
    assert "| PCA mixture |" in model
    assert "train_reconstruction_px_mean" in model


def test_our_own_reader_takes_the_set_for_frames(sets):
    frames = read_frames(sets["files"], GridGeometry(width=768, height=768, minimum_visible=0))
    assert frames.ids.tolist() == list(range(40_000, 40_000 + SAMPLES))


def test_patterns_match_the_samples_and_nothing_else():
    counted = Plan(Numbered(3, prefix="sample_"), (".png", "_codes.npy"), lambda _: [])
    assert facts.patterns(counted, "files") == {
        ".png": ["sample_[0-9]*.png"],
        "_codes.npy": ["sample_[0-9]*_codes.npy"],
    }
    named = Plan(["a[1]", "b*"], (".png",), lambda _: [])
    assert facts.patterns(named, "files") == {".png": ["a[[]1].png", "b[*].png"]}


def test_no_private_folder_is_named(loaded):
    header = {
        "mode": "noise",
        "seed": 1,
        "data": "/private/patients",
        "options": {"factor": 0.5, "postprocess": False},
        "export": {"format": "files", "names": {"count": 7}},
    }
    words = facts.command(header)
    assert "private" not in words
    assert "--data=DATA --seed=1 --num_samples=7 --factor=0.5 --postprocess=false" in words


def test_every_run_has_a_model_card_with_what_was_measured(loaded):
    text = model_card(loaded, read_summary(loaded.run.workdir))
    for part in (
        "train_reconstruction_px_mean",
        "Not audited",
        "new: `prior`",
        "of the training data, pitch",
    ):
        assert part in text
    assert str(loaded.run.workdir) not in text
    assert (loaded.run.workdir / "model_card.md").is_file()  # as training leaves it
    assert holds_examples(loaded.run)
    assert "holds its training examples themselves" in text
    bare = {**loaded.run.variables, "buffers": {"spread": np.ones((3, 2))}}
    other = loaded._replace(run=dataclasses.replace(loaded.run, variables=bare))
    assert not holds_examples(other.run)
    assert "holds its training" not in model_card(other, None)


@pytest.mark.parametrize("name", ["README", "croissant"])
def test_a_sample_is_not_written_over_a_card(tmp_path, name):
    suffix = ".md" if name == "README" else ".json"
    with pytest.raises(UserError, match="would be written over"):
        checks.names(Plan([name], (suffix,), lambda _: []), tmp_path, own=())
