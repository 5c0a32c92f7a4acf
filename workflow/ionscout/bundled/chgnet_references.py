"""Energies of the elements to which CHGNet's energies are referred."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from pymatgen.core import Element

from ionscout.bundled.sources import RESOURCES, read_csv
from ionscout.errors import BundledDataError

FILE = Path("thermochemistry") / "chgnet_references.csv"
REFERENCE_COLUMNS = ["element", "energy_ev_atom", "n_compounds", "left_out_error_ev_atom"]
MIN_COMPOUNDS = 2


def load_chgnet_references(resources: str | Path = RESOURCES) -> pd.DataFrame:
    """Read the elements' reference energies of CHGNet.

    Parameters
    ----------
    resources : path-like
        The folder that holds `thermochemistry/chgnet_references.csv`.

    Returns
    -------
    DataFrame
        By element: energy_ev_atom, with which CHGNet's energies become energies of
        formation on the level `materials_project_2018`; n_compounds, how many compounds
        are behind it; left_out_error_ev_atom, the root-mean-square error of these when
        each is left out of the fit.

    Raises
    ------
    BundledDataError
        When the table is missing, or a row is not of the format; its line is named.
    """
    path = Path(resources) / FILE
    table = read_csv(path, REFERENCE_COLUMNS, dtype={"element": str}, na_values=[""])
    numbers = table.drop(columns="element").apply(pd.to_numeric, errors="coerce")
    faults = {
        "unknown element": ~table["element"].map(lambda one: Element.is_valid_symbol(str(one))),
        "the element is there twice": table["element"].duplicated(),
        "the energy is no number below zero": ~(numbers["energy_ev_atom"] < 0),
        f"fewer than {MIN_COMPOUNDS} compounds": ~(numbers["n_compounds"] >= MIN_COMPOUNDS),
        "the error is no number above zero": ~(numbers["left_out_error_ev_atom"] > 0),
    }
    for fault, is_faulty in faults.items():
        if is_faulty.any():
            row = int(is_faulty.idxmax())
            raise BundledDataError(f"{path}, line {row + 2} ({table['element'][row]}): {fault}")
    return table.set_index("element")
