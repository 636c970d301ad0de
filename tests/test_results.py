"""Tables of the docs are those of the result files."""

import json

import pytest
from commands import ROOT

from benchmarks import results
from lvae.errors import UserError

ABOUT = {
    "command": "python -m benchmarks.x",
    "config": "default",
    "data": "LASTEN",
    "seeds": [0, 1],
}
PAGE = "a\n<!-- result name -->\nold\n<!-- end of result -->\nb\n"


@pytest.mark.parametrize("path", sorted((ROOT / "docs").rglob("*.md")), ids=lambda path: path.name)
def test_pages_agree_with_result_files(path):
    page = path.read_text()
    assert results.updated(page) == page, "python -m benchmarks.results"


def test_every_result_file_is_whole_and_shown_on_a_page():
    pages = "".join(path.read_text() for path in (ROOT / "docs").rglob("*.md"))
    for path in results.FOLDER.glob("*.json"):
        content = results.read(path.stem)
        assert content["rows"]
        assert f"<!-- result {path.stem} -->" in pages
        assert "/tmp" not in path.read_text()
        assert "/work" not in path.read_text()


def test_a_page_gets_the_numbers_of_the_file_and_its_spread(tmp_path):
    rows = [{"set": "a", "error, px": 1.23456, "AUROC": [0.5, 0.7]}, {"set": "b", "AUROC": 0.25}]
    results.write("name", rows, folder=tmp_path, **ABOUT)
    page = results.updated(PAGE, tmp_path)
    assert page.startswith("a\n<!-- result name -->\n| set | error, px | AUROC")
    assert "| a   | 1.235     | 0.6 (0.5 to 0.7) |" in page
    assert "| b   |           | 0.25             |" in page
    assert "`python -m benchmarks.x`; LASTEN; seeds 0, 1; 20" in page
    assert page.endswith("<!-- end of result -->\nb\n")
    assert results.updated(page, tmp_path) == page


def test_an_evaluation_gives_numbers_with_their_intervals():
    numbers = {"auroc": 0.5, "auroc_interval": [0.25, 0.75], "px": 1, "kl": [1.0]}
    assert results.of_evaluation(numbers, ["auroc", "px"]) == [
        {"measure": "`auroc`", "value": 0.5, "interval": "0.25 to 0.75"},
        {"measure": "`px`", "value": 1.0, "interval": ""},
    ]
    for name in ("kl", "absent"):
        with pytest.raises(UserError, match=name):
            results.of_evaluation(numbers, [name])


def test_a_file_that_is_absent_or_not_whole_is_named(tmp_path):
    with pytest.raises(UserError, match=r"name\.json: cannot be read"):
        results.updated(PAGE, tmp_path)
    (tmp_path / "name.json").write_text(json.dumps(ABOUT))
    with pytest.raises(UserError, match=r"has no date, machine, versions, rows"):
        results.updated(PAGE, tmp_path)
