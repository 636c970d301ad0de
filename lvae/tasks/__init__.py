"""One system a package: data, model and loss meet here. CONTRIBUTING.md says what a task offers."""

import importlib
import pkgutil
from types import ModuleType

from lvae.errors import UserError

_NO_TASKS = ("interface",)


def names() -> list[str]:
    """The tasks there are."""
    return sorted(
        module.name
        for module in pkgutil.iter_modules(__path__)
        if module.name not in _NO_TASKS and not module.name.startswith("_")
    )


def find(name: str) -> ModuleType:
    """The task of that name.

    Raises:
      UserError: there is none.
    """
    if name not in names():
        raise UserError(f"config.task={name!r}: no such task; there are {', '.join(names())}")
    return importlib.import_module(f"{__name__}.{name}")
