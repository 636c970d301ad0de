"""Trains a model: python train.py --config=configs/default.py [--workdir=DIR] [--config.any.field=value].

Writes everything about the run into its directory; the same command resumes an unfinished run.
"""

from pathlib import Path

from absl import flags
from ml_collections import config_flags

from lvae import doors

_CONFIG = config_flags.DEFINE_config_file(
    "config",
    "configs/default.py",
    "Experiment to run: one of the files in configs/, with :ARGUMENT behind it where the file has "
    "variants. Any field is set by --config.field=value.",
    lock_config=True,
)
_WORKDIR = flags.DEFINE_string(
    "workdir",
    None,
    "Run directory: config, metrics, checkpoints, figures. Default: runs/NAME of the config file.",
)
_SEEDS = flags.DEFINE_integer(
    "seeds",
    1,
    "Seeds trained at once, counted from config.seed; above 1 the runs go to WORKDIR/seed-N.",
    lower_bound=1,
)
_COORDINATOR = flags.DEFINE_string(
    "coordinator",
    "",
    "Training on several hosts: address:port of process 0, or auto where the cluster tells JAX. "
    "Default: one process.",
)
_PROCESS_COUNT = flags.DEFINE_integer(
    "process_count", -1, "Number of processes, with --coordinator."
)
_PROCESS_ID = flags.DEFINE_integer(
    "process_id", -1, "Number of this process, from 0, with --coordinator."
)
doors.define_device_flag()


def main() -> None:
    """Parses the flags and trains."""
    from lvae import tasks
    from lvae.training import devices, loop, seeds

    devices.initialize_hosts(_COORDINATOR.value, _PROCESS_COUNT.value, _PROCESS_ID.value)
    doors.check_device()
    config = doors.config_value(_CONFIG)
    task = tasks.find(config.task)
    filename = config_flags.get_config_filename(flags.FLAGS["config"]).split(":")[0]
    workdir = Path(_WORKDIR.value or Path("runs") / Path(filename).stem)
    if _SEEDS.value > 1:
        first = config.seed
        seeds.train_seeds(config, range(first, first + _SEEDS.value), workdir, task)
    else:
        loop.train_and_evaluate(config, workdir, task)


if __name__ == "__main__":
    doors.run(main)
