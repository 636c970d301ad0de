"""What the prior is trained on, and what it minimises."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, PyTree

from lvae.tasks.brain import slices
from lvae.tasks.brain.prior import below, picturing, planning
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
    if settings.picture.steps:
        grid = below.find(settings).settings.grid
        facts["window"] = picturing.window_of(splits["train"]["image"], grid)
    return spec_of(splits, **facts)


def loss(settings: Settings, spec: Spec) -> LossFunction:
    """Cross-entropy of the codes, in nats per code; with pictures, the flow's loss beside it.

    The frozen encoder runs inside the loss, so that images can be mirrored, shifted and dimmed
    before they become codes: fresh maps every step from the same slices.
    """
    weights, module, codec_settings = (
        settings.loss,
        network(settings, spec),
        below.settings_of(spec),
    )
    grid = codec_settings.grid

    def value(
        params: PyTree, buffers: PyTree, batch: Batch, key: Key[Array, ""], step: Int[Array, ""]
    ) -> Any:
        del step
        plan, flow_loss = None, {}
        images = augmented(batch["image"], jax.random.fold_in(key, 0), weights)
        if settings.plan.components:
            places = planning.places_of(batch["slice"], spec, settings.plan)
            draw_key = jax.random.fold_in(key, 2)
            plan = planning.while_training(buffers["plan"], images, places, draw_key, grid)
        if plan is not None and settings.picture.steps:
            pictures, flow_key = picturing.of_slices(images, grid), jax.random.fold_in(key, 3)
            scale, flow = buffers[picturing.PARAMS], params[picturing.PARAMS]
            flow_loss = {
                "picture_loss": picturing.loss(
                    settings, spec, flow, scale, pictures, plan, flow_key
                )
            }
            few = settings.picture.codes_of
            images, pictures, plan = images[:few], pictures[:few], plan[:few]
            plan = picturing.while_training(
                settings.picture, pictures, plan, jax.random.fold_in(key, 4)
            )
        codes = below.codec_in(codec_settings, buffers).codes_of(images)
        codes = jax.lax.stop_gradient(codes)
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
        total = jnp.mean((1 - weights.label_smoothing) * nats + weights.label_smoothing * smooth)
        total += sum(part.mean() for part in flow_loss.values())
        return total, ({"nats_per_code": nats, **flow_loss}, buffers)

    return value
