"""The two brain tasks from slices to files, at the size of the smoke configs."""

import dataclasses
import json
import os
import shutil
import tarfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from skimage.metrics import structural_similarity

import lvae
from configs import pixelcnn_brain, vqvae_brain
from lvae import configuration
from lvae.commands.evaluate import evaluate
from lvae.data.brain.png_slices import FOLDERS, read_png
from lvae.errors import UserError
from lvae.imaging.levels import to_levels
from lvae.models import quantizer
from lvae.runs import loop
from lvae.runs.export.writer import Layout
from lvae.runs.modes import draw
from lvae.storage import records
from lvae.tasks import restoring
from lvae.tasks.brain.codec import settings as codec_settings
from lvae.tasks.brain.codec.codec import _regions, codec_of
from lvae.tasks.brain.codec.network import features_of
from lvae.tasks.brain.codec.task import TASK as CODEC
from lvae.tasks.brain.prior.baselines import context_nats, unigram_nats
from lvae.tasks.brain.prior.below import codec_below
from lvae.tasks.brain.prior.modes import PriorOptions
from lvae.tasks.brain.prior.settings import ModelSettings
from lvae.tasks.brain.prior.task import TASK as PRIOR
from lvae.tasks.task import Request

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
    """A trained VQ-VAE, and a prior over its codes trained with a relative path to it."""
    root = tmp_path_factory.mktemp("runs")
    config = vqvae_brain.get_config("smoke")
    config.data.path = str(oasis)
    loop.train(CODEC, config, root / "vqvae")
    before = Path.cwd()
    os.chdir(root)
    try:
        loop.train(PRIOR, prior_config("vqvae"), root / "prior")
    finally:
        os.chdir(before)
    return root


def prior_config(vqvae, **training):
    config = pixelcnn_brain.get_config("smoke")
    config.vqvae = str(vqvae)
    config.training.update(training)
    return config


def settings_of(config):
    return configuration.parse(CODEC.settings, config)


