"""Flags of commands: argparse, with mistakes as one line and modes that bring their own flags."""

import argparse
import dataclasses
import typing
from pathlib import Path
from typing import Any, NoReturn

from lvae import cluster
from lvae.commands.process import DEVICES
from lvae.errors import UserError


class Parser(argparse.ArgumentParser):
    """Flags are written --name=value; what is not understood is a UserError. Help names a default
    where it is a value that could be given; where it is not, the help's text says what happens."""

    def __init__(self, **settings: Any):
        super().__init__(allow_abbrev=False, **settings)

    def add_argument(self, *names: Any, **settings: Any) -> argparse.Action:
        default = settings.get("default")
        unset = default is None or default is argparse.SUPPRESS or default in ("", -1)
        if names[0].startswith("-") and not unset:
            settings["help"] = f"{settings.get('help', '')} (default: %(default)s)".strip()
        return super().add_argument(*names, **settings)

    def error(self, message: str) -> NoReturn:
        if message.startswith("unrecognized arguments: "):
            refuse_unknown(message.removeprefix("unrecognized arguments: ").split())
        raise UserError(f"{message}; see --help")


def refuse_unknown(words: list[str], known: str = "see --help") -> None:
    """Raises a UserError about the first word that no flag has taken."""
    if words:
        raise UserError(f"{words[0]}: not understood; options are written --name=value; {known}")


def path(text: str) -> Path:
    """A path; ~ is the user's home.

    Raises:
      argparse.ArgumentTypeError: the text is empty, or there is no such home.
    """
    if not text:
        raise argparse.ArgumentTypeError("is empty; name a file or folder")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error}") from error


def boolean(text: str) -> bool:
    """true or false, in the spellings that are in use.

    Raises:
      argparse.ArgumentTypeError: another word.
    """
    words = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}
    if text.lower() not in words:
        raise argparse.ArgumentTypeError(f"{text}: write true or false")
    return words[text.lower()]


def positive(text: str) -> int:
    """A whole number of at least 1.

    Raises:
      argparse.ArgumentTypeError: no number, or a smaller one.
    """
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected a whole number of at least 1")
    return number


def add_run_directory(parser: argparse.ArgumentParser) -> None:
    """RUN, or --workdir=RUN as other commands have it; `chosen_directory` takes either."""
    parser.add_argument("run", nargs="?", type=path, metavar="RUN", help="Run directory.")
    parser.add_argument("--workdir", type=path, metavar="RUN", help="The same as RUN.")


def chosen_directory(chosen: argparse.Namespace) -> Path:
    """The run directory of `add_run_directory`.

    Raises:
      UserError: none is named, or two, or there is no such directory.
    """
    if (chosen.run is None) == (chosen.workdir is None):
        raise UserError("name one run directory, as RUN or --workdir=RUN; see --help")
    run: Path = chosen.run or chosen.workdir
    if not run.is_dir():
        raise UserError(f"{run}: no such run directory; train first, or name another")
    return run


def add_run(parser: argparse.ArgumentParser, purpose: str) -> None:
    """--workdir and --model, either of which names a trained run."""
    parser.add_argument("--workdir", type=path, default=Path("runs/default"), help=purpose)
    parser.add_argument(
        "--model", type=path, help="The file of a model, of lvae export, in place of --workdir."
    )


def chosen_run(chosen: argparse.Namespace, words: list[str]) -> Path:
    """What names the trained run: a directory, or the file of a model.

    Raises:
      UserError: both are given, or there is no such file.
    """
    if chosen.model is None:
        return chosen.workdir
    if any(word.split("=")[0] == "--workdir" for word in words):
        raise UserError(f"--workdir, --model={chosen.model}: name one of the two")
    if not chosen.model.is_file():
        raise UserError(f"--model={chosen.model}: no such file; lvae export makes one of a run")
    return chosen.model


def add_device(parser: argparse.ArgumentParser) -> None:
    """--device, the same for every command."""
    parser.add_argument(
        "--device",
        default="auto",
        choices=DEVICES,
        help="Kind of device to compute on. auto takes the fastest that JAX finds; any other kind "
        "is an error where it is absent.",
    )


def add_hosts(parser: argparse.ArgumentParser) -> None:
    """--coordinator and what goes with it."""
    parser.add_argument(
        "--coordinator",
        default="",
        help="Several hosts: address:port of process 0, or auto where the cluster tells JAX. "
        "Empty: one process.",
    )
    parser.add_argument(
        "--process_count", type=int, default=-1, help="Number of processes, with --coordinator."
    )
    parser.add_argument(
        "--process_id", type=int, default=-1, help="This process, from 0, with --coordinator."
    )


def add_cluster(parser: argparse.ArgumentParser, purpose: str) -> None:
    """--cluster; `lvae.cluster.check` says whether a value is valid."""
    parser.add_argument(
        "--cluster",
        default=cluster.HERE,
        help=f"{purpose} {cluster.FORMS}: this process, N processes, a running Dask scheduler, jobs of "
        "Slurm or pods of Kubernetes as FILE says (docs/cluster.md).",
    )


def mode_parser(mode: str, options: type, help: str) -> Parser:
    """A parser of a mode's own flags."""
    parser = Parser(
        prog=f"--mode={mode}", usage=argparse.SUPPRESS, description=help, add_help=False
    )
    hints = typing.get_type_hints(options)
    for field in dataclasses.fields(options):
        kind = hints[field.name]
        parser.add_argument(
            f"--{field.name}",
            type=boolean if kind is bool else _required(kind),
            default=field.default,
            help=field.metadata.get("help", ""),
        )
    return parser


def _required(kind: Any) -> Any:
    """X of X | None."""
    members = [member for member in typing.get_args(kind) if member is not type(None)]
    return members[0] if members else kind


def mode_options(mode: str, options: type, words: list[str], help: str) -> Any:
    """The words that no common flag has taken, as an instance of the mode's own options.

    Raises:
      UserError: the mode has no such option, or a value is not what it should be.
    """
    names = [field.name for field in dataclasses.fields(options)]
    values, rest = mode_parser(mode, options, help).parse_known_args(words)
    known = ", ".join(f"--{name}" for name in names) or "no options of its own"
    refuse_unknown(rest, f"--mode={mode} knows {known}")
    from lvae.tasks.task import check_options

    chosen = options(**vars(values))
    check_options(chosen)
    return chosen
