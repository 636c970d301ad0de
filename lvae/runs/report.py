"""A run on one HTML page: what it is, its numbers, curves, figures and samples, its config.

The page holds everything in itself and asks the network for nothing.
"""

import base64
import html
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lvae import configuration
from lvae.figures import canvas
from lvae.storage import records

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem;
       color: #1b1b1b; background: #fff; }
h1, h2, h3 { line-height: 1.2; margin-top: 2rem; }
table { border-collapse: collapse; } td, th { padding: 0.15rem 1rem 0.15rem 0; text-align: left; }
td { border-top: 1px solid #ddd; } td:last-child { font-variant-numeric: tabular-nums; }
img { max-width: 100%; height: auto; } pre { background: #f4f4f4; padding: 1rem; overflow: auto; }
figure { margin: 1rem 0; } figcaption { color: #555; }
"""


def page(workdir: Path) -> str:
    """The page of a run, complete or not.

    Raises:
      UserError: there is no run, or its files are damaged.
    """
    config, summary = records.read_config(workdir), records.read_summary(workdir)
    history = records.read_metrics(workdir)
    name = html.escape(workdir.resolve().name)
    state = f"complete, {summary['step']} steps" if summary else "not complete yet"
    figures = sorted((workdir / "figures").glob("*.png"))
    parts = [
        f"<h1>{name}</h1><p>{html.escape(str(config.task))}, {state}</p>",
        *_numbers(summary, history),
        *_curves(history),
        *_pictures("Figures", [path for path in figures if path.stem != "losses"]),
        *_pictures("Samples", sorted((workdir / "samples").glob("*/preview.png"))),
        "<h2>Config</h2>",
        f"<pre>{html.escape(configuration.to_json(config))}</pre>",
        *_origin(summary),
    ]
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name}</title><style>{_STYLE}</style></head><body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _numbers(
    summary: Mapping[str, Any] | None, history: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """The newest evaluation; of a complete run that of its end."""
    rows = [row for row in history if row["kind"] == "evaluation"]
    measured = (summary or {}).get("evaluation") or (rows[-1] if rows else {})
    shown = {
        name: value
        for name, value in measured.items()
        if isinstance(value, int | float) and name != "step"
    }
    if shown:
        yield f"<h2>Numbers</h2>{_table(shown)}"


def _table(values: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(_text(value))}</td></tr>"
        for name, value in values.items()
    )
    return f"<table>{rows}</table>"


def _text(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _curves(history: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A panel per number of the training rows."""
    names = sorted({name for row in history if row["kind"] == "train" for name in row})
    shown = [name for name in names if len(canvas.curve(history, "train", name)) > 1]
    shown = [name for name in shown if name != "step"]
    if shown:
        picture = io.BytesIO()
        with canvas.styled():
            canvas.loss_curves(history, shown, logarithmic=False).savefig(
                picture, format="png", metadata={"Software": None}
            )
        yield f"<h2>Curves</h2>{_image(picture.getvalue(), 'by optimiser step')}"


def _pictures(title: str, paths: Sequence[Path]) -> Iterator[str]:
    if paths:
        yield f"<h2>{title}</h2>"
    for path in paths:
        name = path.parent.name if path.name == "preview.png" else path.stem
        yield _image(path.read_bytes(), name.replace("_", " "))


def _image(content: bytes, caption: str) -> str:
    data, text = base64.b64encode(content).decode(), html.escape(caption)
    source = f"data:image/png;base64,{data}"
    return f'<figure><img src="{source}" alt="{text}"><figcaption>{text}</figcaption></figure>'


def _origin(summary: Mapping[str, Any] | None) -> Iterator[str]:
    found = (summary or {}).get("provenance")
    if isinstance(found, Mapping):
        yield f"<h2>Origin</h2>{_table(found)}"
