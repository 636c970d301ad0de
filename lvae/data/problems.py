"""What a reader finds wrong: every problem is collected, and all are named at once.

A reader of one file raises `refused(path, problem, remedy)`. A reader of many files wraps its work:

    def read_all(folder, problems=None):
        with collecting(problems) as found:
            for path in paths:
                with found.skipping():            # a refused file is noted, the next one is read
                    images[path] = read_one(path)
            found.warn(link, "leads to nothing", "restore it or remove the link")
            found.raise_if_any()                  # before anything that needs all files
            ...
        return images

With `problems=None` warnings go to stderr. A caller that gives its own `Problems` finds errors and
warnings in it, also when the reader raises.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from lvae.errors import UserError

SHOWN = 10  # problems that are spelt out; the others are counted


class Problem(NamedTuple):
    """path: file, folder or flag. problem: what is wrong, with the value. remedy: what to do."""

    path: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        before = f"{self.path}: " if self.path else ""
        after = f"; {self.remedy}" if self.remedy else ""
        return " ".join(f"{before}{self.problem}{after}".split())


class Refused(UserError):
    """One or more problems that stop a reader: a line for each of the first ten, then a count."""

    def __init__(self, problems: tuple[Problem, ...]):
        super().__init__(*shortened(problems))
        self.problems = problems


class Problems:
    """Errors and warnings in the order in which they were found, each once."""

    def __init__(self) -> None:
        self._errors: dict[Problem, None] = {}
        self._warnings: dict[Problem, None] = {}

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(self._errors)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return tuple(self._warnings)

    def add(self, path: str | Path, problem: str, remedy: str) -> None:
        """Notes an error."""
        self._errors[Problem(str(path), problem, remedy)] = None

    def warn(self, path: str | Path, problem: str, remedy: str) -> None:
        """Notes what the user should know though reading goes on."""
        self._warnings[Problem(str(path), problem, remedy)] = None

    def take(self, error: UserError | OSError) -> None:
        """Notes what another reader or the system raised."""
        if isinstance(error, Refused):
            self._errors.update(dict.fromkeys(error.problems))
        elif isinstance(error, OSError):
            path, reason = error.filename or "", error.strerror or str(error)
            self.add(path, f"cannot be read ({reason})", "mend it or name another place")
        else:
            self.add("", str(error), "")

    def extend(self, other: "Problems") -> None:
        """Adds what another reader noted."""
        self._errors.update(other._errors)
        self._warnings.update(other._warnings)

    @contextmanager
    def skipping(self) -> Iterator[None]:
        """Notes a UserError or OSError of the block instead of letting it through."""
        try:
            yield
        except (UserError, OSError) as error:
            self.take(error)

    def raise_if_any(self) -> None:
        """Stops the reader if there are errors.

        Raises:
          UserError: names them all.
        """
        if self._errors:
            raise Refused(self.errors)


def refused(path: str | Path, problem: str, remedy: str) -> Refused:
    """The error of one file, to be raised."""
    return Refused((Problem(str(path), problem, remedy),))


@contextmanager
def collecting(problems: Problems | None = None) -> Iterator[Problems]:
    """Yields new problems for one reader; at the end adds them to `problems`, or without any prints
    the warnings; raises if there are errors.

    Raises:
      UserError: names all errors of the block, also the one that ended it; the system's too.
    """
    found = Problems()
    cause: Exception | None = None
    try:
        yield found
    except (UserError, OSError) as error:
        found.take(error)
        cause = error
    if problems is not None:
        problems.extend(found)
    else:
        for line in shortened(found.warnings):
            print(f"warning: {line}", file=sys.stderr)
    if found.errors:
        raise Refused(found.errors) from cause


def shortened(problems: tuple[Problem, ...], shown: int = SHOWN) -> list[str]:
    """A line for each of the first problems, and how many more there are."""
    lines = [str(problem) for problem in problems[:shown]]
    if len(problems) > shown:
        lines.append(f"and {len(problems) - shown} more")
    return lines
