"""One HTML page of a run: lvae report RUN [--out=FILE].

Config, numbers, curves, figures and previews of drawn sets, all in one file that can be mailed.
"""

from lvae import atomic
from lvae.commands import arguments
from lvae.errors import UserError


def main(words: list[str]) -> None:
    """Parses the flags and writes."""
    parser = arguments.Parser(description=__doc__)
    parser.add_argument("run", type=arguments.path, metavar="RUN", help="Run directory.")
    parser.add_argument(
        "--out", type=arguments.path, help="File to write. Default: report.html in RUN."
    )
    chosen = parser.parse_args(words)
    if not chosen.run.is_dir():
        raise UserError(f"{chosen.run}: no such run directory; train first, or name another")
    from lvae.runs import report

    out = chosen.out or chosen.run / "report.html"
    text = report.page(chosen.run)
    atomic.write_text(out, text)
    print(f"{out}: {len(text) / 1e6:.1f} MB")
