"""python -m lvae.evaluate: see `lvae.commands.evaluate`."""

from lvae.commands import process
from lvae.commands.evaluate import evaluate, main

__all__ = ["evaluate", "main"]

if __name__ == "__main__":
    process.run_command("evaluate")
