"""The patch task: what each set of parameters learns from, what is scored, heat maps of volumes."""

import csv
import dataclasses
import json

import jax
import jax.numpy as jnp
import nibabel
import numpy as np
import pytest
from scipy import ndimage, stats

from configs.patches import VARIANTS, get_config
from lvae import configuration
from lvae.data.stroke_scans import CHANNELS, Channels
from lvae.errors import UserError
from lvae.models.gaussian import normal_kl
from lvae.runs import evaluation, loop
from lvae.runs import modes as runner
from lvae.tasks import registry, restoring
from lvae.tasks.patches import data, examining, loss, measures, modes, pictures, scanning
from lvae.tasks.patches.lesion_maps import AnomalyOptions
from lvae.tasks.patches.settings import Settings
from lvae.tasks.patches.task import TASK
from lvae.tasks.restoring import Loaded
from lvae.tasks.task import Request, Run

KEYS = (
    "knn_auroc",
    "probe_auroc",
    "silhouette",
    "pca_knn_auroc",
    "anomaly_auroc",
    "intensity_auroc",
    "pca_anomaly_auroc",
)


def small(**changes) -> Settings:
    config = configuration.to_dict(get_config("smoke"))
    flat = {
        "data.size": 8,
        "loss.labels": 0,
        "loss.label_weight": 0.0,
        "model.latents": 3,
        "model.hidden": 6,
        "finder.width": 4,
        "sampling.stride": 4,
        "sampling.grid": 3,
        "evaluation.batch_size": 64,
    } | {name.replace("__", "."): value for name, value in changes.items()}
    for name, value in flat.items():
        group, field = name.split(".")
        config[group][field] = value
    return configuration.parse(Settings, config)


