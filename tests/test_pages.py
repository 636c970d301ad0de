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


def test_the_readme_is_short_and_leads_to_the_site():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) < 120
    assert "(docs/index.md)" in text


def test_the_site_leads_to_every_page():
    """Of those in docs/ itself and in its folders, but for the pages that a build writes."""
    listed = set()
    for index in ROOT.glob("docs/**/*.md"):
        for block in re.findall(r"^```\{toctree\}\n(.*?)^```", index.read_text(), re.M | re.S):
            entries = [line for line in block.splitlines() if line and line[0] != ":"]
            places = [re.sub(r".*<(.+)>", r"\1", entry) for entry in entries]
            listed |= {(index.parent / f"{place}.md").resolve() for place in places}
    pages = {page.resolve() for page in ROOT.glob("docs/**/*.md") if "modules" not in page.parts}
    assert pages - listed == {ROOT / "docs" / "index.md"}


def test_the_picture_is_small():
    assert (ROOT / "docs" / "grids.png").stat().st_size < 150_000
