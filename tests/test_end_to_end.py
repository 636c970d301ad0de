"""Train, sample, read: the laser grid from recordings to a set that the registration code reads."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from configs import default, notebook
from lvae import sampling, tasks
from lvae.data.lasten import GridGeometry, read_frames
from lvae.grids.rendering import render
from lvae.tasks.interface import Run, SamplingOptions
from lvae.tasks.laser_grid import drawing, measures, prior
from lvae.training import loop

MODES = ("noise", "interpolate", "extrapolate", "prior", "reconstruct", "manifold")


@pytest.fixture(scope="module", params=["default", "notebook"])
def run(request, tmp_path_factory) -> Run:
    """A trained smoke run of each design."""
    workdir = tmp_path_factory.mktemp(request.param)
    config = {"default": default, "notebook": notebook}[request.param].get_config("smoke")
    loop.train_and_evaluate(config, workdir, tasks.find("laser_grid"))
    return sampling.load_run(workdir)


@pytest.fixture(scope="module")
def frames(run):
    return measures.real_frames(tasks.find("laser_grid").load_data(run.config))


def draw(run: Run, mode: str, out: Path, **options) -> dict[int, dict]:
    """Frames by id, as the written JSON files hold them."""
    sampling.sample(run.workdir, SamplingOptions(mode=mode, out=out, **options))
    return {int(path.stem): json.loads(path.read_text()) for path in out.glob("[0-9]*.json")}


def test_run_directory_is_the_whole_record(run):
    names = {path.name for path in run.workdir.iterdir()}
    assert {"config.json", "metrics.jsonl", "metrics.csv", "summary.json", "checkpoints"} <= names
    pictures = {path.name for path in (run.workdir / "figures").iterdir()}
    assert {
        "losses.png",
        "reconstructions_train.png",
        "reconstructions_validation.png",
        "codes_tsne.png",
        "sliders.html",
    } <= pictures


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_writes_what_the_consumer_reads(run, tmp_path, mode):
    written = draw(run, mode, tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
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


def test_images_are_renderings_of_their_labels(run, tmp_path):
    written = draw(run, "noise", tmp_path, num_samples=3)
    frames = read_frames(tmp_path, GridGeometry(minimum_visible=0, recording_length=4))
    for row, identity in enumerate(sorted(written)):
        image = np.asarray(Image.open(tmp_path / f"{identity}_mov.png")).astype(int)
        expected = render(frames.points[row], frames.visible[row]).astype(int)
        np.testing.assert_array_equal(image, expected)


def test_counts_follow_the_method(run, tmp_path):
    frames, recordings = 8, 2
    assert len(draw(run, "noise", tmp_path / "noise")) == 4 * frames
    pairs = recordings * (recordings - 1) // 2
    assert len(draw(run, "interpolate", tmp_path / "between")) == pairs * 10 * 3
    assert len(draw(run, "noise", tmp_path / "some", num_samples=5)) == 5


def test_noise_of_factor_zero_is_reconstruction(run, frames):
    codes = drawing.encode_frames(run, frames["points"], frames["visible"])
    grids = drawing.decode_codes(
        run, codes.mean, np.arange(len(codes.mean)), jax.random.key(0), 0.0
    )
    again = drawing.reconstruct(run, frames["points"], frames["visible"])
    np.testing.assert_array_equal(grids.points, again.points)
    np.testing.assert_array_equal(grids.visible, again.visible)


def test_drawn_noise_has_the_posteriors_mean_and_variance(run, frames):
    codes = drawing.encode_frames(run, frames["points"], frames["visible"])
    normal = drawing.normal_codes(jax.random.key(1), np.arange(4000), codes.mean.shape[1])
    count = normal.size
    # Standard errors of mean and variance of `count` normal numbers, five of them allowed.
    assert abs(normal.mean()) < 5 / np.sqrt(count)
    assert abs(normal.var() - 1) < 5 * np.sqrt(2 / count)
    few = drawing.normal_codes(jax.random.key(1), np.arange(7, 9), codes.mean.shape[1])
    np.testing.assert_array_equal(few, normal[7:9])


def test_interpolation_ends_at_its_frames(run, frames):
    codes = drawing.encode_frames(run, frames["points"], frames["visible"]).mean
    first, second = codes[:1], codes[5:6]
    for alpha, expected in ((0.0, first), (1.0, second)):
        between = first + (second - first) * alpha
        left, right = drawing.decode_means(run, between), drawing.decode_means(run, expected)
        np.testing.assert_allclose(left.points, right.points, atol=1e-2)


def test_interpolated_frames_are_of_two_recordings(run, tmp_path):
    draw(run, "interpolate", tmp_path)
    samples = json.loads((tmp_path / "manifest.json").read_text())["samples"]
    for sample in samples:
        first, second = sample["frames"]
        assert first // 4 != second // 4  # smoke's recordings have four frames
        assert sample["alpha"] in (0.25, 0.5, 0.75)


def test_the_same_seed_is_the_same_bytes_in_one_part_or_three(run, tmp_path):
    draw(run, "noise", tmp_path / "whole", seed=3)
    for index in range(3):
        draw(run, "noise", tmp_path / "parts", seed=3, shard=(index, 3))
    whole = {path.name: path.read_bytes() for path in (tmp_path / "whole").glob("4*")}
    parts = {path.name: path.read_bytes() for path in (tmp_path / "parts").glob("4*")}
    assert whole == parts
    draw(run, "noise", tmp_path / "other", seed=4)
    other = {path.name: path.read_bytes() for path in (tmp_path / "other").glob("4*")}
    assert other != whole


def test_reconstruction_keeps_every_visible_point_and_its_id(run, frames, tmp_path):
    written = draw(run, "reconstruct", tmp_path)
    assert sorted(written) == sorted(frames["id"].tolist())
    for row, identity in enumerate(frames["id"].tolist()):
        seen = {str(k) for k in np.flatnonzero(frames["visible"][row])}
        assert seen <= set(written[identity])


def test_raw_samples_of_the_default_design_are_in_order(run, frames):
    if run.config.model.design != "ordered":
        pytest.skip("the reference design does not keep order")
    grids = measures.noise_samples(run, {"train": frames}, 64)
    assert np.diff(grids.points[..., 0], axis=2).min() > 0
    assert np.diff(grids.points[..., 1], axis=1).max() < 0


def test_no_sample_shows_fewer_or_more_points_than_real_frames(run, frames):
    if run.config.model.design != "ordered":
        pytest.skip("the reference design does not model visibility")
    counts = frames["visible"].sum(axis=(1, 2))
    drawn = measures.prior_samples(run, {"train": frames}, 200).visible.sum(axis=(1, 2))
    assert counts.min() <= drawn.min()
    assert drawn.max() <= counts.max()


def test_scores_are_cut_where_the_range_ends():
    scores = jax.numpy.asarray([[[3.0, 1.0], [-1.0, -2.0]], [[4.0, 3.0], [2.0, 1.0]]])
    visible = np.asarray(drawing.within_range(scores, jax.numpy.asarray([3, 3])))
    np.testing.assert_array_equal(visible, [[[1, 1], [1, 0]], [[1, 1], [1, 0]]])


def test_mixture_has_the_codes_mean_and_spread(run, frames):
    mixture = prior.fit_mixture(run, {"train": frames})
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


def test_lasten_is_learned_far_better_than_by_the_reference(lasten, tmp_path):
    """300 steps, a tenth of the default's: below 5.5 px where the reference ends at 49-58."""
    config = default.get_config()
    with config.unlocked():
        config.data.path = str(lasten)
        config.training.steps, config.training.evaluate_every = 300, 0
        config.training.checkpoint_every = 300
        config.sampling.prior_codes, config.evaluation.samples = 200, 64
    result = loop.train_and_evaluate(config, tmp_path, tasks.find("laser_grid"))["evaluation"]
    assert result["reconstruction_px_mean"] < 5.5
    assert result["missing_f1"] > 0.6
    assert result["active_dimensions"] > 8
