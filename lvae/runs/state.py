"""The state of a run as a plain pytree, and the step that takes it on."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, Key, PyTree

from lvae.tasks.task import Batch, LossFunction, Variables
from lvae.tasks.training_settings import TrainingSettings

State = dict[str, PyTree]
Metrics = dict[str, Array]
Step = Callable[[State, Batch, Key[Array, ""]], tuple[State, Metrics]]
Dispatch = Callable[
    [State, Batch, Int[Array, "steps batch"], Key[Array, ""]], tuple[State, Metrics]
]


def init_state(
    variables: Variables,
    optimizer: optax.GradientTransformation,
    settings: TrainingSettings,
) -> State:
    """{"params", "buffers", "optimizer", "step"} and, where an average of the params is kept, "ema"."""
    state = {
        "params": variables["params"],
        "buffers": variables.get("buffers", {}),
        "optimizer": optimizer.init(variables["params"]),
        "step": jnp.zeros((), jnp.int32),
    }
    if settings.ema_decay:
        state["ema"] = variables["params"]
    # Weakly typed numbers (of Python's) would be of another type after the first step: compiled twice.
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype=leaf.dtype), state)


def inference_variables(state: Mapping[str, PyTree]) -> Variables:
    """What evaluation and sampling use: the averaged params where the run keeps an average."""
    return {"params": state.get("ema", state["params"]), "buffers": state["buffers"]}


def make_step(
    loss: LossFunction, optimizer: optax.GradientTransformation, settings: TrainingSettings
) -> Step:
    """One optimiser step: `step(state, batch, key) -> (state, metrics)`, pure.

    `key` is the stream's; the step's own number is folded in here.
    """

    def step(state: State, batch: Batch, key: Key[Array, ""]) -> tuple[State, Metrics]:
        key = jax.random.fold_in(key, state["step"])
        gradient = jax.value_and_grad(loss, has_aux=True)
        (value, (parts, buffers)), gradients = gradient(
            state["params"], state["buffers"], batch, key, state["step"]
        )
        updates, optimizer_state = optimizer.update(gradients, state["optimizer"], state["params"])
        params = optax.apply_updates(state["params"], updates)
        new = dict(
            state,
            params=params,
            buffers=buffers,
            optimizer=optimizer_state,
            step=state["step"] + 1,
        )
        if settings.ema_decay:
            new["ema"] = _average(state["ema"], params, state["step"], settings.ema_decay)
        metrics = {
            name: jnp.mean(part, axis=0) if jnp.ndim(part) else part for name, part in parts.items()
        }
        metrics |= {
            "loss": value,
            "gradient_norm": optax.tree.norm(gradients),
            "update_norm": optax.tree.norm(updates),
            "parameter_norm": optax.tree.norm(params),
        }
        return new, metrics

    return step


def _average(ema: PyTree, params: PyTree, step: Array, decay: float) -> PyTree:
    """Exponential average whose window grows with the run: the start is forgotten soon."""
    decay_now = jnp.minimum(decay, (1.0 + step) / (10.0 + step))
    return jax.tree.map(lambda old, new: old + (1.0 - decay_now) * (new - old), ema, params)


def make_dispatch(
    step: Step, constrain: Callable[[Batch], Batch] = lambda batch: batch
) -> Dispatch:
    """Several steps in one call: `dispatch(state, data, indices, key) -> (state, metrics by step)`.

    Args:
      step: from `make_step`.
      constrain: places a gathered batch on the devices.

    `indices` is (steps, batch) into the leading axis of every array of `data`. A single step is not
    wrapped in a scan: XLA on CPUs runs convolutions inside loops on a slow path.
    """

    def one(
        state: State, data: Batch, indices: Int[Array, " batch"], key: Key[Array, ""]
    ) -> tuple[State, Metrics]:
        batch = constrain({name: array[indices] for name, array in data.items()})
        return step(state, batch, key)

    def dispatch(
        state: State, data: Batch, indices: Int[Array, "steps batch"], key: Key[Array, ""]
    ) -> tuple[State, Metrics]:
        if indices.shape[0] == 1:
            state, metrics = one(state, data, indices[0], key)
            return state, jax.tree.map(lambda value: value[None], metrics)
        return jax.lax.scan(lambda carry, rows: one(carry, data, rows, key), state, indices)

    return dispatch
