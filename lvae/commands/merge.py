"""Makes one data set of all its shards, with one manifest and its cards: python -m lvae.merge OUT.

OUT is the folder that sample.py --shard=i/n wrote all n shards into.
"""

from lvae.commands import arguments


def main(words: list[str]) -> None:
    """Parses the folder, prints the manifest's path."""
    parser = arguments.Parser(description=__doc__)
    parser.add_argument("out", type=arguments.path, help="Folder that holds all shards.")
    chosen = parser.parse_args(words)

    from lvae.runs.cards.writing import merge

    print(merge(chosen.out))
