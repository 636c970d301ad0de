"""A model in one file: whole, or refused."""

import shutil

import numpy as np
import pytest
from commands import complaint, run

import lvae
from lvae.commands.export import export
from lvae.errors import UserError
from lvae.storage import model_file


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on files that are gone by now, and its model."""
    folder = tmp_path_factory.mktemp("models")
    data = folder / "private data"
    done = run("-m", "lvae.simulate", f"--out={data}", "--recording_length=4")
    assert done.returncode == 0, done.stderr
    changes = {"data.path": str(data)}
    run_ = lvae.train("default:smoke", changes, workdir=folder / "run")
    assert export(folder / "run", folder / "model.safetensors")
    shutil.rmtree(data)
    return run_, folder / "model.safetensors"


def test_a_model_is_its_run_without_the_directory(trained):
    original, file = trained
    loaded = lvae.load(file)
    assert loaded.config == original.config
    assert loaded.spec == original.spec
    expected, found = original.draw("prior", 5, seed=2), loaded.draw("prior", 5, seed=2)
    np.testing.assert_array_equal(found["points"], expected["points"])
    np.testing.assert_array_equal(found["visible"], expected["visible"])


def test_the_averaged_parameters_are_what_is_written(trained):
    original, file = trained
    found = lvae.load(file).variables["params"]["log_scale"]
    assert found.shape == ()
    assert found == original.variables["params"]["log_scale"]


def test_a_model_alone_draws_on_another_machine(trained, tmp_path):
    """The same bytes, manifest included; no run directory, no training data."""
    original, file = trained
    workdir = original.loaded.run.workdir
    shutil.copy(file, tmp_path / "m.safetensors")
    draw = ("sample.py", "--mode=prior", "--num_samples=3")
    done = run(*draw, f"--model={tmp_path / 'm.safetensors'}")
    assert done.returncode == 0, done.stderr
    done = run(*draw, f"--workdir={workdir}", f"--out={tmp_path / 'from run'}")
    assert done.returncode == 0, done.stderr
    by_model, by_run = (
        {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (tmp_path / "m-samples/prior", tmp_path / "from run")
    )
    for files in (by_model, by_run):  # the card tells what was measured of the run
        assert files.pop("README.md") != files.pop("croissant.json")
    assert len(by_model) == 3 * 2 + 3
    assert by_model == by_run


def test_the_same_run_gives_the_same_bytes_and_a_second_export_changes_nothing(trained, tmp_path):
    original, file = trained
    workdir = original.loaded.run.workdir
    assert export(workdir, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == file.read_bytes()
    assert not export(workdir, tmp_path / "again")
    (tmp_path / "notes").write_text("something else")
    with pytest.raises(UserError, match="is there already"):
        export(workdir, tmp_path / "notes")
    assert (tmp_path / "notes").read_text() == "something else"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "notes"]


def test_the_card_says_what_the_model_is_and_no_path(trained):
    _, file = trained
    card = model_file.read(file).card
    assert "laser_grid" in card
    assert "train_reconstruction_px_mean" in card
    assert "`prior`: Grids of no frame in particular." in card
    assert "private data" not in card


def test_damage_is_found_wherever_it_is(trained, tmp_path):
    """A changed bit or a cut anywhere is refused: text, shapes and numbers are under one checksum."""
    _, file = trained
    whole = file.read_bytes()
    text = int.from_bytes(whole[:8], "little") + 8
    generator = np.random.default_rng(0)
    places = [
        *range(8),
        *generator.integers(8, text, 40),
        *generator.integers(text, len(whole), 20),
    ]
    damaged = tmp_path / "damaged"
    for place in places:
        bit = 1 << int(generator.integers(8))
        content = bytearray(whole)
        content[place] ^= bit
        damaged.write_bytes(content)
        with pytest.raises(UserError, match="damaged") as caught:
            model_file.read(damaged)
        assert "\n" not in str(caught.value)
    for length in (0, 7, 8, text - 1, text, len(whole) - 1):
        damaged.write_bytes(whole[:length])
        with pytest.raises(UserError, match="damaged"):
            model_file.read(damaged)


def test_arrays_of_another_model_are_refused(trained):
    _, file = trained
    arrays = dict(model_file.read(file).arrays)
    shapes = {name: arrays[name] for name in ("params/log_scale",)}
    nested = {"params": {"log_scale": shapes["params/log_scale"]}}
    with pytest.raises(UserError, match="is not known"):
        model_file.variables(file, arrays, nested)
    with pytest.raises(UserError, match="log_scale is missing"):
        model_file.variables(file, {}, nested)
    for wrong in (np.zeros(1, np.float32), np.zeros((), np.float64)):
        with pytest.raises(UserError, match="asks for float32"):
            model_file.variables(file, {"params/log_scale": wrong}, nested)


def test_mistakes_are_one_line(trained, tmp_path):
    original, file = trained
    (tmp_path / "notes").write_text("no model")
    sample = ("sample.py", "--mode=prior")
    assert "notes" in complaint(run(*sample, f"--model={tmp_path / 'notes'}"))
    assert "no such file" in complaint(run(*sample, f"--model={tmp_path / 'absent'}"))
    both = (f"--model={file}", f"--workdir={original.loaded.run.workdir}")
    assert "one of the two" in complaint(run(*sample, *both))
    words = ("-c", "from lvae.commands.main import main; main()", "export")
    assert "absent" in complaint(run(*words, tmp_path / "absent", tmp_path / "m"))
    assert "FILE" in complaint(run(*words, original.loaded.run.workdir))
