"""Train, sample, read: the laser grid from recordings to a set that the registration code reads."""

import dataclasses
import json
import shutil
import tarfile
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from configs import default, notebook
from lvae.commands import arguments
from lvae.data.lasten import GridGeometry, read_frames, write_frames
from lvae.errors import UserError
from lvae.grids.rendering import drawable, render
from lvae.models.gaussian import normal_codes
from lvae.runs import evaluation, loop, modes
from lvae.runs.export.writer import Layout
from lvae.tasks import registry, restoring
from lvae.tasks.grids.data import load_recordings, real_frames
from lvae.tasks.grids.vae import drawing, measures, prior
from lvae.tasks.restoring import Loaded
from lvae.tasks.task import Request

MODES = ("noise", "interpolate", "extrapolate", "prior", "reconstruct", "manifold", "code")


@pytest.fixture(scope="module", params=["default", "notebook"])
def loaded(request, tmp_path_factory) -> Loaded:
    """A trained smoke run of each design."""
    workdir = tmp_path_factory.mktemp(request.param)
    config = {"default": default, "notebook": notebook}[request.param].get_config("smoke")
    loop.train(registry.find("laser_grid"), config, workdir)
    return restoring.load(workdir)


@pytest.fixture(scope="module")
def run(loaded):
    return loaded.run


@pytest.fixture(scope="module")
def frames(run):
    return real_frames(load_recordings(run.settings.data))


def draw(loaded: Loaded, mode: str, out: Path, shard=(0, 1), **request) -> dict[int, dict]:
    """Frames by id, as the written JSON files hold them."""
    options = loaded.task.modes[mode].options
    own = {name: request.pop(name) for name in ("factor", "postprocess") if name in request}
    asked = Request(mode, options=options(**own), **request)
    modes.draw(loaded, asked, out, Layout(shard=shard))
    return {int(path.stem): json.loads(path.read_text()) for path in out.glob("[0-9]*.json")}


def test_run_directory_is_the_whole_record(loaded, run):
    names = {path.name for path in run.workdir.iterdir()}
    assert {"config.json", "spec.json", "metrics.jsonl", "metrics.csv", "summary.json"} <= names
    pictures = {path.name for path in (run.workdir / "figures").iterdir()}
    assert {
        "losses.png",
        "reconstructions_train.png",
        "reconstructions_validation.png",
        "codes.png",
    } <= pictures


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_writes_what_the_consumer_reads(loaded, run, tmp_path, mode):
    written = draw(loaded, mode, tmp_path)
    manifest = json.loads((tmp_path / ".lvae" / "manifest.json").read_text())
    assert manifest["counts"]["samples"] == len(written)
    assert (tmp_path / "preview.png").exists()
    for identity, points in written.items():
        assert identity >= 40000 or mode == "reconstruct"
        image = Image.open(tmp_path / f"{identity}_mov.png")
        assert image.mode == "L"
        assert image.size == (768, 768)
        np.asarray(image.resize((384, 384)))
        for key, (x, y) in points.items():
            assert 0 <= int(key) < 324
            assert isinstance(x, int)
            assert 0 <= x < 768
            assert 0 <= y < 768
    if mode == "manifold":
        assert (tmp_path / "manifold.png").exists()


def test_images_are_renderings_of_their_labels(loaded, run, tmp_path):
    written = draw(loaded, "noise", tmp_path, num_samples=3)
    frames = read_frames(tmp_path, GridGeometry(minimum_visible=0, recording_length=4))
    for row, identity in enumerate(sorted(written)):
        image = np.asarray(Image.open(tmp_path / f"{identity}_mov.png")).astype(int)
        expected = render(frames.points[row], frames.visible[row]).astype(int)
        np.testing.assert_array_equal(image, expected)


def test_counts_follow_the_method(loaded, run, tmp_path):
    frames, recordings = 8, 2
    assert len(draw(loaded, "noise", tmp_path / "noise")) == 4 * frames
    pairs = recordings * (recordings - 1) // 2
    assert len(draw(loaded, "interpolate", tmp_path / "between")) == pairs * 10 * 3
    assert len(draw(loaded, "noise", tmp_path / "some", num_samples=5)) == 5


