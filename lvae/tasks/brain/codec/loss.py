"""What the VQ-VAE is trained on, where its codebook starts, and what it minimises."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from lvae.imaging.levels import from_levels
from lvae.imaging.texture import texture_error
from lvae.keys import stream
from lvae.metrics.images import ssim
from lvae.models import quantizer
from lvae.tasks.brain import slices
from lvae.tasks.brain.codec.network import features_of, has_texture, network_of
from lvae.tasks.brain.codec.quantising import quantise
from lvae.tasks.brain.codec.settings import EmaModel, Settings
from lvae.tasks.task import Batch, LossFunction, Spec, Splits, Variables, spec_of

# Of a program that runs once: compiles three times faster.
QUICK: dict[str, str | bool] = {"xla_backend_optimization_level": "1"}


def load_data(settings: Settings) -> Splits:
    """Slices by subject; see `lvae.tasks.brain.slices.load`."""
    return slices.load(settings.data)


def spec(settings: Settings, splits: Splits) -> Spec:
    """Shapes, and the variance of the training pixels in [0, 1]."""
    del settings
    return spec_of(splits, variance=float(np.var(splits["train"]["image"] / 255.0)))


def prepare(settings: Settings, variables: Variables, splits: Splits) -> Variables:
    """The EMA codebook at the clusters of the untrained encoder's features of training slices."""
    model = settings.model
    if not isinstance(model, EmaModel):
        return variables
    some = slices.spread_out(splits["train"]["image"], model.kmeans_slices)
    rows, columns = settings.grid
    codes_per_step = settings.training.batch_size * rows * columns
    clusters = _clusters(model, variables["params"]["network"], some, settings.seed)
    book = quantizer.codebook_from(clusters, codes_per_step / model.codes)
    filled = {**variables["buffers"], "codebook": jax.tree.map(np.asarray, dict(book))}
    return {**variables, "buffers": filled}


def _clusters(
    model: EmaModel, params: PyTree, images: slices.Slices, seed: int
) -> Float[Array, "k dimension"]:
    """Centres of the features of some images. Everything is a constant of the program: as arguments
    they give centres that differ in the last digit."""

    @jax.jit
    def found() -> Array:
        vectors = features_of(model, params, jnp.asarray(images)).reshape(-1, model.dimension)
        key = jax.random.fold_in(stream(seed, "init"), 1)
        return quantizer.kmeans(vectors, model.codes, key, model.kmeans_iterations)

    return found.lower().compile(QUICK)()


def loss(settings: Settings, spec: Spec) -> LossFunction:
    """Reconstruction (squared error over the data's variance, 1 - SSIM) and the quantiser's terms.

    Codes are counted over an epoch: `codes_used_share`, `perplexity` and `dead_share` are those of
    the last whole one.
    """
    model, weights = settings.model, settings.loss
    network, variance = network_of(model), spec.facts["variance"]
    steps_per_epoch = max(1, spec.examples // settings.training.batch_size)

    def value(
        params: PyTree, buffers: PyTree, batch: Batch, key: Key[Array, ""], step: Int[Array, ""]
    ) -> Any:
        images = from_levels(batch["image"])
        if weights.mirror:
            images = slices.mirrored(images, jax.random.fold_in(key, 2))
        images = images[..., None]
        network_params = {"params": params["network"]}
        features: Any = network.apply(network_params, images, method="encode")
        found = quantise(settings, params, buffers, features.reshape(-1, model.dimension), key)
        vectors = found.vectors.reshape(features.shape)
        noise: tuple[Array, ...] = ()
        if has_texture(model):
            draw_key = jax.random.fold_in(key, 3)
            noise = (jax.random.normal(draw_key, (*features.shape[:3], 16)),)
        decoded: Any = network.apply(network_params, vectors, *noise, method="decode")
        errors = jnp.mean((decoded - images) ** 2, axis=(1, 2, 3))
        likeness = ssim(decoded, images)
        extra = found.terms.reshape(len(images), -1).mean(1)
        total = errors / variance + weights.ssim * (1 - likeness) + extra
        parts = {"squared_error": errors, "ssim": likeness, "quantiser": extra}
        if weights.texture:
            parts["texture"] = texture_error(decoded[..., 0], images[..., 0])
            total = total + weights.texture * parts["texture"]
        buffers = _counted(buffers, quantizer.uses(found.codes, model.codes), step, steps_per_epoch)
        if found.book is not None:
            buffers["codebook"] = dict(found.book)
        return jnp.mean(total), (parts | code_use(buffers["uses"]), buffers)

    return value


def _counted(
    buffers: PyTree, uses: Float[Array, " k"], step: Int[Array, ""], steps_per_epoch: int
) -> dict[str, PyTree]:
    """Buffers with a step's uses added; `uses` is replaced where an epoch ends, and follows along
    in the first one."""
    epoch_ends = (step + 1) % steps_per_epoch == 0
    now = buffers["epoch_uses"] + uses
    last = jnp.where(epoch_ends | (step < steps_per_epoch), now, buffers["uses"])
    return {**buffers, "uses": last, "epoch_uses": jnp.where(epoch_ends, 0.0, now)}


def code_use(counts: Float[Array, " k"]) -> dict[str, Array]:
    """Used and dead share of the codebook, and the perplexity of the uses."""
    used = quantizer.used_share(counts)
    return {
        "codes_used_share": used,
        "dead_share": 1 - used,
        "perplexity": quantizer.perplexity(counts),
    }