def splits_of(count=40, seed=0):
    random = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int32) % 4 == 0
    images = random.integers(0, 120, (count, 8, 8)).astype(np.uint8)
    images[labels, 2:6, 2:6] += 100
    fields = {
        "image": images,
        "label": labels.astype(np.int32),
        "case": (np.arange(count) // 8).astype(np.int32),
        "share": labels * np.float32(0.25),
        "position": np.zeros((count, 3), np.float32),
        "others": random.integers(0, 120, (count, 8, 8, 2)).astype(np.uint8),
        "mirror": random.integers(0, 120, (count, 8, 8, 3)).astype(np.uint8),
        "sided": random.integers(100, 150, (count, 8, 8, 3)).astype(np.uint8),
        "beside": random.integers(100, 150, (count, 8, 8, 4)).astype(np.uint8),
        "tissue": 1 + (images > 180).astype(np.uint8),
    }
    return dict.fromkeys(("train", "validation", "test"), fields)


def variables_of(settings, splits):
    spec = data.spec(settings, splits)
    drawn = jax.jit(lambda key: loss.init(settings, spec, key))(jax.random.key(0))
    return loss.prepare(settings, drawn, splits)


def loss_of(settings, splits):
    return loss.loss(settings, data.spec(settings, splits))


def run_of(settings, splits, workdir) -> Loaded:
    spec = data.spec(settings, splits)
    run = Run(settings, spec, variables_of(settings, splits), workdir)
    return Loaded(TASK, configuration.to_config("patches", settings), run)


@pytest.mark.parametrize("arg", [None, *VARIANTS])
def test_every_config_is_read(arg):
    settings = configuration.parse(Settings, get_config(arg))
    assert settings.data.source == ("digits" if arg and "digits" in arg else "lesions")


def test_wrong_values_and_variants_are_named():
    with pytest.raises(ValueError, match=r"no such variant; there are .*smoke_digits"):
        get_config("nothing")
    with pytest.raises(UserError, match=r"evaluation.anomaly_score: 'best' is none of"):
        small(evaluation__anomaly_score="best")
    with pytest.raises(UserError, match="both 0 or both above 0"):
        small(loss__labels=3)
    with pytest.raises(UserError, match="pair_scale=0: must be above 0"):
        small(loss__pair_scale=0.0)
    with pytest.raises(UserError, match=r"hidden: .*expected int"):
        small(model__hidden=[3, 4])
    with pytest.raises(UserError, match=r"config.data.classes: no such field"):
        small(data__classes=(7, 9))


def test_the_healthy_model_never_learns_from_lesions():
    splits = splits_of()
    settings = small(model__components=2)
    variables = variables_of(settings, splits)
    value = loss_of(settings, splits)
    batch = {name: jnp.asarray(values[:16]) for name, values in splits["train"].items()}

    @jax.jit
    def gradients(image):
        def total(params):
            return value(params, {}, dict(batch, image=image), jax.random.key(1), jnp.int32(0))[0]

        return jax.grad(total)(variables["params"])

    ill = batch["label"][:, None, None] == 1
    changed = jnp.where(ill, 255 - batch["image"], batch["image"])
    before, after = gradients(batch["image"]), gradients(changed)
    for one, other in zip(jax.tree.leaves(before["healthy"]), jax.tree.leaves(after["healthy"])):
        np.testing.assert_allclose(one, other, atol=1e-3)
    for name in ("all", "finder"):
        assert any(
            np.abs(one - other).max() > 1e-2
            for one, other in zip(jax.tree.leaves(before[name]), jax.tree.leaves(after[name]))
        )
    assert np.abs(before["prior"]["means"]).max() > 0


def test_the_divergence_is_the_integral():
    mean, log_variance = 0.7, -0.9
    normal = stats.norm(mean, np.exp(0.5 * log_variance))
    line = np.linspace(-9, 9, 20001)
    integrand = normal.pdf(line) * (normal.logpdf(line) - stats.norm.logpdf(line))
    expected = np.trapezoid(np.nan_to_num(integrand), line)
    found = normal_kl(jnp.full((2, 3), mean), jnp.full((2, 3), log_variance)).sum(1)
    np.testing.assert_allclose(found, 3 * expected, rtol=1e-5)


def test_a_mixture_of_one_standard_normal_is_the_normal_prior():
    """The drawn divergence has the closed form as its mean."""
    splits = splits_of(8)
    settings = small(model__components=1)
    params = dict(variables_of(settings, splits)["params"])
    params["prior"] = {
        "means": jnp.zeros((1, 3)),
        "log_scales": jnp.zeros((1, 3)),
        "weights": jnp.zeros(1),
    }
    images = jnp.asarray(splits["train"]["image"][:4] / 255.0, jnp.float32)
    keys = jax.random.split(jax.random.key(2), 4000)
    draws = jax.jit(jax.vmap(lambda key: loss.terms(settings, params, "all", images, key)[1]))(keys)
    params["healthy"] = params["all"]  # its prior is the normal one
    exact = loss.terms(settings, params, "healthy", images, keys[0])[1]
    error = np.asarray(draws).std(0) / np.sqrt(len(keys))
    assert (np.abs(draws.mean(0) - exact) < 5 * error).all()


def test_free_bits_switch_the_divergence_off_below_them():
    splits = splits_of()
    batch = {name: jnp.asarray(values) for name, values in splits["train"].items()}
    totals = []
    for free in (0.0, 1000.0):
        settings = small(loss__free_bits=free, loss__kl_weight=1.0)
        params = variables_of(settings, splits)["params"]
        total, (parts, _) = loss_of(settings, splits)(
            params, {}, batch, jax.random.key(3), jnp.int32(0)
        )
        totals.append(float(total))
    assert totals[1] - totals[0] == pytest.approx(
        1000 - float(parts["divergence"].mean()), rel=1e-4
    )


def test_a_few_labels_shape_the_codes_and_only_those_are_used():
    splits = splits_of()
    chosen = data.few_labels(splits["train"]["label"], 3, 0)
    assert splits["train"]["label"][chosen].tolist() == [0, 0, 0, 1, 1, 1]
    settings = small(loss__labels=3, loss__label_weight=1.0)
    hidden = {name: values.copy() for name, values in splits["train"].items()}
    others = np.setdiff1d(np.arange(40), chosen)
    batch = {name: jnp.asarray(values[:8]) for name, values in splits["train"].items()}
    params = variables_of(settings, splits)["params"]
    errors = []
    for pixels in (
        hidden["image"],
        np.where(np.isin(np.arange(40), others)[:, None, None], 0, hidden["image"]),
    ):
        train = {"train": dict(hidden, image=pixels.astype(np.uint8))}
        buffers = jax.tree.map(jnp.asarray, variables_of(settings, train)["buffers"])
        parts = loss_of(settings, train)(params, buffers, batch, jax.random.key(4), jnp.int32(0))[
            1
        ][0]
        errors.append(float(parts["label_error"]))
    assert errors[0] == errors[1] > 0


def test_pairs_shape_the_encoder_of_all_patches_alone():
    splits = splits_of(12)
    batch = {name: jnp.asarray(values) for name, values in splits["train"].items()}
    params = variables_of(small(), splits)["params"]
    totals, gradients = [], []
    for weight in (0.0, 2.0):
        settings = small(loss__pair_weight=weight)

        def total(params, settings=settings):
            return loss_of(settings, splits)(params, {}, batch, jax.random.key(5), jnp.int32(0))

        (value, (parts, _)), gradient = jax.value_and_grad(total, has_aux=True)(params)
        totals.append(float(value))
        gradients.append(gradient)
    assert totals[1] - totals[0] == pytest.approx(2 * float(parts["pair_error"]), rel=1e-3)
    change = jax.tree.map(lambda one, other: np.abs(other - one).max(), *gradients)
    assert change["all"]["inward"]["kernel"] > 1e-3 < change["all"]["mean"]["kernel"]
    for name in ("outward", "pixels", "label"):
        assert change["all"][name]["kernel"] < 1e-4
    assert all(value < 1e-4 for value in jax.tree.leaves(change["healthy"]))


def test_spots_are_running_means_of_the_residual():
    residual = np.random.default_rng(0).normal(size=(3, 9, 11))
    settings = small(evaluation__spot=5).evaluation
    mean = ndimage.uniform_filter(residual, (0, 5, 5), mode="constant")
    np.testing.assert_allclose(
        measures.spot_map(residual, settings), np.maximum(mean, 0), atol=1e-12
    )
    both = small(evaluation__bright_only=False, evaluation__spot=3).evaluation
    mean = ndimage.uniform_filter(residual, (0, 3, 3), mode="constant")
    np.testing.assert_allclose(measures.spot_map(residual, both), np.abs(mean), atol=1e-12)


def test_a_scan_does_not_depend_on_its_batches():
    splits = splits_of()
    settings = small()
    params = variables_of(settings, splits)["params"]
    whole = examining.examine(settings, params, splits["train"])
    parts = examining.examine(small(evaluation__batch_size=7), params, splits["train"])
    for one, other in zip(whole, parts):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-5)


