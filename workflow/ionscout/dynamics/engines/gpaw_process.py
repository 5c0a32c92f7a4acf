"""GPAW in processes of its own, driven over a local socket."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from ionscout.dynamics.engines import gpaw_ranks
from ionscout.errors import CANNOT_WRITE, DynamicsError

MPI_BUILD = (
    "install the packages openmpi-bin, libopenmpi-dev, libfftw3-dev, libscalapack-openmpi-dev and"
    " libxc-dev, and build GPAW with them (README.md, GPAW on several ranks)"
)
WAIT_SECONDS = 10
NOTHING_SAID = "it said nothing"

# Open MPI refuses more ranks than it counts cores, binds those of two jobs to the same cores,
# and spins while it waits.
CHILD_ENVIRONMENT = {
    "OMPI_MCA_mpi_yield_when_idle": "1",
    "OMP_NUM_THREADS": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "PRTE_MCA_hwloc_default_binding_policy": "none",
}
AS_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


class GpawProcess:
    """GPAW on MPI ranks, with the interface of `gpaw_ranks.Solver`.

    Parameters
    ----------
    parameters : dict
        Keyword arguments of `gpaw.GPAW`, as plain data.
    n_ranks : int
        More than 1 are started by mpiexec.
    python : str, optional
        The interpreter of the GPAW; this one where left out.
    log_path : str, optional
        Where GPAW writes its own log.

    Raises
    ------
    DynamicsError
        mpiexec or GPAW is missing, GPAW has no MPI or no ScaLAPACK, or it died.
    """

    def __init__(
        self,
        parameters: dict[str, Any],
        *,
        n_ranks: int,
        python: str | None = None,
        log_path: str | None = None,
    ):
        command = _make_command(n_ranks, python)
        self._folder = tempfile.mkdtemp(prefix="gpaw-")
        self._errors = Path(self._folder) / "errors.txt"
        self._process, self._connection = _start(command, n_ranks, self._folder)
        self._stop = weakref.finalize(self, _stop, self._process, self._connection, self._folder)
        first = {"parameters": json.dumps(parameters), "log_path": log_path or ""}
        fault = str(self._ask(gpaw_ranks.pack(**first))["error"])
        if fault:
            self.close()
            raise DynamicsError(f"dynamics.gpaw.ranks: {n_ranks} asked for, but {_advise(fault)}")

    def solve(self, question: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Compute a cell; see `gpaw_ranks.Solver.solve`.

        Raises
        ------
        DynamicsError
            GPAW failed or died.
        OSError
            It cannot write its log.
        """
        answer = self._ask(gpaw_ranks.pack(**question))
        if "error" in answer:
            self.close()
            number = int(answer["errno"])
            if number in CANNOT_WRITE:
                raise OSError(number, os.strerror(number))
            raise DynamicsError(str(answer["error"]))
        return answer

    def close(self) -> None:
        """End the processes."""
        self._stop()

    def _ask(self, content: bytes) -> dict[str, np.ndarray]:
        if self._connection is None or self._connection.closed:
            self._fail()
        try:
            self._connection.send_bytes(content)
            return gpaw_ranks.unpack(self._connection.recv_bytes())
        except (EOFError, ConnectionError):
            self._fail()

    def _fail(self) -> None:
        """Say what is known of a process that has died."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(WAIT_SECONDS)
        code, last = self._process.returncode, _read_last_words(self._errors)
        self.close()
        raise DynamicsError(f"the GPAW processes ended (exit code {code}): {_advise(last)}")


def _make_command(n_ranks: int, python: str | None) -> list[str]:
    """Return the command but for the script's arguments."""
    interpreter = shutil.which(python or sys.executable)
    if interpreter is None:
        raise DynamicsError(f"dynamics.gpaw.python: {python!r} is no program")
    command = [interpreter, "-m", "gpaw", "python", "--", gpaw_ranks.__file__]
    if n_ranks == 1:
        return command
    if shutil.which("mpiexec") is None:
        raise DynamicsError(f"dynamics.gpaw.ranks: {n_ranks} need mpiexec: {MPI_BUILD}")
    return ["mpiexec", "-n", str(n_ranks), *command]


def _start(
    command: Sequence[str], n_ranks: int, folder: str
) -> tuple[subprocess.Popen, Connection | None]:
    """Start the processes and wait until the first one calls; None where they end before."""
    environment = {**os.environ, **CHILD_ENVIRONMENT, **(AS_ROOT if os.geteuid() == 0 else {})}
    address = str(Path(folder) / "socket")
    with socket.socket(socket.AF_UNIX) as listener, open(f"{folder}/errors.txt", "wb") as errors:
        listener.bind(address)
        listener.listen(1)
        listener.settimeout(0.2)
        process = subprocess.Popen(
            [*command, address, str(n_ranks)],
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            env=environment,
            start_new_session=True,
        )
        while process.poll() is None:
            with contextlib.suppress(TimeoutError):
                return process, Connection(listener.accept()[0].detach())
    return process, None


def _stop(process: subprocess.Popen, connection: Connection | None, folder: str) -> None:
    """Close the socket, at which the ranks end; kill what stays."""
    if connection is not None:
        connection.close()
    try:
        process.wait(WAIT_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    shutil.rmtree(folder, ignore_errors=True)


def _read_last_words(path: Path) -> str:
    """Return the error that a process ended with, found among what MPI says around it."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return NOTHING_SAID
    if "MPI parallelism is disabled" in text:
        return gpaw_ranks.NO_MPI
    told = [line.strip() for line in text.splitlines() if any(map(str.isalpha, line))]
    errors = [line for line in told if re.match(r"(\w+(Error|Exception)|.*No module named)", line)]
    return (errors or told or [NOTHING_SAID])[-1]


def _advise(fault: str) -> str:
    """Add what to install, where that is what is missing."""
    if fault in (gpaw_ranks.NO_MPI, gpaw_ranks.NO_SCALAPACK) or "No module named" in fault:
        return f"{fault}: {MPI_BUILD}, and name its interpreter in dynamics.gpaw.python"
    return fault
