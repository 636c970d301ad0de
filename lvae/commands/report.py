"""One HTML page of a run: lvae report RUN [--out=FILE].

Config, numbers, curves, figures and previews of drawn sets, all in one file that can be mailed.
"""

from lvae import atomic
from lvae.commands import arguments


def main(words: list[str]) -> None:
    """Parses the flags and writes."""
    parser = arguments.Parser(description=__doc__)
    arguments.add_run_directory(parser)
    parser.add_argument(
        "--out", type=arguments.path, help="File to write. Default: report.html in RUN."
    )
    chosen = parser.parse_args(words)
    run = arguments.chosen_directory(chosen)
    from lvae.runs import report

    out = chosen.out or run / "report.html"
    text = report.page(run)
    atomic.write_text(out, text)
    print(f"{out}: {len(text) / 1e6:.1f} MB")