def head_volume(shape=(26, 30, 7)):
    random = np.random.default_rng(5)
    array = np.zeros(shape, np.float32)
    array[3:-3, 4:-2, 1:-1] = random.uniform(80, 120, (shape[0] - 6, shape[1] - 6, shape[2] - 2))
    array[7:12, 18:23, 4] += 150
    return array


def test_any_subset_of_channels_is_scanned_and_each_counts():
    settings = small(data__spacing_mm=1.0)
    params = variables_of(settings, splits_of())["params"]
    random = np.random.default_rng(3)
    volume = head_volume()
    arrays = {
        "dwi": volume,
        "adc": volume * random.uniform(0.8, 1.2, volume.shape).astype(np.float32),
        "flair": volume * random.uniform(0.8, 1.2, volume.shape).astype(np.float32),
    }
    heats = []
    for names in (("dwi",), ("adc",), ("flair", "dwi"), CHANNELS):
        channels = Channels({name: arrays[name] for name in names}, (1.0, 1.0, 4.0))
        found = scanning.scan_volume(settings, params, channels, "a")
        assert found.heat.shape == volume.shape
        assert not found.heat[volume == 0][:5].any()
        assert 0 < found.heat.max() <= 1
        heats.append(found.heat)
    for place, one in enumerate(heats):
        assert all(np.abs(one - other).max() > 1e-5 for other in heats[:place])


