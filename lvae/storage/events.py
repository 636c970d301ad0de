"""TensorBoard's event files, by tensorboardX."""

import functools
import os
import time
from pathlib import Path
from typing import Any


class Events:
    """Numbers by name and step, for TensorBoard.

    Written by the caller's own thread: tensorboardX's SummaryWriter has one that dies of a full
    disk with a traceback, and its queue then blocks the training for ever.
    """

    def __init__(self, folder: Path, resumed_at: int = 0):
        """TensorBoard forgets what other files of the folder say after step `resumed_at`, if any."""
        self._folder = folder
        self._resumed_at = resumed_at
        self._opened = False

    @functools.cached_property
    def _file(self) -> Any:
        """Opened with the first number: until then `loop.import_beside` has imported the package."""
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import SessionLog

        self._folder.mkdir(parents=True, exist_ok=True)
        file = EventsWriter(str(self._folder / "events"), f".{os.getpid()}")
        self._opened = True
        if self._resumed_at:
            start = SessionLog(status=SessionLog.START)
            file.write_event(_event(self._resumed_at + 1, session_log=start))
        return file

    def add(self, name: str, value: float, step: int) -> None:
        """Adds a number.

        Raises:
          OSError: the disk is full.
        """
        from tensorboardX.summary import scalar

        self._file.write_event(_event(step, summary=scalar(name, value)))

    def flush(self) -> None:
        """What has been added is on the disk."""
        if self._opened:
            self._file.flush()

    def close(self) -> None:
        """Flushes, too."""
        if self._opened:
            self._opened = False
            self._file.close()


def _event(step: int, **content: Any) -> Any:
    from tensorboardX.proto.event_pb2 import Event

    return Event(step=step, wall_time=time.time(), **content)
