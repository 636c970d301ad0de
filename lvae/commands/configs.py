"""The shipped configs, one line each: lvae configs. All fields of one: lvae configs NAME[:VARIANT].

Each is an experiment of `lvae train --config=NAME`, with the names in brackets as variants: :smoke
behind the name shrinks it to seconds. A field is changed by --config.FIELD=VALUE.
"""

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from lvae import experiments
from lvae.commands import arguments


def main(words: list[str]) -> None:
    """Prints name, meaning and variants of every shipped config, or the fields of one."""
    parser = arguments.Parser(description=__doc__)
    parser.add_argument(
        "name", nargs="?", metavar="NAME[:VARIANT]", help="Print its fields; or those of a file."
    )
    name = parser.parse_args(words).name
    if name is not None:
        print(f"# {experiments.located(name)}")
        for field, value in fields(experiments.read(name).to_dict()):
            print(f"--{field}={word(value)}")
        return
    width = max(map(len, experiments.names()), default=0)
    for name in experiments.names():
        known = ", ".join(experiments.variants(name))
        print(f"{name:<{width}}  {experiments.summary(name)} [{known}]")


def fields(group: Mapping[str, Any], prefix: str = "config") -> Iterator[tuple[str, Any]]:
    """Every field of a config by its dotted name, in the config's order."""
    for name, value in group.items():
        if isinstance(value, Mapping) and value:
            yield from fields(value, f"{prefix}.{name}")
        else:
            yield f"{prefix}.{name}", value


def word(value: Any) -> str:
    """A value as a shell and --config.FIELD= take it."""
    text = json.dumps(value) if isinstance(value, (list, tuple)) else str(value)
    return shlex.quote(text) if text else ""
