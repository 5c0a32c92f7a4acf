"""A job that is told to stop is given the time to write a restart."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def watch_for_stop() -> Iterator[Callable[[], bool]]:
    """Have SIGTERM and SIGINT leave a note instead of ending the process.

    A second signal does what the first one would have done without this. Outside the
    main thread, where Python takes no signals, nothing changes.

    Yields
    ------
    callable
        Whether a signal has come.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: object) -> None:
        asked.set()
        restore()

    for number in before:
        signal.signal(number, note)
    try:
        yield asked.is_set
    finally:
        restore()
