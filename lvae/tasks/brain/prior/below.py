"""The VQ-VAE below the prior: the run that `config.vqvae` names, its data and its codes."""

import functools
import zlib
from pathlib import Path
from typing import Any

import jax
import numpy as np

from lvae import configuration
from lvae.configuration import section
from lvae.errors import UserError
from lvae.tasks import vqvae
from lvae.tasks.interface import Variables
from lvae.tasks.pixelcnn.settings import DataConfig
from lvae.tasks.vqvae.codec import Codec


def vqvae_run(config: Any) -> tuple[Any, Variables]:
    """Config and variables of the VQ-VAE whose codes are modelled.

    Raises:
      UserError: none is named, or there is no run of that task in the directory.
    """
    directory = str(config.vqvae)
    if not directory:
        raise UserError(
            "--config.vqvae: no run directory is named; train one with train.py "
            "--config=configs/vqvae_brain.py, then give --config.vqvae=runs/vqvae_brain"
        )
    path = Path(directory)
    if not (path / "config.json").exists():
        raise UserError(
            f"--config.vqvae={directory}: no VQ-VAE run there (no config.json); train it with "
            f"train.py --config=configs/vqvae_brain.py --workdir={directory}"
        )
    newest = max((item.stat().st_mtime for item in path.iterdir()), default=0.0)
    return _restored(str(path.resolve()), newest)


@functools.lru_cache(maxsize=2)
def _restored(directory: str, _: float) -> tuple[Any, Variables]:
    from lvae.training import records, restore

    config = records.read_config(Path(directory))
    if config.task != "vqvae":
        raise UserError(
            f"--config.vqvae={directory}: a run of the task {config.task}; expected one of vqvae"
        )
    return config, restore.restore_variables(Path(directory), config, vqvae)


def data_config(config: Any) -> Any:
    """The VQ-VAE's config with this run's data path, where it names one."""
    vqvae_config, _ = vqvae_run(config)
    path = section(DataConfig, config.data, "data").path
    if path:
        vqvae_config = configuration.from_json(configuration.to_json(vqvae_config))
        vqvae_config.data.path = path
    return vqvae_config


def codec_of(config: Any) -> Codec:
    """The VQ-VAE as functions."""
    return Codec(*vqvae_run(config))


def check_codes(config: Any, variables: Variables) -> Codec:
    """The VQ-VAE as functions, if it is the one that the prior was trained on.

    Raises:
      UserError: it is another one.
    """
    vqvae_config, below = vqvae_run(config)
    trained_on = int(np.asarray(variables["buffers"]["fingerprint"]))
    if trained_on != fingerprint(below):
        raise UserError(
            f"--config.vqvae={config.vqvae}: its codes are not those this prior was trained on "
            f"(fingerprint {fingerprint(below):08x}, trained on {trained_on:08x}); train the prior "
            "again, or bring back the VQ-VAE run as it was"
        )
    return Codec(vqvae_config, below)


def fingerprint(variables: Variables) -> int:
    """A number that tells one trained VQ-VAE from another: CRC-32 of everything codes depend on."""
    value = 0
    relevant = (variables["params"], variables["buffers"].get("codebook", {}))
    for leaf in jax.tree.leaves(relevant):
        value = zlib.crc32(np.ascontiguousarray(leaf).tobytes(), value)
    return value
