"""Pages lead to files that exist, and name experiments that exist."""

import re

import pytest
from commands import ROOT

from lvae import experiments

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not target.startswith(("http:", "https:", "mailto:", "#")):
            assert (page.parent / target.split("#")[0]).exists(), target


def test_the_table_of_experiments_is_complete():
    text = (ROOT / "README.md").read_text().split("## Experiments")[1].split("\n## ")[0]
    assert sorted(re.findall(r"^\| `(\w+)`", text, re.MULTILINE)) == experiments.names()


def test_the_readme_is_short_and_leads_to_every_page():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) < 120
    for page in ROOT.glob("docs/*.md"):
        assert f"(docs/{page.name})" in text, page.name


def test_the_picture_is_small():
    assert (ROOT / "docs" / "grids.png").stat().st_size < 150_000
