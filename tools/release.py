"""Checks and builds a release: python tools/release.py [--out=dist]. Uploads nothing.

Needs a clean working tree whose version has an entry in CHANGELOG.md, the same version in CITATION.cff, and
the tag vVERSION on the commit at hand (or --untagged, to try). Then builds sdist and wheel and lets
twine check them: `pip install build twine`.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def problems(root: Path, tagged: bool) -> list[str]:
    """What stands in the way of a release of the tree at `root`, one line each."""
    version = version_of(root)
    found = []
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        found.append(f"lvae/version.py: {version} is no MAJOR.MINOR.PATCH")
    changelog = (root / "CHANGELOG.md").read_text()
    if not re.search(rf"^## {re.escape(version)} - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE):
        found.append(f"CHANGELOG.md: no entry `## {version} - YYYY-MM-DD`; name what changed")
    unreleased = changelog.partition("## Unreleased")[2].partition("\n## ")[0].strip()
    if unreleased:
        found.append(f"CHANGELOG.md: Unreleased is not empty; move it below {version}")
    if f"version: {version}" not in (root / "CITATION.cff").read_text().splitlines():
        found.append(f"CITATION.cff: names another version than {version}")
    if git(root, "status", "--porcelain"):
        found.append("the working tree has changes; commit them")
    if tagged and f"v{version}" not in git(root, "tag", "--points-at", "HEAD").split():
        found.append(f"this commit has no tag v{version}; git tag -a v{version}")
    return found


def version_of(root: Path) -> str:
    """The version that the package states."""
    text = (root / "lvae" / "version.py").read_text()
    match = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    return match[1] if match else ""


def git(root: Path, *words: str) -> str:
    """What a git command prints."""
    return subprocess.run(
        ["git", "-C", str(root), *words], capture_output=True, text=True, check=True
    ).stdout


def main() -> None:
    """Parses the flags, checks, builds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="dist", help="folder of the files; default %(default)s")
    parser.add_argument("--untagged", action="store_true", help="do not ask for the tag")
    chosen = parser.parse_args()
    found = problems(ROOT, not chosen.untagged)
    if found:
        sys.exit("\n".join(found))
    out = Path(chosen.out).resolve()
    if out.is_dir() and any(out.iterdir()):
        sys.exit(f"{out}: is not empty; name another folder with --out")
    subprocess.run([sys.executable, "-m", "build", "--outdir", str(out), str(ROOT)], check=True)
    files = sorted(map(str, out.iterdir()))
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *files], check=True)
    print("\n".join(files))


if __name__ == "__main__":
    main()