def test_noise_of_factor_zero_is_what_the_mean_codes_decode_to(loaded, run, frames, tmp_path):
    """No noise of codes, points or visibility is left; sample i is of frame i."""
    count = len(frames["id"])
    written = draw(loaded, "noise", tmp_path, num_samples=count, factor=0.0, postprocess=False)
    decoded = drawing.reconstruct(run, frames["points"], frames["visible"])
    pixels = np.floor(decoded.points + 0.5)
    shown = drawable(pixels, decoded.visible, (768, 768))
    for row in range(count):
        keys = np.flatnonzero(shown[row])
        expected = {str(key): pixels[row].reshape(-1, 2)[key].tolist() for key in keys}
        assert written[40_000 + row] == expected


def test_normal_codes_are_standard_normal_and_of_their_index_alone(loaded, run, frames):
    codes = drawing.encode_frames(run, frames["points"], frames["visible"])
    normal = normal_codes(jax.random.key(1), np.arange(4000), codes.mean.shape[1])
    count = normal.size
    # Standard errors of mean and variance of `count` normal numbers, five of them allowed.
    assert abs(normal.mean()) < 5 / np.sqrt(count)
    assert abs(normal.var() - 1) < 5 * np.sqrt(2 / count)
    few = normal_codes(jax.random.key(1), np.arange(7, 9), codes.mean.shape[1])
    np.testing.assert_array_equal(few, normal[7:9])


def test_drawn_noise_has_the_posteriors_mean_and_spread(run, frames):
    """Codes of the mode itself: many variations of one frame, raw and without the likelihood."""
    one = {name: array[:1] for name, array in frames.items()}
    codes = drawing.encode_frames(run, one["points"], one["visible"])
    seen = []

    def spy(run, drawn, indices, key, factor, laws):
        seen.append(drawn)
        return drawing.Grids(
            np.zeros((len(drawn), 18, 18, 2)), np.zeros((len(drawn), 18, 18), bool)
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "decode_codes", spy)
        measures.noise_samples(run, one, 4000)
    (drawn,) = seen
    # Five standard errors of means and deviations of 4,000 normal numbers.
    error = codes.deviation[0] / np.sqrt(4000)
    assert (np.abs(drawn.mean(axis=0) - codes.mean[0]) < 5 * error).all()
    np.testing.assert_allclose(drawn.std(axis=0), codes.deviation[0], rtol=5 / np.sqrt(2 * 4000))


@pytest.mark.parametrize(("mode", "sign"), [("interpolate", 1), ("extrapolate", -1)])
def test_modes_between_frames_decode_the_codes_of_their_formula(
    loaded, run, frames, tmp_path, mode, sign
):
    """z1 + alpha (z2 - z1), or z1 + alpha (z1 - z2), of the frames that the manifest names."""
    written = draw(loaded, mode, tmp_path, num_samples=6, postprocess=False)
    rows = {int(number): row for row, number in enumerate(frames["id"])}
    codes = drawing.encode_frames(run, frames["points"], frames["visible"]).mean
    for sample in json.loads((tmp_path / ".lvae" / "manifest.json").read_text())["samples"]:
        first, second = (codes[rows[number]] for number in sample["frames"])
        code = first + sign * (second - first) * sample["alpha"]
        points = drawing.decode_means(run, code[None]).points[0].reshape(-1, 2)
        for key, point in written[sample["id"]].items():
            assert np.abs(points[int(key)] - point).max() <= 0.5 + 1e-2  # a whole pixel


def test_interpolated_frames_are_of_two_recordings(loaded, run, tmp_path):
    draw(loaded, "interpolate", tmp_path)
    samples = json.loads((tmp_path / ".lvae" / "manifest.json").read_text())["samples"]
    for sample in samples:
        first, second = sample["frames"]
        assert first // 4 != second // 4  # smoke's recordings have four frames
        assert sample["alpha"] in (0.25, 0.5, 0.75)


def test_the_same_seed_is_the_same_bytes_in_one_part_or_three(loaded, run, tmp_path):
    draw(loaded, "noise", tmp_path / "whole", seed=3)
    for index in range(3):
        draw(loaded, "noise", tmp_path / "parts", seed=3, shard=(index, 3))
    whole = {path.name: path.read_bytes() for path in (tmp_path / "whole").glob("4*")}
    parts = {path.name: path.read_bytes() for path in (tmp_path / "parts").glob("4*")}
    assert whole == parts
    draw(loaded, "noise", tmp_path / "other", seed=4)
    other = {path.name: path.read_bytes() for path in (tmp_path / "other").glob("4*")}
    assert other != whole


def test_reconstruction_keeps_every_visible_point_and_its_id(loaded, run, frames, tmp_path):
    written = draw(loaded, "reconstruct", tmp_path)
    assert sorted(written) == sorted(frames["id"].tolist())
    for row, identity in enumerate(frames["id"].tolist()):
        seen = {str(k) for k in np.flatnonzero(frames["visible"][row])}
        assert seen <= set(written[identity])


