"""The shipped configs, one line each: lvae configs.

Each is an experiment of `lvae train --config=NAME`; :smoke behind the name shrinks it to seconds.
"""

from lvae import experiments
from lvae.commands import arguments


def main(words: list[str]) -> None:
    """Prints name and meaning of every shipped config."""
    arguments.Parser(description=__doc__).parse_args(words)
    width = max(map(len, experiments.names()), default=0)
    for name in experiments.names():
        print(f"{name:<{width}}  {experiments.summary(name)}")
