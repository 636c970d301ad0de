"""The audit: controls that copy are flagged, new recordings are not, and it says when it is blind."""

import contextlib
import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest

import lvae
from lvae.commands import audit as command
from lvae.errors import UserError
from lvae.runs import labels, modes
from lvae.runs.audit import auditing, material, measures, report, tables, verdict
from lvae.runs.audit.material import ComparedSet
from lvae.runs.cards import readme, writing
from lvae.runs.export.writer import Layout
from lvae.tasks.auditor import Auditor
from lvae.tasks.task import Request, Run, Spec

SIZE = 12


def vectors(_, examples):
    return examples["x"]


def distances(_, first, second):
    return np.linalg.norm(first["x"][:, None] - second["x"][None], axis=-1)


def noisy(_, examples, seed):
    return {"x": examples["x"] + 0.01 * np.random.default_rng(seed).standard_normal((1, SIZE))}


AUDITOR = Auditor(
    group="group",
    unit="patient",
    measure="mm",
    real=lambda _, split: split,
    load=lambda _, path: {},
    kind=".json",
    parse=lambda _, sample: {"x": np.array(json.loads(sample[".json"]))},
    distances=distances,
    vectors=vectors,
    examples=lambda _, numbers: {"x": numbers},
    texture=vectors,
    scores=lambda _, examples: {"likelihood": -examples["x"][:, 0]},
    noisy=noisy,
)


RUN = Run(None, Spec({}, 0), {}, Path("RUN"))


def patients(count, each=4, seed=0):
    """Examples of one are near-copies; patients are independent."""
    random = np.random.default_rng(seed)
    centres = np.repeat(random.normal(0, 10, (count, SIZE)), each, axis=0)
    x = centres + random.normal(0, 0.1, centres.shape)
    return {"x": x, "group": np.repeat(np.arange(count), each)}


def known(training=8, held_out=4, auditor=AUDITOR):
    splits = {"train": patients(training), "validation": patients(held_out, seed=1)}
    return material.material(auditor, RUN, splits, None, 0)


def findings(compared, those):
    return verdict.of_set(measures.of_set(those, compared, 0), 0.0)


def test_controls_that_copy_are_flagged_by_every_test_and_new_patients_by_none():
    those = known()
    sets = material.controls(those, 200, 0)
    assert list(sets) == [*material.COPYING, "population", "held out"]
    for name in material.COPYING:
        found = findings(sets[name], those)
        assert found == list(verdict.FINDINGS)[:4], name
    assert findings(sets["held out"], those) == findings(sets["population"], those) == []
    new = patients(300, each=1, seed=2)
    assert findings(ComparedSet({"x": new["x"]}), those) == []


def test_with_one_training_patient_copies_are_still_flagged():
    # No labelling of ten groups of which one is training is rarer than one in ten.
    those = known(training=1, held_out=9)
    row = measures.of_set(those, material.controls(those, 100, 0)["copies"], 0)
    assert row["memorised"]["p_value"] == pytest.approx(0.1)
    assert verdict.of_set(row, 0.0) == ["near copies", "nearer than held out"]
    assert measures.power(those)["p_value"] == pytest.approx(0.1)


def test_a_score_that_knows_the_training_patients_is_found():
    those = known()
    train = {tuple(row) for row in those.train.examples["x"]}

    def scores(_, examples):
        return {"memory": np.array([float(tuple(row) in train) for row in examples["x"]])}

    found = measures.of_model(those._replace(auditor=AUDITOR._replace(scores=scores)), 0)["memory"]
    assert found["value"] == 1
    assert found["p_value"] == pytest.approx(1 / 495)  # ways to name eight of twelve
    assert verdict.of_model({"memory": found}) == ["membership by memory"]


def test_one_near_copy_in_a_thousand_is_found_where_held_out_patients_have_none():
    those = known()
    x = patients(1000, each=1, seed=3)["x"]
    x[17] = those.train.examples["x"][5]
    row = measures.of_set(those, ComparedSet({"x": x}), 0)
    assert row["near_copies"]["value"] == 0.001
    assert verdict.of_set(row, 0.0) == ["near copies"]
    assert verdict.of_set(row, 0.001) == []  # as many as the population itself has


def test_the_population_is_flagged_where_held_out_patients_are_of_another_kind():
    """Nobody is remembered: a finding then is no memory, and the report says so."""
    splits = {"train": patients(30), "validation": patients(30, seed=1)}
    splits["validation"]["x"] = 2 * splits["validation"]["x"]
    those = material.material(AUDITOR, RUN, splits, None, 0)
    row = measures.of_set(those, ComparedSet(material.population(those, 300, 0)), 0)
    row["findings"] = verdict.of_set(row, 0.0)
    assert "memorised share" in row["findings"]
    (note,) = report.warnings({"sets": {"population": row}})
    assert note.startswith("the control `population` is flagged by")


def test_of_too_many_examples_whole_groups_are_kept(monkeypatch):
    monkeypatch.setattr(material, "MOST", 10)
    those = known()
    assert len(those.train.groups) == 8
    assert np.unique(those.train.groups, return_counts=True)[1].tolist() == [4, 4]
    assert those.train.offered == 32


def test_without_held_out_patients_it_is_refused():
    with pytest.raises(UserError, match="--held_out=DIR"):
        material.material(AUDITOR, RUN, {"train": patients(4)}, None, 0)


