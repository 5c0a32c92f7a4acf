"""GPAW itself, here or on several MPI ranks: reads cells, answers with energies and forces.

The ranks run this file as a script, `mpiexec -n N python -m gpaw python gpaw_ranks.py`,
with the interpreter of their GPAW. It needs nothing but GPAW, and no Ionscout there.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
import traceback
from multiprocessing.connection import Client, Connection
from pathlib import Path
from typing import Any

import numpy as np

STOP = b"stop"
NO_MPI = "this GPAW is built without MPI"
NO_SCALAPACK = "this GPAW is built without ScaLAPACK, and plane waves on several ranks need it"


class Solver:
    """A GPAW calculator that starts each cell from the last one's wavefunctions and density.

    Parameters
    ----------
    parameters : dict
        Keyword arguments of `gpaw.GPAW`.
    log_path : str, optional
        Where GPAW writes its own log; nowhere where left out.
    """

    def __init__(self, parameters: dict[str, Any], log_path: str | None = None):
        self.parameters, self.log_path = parameters, log_path
        self.atoms = None

    def solve(self, question: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Compute a cell.

        Parameters
        ----------
        question : dict
            numbers (n_atoms,), positions_ang (n_atoms, 3), cell_ang (3, 3),
            start_moments_bohr (n_atoms,), with_stress ().

        Returns
        -------
        dict
            energy and free_energy in eV, forces (n_atoms, 3) in eV/angstrom,
            magmoms (n_atoms,) in Bohr magnetons, n_iterations () of the
            self-consistency and, where asked for, stress (6,) in eV/angstrom^3.
        """
        self._place(question)
        calculator = self.atoms.calc
        answer = {"energy": self.atoms.get_potential_energy(), "forces": self.atoms.get_forces()}
        answer["free_energy"] = calculator.results["free_energy"]
        answer["magmoms"] = calculator.results["magmoms"]
        answer["n_iterations"] = calculator.get_number_of_iterations()
        if question["with_stress"]:
            answer["stress"] = self.atoms.get_stress()
        return {name: np.asarray(value) for name, value in answer.items()}

    def _place(self, question: dict[str, np.ndarray]) -> None:
        """Move the atoms; other atoms get another calculator."""
        if self.atoms is not None and np.array_equal(self.atoms.numbers, question["numbers"]):
            self.atoms.positions = question["positions_ang"]
            self.atoms.cell = question["cell_ang"]
            return
        from ase import Atoms
        from gpaw import GPAW

        self.atoms = Atoms(
            question["numbers"],
            positions=question["positions_ang"],
            cell=question["cell_ang"],
            pbc=True,
            magmoms=question["start_moments_bohr"],
        )
        self.atoms.calc = GPAW(**self.parameters, txt=self.log_path)


def pack(**arrays: Any) -> bytes:
    """Return arrays and texts as bytes, doubles kept to the last bit."""
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def unpack(content: bytes) -> dict[str, np.ndarray]:
    """Return what was packed."""
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def describe_error(error: BaseException) -> str:
    """Return an error as one line."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"


def serve(address: str, n_ranks: int) -> None:
    """Answer questions on a socket until it closes; all ranks run this.

    Parameters
    ----------
    address : str
        The socket, in a folder of its own that goes at the end.
    n_ranks : int
        Ranks that there should be.
    """
    from gpaw.mpi import broadcast_bytes, world
    from gpaw.utilities import compiled_with_sl

    connection = Client(address) if world.rank == 0 else None
    first = broadcast_bytes(_read(connection), comm=world)
    if first == STOP:
        return
    setup = unpack(first)
    parameters = json.loads(str(setup["parameters"]))
    fault = ""
    if world.size != n_ranks:
        fault = NO_MPI
    elif n_ranks > 1 and parameters["mode"]["name"] == "pw" and not compiled_with_sl():
        fault = NO_SCALAPACK
    _write(connection, pack(error=fault))
    solver = Solver(parameters, str(setup["log_path"]) or None)
    while not fault and (content := broadcast_bytes(_read(connection), comm=world)) != STOP:
        try:
            answer = pack(**solver.solve(unpack(content)))
        except Exception as error:
            number = getattr(error, "errno", None) or 0
            _write(connection, pack(error=describe_error(error), errno=number))
            traceback.print_exc()
            sys.stderr.flush()
            world.abort(1)
        _write(connection, answer)
    if connection is not None:  # also where the parent was killed
        shutil.rmtree(Path(address).parent, ignore_errors=True)


def _read(connection: Connection | None) -> bytes | None:
    """Return the next message on the first rank, STOP at the end; None on the others."""
    if connection is None:
        return None
    try:
        return connection.recv_bytes()
    except (EOFError, ConnectionError):
        return STOP


def _write(connection: Connection | None, content: bytes) -> None:
    if connection is not None:
        connection.send_bytes(content)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