def bytes_of(folder):
    """Content by name, but for the contact sheet's and the manifest's."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_evaluate_of_the_vqvae_is_scikit_image_on_held_out_slices(runs):
    found = evaluate(runs / "vqvae")
    run = restoring.load(runs / "vqvae").run
    images = CODEC.load_data(run.settings)["test"]["image"]
    codec = codec_of(run)
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
    assert found["test_ssim"] == found["ssim"]
    assert found["ssim_lowest_subject"] == pytest.approx(
        min(np.mean(expected[:4]), np.mean(expected[4:])), abs=1e-4
    )
    counts = np.bincount(codes.ravel(), minlength=16) / codes.size
    assert found["codes_used_share"] == pytest.approx((counts > 0).mean())
    entropy = -(counts[counts > 0] * np.log(counts[counts > 0])).sum()
    assert found["perplexity"] == pytest.approx(np.exp(entropy), rel=1e-4)
    assert found["images"] == 8
    errors = ((images / 255.0 - codec.decode(codes)) ** 2).mean((1, 2))
    assert found["psnr"] == pytest.approx(np.mean(-10 * np.log10(errors)), rel=1e-4)


def test_evaluate_of_the_prior_has_its_baselines(runs):
    found = evaluate(runs / "prior")
    run = restoring.load(runs / "prior").run
    codec = codec_below(run.spec, run.variables)
    splits = restoring.load_data(PRIOR, run.settings, run.spec)
    train, test = (codec.encode(splits[name]["image"]) for name in ("train", "test"))
    counts = np.bincount(train.ravel(), minlength=16) + 1
    expected = np.mean([-np.log(counts[code] / counts.sum()) for code in test.ravel()])
    assert found["unigram_nats"] == pytest.approx(expected, rel=1e-6)
    assert found["uniform_nats"] == pytest.approx(np.log(16))
    assert found["context_nats"] < found["unigram_nats"]
    assert 0 <= found["samples_recall"] <= 1
    assert found["train_precision"] >= 0
    rows = [row for row in records.read_metrics(runs / "prior") if row["kind"] == "evaluation"]
    assert rows[-1]["validation_uniform_nats"] == pytest.approx(np.log(16))


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


def drawn(workdir, mode, out, options=None, layout=Layout(preview=2), **changes):  # noqa: B008
    """Draws with the seed 3."""
    request = Request(mode=mode, seed=3, options=options, **changes)
    draw(restoring.load(workdir), request, out, layout)
    return out


def test_prior_draws_the_same_files_in_any_cut(runs, tmp_path):
    whole = drawn(runs / "prior", "prior", tmp_path / "all", num_samples=4)
    names = {path.name for path in whole.iterdir()}
    assert {".lvae", "preview.png", "sample_00003.png", "sample_00003_codes.npy"} <= names
    shard = Layout(shard=(1, 2), preview=0)
    half = drawn(runs / "prior", "prior", tmp_path / "half", num_samples=4, layout=shard)
    for name in ("sample_00002.png", "sample_00003_codes.npy"):
        assert (half / name).read_bytes() == (whole / name).read_bytes()
    assert not (half / "sample_00001.png").exists()
    few = drawn(runs / "prior", "prior", tmp_path / "few", num_samples=2)
    assert (few / "sample_00001.png").read_bytes() == (whole / "sample_00001.png").read_bytes()


def test_without_noise_the_prior_draws_its_likeliest_map_again_and_again(runs, tmp_path):
    drawn(runs / "prior", "prior", tmp_path, PriorOptions(factor=0.0), num_samples=2)
    first, second = (np.load(tmp_path / f"sample_0000{index}_codes.npy") for index in (0, 1))
    np.testing.assert_array_equal(first, second)


def test_a_finished_set_is_left_alone_and_another_refused(runs, tmp_path):
    drawn(runs / "prior", "prior", tmp_path, num_samples=2)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    drawn(runs / "prior", "prior", tmp_path, num_samples=2)
    assert before == {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    with pytest.raises(UserError, match="factor"):
        drawn(runs / "prior", "prior", tmp_path, PriorOptions(factor=0.5), num_samples=2)


@pytest.mark.parametrize("name", ["vqvae", "prior"])
def test_reconstruct_writes_images_and_codes_that_belong_together(runs, oasis, tmp_path, name):
    data = oasis / FOLDERS["test"]
    drawn(runs / name, "reconstruct", tmp_path, data=data)
    codec = codec_of(restoring.load(runs / "vqvae").run)
    manifest = json.loads((tmp_path / ".lvae" / "manifest.json").read_text())
    assert manifest["samples"][0]["name"] == "case_007_slice_0"
    assert len(manifest["samples"]) == 8
    codes = np.load(tmp_path / "case_007_slice_2_codes.npy")
    image = read_png(tmp_path / "case_007_slice_2.png", 32)
    np.testing.assert_array_equal(image, to_levels(codec.decode(codes[None])[0]))
    np.testing.assert_array_equal(
        codes, codec.encode(read_png(data / "case_007_slice_2.nii.png", 32)[None])[0]
    )


def test_inpaint_changes_nothing_outside_its_mask(runs, oasis, tmp_path):
    data = oasis / FOLDERS["test"]
    drawn(runs / "prior", "inpaint", tmp_path, data=data, num_samples=3)
    run = restoring.load(runs / "prior").run
    codec = codec_below(run.spec, run.variables)
    changed = 0
    for index in range(3):
        name = f"case_007_slice_{index}"
        codes, mask = (np.load(tmp_path / f"{name}_{kind}.npy") for kind in ("codes", "mask"))
        before = codec.encode(read_png(data / f"{name}.nii.png", 32)[None])[0]
        np.testing.assert_array_equal(codes[~mask], before[~mask])
        assert mask.sum() == 4  # a quarter of an edge of 8
        changed += int((codes[mask] != before[mask]).sum())
    assert changed  # 12 codes of 16 kinds: that all were drawn as they were is out of the question


def test_anomaly_is_the_surprise_of_every_code(runs, tmp_path):
    drawn(runs / "prior", "anomaly", tmp_path, num_samples=2)
    manifest = json.loads((tmp_path / ".lvae" / "manifest.json").read_text())
    assert len(manifest["samples"]) == 2
    for sample in manifest["samples"]:
        nats = np.load(tmp_path / f"{sample['name']}_anomaly.npy")
        assert nats.shape == (8, 8)
        assert (nats >= 0).all()
        assert nats.sum() == pytest.approx(sample["nats"], rel=1e-4)


def test_formats_that_a_mode_can_write_and_those_that_it_cannot(runs, tmp_path):
    packed = Layout("webdataset", preview=0)
    drawn(runs / "prior", "prior", tmp_path / "tar", num_samples=2, layout=packed)
    loose = drawn(runs / "prior", "prior", tmp_path / "files", num_samples=2)
    with tarfile.open(tmp_path / "tar" / "data-000000.tar") as archive:
        content = archive.extractfile("sample_00001.npy").read()
    assert content == (loose / "sample_00001_codes.npy").read_bytes()
    with pytest.raises(UserError, match="--mode=inpaint cannot write it; choose files"):
        drawn(runs / "prior", "inpaint", tmp_path / "hole", layout=packed)
    assert not (tmp_path / "hole").exists()


@pytest.mark.parametrize(
    ("name", "mode", "files"),
    [
        ("vqvae", "reconstruct", {"image": ".png", "codes": "_codes.npy"}),
        ("prior", "prior", {"image": ".png", "codes": "_codes.npy"}),
        ("prior", "inpaint", {"image": ".png", "codes": "_codes.npy", "mask": "_mask.npy"}),
        ("prior", "anomaly", {"nats": "_anomaly.npy"}),
    ],
)
def test_arrays_in_memory_are_those_of_the_files(runs, tmp_path, name, mode, files):
    drawn(runs / name, mode, tmp_path, num_samples=2)
    arrays = lvae.load(runs / name).draw(mode, 2, seed=3)
    assert set(arrays) == {"name", *files}
    for place, sample in enumerate(arrays["name"]):
        for field, suffix in files.items():
            path = tmp_path / f"{sample}{suffix}"
            content = np.load(path) if suffix.endswith(".npy") else np.asarray(Image.open(path))
            assert arrays[field].dtype == content.dtype
            np.testing.assert_array_equal(arrays[field][place], content)


def test_figures_are_drawn(runs):
    for run, names in (
        ("vqvae", {"reconstructions", "losses", "code_use", "ssim"}),
        ("prior", {"samples", "anomaly", "losses"}),
    ):
        assert {path.stem for path in (runs / run / "figures").iterdir()} == names
        for path in (runs / run / "figures").iterdir():
            with Image.open(path) as picture:
                assert picture.size[0] > 300


def test_ssim_is_drawn_by_epoch(runs):
    run = restoring.load(runs / "vqvae").run
    history = records.read_metrics(runs / "vqvae")
    pictures = dict(CODEC.figures(run, CODEC.load_data(run.settings), history))
    trained, held_out, _ = pictures["ssim"].axes[0].lines
    np.testing.assert_array_equal(trained.get_xdata(), [1, 2, 3])  # two steps of 8 see all 16
    assert held_out.get_xydata().tolist() == [[3, history[-1]["validation_ssim"]]]


def test_a_trained_prior_needs_its_vqvae_no_more(runs, oasis, tmp_path, monkeypatch):
    """Trained with a relative path; both moved, then the VQ-VAE deleted; used from elsewhere."""
    before = drawn(runs / "prior", "prior", tmp_path / "before", num_samples=2)
    inpainted = drawn(runs / "prior", "inpaint", tmp_path / "holes", num_samples=2)
    numbers = evaluate(runs / "prior")
    moved = tmp_path / "moved"
    shutil.copytree(runs / "prior", moved / "prior")
    hidden = runs.with_name("hidden")
    runs.rename(hidden)
    try:
        monkeypatch.chdir(tmp_path)
        prior = moved / "prior"
        assert bytes_of(before) == bytes_of(
            drawn(prior, "prior", tmp_path / "after", num_samples=2)
        )
        assert bytes_of(inpainted) == bytes_of(
            drawn(prior, "inpaint", tmp_path / "again", num_samples=2)
        )
        np.testing.assert_equal(evaluate(prior), numbers)  # a share of nothing is NaN
        np.testing.assert_equal(evaluate(prior, oasis), numbers)
        assert (
            loop.train(PRIOR, prior_config("vqvae"), prior)["step"] == 6
        )  # complete: nothing to do
    finally:
        hidden.rename(runs)


def test_a_half_trained_prior_keeps_the_codes_that_it_began_with(runs, tmp_path):
    """The VQ-VAE is trained anew between two halves of the prior's training."""
    shutil.copytree(runs / "vqvae", tmp_path / "vqvae")
    config = prior_config(tmp_path / "vqvae", checkpoint_every=2)
    loop.train(PRIOR, config, tmp_path / "whole")

    def spoiled(settings, spec):
        loss = PRIOR.loss(settings, spec)

        def value(params, buffers, batch, key, step):
            total, rest = loss(params, buffers, batch, key, step)
            return jnp.where(step >= 3, jnp.nan, total), rest

        return value

    with pytest.raises(UserError, match="at step 4"):
        loop.train(dataclasses.replace(PRIOR, loss=spoiled), config, tmp_path / "cut")
    other = records.read_config(tmp_path / "vqvae").copy_and_resolve_references()
    other.seed = 1
    loop.train(CODEC, other.lock(), tmp_path / "other")
    for name in ("checkpoints", "summary.json"):  # the same config, other codes
        whole = tmp_path / "vqvae" / name
        shutil.rmtree(whole) if whole.is_dir() else whole.unlink()
        (tmp_path / "other" / name).rename(whole)
    loop.train(PRIOR, config, tmp_path / "cut")
    names = ("whole", "cut")
    first, second = ((tmp_path / name / "metrics.jsonl").read_bytes() for name in names)
    assert first == second
    found = [restoring.load(tmp_path / name).run.variables for name in names]
    jax.tree.map(np.testing.assert_array_equal, *found)


