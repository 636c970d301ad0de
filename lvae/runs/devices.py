"""Devices and hosts: one mesh over all of them, the batch split along it, the state on each."""

import os
from pathlib import Path

import jax
import numpy as np
from absl import logging
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree

from lvae.errors import UserError


def prepare(device: str) -> None:
    """Chooses the kind of device, "auto" for JAX's own choice, and keeps compiled programs between
    runs.

    Raises:
      UserError: the kind of device that was asked for is absent.
    """
    logging.set_verbosity(logging.WARNING)  # JAX tells which backends it did not find
    cache = cache_folder()
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR") and cache is not None:
        jax.config.update("jax_compilation_cache_dir", str(cache))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    if device != "auto":
        platforms = {"gpu": "cuda,rocm"}.get(device, device)
        jax.config.update("jax_platforms", platforms.split(",")[0])
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # JAX asserts where a platform was asked for
        raise UserError(
            f"--device={device} (JAX_PLATFORMS={os.environ.get('JAX_PLATFORMS', '')}): no such "
            f"device is found here ({' '.join(str(error).split())[:160]}); choose --device=cpu"
        ) from error


def cache_folder() -> Path | None:
    """Where compiled programs are kept; None for a user without a home, as in containers."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        return None
    return base / "lvae"


def initialize_hosts(coordinator: str, process_count: int, process_id: int) -> None:
    """Joins the processes of one run; call it before anything else touches JAX.

    Args:
      coordinator: "address:port" of process 0; "auto" lets JAX ask the cluster; "" for one process.
      process_count: how many processes; -1 where the cluster says.
      process_id: which one this is, from 0; -1 where the cluster says.
    """
    if not coordinator or jax.distributed.is_initialized():
        return
    jax.config.update("jax_enable_preemption_service", False)  # it would keep SIGTERM to itself
    if coordinator == "auto":
        jax.distributed.initialize()
        return
    if process_count < 1 or not 0 <= process_id < process_count:
        raise UserError(
            f"--process_id={process_id}, --process_count={process_count}: with --coordinator give "
            "the number of processes and this one's number, from 0"
        )
    jax.distributed.initialize(coordinator, process_count, process_id)


def is_writer() -> bool:
    """Whether this process writes the records: the first one does."""
    return jax.process_index() == 0


def make_mesh() -> Mesh:
    """All devices of all hosts in a row, along the axis "data"."""
    return jax.make_mesh((jax.device_count(),), ("data",), axis_types=(AxisType.Auto,))


def local_mesh() -> Mesh:
    """The devices of this process only: sampling and evaluation need no other."""
    return jax.make_mesh(
        (len(jax.local_devices()),),
        ("data",),
        axis_types=(AxisType.Auto,),
        devices=jax.local_devices(),
    )


def replicate(tree: PyTree, mesh: Mesh) -> PyTree:
    """Host arrays, the same on every process, as arrays that every device holds whole."""
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def batch_sharding(mesh: Mesh, batch_size: int) -> NamedSharding:
    """How the leading axis of a batch lies on the devices.

    Raises:
      UserError: the batch cannot be split evenly.
    """
    if batch_size % mesh.size:
        raise UserError(
            f"config.training.batch_size={batch_size}: cannot be split over {mesh.size} devices; "
            f"choose a multiple of {mesh.size}"
        )
    return NamedSharding(mesh, PartitionSpec("data"))


def to_host(tree: PyTree) -> PyTree:
    """NumPy copies of replicated arrays, from this process's own devices."""
    return jax.tree.map(lambda array: np.asarray(array.addressable_data(0)), tree)
