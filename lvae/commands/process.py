"""What every command does around its work: memory pages, signals, devices, mistakes in one line."""

import argparse
import atexit
import gc
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

from lvae.errors import UserError

MISTAKE = 2  # exit status of a mistake that the user can mend
SIGNALS = (signal.SIGINT, signal.SIGTERM)  # exit status: 128 + the signal's number, as in shells
DEVICES = ("auto", "cpu", "gpu", "tpu")
LARGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
MEMORY_SETTINGS = "GLIBC_TUNABLES"  # an environment variable that glibc reads at the start


class Stopped(BaseException):
    """Ctrl-C, or a polite request of the system to end."""

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number


def run(main: Callable[[list[str]], None], words: list[str] | None = None) -> NoReturn:
    """Runs `main` on the words of the command line and exits: 0, 2 after a user's mistake, 130
    after Ctrl-C, 143 after SIGTERM."""
    for number in SIGNALS:
        signal.signal(number, _stop)
    try:
        start_with_large_pages()
        atexit.register(gc.freeze)  # Python's last collections take seconds with this many modules
        for stream in (sys.stdout, sys.stderr):
            # A path in letters that the locale lacks is no reason to fail.
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        main(sys.argv[1:] if words is None else words)
    except UserError as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        sys.exit(MISTAKE)
    except Stopped as stopped:
        _leave(stopped.number)
    sys.exit(0)


def _stop(number: int, frame: FrameType | None) -> None:
    for other in SIGNALS:
        signal.signal(other, signal.SIG_IGN)  # what cleans up is not interrupted again
    raise Stopped(number)


def _leave(number: int) -> NoReturn:
    """At once: threads that import or compile would be waited for, or abort the interpreter."""
    print("interrupted; the same command resumes from the last whole state", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(128 + number)


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
    import jax
    from absl import logging

    logging.set_verbosity(logging.WARNING)  # JAX tells which backends it did not find
    cache = cache_folder()
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR") and cache is not None:
        jax.config.update("jax_compilation_cache_dir", str(cache))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    if device != "auto":
        platforms = {"gpu": "cuda,rocm"}.get(device, device)
        jax.config.update("jax_platforms", platforms.split(",")[0])
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # JAX asserts where a platform was asked for
        raise UserError(
            f"--device={device} (JAX_PLATFORMS={os.environ.get('JAX_PLATFORMS', '')}): no such "
            f"device is found here ({one_line(error)[:160]}); choose --device=cpu"
        ) from error


def cache_folder() -> Path | None:
    """Where compiled programs are kept; None for a user without a home, as in containers."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        return None
    return base / "lvae"


def one_line(error: BaseException) -> str:
    """The text of an error; of a traceback inside it, the last line."""
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    before, traceback, after = text.partition("Traceback")
    if traceback:
        text = (before.splitlines() or [""])[0] + " " + after.strip().splitlines()[-1]
    return " ".join(text.split())


def initialize_hosts(chosen: argparse.Namespace) -> None:
    """Joins the processes of one run, where --coordinator asks for it."""
    from lvae.runs import devices

    devices.initialize_hosts(chosen.coordinator, chosen.process_count, chosen.process_id)
