"""What CONTRIBUTING says of imports, sizes and words, checked."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(ROOT.glob("lvae/**/*.py"))
LONGEST_MODULE, LONGEST_FUNCTION = 350, 60  # lines
# Longer functions, each with its reason: {"lvae/package/module.py:name": "why"}.
LONGER_FUNCTIONS: dict[str, str] = {}
# Pictures of a building in place of the field's words: package, command, module.
FIGURATIVE = re.compile(r"\b(houses?|rooms?|doors?)\b", re.IGNORECASE)
PLACES = ("lvae", "configs", "docs", "benchmarks", "tests", "examples")


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def texts():
    """Code and prose, but for this file, which names the words."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("*.py")]
    for place in PLACES:
        found += [*(ROOT / place).rglob("*.py"), *(ROOT / place).rglob("*.md")]
    return sorted(path for path in found if path != Path(__file__))


def test_imports_go_down_the_layers():
    """The contracts stand in pyproject.toml. The linter changes the process it runs in."""
    code = "from importlinter.cli import lint_imports as lint; exit(lint('pyproject.toml', no_cache=True))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_are_short_and_say_what_they_hold(path):
    text = path.read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "no docstring"
    assert len(text.splitlines()) <= LONGEST_MODULE
    functions = [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    long = {
        f"{name_of(path)}:{node.name}": node.end_lineno - node.lineno + 1
        for node in functions
        if node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
    }
    assert set(long) <= set(LONGER_FUNCTIONS), long


def test_no_exception_outlives_its_function():
    names = set()
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                names.add(f"{name_of(path)}:{node.name}")
    assert set(LONGER_FUNCTIONS) <= names


def test_no_module_is_a_drawer_for_the_rest():
    assert [name_of(path) for path in MODULES if path.stem in ("utils", "helpers", "misc")] == []


def test_words_are_those_of_the_field():
    found = [
        f"{name_of(path)}:{number}: {line.strip()}"
        for path in texts()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if FIGURATIVE.search(line)
    ]
    assert found == []
