"""Docstrings as Sphinx needs them, and one reference page per package.

Docstrings here are plain text: single backticks around code, indented blocks of examples or layouts.
Signs that mean something to reStructuredText only (`|`, `*`, a trailing `_`) are escaped.
"""

import pkgutil
import re
from pathlib import Path
from typing import Any

PACKAGE = "lvae"
SHOWN_ELSEWHERE = {"lvae.api"}  # reference/python.md


def setup(app: Any) -> dict[str, bool]:
    """Registers with Sphinx."""
    app.connect("autodoc-process-docstring", process, priority=100)  # before napoleon
    app.connect("autodoc-process-signature", without_flax)
    app.connect("autodoc-skip-member", is_skipped)
    app.connect("builder-inited", lambda app: write_pages(Path(app.srcdir) / "reference/modules"))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def process(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Sphinx's event of one docstring: changes its lines."""
    lines[:] = as_rst(lines)


def without_flax(
    app: Any, what: str, name: str, obj: Any, options: Any, signature: str | None, returned: str
) -> tuple[str | None, str]:
    """Sphinx's event of a signature: without the arguments that Flax adds to every module."""
    if what == "class" and signature and ", parent: Module" in signature:
        signature = signature.split(", parent: Module")[0] + ")"
    return signature, returned


def is_skipped(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Sphinx's event of a member: fields of tuples have no text of their own."""
    return True if (getattr(obj, "__doc__", "") or "").startswith("Alias for field") else None


def as_rst(lines: list[str]) -> list[str]:
    """A docstring's lines, with signs escaped and indented blocks as code."""
    result: list[str] = []
    code = False
    for number, line in enumerate(lines):
        indented = line.startswith(" ")
        if indented and not code and number and not lines[number - 1].strip() and _prose(result):
            code = True
            result += ["::", ""]
        elif code and line.strip() and not indented:
            code = False
        result.append(line if code else escaped(line))
    return result


def _prose(lines: list[str]) -> bool:
    """Whether the last text before a blank line is no indented part of a section."""
    text = [line for line in lines if line.strip()]
    return bool(text) and not text[-1].startswith(" ")


def escaped(line: str) -> str:
    """A line whose signs stand for themselves outside backticks."""
    parts = re.split(r"(`[^`]*`)", line)
    return "".join(
        part if part.startswith("`") else re.sub(r"[|*]|(?<=\w)_(?!\w)", r"\\\g<0>", part)
        for part in parts
    )


def write_pages(folder: Path) -> None:
    """One page per package, of all its modules; only what has changed is written."""
    import lvae

    names = [module.name for module in pkgutil.walk_packages(lvae.__path__, f"{PACKAGE}.")]
    packages: dict[str, list[str]] = {}
    for name in names:
        if name not in SHOWN_ELSEWHERE and not any(part[0] == "_" for part in name.split(".")):
            packages.setdefault(_package(name, names), []).append(name)
    folder.mkdir(parents=True, exist_ok=True)
    pages = {f"{package}.md": _page(package, modules) for package, modules in packages.items()}
    pages["index.md"] = _index(sorted(packages))
    for old in folder.glob("*.md"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def _package(name: str, names: list[str]) -> str:
    """The page that shows a module: that of the package below `lvae` that holds it; `lvae` for
    single modules. Tasks have a page per family."""
    parts = name.split(".")
    depth = 3 if parts[1] == "tasks" and len(parts) > 3 else 2
    package = ".".join(parts[:depth])
    is_package = any(other.startswith(f"{package}.") for other in names)
    return package if is_package else PACKAGE


def _page(package: str, modules: list[str]) -> str:
    parts = [f"# {package}\n"]
    for name in sorted(modules):
        title = [] if name == package else [f"## {name}\n"]
        directive = f"```{{eval-rst}}\n.. automodule:: {name}\n   :members:\n```\n"
        parts += [*title, directive]
    return "\n".join(parts)


def _index(packages: list[str]) -> str:
    listed = "\n".join(packages)
    return (
        "# Every module\n\n"
        "Made from the docstrings: what each public function takes, returns and raises, with shapes\n"
        "and units. What is promised to stay is in\n"
        "[what stays as it is](../../compatibility.md); the rest may change in a minor version.\n\n"
        f"```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n"
    )
