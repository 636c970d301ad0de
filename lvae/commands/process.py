"""What every command does around its work: memory pages, signals, devices, mistakes in one line."""

import argparse
import ast
import contextlib
import errno
import importlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from lvae.commands import stopping
from lvae.errors import UserError

MISTAKE = 2  # exit status of a mistake that the user can mend
DEVICES = ("auto", "cpu", "gpu", "tpu")
LARGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
MEMORY_SETTINGS = "GLIBC_TUNABLES"  # an environment variable that glibc reads at the start


def run_command(name: str) -> NoReturn:
    """Runs the command `name`, one of the modules beside this one, as `run` does."""
    run(lambda words: importlib.import_module(f"lvae.commands.{name}").main(words))


def run(main: Callable[[list[str]], None], words: list[str] | None = None) -> NoReturn:
    """Runs `main` on the words of the command line and exits: 0, 2 after a user's mistake, 130
    after Ctrl-C, 143 after SIGTERM. Slow imports belong inside `main`."""
    stopping.hold()
    start_with_large_pages()
    stopping.watch()
    os.environ["MPLBACKEND"] = "agg"  # figures are files; what a notebook sets may not be there
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # a path in letters that the locale lacks is no reason to fail
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        main(sys.argv[1:] if words is None else words)
        sys.stdout.flush()
    except UserError as error:
        _leave(MISTAKE, str(error))
    except BrokenPipeError:  # the reader of stdout has gone, as in `lvae evaluate | head -0`
        _leave(128 + signal.SIGPIPE)
    except OSError as error:
        if error.errno is None:  # raised by a library, not by the system
            raise
        _leave(MISTAKE, system_error(error))
    _leave(0)


def _leave(status: int, message: str = "") -> NoReturn:
    """Without Python's last collections, which take seconds with this many modules, and without
    waiting for threads that import or compile."""
    if message:
        print(f"{Path(sys.argv[0]).name}: {message}", file=sys.stderr)
    jax = sys.modules.get("jax")
    if status == 0 and jax is not None and jax.distributed.is_initialized():
        jax.distributed.shutdown()
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    os._exit(status)


REMEDIES = {
    errno.ENOSPC: "free some space, then run the same command again",
    errno.EDQUOT: "free some space, then run the same command again",
    errno.EROFS: "choose a folder that can be written",
    errno.EACCES: "check its rights, or choose another place",
    errno.EPERM: "check its rights, or choose another place",
    errno.ENOENT: "check its name",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOMEM: "ask for less at a time",
}


def system_error(error: OSError) -> str:
    """What the system refused: the file, its reason, a remedy."""
    file = f"{error.filename}: " if error.filename else ""
    remedy = REMEDIES.get(error.errno or 0, "check that place, then run the same command again")
    return " ".join(f"{file}{error.strerror}; {remedy}".split())


def start_with_large_pages() -> None:
    """Starts the same command anew, once, with glibc asking for memory in pages of 2 MB.

    XLA on CPUs takes a program's working memory from the system at every call and gives it back.
    Where Linux hands out large pages only to those who ask ("madvise", the usual setting), clearing
    it in pages of 4 kB takes up to a third of a training step: docs/performance.md. An environment
    that sets GLIBC_TUNABLES, even to nothing, is left as it is.
    """
    if MEMORY_SETTINGS in os.environ or not LARGE_PAGES.exists():
        return
    if "[madvise]" not in LARGE_PAGES.read_text():
        return
    os.environ[MEMORY_SETTINGS] = "glibc.malloc.hugetlb=1"
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def prepare_jax(device: str) -> None:
    """Chooses the device, keeps compiled programs between runs.

    Raises:
      UserError: the kind of device that was asked for is absent.
    """
    from lvae.runs import devices

    devices.prepare(device)


def one_line(error: BaseException) -> str:
    """The text of an error; of a traceback inside it, the last line; quotes around it go."""
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    before, traceback, after = text.partition("Traceback")
    if traceback:
        text = (before.splitlines() or [""])[0] + " " + after.strip().splitlines()[-1]
    with contextlib.suppress(ValueError, SyntaxError):
        text = str(ast.literal_eval(text))
    return " ".join(text.split())


def initialize_hosts(chosen: argparse.Namespace) -> None:
    """Joins the processes of one run, where --coordinator asks for it."""
    from lvae.runs import devices

    devices.initialize_hosts(chosen.coordinator, chosen.process_count, chosen.process_id)
