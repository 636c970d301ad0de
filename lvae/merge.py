"""python -m lvae.merge: see `lvae.commands.merge`."""

from lvae.commands import process
from lvae.commands.merge import main

__all__ = ["main"]

if __name__ == "__main__":
    process.run(main)