def test_what_is_no_number_is_null():
    value = {"a": np.float64("nan"), "b": [np.int64(3), float("inf")], "c": (True, None)}
    assert auditing.plain(value) == {"a": None, "b": [3, None], "c": [True, None]}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """A run of simulated recordings, trained for four steps."""
    place = tmp_path_factory.mktemp("audit") / "run"
    return lvae.train("default:smoke", workdir=place).loaded


@pytest.fixture(scope="module")
def drawn(loaded, tmp_path_factory):
    """A set, whose licence its owner has filled in."""
    out = tmp_path_factory.mktemp("drawn") / "set"
    options = loaded.task.modes["prior"].options()
    modes.draw(loaded, Request("prior", 3, 60, None, options), out, Layout(preview=1))
    card = out / "README.md"
    card.write_text(card.read_text().replace("license: other", "license: cc-by-4.0"))
    return out


@pytest.fixture(scope="module")
def audited(loaded, drawn):
    """What the command writes and prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        command.main([f"--workdir={loaded.run.workdir}", f"--samples={drawn}", "--seed=3"])
    return loaded.run.workdir / "audit", json.loads(printed.getvalue().splitlines()[-1])


def test_command_writes_the_numbers_and_the_page(audited):
    out, line = audited
    result = json.loads((out / "audit.json").read_text())
    assert line["valid"] is result["valid"] is True
    assert line["findings"] == result["findings"]
    assert result["label"] == labels.NEW
    # Two real recordings: simulated ones that are mixed into training are nobody's. A single
    # held-out recording cannot be compared with others as a set is.
    assert result["groups"]["training"] == {"groups": 2, "examples": 8, "offered": 8}
    assert list(result["sets"]) == ["prior", *material.COPYING, "population", "simulator"]
    assert set(result["model"]) == {"reconstruction", "elbo"}
    page = (out / "audit.md").read_text()
    for picture in ("distances", "memorised", "membership", "nearest"):
        assert f"{picture}.png" in page
        assert (out / f"{picture}.png").stat().st_size > 1000
    assert tables.verdict_line(result) in page


def test_an_audit_goes_into_the_cards_and_leaves_what_the_owner_wrote(audited, drawn, loaded):
    found = json.loads((audited[0] / "audit.json").read_text())
    text, described = (drawn / "README.md").read_text(), (drawn / "croissant.json").read_text()
    assert "license: cc-by-4.0" in text
    assert "| PCA mixture |" in text
    assert text.count(readme.BEGIN) == text.count(readme.END) == 1
    for card in (text, described):
        assert "Not audited" not in card
        assert "An audit found" in card
    assert writing.add_audit(drawn, found)  # once more, the same
    assert (drawn / "README.md").read_text() == text
    assert (drawn / "croissant.json").read_text() == described
    model = (loaded.run.workdir / "model_card.md").read_text()
    assert "| PCA mixture |" in model
    assert "train_reconstruction_px_mean" in model  # as training left it


def test_sets_of_every_layout_are_read_and_labelled_by_their_mode(loaded, tmp_path):
    request = Request("noise", 0, 20, None, loaded.task.modes["noise"].options())
    read = {}
    for format in ("files", "webdataset", "parquet"):
        out = tmp_path / format
        modes.draw(loaded, request, out, Layout(format, preview=0))
        name, about, read[format] = auditing._read(loaded, out)
        assert (name, about["mode"]) == ("noise", "noise")
        assert about["label"] == "made from recordings' own examples by design; not new"
    for format in ("webdataset", "parquet"):
        for field in ("points", "visible"):
            np.testing.assert_array_equal(
                read[format].examples[field], read["files"].examples[field]
            )
    # 20 variations of 8 frames: those of one frame stay together
    assert np.bincount(read["files"].groups).tolist() == [3, 3, 3, 3, 2, 2, 2, 2]


def test_an_audit_that_flags_nothing_says_that_it_is_not_valid(loaded, tmp_path, monkeypatch):
    monkeypatch.setattr(verdict, "of_set", lambda row, expected: [])
    words = [f"--workdir={loaded.run.workdir}", "--num_samples=20", f"--out={tmp_path}"]
    with pytest.raises(UserError, match="not valid: it did not flag copies, noisy copies, PCA mix"):
        command.main(words)
    assert "NOT VALID" in (tmp_path / "audit.md").read_text()
    assert json.loads((tmp_path / "audit.json").read_text())["valid"] is False


def test_what_is_no_set_of_the_task_is_refused(loaded, tmp_path):
    (tmp_path / "0.json").write_text("{}")
    (tmp_path / "1.json").write_text('{"9999": [1, 2]}')
    with pytest.raises(
        UserError, match=r"1.json: is no sample of the task laser_grid \(key '9999'"
    ):
        auditing._read(loaded, tmp_path)
    with pytest.raises(UserError, match="holds no samples"):
        auditing._read(loaded, loaded.run.workdir / "figures")
    with pytest.raises(UserError, match="no such folder"):
        auditing._read(loaded, tmp_path / "absent")


def test_tasks_that_draw_nothing_new_are_refused(loaded):
    other = loaded._replace(task=dataclasses.replace(loaded.task, audit=None))
    with pytest.raises(UserError, match="draws nothing new"):
        auditing.audit(other, auditing.Wanted())
