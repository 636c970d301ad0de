"""What every command does around its work: flags, devices, and mistakes told in one line."""

import atexit
import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import app, flags, logging
from ml_collections import config_flags

from lvae.errors import UserError

MISTAKE = 2  # exit status of a mistake that the user can mend
INTERRUPTED = 130  # as shells report Ctrl-C
LARGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
MEMORY_SETTINGS = "GLIBC_TUNABLES"  # an environment variable that glibc reads at the start


def define_device_flag() -> None:
    """--device, the same for every command."""
    flags.DEFINE_enum(
        "device",
        "auto",
        ["auto", "cpu", "gpu", "tpu"],
        "Kind of device to compute on. auto takes the fastest that JAX finds; any other kind is an "
        "error where it is absent.",
    )


def run(main: Callable[[], None]) -> None:
    """Parses the flags, runs `main`, exits: 0, 2 after a user's mistake, 130 after Ctrl-C."""
    start_with_large_pages()
    atexit.register(gc.freeze)  # Python's last collections take seconds with this many modules

    def guarded(arguments: list[str]) -> None:
        try:
            if len(arguments) > 1:
                raise UserError(
                    f"{arguments[1]}: not understood; options are written --name=value, see --help"
                )
            logging.set_verbosity(logging.WARNING)  # JAX tells which backends it did not find
            _prepare_jax()
            main()
        except UserError as error:
            _stop(str(error))
        except KeyboardInterrupt:
            print(
                "interrupted; the same command resumes from the last whole state", file=sys.stderr
            )
            sys.exit(INTERRUPTED)

    app.run(guarded, flags_parser=_parse)


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


def _parse(arguments: list[str]) -> list[str]:
    try:
        return flags.FLAGS(arguments, known_only=False)
    except flags.Error as error:
        _stop(_told(str(error)))
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # from a --config override
        _stop(f"--config: {' '.join(str(error).split())}; see the file in configs/ for the fields")
    except OSError as error:
        _stop(f"--config: {error.filename}: {error.strerror}; name one of the files in configs/")
    raise AssertionError("unreachable")


def _told(text: str) -> str:
    """One line of an error's text; of a traceback inside it, the last line."""
    before, traceback, after = text.partition("Traceback")
    if traceback:
        text = before.splitlines()[0] + " " + after.strip().splitlines()[-1]
    return " ".join(text.split())


def config_value(flag: flags.FlagHolder) -> Any:
    """The config of --config.

    Raises:
      UserError: there is no such file, or it cannot be loaded.
    """
    try:
        str(flag.value.task)  # what could not be loaded says so only when it is used
        return flag.value
    except OSError as error:
        name = config_flags.get_config_filename(flags.FLAGS[flag.name])
        known = ", ".join(sorted(path.name for path in Path("configs").glob("[!_]*.py")))
        raise UserError(f"--config={name}: cannot be loaded; configs/ has {known}") from error


def _stop(message: str) -> None:
    print(f"{Path(sys.argv[0]).name}: {message}", file=sys.stderr)
    sys.exit(MISTAKE)


def _prepare_jax() -> None:
    """Chooses the device, keeps compiled programs between runs."""
    import jax

    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lvae"
        jax.config.update("jax_compilation_cache_dir", str(cache))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    device = flags.FLAGS.device
    if device != "auto":
        platforms = {"gpu": "cuda,rocm"}.get(device, device)
        jax.config.update("jax_platforms", platforms.split(",")[0])


def check_device() -> None:
    """Starts JAX's backend.

    Raises:
      UserError: the kind of device that was asked for is absent.
    """
    import jax

    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # JAX asserts where a platform was asked for
        raise UserError(
            f"--device={flags.FLAGS.device} (JAX_PLATFORMS={os.environ.get('JAX_PLATFORMS', '')}): no "
            f"such device is found here ({_told(str(error))[:160]}); choose --device=cpu"
        ) from error
