"""The prior as a network, where it starts, and how surprised it is by the codes of a map."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree

from lvae.models import pixelcnn
from lvae.models.batching import in_batches
from lvae.tasks.brain.codec.codec import Maps
from lvae.tasks.brain.prior import below, picturing, planning
from lvae.tasks.brain.prior.planning import PlanMaps
from lvae.tasks.brain.prior.settings import ModelSettings, Settings
from lvae.tasks.brain.slices import spread_out
from lvae.tasks.task import Run, Spec, Splits, Variables

TABLE_SLICES = 256  # training slices whose codes the table of places starts from


def network(settings: Settings, spec: Spec) -> pixelcnn.PixelCNN:
    """The network for the codes of the VQ-VAE below."""
    codec = below.settings_of(spec)
    reader = settings.plan.width if settings.plan.components else 0
    levels = picturing.SIDE**2 if settings.picture.steps else 0
    return build(settings.model, codec.model.codes, codec.grid, reader, levels)


def build(
    model: ModelSettings, codes: int, grid: tuple[int, int], reader: int = 0, levels: int = 0
) -> pixelcnn.PixelCNN:
    """The network for a number of codes and the rows and columns of a map; reader: width of what
    reads plans, 0 without; levels: grey values of a picture per code, 0 without."""
    return pixelcnn.PixelCNN(codes, grid, reader=reader, levels=levels, **dataclasses.asdict(model))


def init(settings: Settings, spec: Spec, key: Key[Array, ""]) -> Variables:
    """{"params": network, "buffers": {"codec": the frozen VQ-VAE}}; `prepare` fills in the latter."""
    module = network(settings, spec)
    blank = jnp.zeros((1, *module.grid), jnp.int32)
    buffers: dict[str, PyTree] = {"codec": below.blank(spec)}
    plan = None
    if module.reader:
        buffers["plan"] = planning.blank(settings.plan, module.grid)
        plan = picturing.readable(settings, jnp.zeros((1, *module.grid, 2)))
    params = dict(module.init(key, blank, plan=plan)["params"])
    if settings.picture.steps:
        picture_key = jax.random.fold_in(key, 1)
        params[picturing.PARAMS], buffers[picturing.PARAMS] = picturing.init(
            settings, spec, picture_key
        )
    return {"params": params, "buffers": buffers}


def prepare(settings: Settings, variables: Variables, splits: Splits) -> Variables:
    """The VQ-VAE that `settings.vqvae` names, with whose codes the prior starts.

    A network with places starts at the shares of the codes of training slices at every place, a
    tied one at the vectors of the codes.
    """
    codec = below.trained(settings)
    model, params = settings.model, dict(variables["params"])
    if model.places:
        some = spread_out(splits["train"]["image"], TABLE_SLICES)
        params["table"] = np.asarray(_table(jnp.asarray(codec.encode(some)), codec.size))
    if model.tied:
        vectors = jnp.asarray(codec.vectors)
        params["embed"] = {"embedding": np.asarray(_vectors(vectors, model.embedding))}
    frozen = {"network": codec.params, "vectors": np.asarray(codec.vectors)}
    buffers: dict[str, PyTree] = {"codec": frozen}
    if settings.plan.components:
        buffers["plan"] = planning.fitted(settings, splits["train"], codec.grid)
    if settings.picture.steps:
        buffers[picturing.PARAMS] = picturing.scales(
            settings, buffers["plan"], splits["train"], codec.grid
        )
        params["evidence"] = picturing.evidence(codec, splits["train"])
    return {"params": params, "buffers": buffers}


_table = jax.jit(pixelcnn.place_logits, static_argnums=1)
_vectors = jax.jit(pixelcnn.code_features, static_argnums=1)


def surprises(
    run: Run[Settings], codes: Maps, plan: PlanMaps | None = None
) -> Float[np.ndarray, "n rows columns"]:
    """-ln p of every code of every map given those before it and the plan, in nats."""
    module = network(run.settings, run.spec)
    function = functools.partial(_surprises, module, run.variables["params"])
    given = () if plan is None else (picturing.readable(run.settings, plan),)
    return in_batches(function, codes, *given, size=run.settings.evaluation.batch_size)


@functools.partial(jax.jit, static_argnums=0)
def _surprises(
    module: pixelcnn.PixelCNN, params: PyTree, codes: Array, plan: Array | None = None
) -> Array:
    logits: Any = module.apply({"params": params}, codes, plan=plan)
    return -pixelcnn.log_likelihood(logits, codes)
