"""The Python interface gives what the commands write, from memory."""

import json
import subprocess
import sys

import jax
import numpy as np
import pytest
from commands import environment, run
from PIL import Image

import lvae
from lvae import configuration
from lvae.commands.train import read_config
from lvae.data.recordings.frames import Frames
from lvae.runs import memory, modes
from lvae.tasks.task import Encoded, Plan, Request, Sample

COUNT = 70  # more than a block of 64


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> lvae.TrainedRun:
    """default:smoke, of another length than its file says."""
    workdir = tmp_path_factory.mktemp("runs") / "default"
    changes = {"training.steps": 6, "data.extra_variety": 2, "sampling.prior_components": 3}
    return lvae.train("default:smoke", changes, workdir=workdir)


def in_file(folder, name):
    """Points and visibility of a written sample, and its image."""
    labels = json.loads((folder / f"{name}.json").read_text())
    points = np.zeros((18 * 18, 2))
    visible = np.zeros(18 * 18, bool)
    for key, point in labels.items():
        points[int(key)], visible[int(key)] = point, True
    image = np.asarray(Image.open(folder / f"{name}_mov.png"))
    return points.reshape(18, 18, 2), visible.reshape(18, 18), image


@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")  # of ml_collections
def test_train_gives_the_run_that_the_command_gives(trained):
    """Numbers become of the field's type: config.json is the command's, byte for byte."""
    workdir = trained.loaded.run.workdir
    words = ["--config=default:smoke", "--config.training.steps=6"]
    words += ["--config.data.extra_variety=2.0", "--config.sampling.prior_components=3"]
    name, config = read_config(words)
    assert name == "default"
    assert (workdir / "config.json").read_text() == configuration.to_json(config)
    assert trained.config == json.loads((workdir / "config.json").read_text())
    assert trained.task == "laser_grid"


def test_draw_is_byte_for_byte_what_the_command_writes(trained, tmp_path):
    workdir = trained.loaded.run.workdir
    words = (f"--workdir={workdir}", f"--out={tmp_path / 'set'}", f"--num_samples={COUNT}")
    done = run("sample.py", "--mode=prior", "--seed=3", "--factor=0.5", *words)
    assert done.returncode == 0, done.stderr
    drawn = trained.draw("prior", COUNT, seed=3, factor=0.5)
    assert drawn["name"].tolist() == [str(number) for number in range(40_000, 40_000 + COUNT)]
    assert drawn["id"].tolist() == list(range(40_000, 40_000 + COUNT))
    images = trained.render(drawn)
    for row, name in enumerate(drawn["name"]):
        points, visible, image = in_file(tmp_path / "set", name)
        np.testing.assert_array_equal(drawn["points"][row], points)
        np.testing.assert_array_equal(drawn["visible"][row], visible)
        np.testing.assert_array_equal(images[row], image)
    assert len(np.unique(drawn["points"], axis=0)) > 1


@pytest.mark.parametrize("mode", ["noise", "interpolate", "reconstruct", "manifold"])
def test_every_mode_gives_its_own_number_of_samples(trained, tmp_path, mode):
    drawn = trained.draw(mode)
    out = tmp_path / mode
    summary = modes.draw(trained.loaded, Request(mode), out)
    assert len(drawn["name"]) == summary.total
    for row in (0, -1):
        points, visible, _ = in_file(out, drawn["name"][row])
        np.testing.assert_array_equal(drawn["points"][row], points)
        np.testing.assert_array_equal(drawn["visible"][row], visible)


def test_iterate_gives_the_same_samples_in_batches_from_any_of_them_on(trained):
    drawn = trained.draw("prior", COUNT, seed=3)
    batches = list(trained.iterate("prior", COUNT, batch_size=32, seed=3))
    assert [len(batch["name"]) for batch in batches] == [32, 32, 6]
    together = np.concatenate([batch["points"] for batch in batches])
    np.testing.assert_array_equal(together, drawn["points"])
    later = next(trained.iterate("prior", batch_size=4, seed=3, start=62))
    np.testing.assert_array_equal(later["points"], drawn["points"][62:66])


def test_iterate_does_not_end_by_itself_nor_count_through_first(trained):
    endless = trained.iterate("noise", batch_size=8)
    first = next(endless)
    assert first["points"].shape == (8, 18, 18, 2)
    assert not np.array_equal(first["points"], next(endless)["points"])


def test_an_iterator_encodes_no_file():
    def encode() -> Encoded:
        raise AssertionError("a loop in memory needs no PNG")

    def draw(numbers):
        assert numbers[0] % 4 == 0  # aligned blocks
        return [Sample({}, encode, {"number": np.array(number)}) for number in numbers]

    plan = Plan([f"s{number}" for number in range(10)], (".png",), draw, block=4)
    batches = list(memory.batches(plan, 3, start=5))
    assert [batch["number"].tolist() for batch in batches] == [[5, 6, 7], [8, 9]]
    assert batches[0]["name"].tolist() == ["s5", "s6", "s7"]


def test_samples_of_different_sizes_and_without_arrays():
    def draw(numbers):
        return [
            Sample({}, lambda number=number: Encoded({}, np.zeros((number + 1, 2), np.uint8)))
            for number in numbers
        ]

    (batch,) = memory.batches(Plan(["a", "b"], (), draw), 2)
    assert [picture.shape for picture in batch["picture"]] == [(1, 2), (2, 2)]