def test_a_prior_begins_with_a_vqvae(runs, tmp_path, monkeypatch):
    def begin(vqvae):
        return PRIOR.load_data(configuration.parse(PRIOR.settings, prior_config(vqvae)))

    with pytest.raises(UserError, match=r"--config\.vqvae: no run directory"):
        begin("")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        UserError, match=rf"absent: there is no run .*\(that is {tmp_path}/absent\)"
    ):
        begin("absent")
    with pytest.raises(
        UserError, match=r"is a run of the task pixelcnn; name one of the task vqvae"
    ):
        begin(runs / "prior")
    begun = tmp_path / "begun"
    begun.mkdir()
    shutil.copy(runs / "vqvae" / "config.json", begun)
    with pytest.raises(UserError, match=r"begun: has no checkpoint yet"):
        loop.train(PRIOR, prior_config(begun), tmp_path / "prior")


def make(argument, **model):
    """Settings, splits of noise, variables and loss, without training."""
    config = vqvae_brain.get_config(argument)
    config.model.update(model)
    config.data.size = 32
    config.training.batch_size = 8
    settings = settings_of(config)
    images = np.random.default_rng(0).integers(0, 255, (16, 32, 32), dtype=np.uint8)
    splits = {"train": {"image": images}}
    spec = CODEC.spec(settings, splits)
    variables = jax.jit(lambda key: CODEC.init(settings, spec, key))(jax.random.key(0))
    variables = CODEC.prepare(settings, jax.device_get(variables), splits)
    return settings, splits, variables, jax.jit(CODEC.loss(settings, spec))


