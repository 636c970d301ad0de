"""Cards of sets and models: read by the readers that they are for."""

import dataclasses
import hashlib
import json
import shutil
from fnmatch import fnmatchcase as fnmatch

import jax
import numpy as np
import pytest
import yaml

from lvae import configuration, experiments
from lvae.commands import merge
from lvae.commands import sample as command
from lvae.data.recordings.frames import GridGeometry
from lvae.data.recordings.reading import read_frames
from lvae.errors import UserError
from lvae.runs import labels, modes
from lvae.runs.cards import croissant, facts, readme
from lvae.runs.cards.collecting import set_facts
from lvae.runs.cards.model_card import holds_examples, model_card
from lvae.runs.export import checks, journal
from lvae.runs.export.writer import Layout, write_data_set
from lvae.runs.members import QUICK
from lvae.runs.provenance import versions
from lvae.storage import model_file
from lvae.tasks import registry, restoring
from lvae.tasks.task import Numbered, Plan, Request, spec_to_json

FORMATS = ("files", "webdataset", "parquet")
SAMPLES = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cards")


@pytest.fixture(scope="module")
def loaded(folder):
    """A model of simulated recordings as it is before it is trained, in one file."""
    config = experiments.read("default:smoke")
    task = registry.find(config.task)
    settings = configuration.parse(task.settings, config)
    splits = task.load_data(settings)
    spec = task.spec(settings, splits)
    init = jax.jit(lambda: task.init(settings, spec, jax.random.key(0)))
    variables = jax.device_get(init.lower().compile(QUICK)())
    variables = task.prepare(settings, variables, splits)
    file = folder / "untrained.safetensors"
    model_file.write(file, model_file.content(config, spec_to_json(spec), "", variables))
    return restoring.load(file)


@pytest.fixture(scope="module")
def prior(loaded):
    """A request, and its plan: 1.5 s, the law of missing points is fitted."""
    request = Request("prior", 5, SAMPLES, None, loaded.task.modes["prior"].options())
    return request, modes.planned(loaded, request)


@pytest.fixture(scope="module")
def sets(folder, loaded, prior):
    """`prior` in every layout, in two packed files."""
    return {
        format: drawn(loaded, prior, folder / f"set {format}", format=format) for format in FORMATS
    }


def drawn(loaded, prior, out, **layout):
    """As `modes.draw` does it."""
    request, plan = prior
    chosen = Layout(**{"samples_per_file": 3, "preview": 2, **layout})
    write_data_set(out, plan, modes.described(loaded, request), chosen, versions=versions())
    modes.write_about(loaded, plan, out, chosen)
    return out


def files_of(folder):
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


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


def test_the_card_says_what_it_is(sets):
    text = (sets["files"] / "README.md").read_text()
    for part in (labels.NEW, "Not for diagnosis", "Never a test set", "Not audited", "licence"):
        assert part in text
    assert front_matter(sets["files"])["size_categories"] == ["n<1K"]


def test_its_command_draws_the_set_again_with_its_cards_unless_they_are_left_out(
    sets, loaded, tmp_path
):
    words = (sets["files"] / "README.md").read_text().split("```\n")[1].split()
    assert words[:3] == ["lvae", "sample", "--workdir=RUN"]
    again = [f"--model={loaded.run.workdir}", *words[3:-1], f"--out={tmp_path}"]
    command.main([*again, "--card=false"])
    expected = files_of(sets["files"])
    del expected["preview.png"]  # of another number of pictures
    cards = {"README.md", "croissant.json", ".lvae/SHA256SUMS"}
    found = files_of(tmp_path)
    del found["preview.png"]
    assert found == {name: content for name, content in expected.items() if name not in cards}
    command.main(again)
    assert files_of(tmp_path) == expected | {"preview.png": (tmp_path / "preview.png").read_bytes()}


def test_modes_that_start_from_frames_are_called_so(sets, loaded, prior):
    header = journal.read_header(journal.manifest_path(sets["files"])) | {"mode": "noise"}
    known = set_facts(loaded, prior[1], header)
    for card in (readme.readme(known), json.dumps(croissant.croissant(known, {}, ""))):
        assert "made from recordings' own examples by design; not new" in card
        assert "treat them as data of those people" in card


def test_merged_shards_are_the_whole_set_byte_for_byte_with_its_cards(
    sets, loaded, prior, tmp_path, capsys
):
    for index in (1, 0):
        drawn(loaded, prior, tmp_path, shard=(index, 2))
    assert not (tmp_path / "README.md").exists()
    merge.main([str(tmp_path)])
    assert capsys.readouterr().out == f"{tmp_path / '.lvae/manifest.json'}\n"
    assert files_of(tmp_path) == files_of(sets["files"])


def test_our_own_reader_takes_the_set_for_frames(sets):
    frames = read_frames(sets["files"], GridGeometry(width=768, height=768, minimum_visible=0))
    assert frames.ids.tolist() == list(range(40_000, 40_000 + SAMPLES))


def test_patterns_match_the_samples_and_nothing_else():
    own = ("preview.png", "croissant.json")
    counted = facts.patterns(
        Numbered(3, prefix="s_", digits=3), (".png", "_mask.png"), "files", own
    )
    digits = "s_[0-9][0-9][0-9]"
    assert counted == {".png": [f"{digits}.png"], "_mask.png": [f"{digits}_mask.png"]}
    grows = facts.patterns(Numbered(3, first=99, digits=0), (".json",), "files", own)
    assert grows == {".json": ["[0-9][0-9].json", "[0-9][0-9][0-9].json"]}
    named = facts.patterns(["a[1]", "b*"], (".png",), "files", own)
    assert named == {".png": ["a[[]1].png", "b[*].png"]}
    names = ["p", "pre", *(f"p{i}" for i in range(1000)), *(f"case_{i}" for i in range(1000))]
    many = facts.patterns(names, (".png",), "files", own)[".png"]
    assert len(many) == 22  # ca*, p, pre, p0 to p9, p1* to p9*
    matched = [name for name in (*names, "preview") if any(fnmatch(f"{name}.png", g) for g in many)]
    assert matched == names


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


def test_a_model_card_says_what_the_model_holds_and_names_no_folder(loaded):
    assert holds_examples(loaded.run)
    text = model_card(loaded, {"step": 4, "evaluation": {"validation_px": 1.5}})
    for part in (
        "validation_px: 1.5",
        "Not audited",
        "new: `prior`",
        "of the training data, pitch",
    ):
        assert part in text
    assert "holds its training examples themselves" in text
    assert str(loaded.run.workdir) not in text
    bare = {**loaded.run.variables, "buffers": {"spread": np.ones((3, 2))}}
    other = loaded._replace(run=dataclasses.replace(loaded.run, variables=bare))
    assert not holds_examples(other.run)
    assert "holds its training" not in model_card(other, None)


@pytest.mark.parametrize("name", ["README", "croissant"])
def test_a_sample_is_not_written_over_a_card(tmp_path, name):
    suffix = ".md" if name == "README" else ".json"
    with pytest.raises(UserError, match="would be written over"):
        checks.names(Plan([name], (suffix,), lambda _: []), tmp_path, own=())