def test_a_channel_that_is_not_there_has_no_say():
    splits = splits_of()
    settings = small()
    params = variables_of(settings, splits)["params"]
    without = dict(splits["train"], others=np.zeros((40, 8, 8, 2), np.uint8))
    first = examining.examine(settings, params, without)
    changed = {name: np.array(without[name]) for name in ("mirror", "sided", "beside")}
    for name, channels in (("mirror", [1, 2]), ("sided", [1, 2]), ("beside", [1, 3])):
        changed[name][..., channels] = 200
    second = examining.examine(settings, params, without | changed)
    for one, other in zip(first, second):
        np.testing.assert_array_equal(one, other)


def test_patches_cover_every_pixel_of_any_length():
    for length in (8, 9, 17, 30):
        covered = np.zeros(length)
        for start in scanning.starts(2, length - 2, 8, 3, length):
            covered[start : start + 8] += 1
        assert (covered[2 : length - 1] >= 1).all()
        assert len(covered) == length


def test_anomaly_mode_writes_the_input_s_grid(tmp_path, capsys):
    loaded = run_of(small(data__spacing_mm=1.0), splits_of(), tmp_path)
    affine = np.array([[0, -2.0, 0, 9], [2.0, 0, 0, -4], [0, 0, -4.0, 60], [0, 0, 0, 1]])
    image = nibabel.Nifti1Image(head_volume(), affine)
    image.set_sform(affine, code=4)
    image.set_qform(affine, code=1)
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, tmp_path / "case.nii.gz")
    options = AnomalyOptions(threshold=0.015)
    request = Request("anomaly", data=tmp_path / "case.nii.gz", options=options)
    runner.draw(loaded, request, tmp_path / "out")
    heat = nibabel.load(tmp_path / "out" / "case_heat.nii.gz")
    assert heat.shape == head_volume().shape
    np.testing.assert_allclose(heat.affine, affine, atol=1e-5)
    assert (int(heat.header["sform_code"]), int(heat.header["qform_code"])) == (4, 1)
    assert heat.header.get_xyzt_units() == ("mm", "sec")
    assert np.isfinite(np.asarray(heat.dataobj)).all()
    assert (tmp_path / "out" / "case_heat.png").stat().st_size > 1000
    noted = json.loads((tmp_path / "out" / ".lvae" / "manifest.json").read_text())["samples"][0]
    place = affine @ [*noted["highest_at_voxel"], 1]
    np.testing.assert_allclose(noted["highest_at_mm"], place[:3], atol=0.01)
    with (tmp_path / "out" / "lesions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    above = np.asarray(heat.dataobj) > 0.015
    groups, count = ndimage.label(above, np.ones((3, 3, 3)))
    assert len(rows) == count == noted["lesions"] > 0
    sizes = sorted(np.bincount(groups.ravel())[1:].tolist(), reverse=True)
    assert [int(row["voxels"]) for row in rows] == sizes
    assert float(rows[0]["volume_ml"]) == pytest.approx(sizes[0] * 16 / 1000)  # 2 x 2 x 4 mm
    place = np.linalg.inv(affine) @ [*(float(rows[0][f"{axis}_mm"]) for axis in "xyz"), 1]
    inside = [float(rows[0][f"voxel_{axis}"]) for axis in "ijk"]
    np.testing.assert_allclose(place[:3], inside, atol=0.51)
    assert rows[0]["scan"] == "case"
    runner.draw(loaded, request, tmp_path / "out")
    assert "complete" in capsys.readouterr().err


def test_anomaly_mode_refuses_what_it_cannot_scan(tmp_path):
    loaded = run_of(small(), splits_of(), tmp_path)

    def refused(words, loaded=loaded, **request):
        with pytest.raises(UserError, match=words):
            runner.draw(loaded, Request("anomaly", **request), tmp_path / "out")

    refused("needs --data")
    (tmp_path / "none").mkdir()
    refused("holds no case folders", data=tmp_path / "none")
    nibabel.save(nibabel.Nifti1Image(np.zeros((9, 9, 9)), np.eye(4)), tmp_path / "empty.nii")
    refused(r"empty.nii.*head of 0 voxels", data=tmp_path / "empty.nii")
    nibabel.save(nibabel.Nifti1Image(np.zeros((9, 9, 9)), np.eye(4)), tmp_path / "a_adc.nii")
    both = AnomalyOptions(adc=str(tmp_path / "empty.nii"))
    refused("is that channel, too", data=tmp_path / "a_adc.nii", options=both)
    refused("go with one volume", data=tmp_path, options=both)
    digits = configuration.parse(Settings, get_config("smoke_digits"))
    refused(
        "knows digits", loaded=loaded._replace(run=dataclasses.replace(loaded.run, settings=digits))
    )
    with pytest.raises(UserError, match="--format=parquet: --mode=prior cannot write it"):
        runner.draw(loaded, Request("prior"), tmp_path / "p", runner.Layout("parquet"))


@pytest.mark.parametrize("components", [0, 3])
def test_draws_are_of_the_seed_and_their_index_alone(components):
    settings = small(model__components=components)
    params, every = variables_of(settings, splits_of())["params"], np.arange(9)
    whole = modes.draws(settings, params, 5, every, 1.0)
    some = modes.draws(settings, params, 5, every[[4, 7]], 1.0)
    np.testing.assert_allclose(some, whole[[4, 7]])
    assert not np.allclose(modes.draws(settings, params, 6, every[[4]], 1.0), whole[[4]])
    still = modes.draws(settings, params, 5, every, 0.0)
    means = np.asarray(params["prior"]["means"]) if components else np.zeros((1, 3))
    assert all(np.abs(means - code).sum(1).min() < 1e-6 for code in still)


def test_the_manifold_is_the_unit_square_through_the_normal_s_quantiles():
    plane = pictures.latent_plane(small(model__latents=2), np.zeros((1, 2), np.float32))
    quantiles = stats.norm.ppf([1 / 6, 3 / 6, 5 / 6])
    expected = [(x, y) for y in quantiles[::-1] for x in quantiles]  # upwards, to the right
    np.testing.assert_allclose(plane, expected, atol=1e-6)
    codes = np.random.default_rng(0).normal(size=(500, 3)) * [0.1, 5.0, 1.0] + [1.0, 2.0, 3.0]
    plane = pictures.latent_plane(small(), codes.astype(np.float32))
    np.testing.assert_allclose(plane.mean(0), codes.mean(0), atol=1e-5)
    spread = np.ptp(plane, axis=0)
    assert spread[1] > 4 * spread[2] > 8 * spread[0]


def test_a_run_end_to_end(tmp_path):
    pytest.importorskip("nilearn")
    config = get_config("smoke")
    summary = loop.train(registry.find("patches"), config, tmp_path)
    assert summary["step"] == config.training.steps
    for name in ("codes", "manifold", "reconstructions", "anomalies", "losses"):
        assert (tmp_path / "figures" / f"{name}.png").stat().st_size > 500
    loaded = restoring.load(tmp_path)
    numbers = evaluation.thorough(*loaded[::2], data.load_data(loaded.run.settings))
    for name in ("finder", "finder_dwi", "unusual", "brightness", "left_right", "low_adc"):
        assert 0 <= numbers["maps"][name]["voxel_ap"] <= 1
    assert numbers["voxel_ap"] == numbers["maps"]["finder"]["voxel_ap"]
    for key in KEYS:
        assert numbers[key] == numbers[f"test_{key}"]
        assert -1 <= numbers[key] <= 1
        low, high = numbers[f"{key}_interval"]
        assert low <= high
    for mode in ("prior", "reconstruct", "manifold"):
        runner.draw(loaded, Request(mode, num_samples=5), tmp_path / mode)
        written = {path.name for path in (tmp_path / mode).iterdir()}
        assert {"preview.png", ".lvae"} < written
        assert len(written) == (5 if mode == "manifold" else 9)  # with two cards


def test_two_digits_are_told_apart_by_position_of_class(mnist):
    def read(classes):
        config = configuration.to_dict(get_config("smoke_digits"))
        config["data"] |= {"path": str(mnist), "classes": classes}
        return data.load_data(configuration.parse(Settings, config))

    swapped, splits = read([9, 7])["test"]["label"], read([7, 9])
    np.testing.assert_array_equal(splits["test"]["label"], 1 - swapped)
    train = {image.tobytes() for image in splits["train"]["image"]}
    assert not train & {image.tobytes() for image in splits["validation"]["image"]}
