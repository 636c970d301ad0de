"""What every command does around its work: flags, devices, and mistakes told in one line."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from absl import app, flags, logging

from lvae.errors import UserError

MISTAKE = 2  # exit status of a mistake that the user can mend
INTERRUPTED = 130  # as shells report Ctrl-C


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


def _parse(arguments: list[str]) -> list[str]:
    try:
        return flags.FLAGS(arguments, known_only=False)
    except flags.Error as error:
        _stop(" ".join(str(error).split()))
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # from a --config override
        _stop(f"--config: {' '.join(str(error).split())}; see the file in configs/ for the fields")
    except OSError as error:
        _stop(f"--config: {error.filename}: {error.strerror}; name one of the files in configs/")
    raise AssertionError("unreachable")


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
    except RuntimeError as error:
        raise UserError(
            f"--device={flags.FLAGS.device} (JAX_PLATFORMS={os.environ.get('JAX_PLATFORMS', '')}): no "
            f"such device is found here ({str(error).splitlines()[0][:160]}); choose --device=cpu"
        ) from error