def test_raw_samples_of_the_default_design_are_in_order(loaded, run, frames):
    if run.settings.model.design != "ordered":
        pytest.skip("the notebook keeps no order")
    grids = measures.noise_samples(run, frames, 64)
    assert np.diff(grids.points[..., 0], axis=2).min() > 0
    assert np.diff(grids.points[..., 1], axis=1).max() < 0


def test_no_sample_shows_fewer_or_more_points_than_real_frames(loaded, run, frames):
    if run.settings.model.design != "ordered":
        pytest.skip("the notebook does not model visibility")
    counts = frames["visible"].sum(axis=(1, 2))
    drawn = measures.prior_samples(run, 200).visible.sum(axis=(1, 2))
    assert counts.min() <= drawn.min()
    assert drawn.max() <= counts.max()


def test_scores_are_cut_where_the_range_ends():
    scores = jax.numpy.asarray([[[3.0, 1.0], [-1.0, -2.0]], [[4.0, 3.0], [2.0, 1.0]]])
    visible = np.asarray(drawing.within_range(scores, jax.numpy.asarray([3, 3])))
    np.testing.assert_array_equal(visible, [[[1, 1], [1, 0]], [[1, 1], [1, 0]]])


def test_mixture_has_the_codes_mean_and_spread(run):
    if run.settings.model.design != "ordered":
        pytest.skip("the notebook draws of N(0, I)")
    frames = run.variables["buffers"]["frames"]
    mixture = prior.fit_mixture(run, run.settings.sampling, frames)
    drawn = prior.draw_codes(mixture, 0, np.arange(20000))
    weights = np.diff(mixture.cumulative, prepend=0.0)
    mean = weights @ mixture.means
    spread = np.einsum("k,kij,klj->il", weights, mixture.factors, mixture.factors)
    spread += np.einsum("k,ki,kj->ij", weights, mixture.means - mean, mixture.means - mean)
    deviation = np.sqrt(np.diag(spread))
    # Five standard errors of a mean of 20,000; 6 % for the deviations.
    assert np.all(np.abs(drawn.mean(axis=0) - mean) < 5 * deviation / np.sqrt(20000) + 1e-6)
    np.testing.assert_allclose(drawn.std(axis=0), deviation, rtol=0.06)
    np.testing.assert_array_equal(drawn[70:72], prior.draw_codes(mixture, 0, np.arange(70, 72)))


def test_prior_needs_no_training_data(loaded, run, tmp_path):
    """The run directory is enough: data of the config are never opened."""
    before = draw(loaded, "prior", tmp_path / "here", num_samples=3)
    data = dataclasses.replace(run.settings.data, path=str(tmp_path / "gone"))
    moved = dataclasses.replace(run, settings=dataclasses.replace(run.settings, data=data))
    assert draw(loaded._replace(run=moved), "prior", tmp_path / "moved", num_samples=3) == before
    shutil.copytree(run.workdir, tmp_path / "copy", ignore=shutil.ignore_patterns("samples"))
    copied = restoring.load(tmp_path / "copy")
    assert draw(copied, "prior", tmp_path / "copied", num_samples=3) == before
    with pytest.raises(UserError, match="gone: no such folder"):
        draw(loaded._replace(run=moved), "noise", tmp_path / "noise")


def test_prior_of_other_data_is_of_their_codes_and_counts_them(loaded, run, frames, tmp_path):
    first = slice(0, 4)  # one recording: all of it is training data
    write_frames(
        tmp_path / "data",
        frames["id"][first],
        frames["points"][first],
        frames["visible"][first],
    )
    own = draw(loaded, "prior", tmp_path / "own")
    other = draw(loaded, "prior", tmp_path / "other", data=tmp_path / "data")
    extra = 2 * 2 if run.settings.model.design == "ordered" else 0  # recordings x frames
    assert len(own) == 4 * (8 + extra)
    assert len(other) == 4 * (4 + extra)
    is_mixture = run.settings.model.design == "ordered"
    assert (other[40_000] != own[40_000]) == is_mixture  # N(0, I) looks at no frame


