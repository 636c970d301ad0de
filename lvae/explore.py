"""python -m lvae.explore: see `lvae.commands.explore`."""

from lvae.commands import process

if __name__ == "__main__":
    process.run_command("explore")