def test_codebook_starts_at_clusters_and_is_counted_over_an_epoch():
    settings, splits, variables, loss = make("smoke")
    buffers, key = variables["buffers"], jax.random.key(0)
    some = jnp.asarray(splits["train"]["image"][[0, 5, 10, 15]])
    vectors = features_of(settings.model, variables["params"]["network"], some).reshape(-1, 18)
    start = jnp.asarray(buffers["codebook"]["codes"])
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
    with pytest.raises(ValueError, match="there are reference, folds, full, fsq, smoke"):
        vqvae_brain.get_config("best")
    with pytest.raises(ValueError, match="there are reference, smoke"):
        pixelcnn_brain.get_config("best")
    config = vqvae_brain.get_config("fsq")
    config.model.codes = 100
    with pytest.raises(UserError, match=r"config\.model: codes=100: must be .* 1024"):
        settings_of(config)
    assert "codebook" not in vqvae_brain.get_config().loss  # averages move the codes
    assert "width" not in vqvae_brain.get_config("reference").model


@pytest.mark.parametrize("architecture", ["residual", "reference"])
@pytest.mark.parametrize("kind", ["gradient", "ema", "fsq"])
def test_every_architecture_goes_with_every_quantiser(architecture, kind):
    model = {"architecture": architecture, "quantizer": kind}
    if kind == "fsq":
        model |= {"levels": [4, 4, 4, 16], "dimension": 4}
    if (architecture, kind) == ("residual", "fsq"):
        model |= {"places": 0}
    settings = configuration.parse(
        CODEC.settings, {"model": model, "training": {"epochs": 1}, "data": {"size": 64}}
    )
    assert (settings.model.architecture, settings.model.quantizer) == (architecture, kind)
    assert settings.loss.quantizer == kind
    assert settings.grid == ((16, 16) if architecture == "residual" else (4, 4))
    assert settings.model.codes == 1024


