"""Trains a model: python train.py --config=configs/default.py [--workdir=DIR]; see --help."""

from lvae.commands import process

if __name__ == "__main__":
    process.run_command("train")
