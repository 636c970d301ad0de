"""Draws from a trained run: python sample.py --mode=MODE [--workdir=DIR] [--out=DIR]; see --help."""

from lvae.commands import process

if __name__ == "__main__":
    process.run_command("sample")