@pytest.mark.parametrize(
    ("group", "field", "value", "message"),
    [
        ("model", "places", 20, r"config\.model: places=20: must be in \[0, dimension\)"),
        ("model", "decay", 1.0, r"config\.model: decay=1\.0"),
        ("model", "quantizer", "vq", r"config\.model: nothing is known for .*quantizer='vq'"),
        ("loss", "temperature", 0.0, r"config\.loss: temperature=0\.0"),
        ("loss", "ssim", -1.0, r"config\.loss: ssim=-1\.0"),
        ("data", "size", 40, r"config\.data: size=40: must be a multiple of 16"),
        ("data", "subjects", (1, 1), r"config\.data\.subjects: .* has 2 entries; expected 3"),
    ],
)
def test_values_out_of_range_are_named(group, field, value, message):
    values = configuration.to_dict(vqvae_brain.get_config())
    values[group][field] = value
    with pytest.raises(UserError, match=message):
        configuration.parse(CODEC.settings, values)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"blocks": "G2A3"}, "blocks='G2A3': must be R, G and A"),
        ({"blocks": "GA", "heads": 5}, "heads=5: must divide features=96"),
        ({"kernel": 4}, "kernel=4: must be odd"),
        ({"embedding": 0}, "tied=True: needs an embedding"),
    ],
)
def test_networks_of_the_prior_that_cannot_be(changes, message):
    with pytest.raises(ValueError, match=message):
        ModelSettings(**changes)


def test_a_loss_of_another_quantiser_is_refused():
    settings = settings_of(vqvae_brain.get_config())
    with pytest.raises(ValueError, match=r"quantizer=ema: the loss is that of fsq"):
        dataclasses.replace(settings, loss=codec_settings.FsqLoss())


def test_regions_of_maps_that_four_does_not_divide():
    line = jnp.arange(6.0)[None, :, None]
    np.testing.assert_allclose(_regions(line, 1)[0, :, 0], [0.5, 2.5, 4.0, 5.0])
    np.testing.assert_allclose(_regions(line[:, :3], 1)[0, :, 0], [0, 1, 2])
    line = jnp.arange(8.0)[None, :, None]
    np.testing.assert_allclose(_regions(line, 1)[0, :, 0], [0.5, 2.5, 4.5, 6.5])