def test_encode_decode_render(trained, tmp_path):
    frames = trained.draw("noise", 5)
    mean, deviation = trained.posterior(frames)
    assert mean.shape == deviation.shape == (5, 12)
    assert (deviation > 0).all()
    np.testing.assert_array_equal(trained.encode(frames), mean)
    decoded = trained.decode(mean)
    assert decoded["points"].shape == (5, 18, 18, 2)
    assert trained.render(decoded).shape == (5, 768, 768)
    # `reconstruct` without clean-up is decode(encode), in whole pixels
    rebuilt = trained.draw("reconstruct", 3, postprocess=False)
    source = trained.loaded.task.load_data(trained.loaded.run.settings)["train"]
    source = {name: array[source["real"]][:3] for name, array in source.items()}
    points = trained.decode(trained.encode(source))["points"]
    seen = rebuilt["visible"] & source["visible"]
    assert seen.any()
    whole = np.clip(np.floor(points + 0.5), 0, 767)
    np.testing.assert_array_equal(rebuilt["points"][seen], whole[seen])


def test_recordings_are_read_as_codes_need_them(trained, tmp_path):
    done = run("-m", "lvae.simulate", f"--out={tmp_path}", "--recording_length=2")
    assert done.returncode == 0, done.stderr
    splits = lvae.read_recordings(tmp_path, recording_length=2)
    assert set(splits) == {"train", "validation", "test"}
    assert isinstance(splits["test"], Frames)
    codes = trained.encode(splits["test"])
    by_field = {"points": splits["test"].points, "visible": splits["test"].visible}
    np.testing.assert_array_equal(codes, trained.encode(by_field))
    assert codes.shape == (len(splits["test"]), 12)


def test_a_run_prints_as_one_short_line(trained):
    assert len(repr(trained)) < 300
    assert "laser_grid; draws noise, " in repr(trained)


def test_evaluate_is_what_the_command_prints(trained):
    numbers = trained.evaluate()
    done = run("-m", "lvae.evaluate", f"--workdir={trained.loaded.run.workdir}")
    assert json.loads(done.stdout.splitlines()[-1]) == numbers


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda run: run.draw("prior", factr=2), ["factr", "factor"]),
        (lambda run: run.draw("prior", factor="2"), ["mode prior.factor", "expected float"]),
        (lambda run: run.draw("prior", factor=-1), ["--factor=-1.0", "at least 0"]),
        (lambda run: run.draw("prior", 0), ["num_samples=0"]),
        (lambda run: run.draw("dream"), ["dream", "prior"]),
        (lambda run: run.iterate("prior", batch_size=0), ["batch_size=0"]),
        (lambda run: run.match("."), ["match", "laser_grid"]),
        (lambda run: run.encode({"points": np.zeros((1, 18, 18, 2))}), ["visible"]),
        (lambda run: lvae.load("absent"), ["absent", "train first"]),
        (lambda run: lvae.train("absent", workdir="x"), ["--config=absent", "default"]),
        (lambda run: lvae.train("absent.py", workdir="x"), ["absent.py"]),
        (lambda run: lvae.train("default:tiny", workdir="x"), ["tiny", "smoke"]),
        (lambda run: lvae.train("default", {"data.pth": "x"}, workdir="x"), ["data.pth", "path"]),
        (lambda run: lvae.train("default", {"seed.x": 1}, workdir="x"), ["seed.x"]),
        (lambda run: lvae.train("default", {"seed": "x"}, workdir="x"), ["seed", "expected int"]),
        (lambda run: lvae.read_recordings(".", rws=3), ["rws", "rows"]),
    ],
)
def test_mistakes_are_one_line(trained, use, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(lvae.UserError) as caught:
        use(trained)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_the_package_itself_is_cheap_to_import():
    """JAX is imported with the first use."""
    code = (
        "import sys, lvae; print('jax' in sys.modules, 'load' in dir(lvae)); "
        "lvae.load; print('jax' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment()
    )
    assert done.stdout.split() == ["False", "True", "True"], done.stderr
    with pytest.raises(AttributeError, match="lode"):
        _ = lvae.lode


@pytest.mark.parametrize(
    ("experiment", "mode"),
    [
        ("autoencoder:smoke", "prior"),
        ("denoise_mlp:smoke", "denoise"),
        ("patches:smoke_digits", "prior"),
    ],
)
def test_images_in_memory_are_those_of_the_files(experiment, mode, tmp_path):
    trained = lvae.train(experiment, workdir=tmp_path / "run")
    drawn = trained.draw(mode, 5)
    modes.draw(trained.loaded, Request(mode, num_samples=5), tmp_path / "set")
    assert drawn["image"].dtype == np.uint8
    for name, image in zip(drawn["name"], drawn["image"]):
        np.testing.assert_array_equal(
            image, np.asarray(Image.open(tmp_path / "set" / f"{name}.png"))
        )
    assert jax.tree.all(jax.tree.map(lambda leaf: isinstance(leaf, np.ndarray), trained.variables))
