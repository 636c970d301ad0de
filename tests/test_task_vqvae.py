"""The two brain tasks from slices to files, at the size of the smoke configs."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from lvae.tasks._export import as_bytes
from lvae.tasks.interface import SamplingOptions
from lvae.tasks.pixelcnn.baselines import context_nats, unigram_nats
from lvae.tasks.pixelcnn.below import _restored, check_codes, codec_of
from lvae.tasks.vqvae.codec import Codec, _regions
from lvae.tasks.vqvae.network import build, features_of
from lvae.tasks.vqvae.settings import settings_of
from lvae.training import loop
from PIL import Image
from skimage.metrics import structural_similarity

from configs import pixelcnn_brain, vqvae_brain
from lvae import sampling
from lvae.data.brain.png_slices import FOLDERS, read_png
from lvae.errors import UserError
from lvae.models import quantizer
from lvae.tasks import pixelcnn, vqvae
from lvae.tasks.pixelcnn import modes

OASIS_SIZE = 64  # pixels of the PNGs written here, twice the smoke config's


@pytest.fixture(scope="module")
def oasis(tmp_path_factory):
    """Discs of many sizes and greys, in the layout of OASIS: no template is needed."""
    root = tmp_path_factory.mktemp("oasis")
    rows, columns = np.mgrid[:OASIS_SIZE, :OASIS_SIZE]
    case = 0
    for folder, cases in zip(FOLDERS.values(), (4, 2, 2)):
        (root / folder).mkdir()
        for _ in range(cases):
            case += 1
            for index in range(4):
                inside = np.hypot(rows - 30 - case, columns - 32) < 14 + 2 * index
                image = np.where(inside, 120 + 15 * case, 0) * (1 + 0.2 * np.sin(rows / 4))
                name = f"case_{case:03d}_slice_{index}.nii.png"
                Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(root / folder / name)
    return root


@pytest.fixture(scope="module")
def runs(oasis, tmp_path_factory):
    """A trained VQ-VAE and a prior over its codes."""
    root = tmp_path_factory.mktemp("runs")
    config = vqvae_brain.get_config("smoke")
    config.data.path = str(oasis)
    loop.train_and_evaluate(config, root / "vqvae", vqvae)
    config = pixelcnn_brain.get_config("smoke")
    config.vqvae = str(root / "vqvae")
    loop.train_and_evaluate(config, root / "prior", pixelcnn)
    return root


def evaluate(run, task):
    return task.evaluate(run.config, run.variables, task.load_data(run.config), thorough=True)


def test_evaluate_of_the_vqvae_is_scikit_image_on_held_out_slices(runs):
    run = sampling.load_run(runs / "vqvae")
    found = evaluate(run, vqvae)
    images = vqvae.load_data(run.config)["test"]["image"]
    codec = Codec(run.config, run.variables)
    codes = codec.encode(images)
    expected = [
        structural_similarity(
            image / 255.0,
            decoded.astype(float),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1,
        )
        for image, decoded in zip(images, codec.decode(codes))
    ]
    assert found["ssim"] == pytest.approx(np.mean(expected), abs=1e-4)
    counts = np.bincount(codes.ravel(), minlength=16) / codes.size
    assert found["codes_used_share"] == pytest.approx((counts > 0).mean())
    entropy = -(counts[counts > 0] * np.log(counts[counts > 0])).sum()
    assert found["perplexity"] == pytest.approx(np.exp(entropy), rel=1e-4)
    assert found["images"] == 8
    assert np.isfinite(found["psnr"])


def test_evaluate_of_the_prior_has_its_baselines(runs):
    run = sampling.load_run(runs / "prior")
    found = evaluate(run, pixelcnn)
    codec = codec_of(run.config)
    splits = pixelcnn.load_data(run.config)
    train, test = (codec.encode(splits[name]["image"]) for name in ("train", "test"))
    counts = np.bincount(train.ravel(), minlength=16) + 1
    expected = np.mean([-np.log(counts[code] / counts.sum()) for code in test.ravel()])
    assert found["unigram_nats"] == pytest.approx(expected, rel=1e-6)
    assert found["uniform_nats"] == pytest.approx(np.log(16))
    assert found["context_nats"] < found["unigram_nats"]
    assert 0 <= found["samples_recall"] <= 1
    assert found["train_precision"] >= 0


def test_the_context_baseline_knows_a_deterministic_map():
    rows, columns = np.mgrid[:6, :6]
    maps = np.stack([(rows + columns + start) % 5 for start in range(5)])
    nats = context_nats(maps, maps, 5).mean()
    # 25 of 36 codes have both neighbours and follow from them; the first one of a map does not
    assert nats < 0.6 * unigram_nats(maps, maps, 5)
    random = np.random.default_rng(0).integers(0, 5, (40, 6, 6))
    nats = context_nats(random[:20], random[20:], 5)
    assert nats.shape == (20, 6, 6)
    assert nats.mean() == pytest.approx(np.log(5), abs=0.05)


def options(runs, mode, out, **changes):
    return SamplingOptions(mode=mode, out=out, seed=3, **changes)


def test_prior_draws_the_same_files_in_any_cut(runs, tmp_path):
    run = sampling.load_run(runs / "prior")
    modes.prior(run, options(runs, "prior", tmp_path / "all", num_samples=4))
    names = {path.name for path in (tmp_path / "all").iterdir()}
    assert {"manifest.json", "preview.png", "sample_00003.png", "sample_00003_codes.npy"} <= names
    half = options(runs, "prior", tmp_path / "half", num_samples=4)
    modes.prior(run, dataclasses.replace(half, shard=(1, 2)))
    for name in ("sample_00001.png", "sample_00003_codes.npy"):
        assert (tmp_path / "half" / name).read_bytes() == (tmp_path / "all" / name).read_bytes()
    assert not (tmp_path / "half" / "sample_00000.png").exists()


def test_without_noise_the_prior_draws_its_likeliest_map_again_and_again(runs, tmp_path):
    run = sampling.load_run(runs / "prior")
    request = options(runs, "prior", tmp_path, num_samples=2)
    modes.prior(run, dataclasses.replace(request, factor=0.0))
    first, second = (np.load(tmp_path / f"sample_0000{index}_codes.npy") for index in (0, 1))
    np.testing.assert_array_equal(first, second)


def test_a_finished_export_is_left_alone_and_another_refused(runs, tmp_path, capsys):
    run = sampling.load_run(runs / "prior")
    request = options(runs, "prior", tmp_path, num_samples=2)
    modes.prior(run, request)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    modes.prior(run, request)
    assert "complete" in capsys.readouterr().err
    assert before == {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    with pytest.raises(UserError, match="another export"):
        modes.prior(run, dataclasses.replace(request, seed=4))


@pytest.mark.parametrize("name", ["vqvae", "prior"])
def test_reconstruct_writes_images_and_codes_that_belong_together(runs, oasis, tmp_path, name):
    run = sampling.load_run(runs / name)
    data = oasis / FOLDERS["test"]
    task = vqvae if name == "vqvae" else pixelcnn
    task.MODES["reconstruct"](run, options(runs, "reconstruct", tmp_path, data=data))
    codec = Codec(*_restored(str(runs / "vqvae"), 0.0))
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["samples"][0]["id"] == "case_007_slice_0"
    assert len(manifest["samples"]) == 8
    codes = np.load(tmp_path / "case_007_slice_2_codes.npy")
    image = read_png(tmp_path / "case_007_slice_2.png", 32)
    np.testing.assert_array_equal(image, as_bytes(codec.decode(codes[None])[0]))
    np.testing.assert_array_equal(
        codes, codec.encode(read_png(data / "case_007_slice_2.nii.png", 32)[None])[0]
    )


def test_inpaint_changes_nothing_outside_its_mask(runs, oasis, tmp_path):
    run = sampling.load_run(runs / "prior")
    data = oasis / FOLDERS["test"]
    modes.inpaint(run, options(runs, "inpaint", tmp_path, data=data, num_samples=3))
    codec = codec_of(run.config)
    for index in range(3):
        name = f"case_007_slice_{index}"
        codes, mask = (np.load(tmp_path / f"{name}_{kind}.npy") for kind in ("codes", "mask"))
        before = codec.encode(read_png(data / f"{name}.nii.png", 32)[None])[0]
        np.testing.assert_array_equal(codes[~mask], before[~mask])
        assert mask.sum() == 4  # a quarter of an edge of 8


def test_anomaly_is_the_surprise_of_every_code(runs, tmp_path):
    run = sampling.load_run(runs / "prior")
    modes.anomaly(run, options(runs, "anomaly", tmp_path, num_samples=2))
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    for sample in manifest["samples"]:
        nats = np.load(tmp_path / f"{sample['id']}_anomaly.npy")
        assert nats.shape == (8, 8)
        assert (nats >= 0).all()
        assert nats.sum() == pytest.approx(sample["nats"], rel=1e-4)


def test_figures_are_drawn(runs):
    for run, names in (
        ("vqvae", ("reconstructions", "losses", "codes", "ssim")),
        ("prior", ("samples", "anomaly", "losses")),
    ):
        for name in names:
            with Image.open(runs / run / "figures" / f"{name}.png") as picture:
                assert picture.size[0] > 300


def test_a_prior_needs_its_own_vqvae(runs, tmp_path):
    config = pixelcnn_brain.get_config("smoke")
    with pytest.raises(UserError, match=r"--config\.vqvae: no run directory"):
        pixelcnn.load_data(config)
    config.vqvae = str(tmp_path / "absent")
    with pytest.raises(UserError, match=r"absent: no VQ-VAE run there"):
        pixelcnn.load_data(config)
    config.vqvae = str(runs / "prior")
    with pytest.raises(UserError, match="a run of the task pixelcnn"):
        pixelcnn.load_data(config)
    run = sampling.load_run(runs / "prior")
    other = dict(run.variables, buffers={"fingerprint": np.uint32(1)})
    with pytest.raises(UserError, match="not those this prior was trained on"):
        check_codes(run.config, other)


def make(argument, **model):
    """A config, splits of noise, variables and loss, without training."""
    config = vqvae_brain.get_config(argument)
    with config.unlocked():
        for name, value in model.items():
            config.model[name] = value
    images = np.random.default_rng(0).integers(0, 255, (16, 32, 32), dtype=np.uint8)
    config.data.size = 32
    config.training.batch_size = 8
    splits = {"train": {"image": images}}
    variables = jax.jit(lambda key: vqvae.init(config, splits, key))(jax.random.key(0))
    return config, splits, variables, jax.jit(vqvae.make_loss(config, splits))


def test_codebook_starts_at_clusters_and_is_counted_over_an_epoch():
    config, splits, variables, loss = make("smoke")
    buffers, key = variables["buffers"], jax.random.key(0)
    model, _ = settings_of(config)
    some = jnp.asarray(splits["train"]["image"][[0, 5, 10, 15]])
    params = {"params": variables["params"]["network"]}
    vectors = features_of(build(config), model, params, some).reshape(-1, 18)
    start = buffers["codebook"]["codes"]
    codes = np.asarray(quantizer.nearest(vectors, start))
    for code in np.unique(codes)[:4]:  # a cluster's centre is the mean of what is nearest to it
        apart = np.linalg.norm(vectors[codes == code].mean(0) - start[code])
        assert apart < 0.2 * np.linalg.norm(start[code] - vectors.mean(0)) + 0.2
    for step in range(4):
        batch = {"image": jnp.asarray(splits["train"]["image"][8 * (step % 2) :][:8])}
        _, (parts, buffers) = loss(variables["params"], buffers, batch, key, jnp.int32(step))
    # two steps of 8 maps of 8 x 8 codes are an epoch; then the count starts again
    assert float(buffers["uses"].sum()) == 2 * 8 * 64
    assert float(buffers["epoch_uses"].sum()) == 0
    expected = quantizer.perplexity(buffers["uses"])
    assert float(parts["perplexity"]) == pytest.approx(float(expected))


@pytest.mark.parametrize("argument", ["reference", "fsq"])
def test_the_other_quantisers_train_encoder_and_codes(argument):
    small = {} if argument == "reference" else {"width": 8}
    _, splits, variables, loss = make(argument, **small)
    batch = {"image": jnp.asarray(splits["train"]["image"][:8])}

    def scalar(params):
        return loss(params, variables["buffers"], batch, jax.random.key(0), jnp.int32(0))[0]

    slopes = jax.jit(jax.grad(scalar))(variables["params"])
    encoder = jax.tree.leaves(slopes["network"]["encoder"])
    assert sum(float(jnp.abs(leaf).sum()) for leaf in encoder) > 0
    if argument == "reference":
        assert float(jnp.abs(slopes["codes"]).sum()) > 0


def test_the_shipped_configs_say_what_they_do_not_know():
    with pytest.raises(ValueError, match="known: reference, fsq, smoke"):
        vqvae_brain.get_config("best")
    with pytest.raises(ValueError, match="known: reference, smoke"):
        pixelcnn_brain.get_config("best")
    config = vqvae_brain.get_config("fsq")
    config.model.codes = 100
    with pytest.raises(UserError, match=r"config\.model: codes 100"):
        settings_of(config)


def test_regions_of_maps_that_four_does_not_divide():
    line = jnp.arange(6.0)[None, :, None]
    np.testing.assert_allclose(_regions(line, 1)[0, :, 0], [0.5, 2.5, 4.0, 5.0])
    np.testing.assert_allclose(_regions(line[:, :3], 1)[0, :, 0], [0, 1, 2])
    line = jnp.arange(8.0)[None, :, None]
    np.testing.assert_allclose(_regions(line, 1)[0, :, 0], [0.5, 2.5, 4.5, 6.5])
