"""A prior that plans: heads of several slices, heights, holes that are not peeped into."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from configs import pixelcnn_brain, planned_brain, vqvae_brain
from lvae.data.brain.png_slices import FOLDERS
from lvae.errors import UserError
from lvae.models import raster_sampling
from lvae.runs import loop
from lvae.tasks import restoring
from lvae.tasks.brain.codec.task import TASK as CODEC
from lvae.tasks.brain.painting import Source
from lvae.tasks.brain.prior import picturing, planning
from lvae.tasks.brain.prior.below import codec_below
from lvae.tasks.brain.prior.exploring import MODE, RepaintOptions, repaint_plan
from lvae.tasks.brain.prior.modes import MODES, PriorOptions, StackOptions
from lvae.tasks.brain.prior.network import build, network
from lvae.tasks.brain.prior.settings import ModelSettings, PictureSettings
from lvae.tasks.brain.prior.task import TASK as PRIOR
from lvae.tasks.task import Request


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """Discs that grow with the height; a VQ-VAE, and a prior that plans over its codes."""
    root = tmp_path_factory.mktemp("planned")
    rows, columns = np.mgrid[:32, :32]
    case = 0
    for folder, cases in zip(FOLDERS.values(), (5, 2, 2)):
        (root / folder).mkdir()
        for _ in range(cases):
            case += 1
            for index in range(4):
                inside = np.hypot(rows - 16, columns - 16) < 5 + 2 * index + 0.1 * case
                image = np.where(inside, 100 + 10 * case, 0).astype(np.uint8)
                name = f"case_{case:03d}_slice_{index}.nii.png"
                Image.fromarray(image).save(root / folder / name)
    config = vqvae_brain.get_config("folds:smoke")
    config.data.path = str(root)
    loop.train(CODEC, config, root / "vqvae")
    config = planned_brain.get_config("pictures:smoke")
    config.vqvae = str(root / "vqvae")
    loop.train(PRIOR, config, root / "prior")
    return restoring.load(root / "prior")


def drawn(run, mode, indices, options, **changes):
    plan = MODES[mode].plan(run, Request(mode=mode, seed=1, options=options, **changes))
    return plan, plan.draw(np.asarray(indices))


def test_slices_of_a_head_agree_and_depend_on_their_own_number_alone(loaded):
    run = loaded.run
    plan, samples = drawn(run, "stack", [0, 1, 2, 3], StackOptions(slices=3), num_samples=2)
    assert list(plan.names)[2:4] == ["head_00000_slice_02", "head_00001_slice_00"]
    assert [one.provenance["head"] for one in samples] == [0, 0, 0, 1]
    assert [one.provenance["height"] for one in samples] == [0.0, 0.5, 1.0, 0.0]
    _, alone = drawn(run, "stack", [2], StackOptions(slices=3), num_samples=2)
    np.testing.assert_array_equal(alone[0].arrays["image"], samples[2].arrays["image"])
    # one code of the subject behind all plans of a head: at one height they are one plan
    heads, heights = np.array([7, 7, 8]), np.full(3, 0.4)
    maps = planning.of_nobody(run, 0, "stack", heads, heights, (8, 8)).maps
    np.testing.assert_array_equal(maps[0], maps[1])
    assert np.abs(maps[0] - maps[2]).max() > 0.01


def test_a_height_is_that_of_all_slices_and_must_be_one(loaded):
    run = loaded.run
    _, samples = drawn(run, "prior", [0, 1], PriorOptions(height=0.25), num_samples=2)
    assert {one.provenance["height"] for one in samples} == {0.25}
    with pytest.raises(UserError, match=r"--height=1\.5: must be in \[0, 1\]"):
        drawn(run, "prior", [0], PriorOptions(height=1.5), num_samples=1)


def test_plans_of_slices_know_the_height_and_nothing_of_a_hole(loaded):
    run = loaded.run
    split = restoring.load_data(PRIOR, run.settings, run.spec)["test"]
    planned = planning.of_images(run, split["image"], (8, 8))
    np.testing.assert_allclose(planned.heights, split["slice"] / 3, atol=1e-6)
    seen = np.ones((len(split["image"]), 8, 8), bool)
    seen[:, 2:4, 2:4] = False
    changed = split["image"].copy()
    changed[:, 8:16, 8:16] = 255 - changed[:, 8:16, 8:16]
    before, after = (
        planning.of_images(run, images, (8, 8), 0, seen).maps
        for images in (split["image"], changed)
    )
    np.testing.assert_array_equal(before, after)


def test_while_training_plans_are_drawn_as_for_images(loaded):
    """Without noise: the mean of the weights, on the device as on the host."""
    run = loaded.run
    split = restoring.load_data(PRIOR, run.settings, run.spec)["test"]
    buffers = jax.tree.map(jnp.asarray, run.variables["buffers"]["plan"])
    still = {**buffers, "root": jnp.zeros_like(buffers["root"])}
    places = planning.places_of(jnp.asarray(split["slice"]), run.spec, run.settings.plan)
    images = jnp.asarray(split["image"] / 255.0, jnp.float32)
    found = planning.while_training(still, images, places, jax.random.key(0), (8, 8))
    many = [planning.of_images(run, split["image"], (8, 8), seed).maps for seed in range(50)]
    error = 5 * np.std(many, 0) / np.sqrt(len(many)) + 1e-3
    assert (np.abs(np.mean(many, 0) - np.asarray(found)) < error).all()


def test_nats_count_the_plan_too(loaded):
    run = loaded.run
    splits = restoring.load_data(PRIOR, run.settings, run.spec)
    found = PRIOR.evaluate(run, splits, "validation", False)
    assert found["plan_nats"] > 0
    assert found["nats_per_code"] > found["plan_nats"] / 64
    assert found["nats_per_pixel"] == pytest.approx(found["nats_per_code"] * 64 / 32**2)


def test_thorough_measures_tell_whose_fault_it_is(loaded):
    run = loaded.run
    splits = restoring.load_data(PRIOR, run.settings, run.spec)
    found = PRIOR.evaluate(run, splits, "test", True)
    for name in ("drawn_decoded", "decoded_real", "drawn_real", "train_real"):
        assert 0 <= found[f"auroc_{name}_low"] <= found[f"auroc_{name}"] <= 1
        assert len(found[f"auroc_{name}_tells"]) == 3
    # six steps of training: what is decoded and drawn is not like real discs
    assert found["auroc_drawn_real"] > 0.9
    assert 0 <= found["outline_faults_real"] <= found["outline_faults_drawn"] <= 1


def test_a_prior_without_plans_knows_no_heads(loaded):
    settings = dataclasses.replace(
        loaded.run.settings,
        plan=dataclasses.replace(loaded.run.settings.plan, components=0),
        picture=PictureSettings(),
    )
    with pytest.raises(ValueError, match="pictures are drawn from plans"):
        dataclasses.replace(settings, picture=PictureSettings(steps=2))
    plain = dataclasses.replace(loaded.run, settings=settings)
    for mode, options in (("stack", StackOptions()), ("prior", PriorOptions(height=0.5))):
        with pytest.raises(UserError, match="has no plans; train configs/planned_brain"):
            drawn(plain, mode, [0], options, num_samples=1)


def test_a_decoder_with_texture_gives_one_slice_for_one_map(loaded):
    codec = codec_below(loaded.run.spec, loaded.run.variables)
    random = np.random.default_rng(0)
    codes = random.integers(0, codec.size, (3, *codec.grid)).astype(np.int32)
    together = codec.decode(codes)
    np.testing.assert_allclose(codec.decode(codes[1:2])[0], together[1], atol=1e-6)
    codes[2] = codes[1]
    np.testing.assert_allclose(codec.decode(codes)[2], together[1], atol=1e-6)


def test_cached_sampling_with_a_plan_equals_the_whole_network():
    """The likeliest codes of the cached way are those of whole passes, and the plan counts."""
    settings = ModelSettings(features=8, embedding=4, kernel=3, blocks="GG2", dropout=0.0)
    model = build(settings, codes=5, grid=(4, 4), reader=4, levels=1)
    plan = jax.random.normal(
        jax.random.key(2), (3, 4, 4, 3)
    )  # grey value, a picture's or not, height
    blank = jnp.zeros((3, 4, 4), jnp.int32)
    params = jax.jit(model.init)(jax.random.key(0), blank, plan=plan)["params"]
    keys = jax.random.split(jax.random.key(9), len(jax.tree.leaves(params)))
    leaves, tree = jax.tree.flatten(params)
    params = jax.tree.unflatten(
        tree, [leaf + 0.5 * jax.random.normal(key, leaf.shape) for leaf, key in zip(leaves, keys)]
    )
    keys = jax.random.split(jax.random.key(1), 3)
    free = jnp.ones(blank.shape, bool)
    sample = jax.jit(raster_sampling.sample_cached, static_argnums=0)
    apply = jax.jit(lambda codes, plan: model.apply({"params": params}, codes, plan=plan))
    codes = sample(model, params, keys, blank, free, 0.0, plan=plan)
    whole = jnp.argmax(apply(codes, plan), -1)
    np.testing.assert_array_equal(codes, whole)
    assert (jnp.argmax(apply(codes, plan[:, ::-1]), -1) != whole).any()


def test_a_reader_without_a_plan_is_refused_and_so_is_a_plan_without_a_reader():
    """A network never trained without its plans would draw anything at all."""
    settings = ModelSettings(features=8, embedding=4, kernel=3, blocks="G", dropout=0.0)
    blank, plan = jnp.zeros((1, 4, 4), jnp.int32), jnp.zeros((1, 4, 4, 2))
    free, keys = jnp.ones(blank.shape, bool), jax.random.split(jax.random.key(1), 1)
    for reader, right, wrong in ((4, plan, None), (0, None, plan)):
        model = build(settings, codes=5, grid=(4, 4), reader=reader)
        shapes = jax.eval_shape(model.init, jax.random.key(0), blank, plan=right)
        sample = functools.partial(raster_sampling.sample_cached, model)
        with pytest.raises(ValueError, match="a plan goes with"):
            jax.eval_shape(model.apply, shapes, blank, plan=wrong)
        with pytest.raises(ValueError, match="a plan goes with"):
            jax.eval_shape(sample, shapes["params"], keys, blank, free, plan=wrong)


def test_a_painted_region_is_redrawn_by_a_plan_that_does_not_see_it(loaded):
    """Its other codes stay; what is painted over does not matter, what is beside it does."""
    run = loaded.run
    codec = codec_below(run.spec, run.variables)
    image = np.zeros((32, 32), np.uint8)
    image[8:24, 8:24] = 150
    options = RepaintOptions(painted="1:1,1:2")
    asked = Request(MODE, 3, 1, None, options)
    cells = np.zeros(codec.grid, bool)
    cells[1, 1:3] = True

    def maps(shown):
        plan = repaint_plan(run, codec, Source(["one"], shown[None]), asked)
        (sample,) = plan.draw(np.arange(1))
        return sample.arrays["codes"]

    codes = codec.encode(image[None])[0]
    np.testing.assert_array_equal(maps(image)[~cells], codes[~cells])
    seen = ~cells[None]
    edge = 32 // codec.grid[0]
    other = np.where(np.kron(cells, np.ones((edge, edge), bool)), 255, image).astype(np.uint8)
    plans = [planning.maps_of_images(run, one[None], codec.grid, 3, seen) for one in (image, other)]
    np.testing.assert_array_equal(*plans)
    pictures = [
        picturing.drawn(run, 3, MODE, np.arange(1), plan, one[None], seen)
        for plan, one in zip(plans, (image, other))
    ]
    np.testing.assert_array_equal(*pictures)
    real = picturing.of_slices(image[None] / 255, codec.grid)
    shown = picturing.as_read(np, real, plans[0])[seen]
    np.testing.assert_allclose(pictures[0][seen], shown, atol=1e-6)


def test_the_reference_has_no_reader(loaded):
    assert pixelcnn_brain.get_config("reference").plan.components == 0
    assert network(loaded.run.settings, loaded.run.spec).reader == 8
