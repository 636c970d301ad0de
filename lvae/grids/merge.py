"""`python -m lvae.grids.merge OUT`: when all shards of a data set are in OUT, one manifest of
theirs."""

import argparse
import sys

from lvae.errors import UserError
from lvae.grids import record


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lvae.grids.merge", description=__doc__)
    parser.add_argument("out", help="the folder that sample.py --shard=i/n wrote all n shards into")
    try:
        print(record.merge(parser.parse_args().out))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
