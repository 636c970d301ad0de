"""python -m lvae.simulate: see `lvae.commands.simulate`."""

from lvae.commands import process
from lvae.commands.simulate import main

__all__ = ["main"]

if __name__ == "__main__":
    process.run(main)
