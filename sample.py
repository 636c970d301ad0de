"""Draws from a trained run: python sample.py --mode=MODE [--workdir=DIR] [--out=DIR].

The run directory holds everything that is needed: the config and the newest checkpoint.
"""

from pathlib import Path

from absl import flags

from lvae import doors

_MODE = flags.DEFINE_string(
    "mode", None, "What to do; an unknown mode lists those that the run's task offers."
)
_WORKDIR = flags.DEFINE_string("workdir", "runs/default", "Run directory to draw from.")
_OUT = flags.DEFINE_string(
    "out", None, "Folder to write to; nothing else is touched. Default: WORKDIR/samples/MODE."
)
_SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of everything random. A sample depends on it and on its own number alone."
)
_NUM_SAMPLES = flags.DEFINE_integer(
    "num_samples",
    None,
    "Samples in all. Default: the mode's own (noise: 4 a frame).",
    lower_bound=1,
)
_FACTOR = flags.DEFINE_float(
    "factor",
    1.0,
    "Multiplies the noise of the sampling layer, or a prior's temperature; 0 gives the mean, or the "
    "likeliest.",
    lower_bound=0.0,
)
_DATA = flags.DEFINE_string(
    "data", None, "Input: a folder or file of the task's own kind. Default: the training split."
)
_POSTPROCESS = flags.DEFINE_bool(
    "postprocess", True, "Smooth decoded grids and drop irregular points; false keeps them raw."
)
_FORMAT = flags.DEFINE_enum(
    "format",
    "files",
    ["files", "webdataset", "parquet"],
    "Layout of a data set: a JSON and a PNG a sample, tar shards, or Parquet files.",
)
_SHARD = flags.DEFINE_string(
    "shard", "0/1", "Part i/n of the samples, i from 0: n processes share the work, in any order."
)
_COORDINATOR = flags.DEFINE_string(
    "coordinator",
    "",
    "Drawing on several hosts: address:port of process 0, or auto; each process draws its shard.",
)
_PROCESS_COUNT = flags.DEFINE_integer(
    "process_count", -1, "Number of processes, with --coordinator."
)
_PROCESS_ID = flags.DEFINE_integer(
    "process_id", -1, "Number of this process, from 0, with --coordinator."
)
doors.define_device_flag()


def main() -> None:
    """Parses the flags and draws."""
    from lvae import sampling
    from lvae.tasks.interface import SamplingOptions
    from lvae.training import devices

    devices.initialize_hosts(_COORDINATOR.value, _PROCESS_COUNT.value, _PROCESS_ID.value)
    doors.check_device()
    workdir = Path(_WORKDIR.value)
    mode = _MODE.value or ""
    sampling.sample(
        workdir,
        SamplingOptions(
            mode=mode,
            out=Path(_OUT.value) if _OUT.value else workdir / "samples" / mode,
            seed=_SEED.value,
            num_samples=_NUM_SAMPLES.value,
            factor=_FACTOR.value,
            data=Path(_DATA.value) if _DATA.value else None,
            postprocess=_POSTPROCESS.value,
            format=_FORMAT.value,
            shard=sampling.parse_shard(_SHARD.value),
        ),
    )


if __name__ == "__main__":
    doors.run(main)
