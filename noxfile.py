"""The suite on every Python, with the newest dependencies and with the oldest: nox -s tests oldest.

CI runs the suite on the Python that the machine has, with the versions of constraints.txt. The oldest
are the lower bounds of pyproject.toml, which uv resolves to (`--resolution=lowest-direct`).
"""

import nox

PYTHONS = ["3.11", "3.12", "3.13"]
nox.options.default_venv_backend = "uv|virtualenv"


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The newest dependencies."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session(python=PYTHONS[0], venv_backend="uv")
def oldest(session: nox.Session) -> None:
    """The oldest dependencies that pyproject.toml allows."""
    session.install("--resolution=lowest-direct", "-e", ".[test]")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session(python=PYTHONS[0])
def docs(session: nox.Session) -> None:
    """The site, warnings as errors, and the examples in it."""
    session.install("-e", ".[docs,brain]")
    session.run("python", "-m", "sphinx", "-W", "--keep-going", "-b", "html", "docs", "site")
