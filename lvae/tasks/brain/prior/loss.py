"""What the prior is trained on, and what it minimises."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, PyTree

from lvae.tasks.brain import slices
from lvae.tasks.brain.prior import below, planning
from lvae.tasks.brain.prior.augmentation import augmented
from lvae.tasks.brain.prior.network import network
from lvae.tasks.brain.prior.settings import Settings
from lvae.tasks.task import Batch, LossFunction, Spec, Splits, spec_of


def load_data(settings: Settings) -> Splits:
    """The slices that the VQ-VAE was trained on, in its splits (or those under `data.path`)."""
    return slices.load(below.data_of(below.find(settings).settings, settings))


def reload_data(settings: Settings, spec: Spec) -> Splits:
    """The same without the VQ-VAE's run."""
    return slices.load(below.data_of(below.settings_of(spec), settings))


def spec(settings: Settings, splits: Splits) -> Spec:
    """Shapes, the config of the VQ-VAE below, and how the slices of a head are counted."""
    facts = below.facts(below.find(settings))
    if settings.plan.components:
        facts["last_slice"] = int(splits["train"]["slice"].max())
    return spec_of(splits, **facts)


def loss(settings: Settings, spec: Spec) -> LossFunction:
    """Cross-entropy of the codes, in nats per code.

    The frozen encoder runs inside the loss, so that images can be mirrored, shifted and dimmed
    before they become codes: fresh maps every step from the same slices.
    """
    weights, module, codec_settings = (
        settings.loss,
        network(settings, spec),
        below.settings_of(spec),
    )

    def value(
        params: PyTree, buffers: PyTree, batch: Batch, key: Key[Array, ""], step: Int[Array, ""]
    ) -> Any:
        del step
        plan = None
        codec = below.codec_in(codec_settings, buffers)
        images = augmented(batch["image"], jax.random.fold_in(key, 0), weights)
        codes = jax.lax.stop_gradient(codec.codes_of(images))
        if settings.plan.components:
            places = planning.places_of(batch["slice"], spec, settings.plan)
            draw_key = jax.random.fold_in(key, 2)
            plan = planning.while_training(
                buffers["plan"], images, places, draw_key, codec_settings.grid
            )
        logits: Any = module.apply(
            {"params": params},
            codes,
            training=True,
            plan=plan,
            rngs={"dropout": jax.random.fold_in(key, 1)},
        )
        logs = jax.nn.log_softmax(logits)
        nats = -jnp.take_along_axis(logs, codes[..., None], axis=-1)[..., 0].mean((1, 2))
        smooth = -logs.mean((1, 2, 3))
        total = (1 - weights.label_smoothing) * nats + weights.label_smoothing * smooth
        return jnp.mean(total), ({"nats_per_code": nats}, buffers)

    return value
