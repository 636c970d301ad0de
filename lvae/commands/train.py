"""Trains a model: train.py --config=configs/default.py [--workdir=DIR] [--config.any.field=value].

Writes everything about the run into its directory; the same command resumes an unfinished run.
"""

import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from ml_collections import ConfigDict

from lvae import cluster, experiments
from lvae.commands import arguments, process
from lvae.errors import UserError
from lvae.storage.trackers import check

DEFAULT = "default"


def main(words: list[str]) -> None:
    """Parses the flags and trains."""
    config_words = [word for word in words if is_config(word)]
    chosen = _parser().parse_args([word for word in words if word not in config_words])
    file, config = read_config(config_words)
    elsewhere = cluster.check(chosen.cluster) != cluster.HERE
    if elsewhere and (chosen.seeds == 1 or chosen.coordinator):
        raise UserError(
            f"--cluster={chosen.cluster}: trains one seed a call; give --seeds, and no --coordinator"
        )
    trackers = check([name for name in chosen.trackers.split(",") if name])
    process.initialize_hosts(chosen)
    process.prepare_jax(chosen.device)

    from lvae.runs import devices, loop, spreading
    from lvae.tasks import registry

    task = registry.find(config.task)
    workdir = chosen.workdir or Path("runs") / Path(file).stem
    if chosen.seeds > 1:
        seeds = range(config.seed, config.seed + chosen.seeds)
        if elsewhere:
            spreading.train_seeds(config, seeds, workdir, chosen.cluster, chosen.device, trackers)
        else:
            loop.train_seeds(task, config, seeds, workdir, trackers)
    else:
        loop.train(task, config, workdir, trackers)
        if devices.is_writer():
            print(following(workdir, list(task.modes)), file=sys.stderr)


def following(workdir: Path, modes: Sequence[str]) -> str:
    """What a complete run is for."""
    place = shlex.quote(str(workdir))
    draw = f"lvae sample --workdir={place} --mode=MODE ({', '.join(modes)})"
    return f"{workdir}: figures in {workdir / 'figures'}; next: {draw}, lvae report {place}"


def _parser() -> arguments.Parser:
    parser = arguments.Parser(description=__doc__)
    parser.add_argument(
        "--config",
        default=DEFAULT,
        metavar="NAME[:VARIANT]",
        help="Experiment to run: one that `lvae configs` lists or a file, as configs/default.py, "
        "with :VARIANT behind it where it has variants. Any field is set by --config.field=value.",
    )
    parser.add_argument(
        "--workdir",
        type=arguments.path,
        help="Run directory: config, metrics, checkpoints, figures. Default: runs/NAME of the "
        "config file.",
    )
    parser.add_argument(
        "--seeds",
        type=arguments.positive,
        default=1,
        help="Seeds trained at once, counted from config.seed; above 1 the runs go to "
        "WORKDIR/seed-N.",
    )
    arguments.add_cluster(parser, "Where the seeds are trained, one a call:")
    parser.add_argument(
        "--trackers",
        default="",
        metavar="NAME,...",
        help="Where numbers go beside TensorBoard: mlflow, wandb, or both. Their own environment "
        "variables say where to (MLFLOW_TRACKING_URI, WANDB_MODE, ...).",
    )
    arguments.add_hosts(parser)
    arguments.add_device(parser)
    return parser


def is_config(word: str) -> bool:
    """Whether a word of the command line is about the config."""
    return word.startswith("-") and word.lstrip("-").split("=")[0].split(".")[0] == "config"


def read_config(words: list[str]) -> tuple[str, ConfigDict]:
    """(file, config) of --config=NAME[:VARIANT], or a file's name, and --config.field=value.

    Raises:
      UserError: no such file, variant or field, or a value of another type.
    """
    from absl import flags
    from ml_collections import config_flags

    for word in words:
        if "=" not in word:
            raise UserError(f"{word}: has no value; write {word}=VALUE")
    file = next((word for word in words if word.startswith("--config=")), f"--config={DEFAULT}")
    path = experiments.located(file.removeprefix("--config="))
    given = [f"--config={path}", *(word for word in words if not word.startswith("--config="))]
    values = flags.FlagValues()
    config_flags.DEFINE_config_file(
        "config", lock_config=True, flag_values=values, sys_argv=["lvae", *given]
    )
    try:
        values(["lvae", *given])
        config: ConfigDict = values["config"].value
        str(config.task)  # what could not be loaded says so only when it is used
    except flags.Error as error:
        text = process.one_line(error).replace("Error whilst parsing config file: ", "")
        raise UserError(text.removeprefix("flag ").replace("ValueError: ", "")) from error
    except OSError as error:
        known = ", ".join(experiments.names())
        raise UserError(f"{file}: no such file; or name one of {known}") from error
    except (AttributeError, KeyError, TypeError, ValueError, UserError) as error:
        raise UserError(_described(error, file, words)) from error
    return file.removeprefix("--config=").split(":")[0], _expanded(config)


def _described(error: Exception, file: str, words: list[str]) -> str:
    """An error of a config's own, by the word of the command line that it is about."""
    text = process.one_line(error)
    unknown = re.match(r"'(\w+)'(?: Did you mean \"(\w+)\")?", text)
    if not unknown:
        return f"{file}: {text}; see the file for its fields"
    about = next((word for word in words if f".{unknown[1]}" in word.split("=")[0]), file)
    hint = f"did you mean {unknown[2]}?" if unknown[2] else f"see {file} for its fields"
    return f"{about}: no such field {unknown[1]}; {hint}"


def _expanded(config: ConfigDict) -> ConfigDict:
    """~ of paths is the user's home."""
    data = config.get("data")
    if data is not None and str(data.get("path", "")).startswith("~"):
        data.path = str(arguments.path(data.path))
    return config
