"""lvae COMMAND: `lvae --help` lists the commands."""

import importlib
import sys

from lvae.commands import process
from lvae.errors import UserError
from lvae.version import __version__

COMMANDS = {
    "configs": "list the shipped configs",
    "train": "train a model into a run directory",
    "sample": "draw from a trained run",
    "evaluate": "print numbers about a trained run",
    "explore": "change codes by hand, in the browser",
    "audit": "test what a drawn set and its model give away",
    "export": "write a trained run as one file",
    "report": "make one HTML page of a run",
    "inspect": "show what a config's reader finds, before training",
    "simulate": "write simulated recordings",
    "sweep": "train an experiment with many values of its fields",
    "merge": "make one manifest of those of all shards",
}


def main() -> None:
    """The console script."""
    process.run(command)


def command(words: list[str]) -> None:
    """Runs the command that the first word names on the others.

    Raises:
      UserError: there is none of that name.
    """
    if words[:1] in (["--version"], ["-V"]):
        print(__version__)
        return
    if not words or words[0] in ("--help", "-h", "help"):
        print("usage: lvae COMMAND [--name=value ...]; lvae COMMAND --help\n")
        for name, meaning in COMMANDS.items():
            print(f"  {name:<10} {meaning}")
        return
    if words[0] not in COMMANDS:
        raise UserError(f"{words[0]}: no such command; there are {', '.join(COMMANDS)}")
    sys.argv[0] = f"lvae {words[0]}"
    importlib.import_module(f"lvae.commands.{words[0]}").main(words[1:])
