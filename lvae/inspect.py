"""python -m lvae.inspect: see `lvae.commands.inspect`."""

from lvae.commands import process

if __name__ == "__main__":
    process.run_command("inspect")
