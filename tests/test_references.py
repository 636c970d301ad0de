"""Every source that is cited is listed, every source that is listed is cited."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE, BIBTEX = ROOT / "docs/references.md", ROOT / "docs/references.bib"
CITED = re.compile(r"\[([a-z]+(?:19|20)\d\d[a-z]*)\]")  # a key with a year, in brackets


def citing_files():
    found = [*ROOT.glob("lvae/**/*.py"), *ROOT.glob("configs/*.py"), *ROOT.glob("docs/**/*.md")]
    found += ROOT.glob("examples/**/*.py")
    return [path for path in [*found, ROOT / "README.md"] if path != PAGE]


def keys_of_page():
    return re.findall(r"^- \*\*\[(\w+)\]\*\*", PAGE.read_text(), re.MULTILINE)


def keys_of_bibtex():
    return re.findall(r"^@\w+\{(\w+),$", BIBTEX.read_text(), re.MULTILINE)


def test_the_page_and_the_bibtex_file_hold_the_same_sources_once_each():
    keys = keys_of_page()
    assert len(keys) > 30
    assert sorted(keys) == sorted(set(keys))
    assert keys == keys_of_bibtex()


@pytest.mark.parametrize("path", citing_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_key_that_is_cited_is_listed(path):
    assert set(CITED.findall(path.read_text())) <= set(keys_of_page())


def test_every_source_that_is_listed_is_cited():
    text = "\n".join(path.read_text() for path in citing_files())
    assert [key for key in keys_of_page() if f"[{key}]" not in text] == []


def test_years_in_keys_are_the_years_of_the_entries():
    entries = re.split(r"^@", BIBTEX.read_text(), flags=re.MULTILINE)[1:]
    for entry in entries:
        key = entry[entry.index("{") + 1 : entry.index(",")]
        year = re.search(r"year = \{(\d{4})\}", entry)
        assert year is None or year.group(1) in key, key
        assert entry.count("{") == entry.count("}"), key
