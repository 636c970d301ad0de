"""How docstrings become pages."""

import sys

import pytest
from commands import ROOT

sys.path.append(str(ROOT / "docs" / "extensions"))

import docstrings


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("|v|^2 of `a|b`, *", r"\|v\|^2 of `a|b`, \*"),
        ("worst_: of num_samples", r"worst\_: of num_samples"),
        ("`a_` and b_", r"`a_` and b\_"),
    ],
)
def test_signs_of_restructuredtext_stand_for_themselves(line, expected):
    assert docstrings.escaped(line) == expected


def test_indented_blocks_are_code_and_sections_are_not():
    lines = ["Reads.", "", "    a*  one", "", "    b   two", "", "Args:", "  path: a *", "", "End."]
    assert docstrings.as_rst(lines) == [
        *["Reads.", "", "::", "", "    a*  one", "", "    b   two", ""],
        *["Args:", r"  path: a \*", "", "End."],
    ]


def test_every_module_stands_on_one_page(tmp_path):
    docstrings.write_pages(tmp_path)
    text = "\n".join(page.read_text() for page in tmp_path.glob("*.md"))
    for path in (ROOT / "lvae").rglob("*.py"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        expected = name not in ("lvae", "lvae.api")
        assert text.count(f"automodule:: {name}\n") == expected, name
    before = {page: page.stat().st_mtime_ns for page in tmp_path.glob("*.md")}
    (tmp_path / "gone.md").write_text("of a package that is no more")
    docstrings.write_pages(tmp_path)
    assert {page: page.stat().st_mtime_ns for page in tmp_path.glob("*.md")} == before
