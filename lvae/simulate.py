"""python -m lvae.simulate: see `lvae.commands.simulate`."""

from lvae.commands import process

if __name__ == "__main__":
    process.run_command("simulate")
