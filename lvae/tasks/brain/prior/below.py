"""The VQ-VAE below the prior.

Training reads it from the run that `settings.vqvae` names. Its settings then lie in the prior's
spec and its weights in the prior's buffers, so that the prior's run is whole without it.
"""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import PyTree
from ml_collections import ConfigDict

from lvae import configuration
from lvae.data.brain import DataSettings
from lvae.errors import UserError
from lvae.storage import checkpoints
from lvae.tasks import restoring
from lvae.tasks.brain.codec import task as codec_task
from lvae.tasks.brain.codec.codec import Codec, codec_of
from lvae.tasks.brain.codec.network import network_of
from lvae.tasks.brain.codec.settings import Settings as CodecSettings
from lvae.tasks.brain.prior.settings import Settings
from lvae.tasks.task import Spec, Variables

NAME = "vqvae"  # of the codec's task


class Below(NamedTuple):
    """A run of the codec: where it is, and its config."""

    workdir: Path
    config: ConfigDict
    settings: CodecSettings


def find(settings: Settings) -> Below:
    """The run that `settings.vqvae` names; its weights are not read.

    Raises:
      UserError: none is named, or no such run is in the directory.
    """
    named = settings.vqvae
    if not named:
        raise UserError(
            "--config.vqvae: no run directory is named; train one with train.py "
            "--config=configs/vqvae_brain.py, then give --config.vqvae=runs/vqvae_brain"
        )
    workdir = Path(named).expanduser().resolve()
    if not (workdir / "config.json").exists():
        where = "" if str(workdir) == named else f" (that is {workdir})"
        raise UserError(
            f"--config.vqvae={named}: there is no run of a VQ-VAE{where}; bring it back, name another, or "
            f"train it with train.py --config=configs/vqvae_brain.py --workdir={named}"
        )
    _, config = restoring.read_task(workdir)
    if config.task != NAME:
        raise UserError(
            f"--config.vqvae={named}: is a run of the task {config.task}; name one of the task "
            f"{NAME}, trained with configs/vqvae_brain.py"
        )
    return Below(workdir, config, configuration.parse(CodecSettings, config))


def facts(below: Below) -> dict[str, Any]:
    """What the prior's spec keeps of the codec: its config."""
    return {"codec": configuration.to_dict(configuration.to_config(NAME, below.settings))}


def settings_of(spec: Spec) -> CodecSettings:
    """The codec's settings, from the prior's spec."""
    return configuration.parse(CodecSettings, spec.facts["codec"])


def data_of(codec: CodecSettings, settings: Settings) -> DataSettings:
    """The slices that the codec was trained on, or those under the prior's own path."""
    path = settings.data.path
    return dataclasses.replace(codec.data, path=path) if path else codec.data


def blank(spec: Spec) -> dict[str, PyTree]:
    """Buffers for the codec, without its weights: {"network", "vectors"}."""
    codec = settings_of(spec)
    images = jax.ShapeDtypeStruct((1, codec.data.size, codec.data.size, 1), jnp.float32)
    shapes = jax.eval_shape(network_of(codec.model).init, jax.random.key(0), images)["params"]
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    return {"network": zeros, "vectors": jnp.zeros((codec.model.codes, codec.model.dimension))}


def trained(settings: Settings) -> Codec:
    """The codec of the run that `settings.vqvae` names.

    Raises:
      UserError: see `find`; or it has no checkpoint yet, or a damaged one.
    """
    below = find(settings)
    if not checkpoints.saved_steps(below.workdir):
        raise UserError(
            f"--config.vqvae={settings.vqvae}: has no checkpoint yet; let its training come to one"
        )
    return codec_of(restoring.load_run(codec_task.TASK, below.config, below.workdir))


def codec_in(codec: CodecSettings, buffers: PyTree) -> Codec:
    """The codec that the prior's buffers hold; `buffers` may be traced."""
    return Codec(codec, buffers["codec"]["network"], buffers["codec"]["vectors"])


def codec_below(spec: Spec, variables: Variables) -> Codec:
    """The codec of a trained prior."""
    return codec_in(settings_of(spec), variables["buffers"])
