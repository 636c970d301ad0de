"""Makes one manifest of those of all shards: python -m lvae.merge OUT.

OUT is the folder that sample.py --shard=i/n wrote all n shards into.
"""

from lvae.commands import arguments


def main(words: list[str]) -> None:
    """Parses the folder, prints the manifest's path."""
    parser = arguments.Parser(description=__doc__)
    parser.add_argument("out", type=arguments.path, help="Folder that holds all shards.")
    chosen = parser.parse_args(words)

    from lvae.runs.export import journal

    print(journal.merge(chosen.out))
