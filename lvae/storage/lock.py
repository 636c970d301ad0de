"""One trainer per run directory: a lock that goes with its process."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from lvae.errors import UserError

try:
    import fcntl
except ImportError:  # no such locks on Windows; two trainers of one run are then not noticed
    fcntl = None  # type: ignore[assignment]

NAME = ".lock"


@contextlib.contextmanager
def only_trainer(workdir: Path) -> Iterator[None]:
    """Holds `workdir/.lock` for the time of the block.

    The system gives the lock free when the process ends, however it ends; the file stays.

    Raises:
      UserError: another process trains into `workdir`, or it cannot be written.
    """
    path = workdir / NAME
    try:
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{workdir}: cannot be written ({error.strerror}); choose another --workdir"
        ) from error
    with file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                owner = file.read().strip() or "another process"
                raise UserError(
                    f"{workdir}: {owner} is training into it; wait for it, stop it, or choose "
                    "another --workdir"
                ) from None
            except OSError:
                pass  # a file system without locks
        with contextlib.suppress(OSError):  # a full disk: the name of the owner is a courtesy
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}")
            file.flush()
        yield
