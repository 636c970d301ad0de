"""Convolutions as matrix products against Flax's own: values, gradients, parameters."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lvae.models.convolution import Conv, ConvTranspose, DoubledConv
from lvae.models.convolving import convolve, doubled

PAIRS = {"Conv": (Conv, nn.Conv), "ConvTranspose": (ConvTranspose, nn.ConvTranspose)}
# Odd and even sizes, strides that do and do not divide them, kernels smaller and larger than those.
QUICK = {"xla_backend_optimization_level": 0}  # compiles five times faster
CASES = [  # kernel, stride, padding, features out of 3 channels
    (1, 1, "SAME", 4),
    (1, 2, "VALID", 2),
    (3, 1, "SAME", 2),
    (3, 1, ((4, 0), (1, 3)), 2),
    (3, 1, "VALID", 4),
    (3, 2, "SAME", 4),
    (3, 2, "VALID", 2),
    (3, 2, ((0, 1), (2, 0)), 4),
    (5, 1, "SAME", 4),
    (5, 2, "SAME", 2),
    (7, 1, "SAME", 2),
    (7, 2, "VALID", 4),
]


def outcome(layer, inputs):
    """Outputs and the gradients of a function that weighs every output differently."""
    shapes = jax.eval_shape(layer.init, jax.random.key(0), inputs)
    draw = np.random.default_rng(0)
    variables = jax.tree.map(lambda leaf: draw.normal(size=leaf.shape).astype("f4"), shapes)

    @functools.partial(jax.jit, compiler_options=QUICK)
    def run(variables, inputs):
        outputs = layer.apply(variables, inputs)
        weights = jnp.cos(jnp.arange(outputs.size, dtype=jnp.float32)).reshape(outputs.shape)

        def score(variables, inputs):
            return jnp.mean(weights * layer.apply(variables, inputs) ** 2)

        return outputs, jax.grad(score, argnums=(0, 1))(variables, inputs)

    return run(variables, inputs)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize(("size", "stride", "padding", "features"), CASES)
def test_equals_flax(name, size, stride, padding, features):
    ours, flax = PAIRS[name]
    inputs = jax.random.normal(jax.random.key(0), (2, 8, 7, 3))
    options = {
        "features": features,
        "kernel_size": (size, size),
        "strides": (stride, stride),
        "padding": padding,
    }
    got = outcome(ours(**options, implementation="matmul"), inputs)
    want = outcome(flax(**options), inputs)
    assert jax.tree.structure(got) == jax.tree.structure(want)
    # Sums of up to 7 * 7 * 3 products of numbers about 1: a hundred roundings at 30.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=3e-5), got, want)


@pytest.mark.parametrize("name", PAIRS)
def test_same_initial_parameters(name):
    options = {"features": 4, "kernel_size": (3, 3), "bias_init": nn.initializers.normal()}
    inputs = jnp.ones((1, 4, 4, 2))
    got, want = (
        jax.jit(kind(**options).init, compiler_options=QUICK)(jax.random.key(1), inputs)
        for kind in PAIRS[name]
    )
    jax.tree.map(np.testing.assert_array_equal, got, want)


@pytest.mark.parametrize("name", PAIRS)
def test_auto_is_the_product_on_cpu_and_native_is_available(name):
    layer = PAIRS[name][0]
    inputs = jnp.ones((1, 4, 4, 2))

    def primitives(implementation):
        module = layer(2, 3, implementation=implementation)
        return str(jax.make_jaxpr(module.init)(jax.random.key(0), inputs))

    assert "conv_general_dilated" in primitives("native")
    assert "conv_general_dilated" not in primitives("auto")
    with pytest.raises(ValueError, match="fast"):
        primitives("fast")


def test_mask_silences_taps_and_their_gradient():
    mask = np.ones((3, 3, 1, 1), np.float32)
    mask[1:] = 0
    inputs = jax.random.normal(jax.random.key(0), (1, 5, 5, 1))
    module = Conv(1, 3, mask=mask, implementation="matmul")
    variables = module.init(jax.random.key(1), inputs)
    centre = jax.grad(lambda x: module.apply(variables, x)[0, 2, 2, 0])(inputs)[0, :, :, 0]
    assert np.all(centre[2:] == 0)
    assert np.all(centre[1, 1:4] != 0)
    with pytest.raises(ValueError, match="mask"):
        Conv(2, 3, mask=mask).init(jax.random.key(1), inputs)


def test_any_batch_axes():
    inputs = jax.random.normal(jax.random.key(0), (2, 3, 6, 6, 1))
    module = Conv(2, 3, strides=2)
    variables = module.init(jax.random.key(1), inputs)
    outputs = module.apply(variables, inputs)
    assert outputs.shape == (2, 3, 3, 3, 2)
    np.testing.assert_allclose(outputs[1, 2], module.apply(variables, inputs[1, 2]), rtol=1e-6)


def test_second_derivatives_and_vmap_over_kernels():
    inputs = jax.random.normal(jax.random.key(0), (1, 5, 5, 1))
    kernels = jax.random.normal(jax.random.key(1), (3, 3, 3, 1, 1))

    def penalty(kernel, implementation):
        slope = jax.grad(lambda x: jnp.sum(convolve(x, kernel, 2, "SAME", implementation) ** 3))
        return jnp.sum(slope(inputs) ** 2)

    got, want = (
        jax.jit(
            jax.vmap(jax.grad(lambda kernel, name=name: penalty(kernel, name))),
            compiler_options=QUICK,
        )(kernels)
        for name in ("matmul", "native")
    )
    np.testing.assert_allclose(got, want, rtol=1e-4)


@pytest.mark.parametrize("implementation", ["native", "matmul"])
def test_convolution_over_doubled_images_equals_the_one_over_their_copies(implementation):
    """Values, gradients, initial parameters; rows and columns of odd number below."""
    below = jax.random.normal(jax.random.key(0), (2, 3, 5, 4))
    beside = jax.random.normal(jax.random.key(1), (2, 6, 10, 3))
    ours = DoubledConv(2, implementation=implementation)
    flax = nn.Conv(2, (3, 3), use_bias=False)
    together = jnp.concatenate([np.repeat(np.repeat(below, 2, 1), 2, 2), beside], axis=-1)
    variables = jax.jit(ours.init)(jax.random.key(2), below, beside)
    jax.tree.map(
        np.testing.assert_array_equal, variables, jax.jit(flax.init)(jax.random.key(2), together)
    )

    @functools.partial(jax.jit, compiler_options=QUICK)
    def run(variables, below, beside):
        def score(layer, *inputs):
            return jnp.sum(jnp.sin(layer.apply(*inputs)))

        def over_copies(variables, below, beside):
            return score(flax, variables, jnp.concatenate([doubled(below), beside], axis=-1))

        every = (0, 1, 2)
        return (
            ours.apply(variables, below, beside) - flax.apply(variables, together),
            jax.grad(functools.partial(score, ours), every)(variables, below, beside),
            jax.grad(over_copies, every)(variables, below, beside),
        )

    difference, got, want = run(variables, below, beside)
    np.testing.assert_allclose(difference, 0, atol=1e-5)
    # Sums of 120 products of numbers about 1.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=3e-5), got, want)


@pytest.mark.parametrize(
    ("channels", "features", "padding"),
    [
        (1, 5, "SAME"),  # patches of the inputs
        (5, 1, "SAME"),  # of the gradient
        (5, 1, ((4, 0), (1, 3))),
        (4, 4, "SAME"),  # of columns of the inputs and rows of the gradient
        (4, 4, ((4, 0), (1, 3))),
        (4, 4, "VALID"),
    ],
)
def test_gradient_of_a_kernel_whichever_side_patches_are_of(channels, features, padding):
    inputs = jax.random.normal(jax.random.key(0), (4, 6, 5, channels))
    kernel = jax.random.normal(jax.random.key(1), (3, 3, channels, features))

    def gradient(implementation):
        def total(kernel):
            outputs = convolve(inputs, kernel, 1, padding, implementation)
            weights = jnp.cos(jnp.arange(outputs.size, dtype=jnp.float32)).reshape(outputs.shape)
            return jnp.sum(weights * outputs)

        return jax.grad(total)(kernel)

    # Sums of up to 4 * 30 products of numbers about 1.
    np.testing.assert_allclose(gradient("matmul"), gradient("native"), rtol=1e-5, atol=1e-4)


def test_native_convolutions_with_many_channels_have_the_gradients_of_flax(monkeypatch):
    """Also where the examples are taken in parts."""
    monkeypatch.setattr("lvae.models.kernel_gradient.LARGE", 0)
    inputs = jax.random.normal(jax.random.key(0), (4, 5, 4, 16))
    options = {"features": 17, "kernel_size": (3, 3), "padding": ((2, 0), (1, 1))}
    got = outcome(Conv(**options, implementation="native"), inputs)
    want = outcome(nn.Conv(**options), inputs)
    # Sums of 144 products, squared and weighed.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), got, want)
