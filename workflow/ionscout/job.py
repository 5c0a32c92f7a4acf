"""What every script does first: log to its file and the terminal, and end with its parent."""

from __future__ import annotations

import ctypes
import logging
import signal
import sys
from pathlib import Path

from ionscout.errors import CANNOT_WRITE, IonscoutError

PR_SET_PDEATHSIG = 1


def start_job(log_path: str, name: str) -> logging.Logger:
    """Prepare a script.

    Parameters
    ----------
    log_path : str
        The rule's log file.
    name : str
        What the lines on the terminal begin with, e.g. `run_dynamics li3n 800 K`.

    Returns
    -------
    Logger
        Writes to the log file and to the terminal. Warnings go to the file
        alone; an `IonscoutError`, or a full or read-only disk, that ends the script is
        logged as one line.
    """
    end_with_parent()
    Path(log_path).parent.mkdir(parents=True, exist_ok=True)
    to_file = logging.FileHandler(log_path, mode="w")
    to_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    to_terminal = logging.StreamHandler()
    to_terminal.setFormatter(logging.Formatter(f"{name}: %(message)s"))
    to_terminal.addFilter(lambda record: record.name == "ionscout")
    logging.captureWarnings(True)
    logging.basicConfig(level=logging.INFO, handlers=[to_file, to_terminal], force=True)
    logger = logging.getLogger("ionscout")

    def log_end(kind, error, traceback):
        if issubclass(kind, IonscoutError):
            logger.error("%s", error)
        elif isinstance(error, OSError) and error.errno in CANNOT_WRITE:
            logger.error("%s; mend that and run again", error)
        else:
            logger.critical("unexpected %s", kind.__name__, exc_info=(kind, error, traceback))

    sys.excepthook = log_end
    return logger


def end_with_parent() -> None:
    """Have the kernel end this process when the one that started it is gone (Linux).

    A killed campaign then leaves no job behind that would write beside the next one.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
