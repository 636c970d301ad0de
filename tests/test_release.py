"""What the release script refuses."""

import subprocess
import sys

import pytest
from commands import ROOT

sys.path.append(str(ROOT / "tools"))

import release


@pytest.fixture
def tree(tmp_path):
    """A small repository that is ready for release 1.2.3."""
    (tmp_path / "lvae").mkdir()
    (tmp_path / "lvae" / "version.py").write_text('__version__ = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text("## Unreleased\n\n## 1.2.3 - 2026-01-02\n- New.\n")
    (tmp_path / "CITATION.cff").write_text("title: x\nversion: 1.2.3\n")
    name = ("-c", "user.name=x", "-c", "user.email=x@y.z")
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "x"), ("tag", "v1.2.3")):
        subprocess.run(["git", "-C", str(tmp_path), *name, *words], check=True)
    return tmp_path


def test_a_tree_that_is_ready(tree):
    assert release.problems(tree, tagged=True) == []


@pytest.mark.parametrize(
    ("file", "text", "word"),
    [
        ("lvae/version.py", '__version__ = "1.2.4"\n', "v1.2.4"),
        ("lvae/version.py", '__version__ = "1.2"\n', "MAJOR.MINOR.PATCH"),
        ("CHANGELOG.md", "## Unreleased\n\n## 1.2.2 - 2026-01-02\n", "no entry"),
        ("CHANGELOG.md", "## Unreleased\n- A.\n\n## 1.2.3 - 2026-01-02\n", "Unreleased"),
        ("CITATION.cff", "version: 1.2.2\n", "another version"),
        ("new.txt", "", "has changes"),
    ],
)
def test_what_stands_in_the_way_is_named(tree, file, text, word):
    (tree / file).write_text(text)
    assert any(word in line for line in release.problems(tree, tagged=True))
