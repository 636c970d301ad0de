"""Trains a model: python train.py --config=configs/default.py [--workdir=DIR]; see --help."""

from lvae.commands import process, train

if __name__ == "__main__":
    process.run(train.main)