@pytest.mark.parametrize("format", ["webdataset", "parquet"])
def test_packed_formats_hold_the_files_of_the_loose_one(loaded, tmp_path, format):
    asked = Request("noise", num_samples=3)
    modes.draw(loaded, asked, tmp_path / "files")
    modes.draw(loaded, asked, tmp_path / "packed", Layout(format))
    if format == "webdataset":
        with tarfile.open(tmp_path / "packed" / "data-000000.tar") as archive:
            held = {member.name: archive.extractfile(member).read() for member in archive}
        images = {number: held[f"{number}.png"] for number in (40_000, 40_001, 40_002)}
        labels = {number: json.loads(held[f"{number}.json"]) for number in images}
        assert len(held) == 6
    else:
        parquet = pytest.importorskip("pyarrow.parquet")
        rows = parquet.read_table(tmp_path / "packed" / "data-000000.parquet").to_pylist()
        images = {row["id"]: row["image"]["bytes"] for row in rows}
        labels = {
            row["id"]: {
                str(key): row["points"][2 * key : 2 * key + 2]
                for key in np.flatnonzero(row["visible"])
            }
            for row in rows
        }
    assert sorted(images) == [40_000, 40_001, 40_002]
    for number in images:
        stem = tmp_path / "files" / str(number)
        assert images[number] == stem.with_name(f"{number}_mov.png").read_bytes()
        assert labels[number] == json.loads(stem.with_suffix(".json").read_text())


def test_options_are_offered_where_they_mean_something(loaded):
    known = {name: vars(mode.options()) for name, mode in loaded.task.modes.items()}
    assert set(known) == set(MODES)
    assert {name for name in known if "factor" in known[name]} == {"noise", "prior", "code"}
    assert all(known[name]["postprocess"] is True for name in known)
    manifold, noise = (loaded.task.modes[name].options for name in ("manifold", "noise"))
    with pytest.raises(UserError, match=r"--factor=2.*--mode=manifold knows --postprocess"):
        arguments.mode_options("manifold", manifold, ["--factor=2"], "")
    with pytest.raises(UserError, match=r"--factor=-1\.0: must be at least 0"):
        arguments.mode_options("noise", noise, ["--factor=-1"], "")


def test_ids_do_not_depend_on_how_many_samples_there_are(loaded, run):
    mode = loaded.task.modes["noise"]
    names = mode.plan(run, Request("noise", num_samples=60_001, options=mode.options())).names
    assert (names[0], names[-1]) == ("40000", "100000")


def test_flat_keys_are_of_validation_and_codes_of_training(loaded, run):
    splits = load_recordings(run.settings.data)
    numbers = evaluation.thorough(loaded.task, run, splits)
    errors = measures.reconstruction_measures(run, splits["validation"])
    codes = measures.code_measures(run, real_frames(splits))
    for name, value in (errors | codes).items():
        assert numbers[name] == pytest.approx(value), name
    trained = measures.reconstruction_measures(run, real_frames(splits))
    assert numbers["train_missing_f1"] == pytest.approx(trained["missing_f1"])
    assert {"noise_coverage_ratio", "prior_nearest_training_px", "facts"} <= set(numbers)
    assert len(numbers["kl_per_dimension"]) == run.settings.model.latents


def test_the_explorer_goes_from_frames_to_codes_to_pictures(loaded, run, frames):
    explorer = loaded.task.explore
    mean, deviation = explorer.encode(run, frames)
    assert mean.shape == deviation.shape == (len(frames["id"]), run.settings.model.latents)
    assert np.all(deviation > 0)
    decoded = explorer.decode(run, mean)
    again = drawing.reconstruct(run, frames["points"], frames["visible"])
    np.testing.assert_array_equal(decoded["points"], again.points)
    pictures = explorer.render(run, {name: array[:2] for name, array in frames.items()})
    assert pictures.shape == (2, 768, 768)
    expected = render(frames["points"][1], frames["visible"][1])
    np.testing.assert_array_equal(pictures[1], expected)
    assert explorer.label in frames


def test_lasten_is_learned_far_better_than_by_the_notebook(lasten, tmp_path):
    """300 steps, a tenth of the default's: below 5.5 px where the notebook ends at 49-58."""
    config = default.get_config()
    with config.unlocked():
        config.data.path = str(lasten)
        config.training.steps, config.training.evaluate_every = 300, 0
        config.training.checkpoint_every = 300
        config.sampling.prior_codes, config.evaluation.samples = 200, 64
    result = loop.train(registry.find("laser_grid"), config, tmp_path)["evaluation"]
    assert result["validation_reconstruction_px_mean"] < 5.5
    assert result["validation_missing_f1"] > 0.6
    assert result["train_active_dimensions"] > 8
