"""Ctrl-C and SIGTERM: one line on stderr and the shell's exit status, at any moment.

An exception raised by a signal handler gets lost: callbacks of C code print and drop it, and
libraries catch it in the middle of their own work. Nothing needs it here, since every file appears
whole or not at all and a run goes on after SIGKILL too. So a thread that waits for the signal ends
the process at once, also while XLA compiles or a module is imported. Python's own handler does the
same, for event loops (uvloop's) take the pipe that the thread waits at.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LEAVING = threading.Lock()  # of the thread that says so: one line, however many signals
SHOW_CURSOR = "\x1b[?25h"  # a live progress line had hidden it


def hold() -> None:
    """Keeps signals waiting until `watch`; also over the start of another program."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def watch() -> None:
    """From now on a signal ends the process with status 128 + its number."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    threading.Thread(target=_wait, args=(reading,), daemon=True).start()
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in SIGNALS:
        signal.signal(number, _handle)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _handle(number: int, frame: FrameType | None) -> None:
    """Python's own part, in the main thread. A second signal may come while the first is handled
    here, so this returns where another call is leaving."""
    _leave(signal.Signals(number))
    time.sleep(0.2)


def _wait(pipe: int) -> None:
    while True:
        for number in os.read(pipe, 16):
            if number in SIGNALS:
                _leave(signal.Signals(number))


def _leave(number: signal.Signals) -> None:
    """Ends the process, unless another call is about to."""
    if not _LEAVING.acquire(blocking=False):
        return
    name = Path(sys.argv[0]).name
    cursor = SHOW_CURSOR if os.isatty(2) else ""
    line = f"{cursor}{name}: stopped by {number.name}; run the same command again to go on\n"
    try:
        os.write(2, line.encode(errors="backslashreplace"))
    finally:
        os._exit(128 + number)
