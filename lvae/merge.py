"""python -m lvae.merge: see `lvae.commands.merge`."""

from lvae.commands import process

if __name__ == "__main__":
    process.run_command("merge")
