"""The known compounds, and which of them is nearest to a composition.

Nearest in the standardised columns of the `elemental` descriptors, in which the models judge.
"""

from __future__ import annotations

import re
import statistics
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pymatgen.core import Composition

from ionscout.compositions.space import MAX_AMOUNT, CompositionSpace, decode
from ionscout.features.elemental import COLUMNS, describe_composition, elemental_properties
from ionscout.labels.join import ROOM_TEMPERATURE_K
from ionscout.models.domain import Domain

KNOWN_COLUMNS = ["formula", "sigma_rt_s_cm", "is_upper_bound", "n_measured"]
NEAREST_COLUMNS = [
    *("nearest_formula", "nearest_distance", "nearest_sigma_rt_s_cm", "nearest_is_upper_bound")
]

_AT_ONCE = 4096
_ONE = re.compile(r"(?<=[A-Za-z])1(?![0-9.])")


def reduce_formula(formula: str) -> str:
    """Write a formula in the one form that all writings of a composition share.

    Parameters
    ----------
    formula : str

    Returns
    -------
    str
        As pymatgen reduces it; in whole numbers, where none is above `MAX_AMOUNT`.
    """
    composition = Composition(formula)
    whole, _ = composition.get_integer_formula_and_factor()
    if max(Composition(whole).values()) <= MAX_AMOUNT:
        return whole
    return _ONE.sub("", composition.reduced_formula)


def list_known(
    manifest: pd.DataFrame, labels: pd.DataFrame, measured: pd.DataFrame
) -> pd.DataFrame:
    """List the compounds that are known to exist, each formula once.

    Parameters
    ----------
    manifest : DataFrame
        The campaign's materials. Those made from others are left out.
    labels : DataFrame
        Their measured conductivities, as `join_labels` returns them.
    measured : DataFrame
        Further measured ones: formula, sigma_s_cm, is_upper_bound, temperature_k. They count
        where the campaign has no label of the formula, at room temperature alone.

    Returns
    -------
    DataFrame
        formula, as `reduce_formula`; sigma_rt_s_cm, the median of the measured values or
        the tightest bound, NaN where there is none; is_upper_bound; n_measured. By alphabet.
    """
    is_made = manifest["parent_id"].notna() | (manifest["vacancies_per_cell"] > 0)
    own = manifest[~is_made & manifest["duplicate_of"].isna()]
    own = own.merge(labels[["material_id", "sigma_rt_s_cm", "is_upper_bound"]], how="left")
    of_campaign = pd.DataFrame({
        "formula": own["stated_formula"].fillna(own["reduced_formula"]).map(reduce_formula),
        "sigma_rt_s_cm": own["sigma_rt_s_cm"],
        "is_upper_bound": own["is_upper_bound"] == True,  # noqa: E712
    })  # fmt: skip
    further = measured[measured["temperature_k"].between(*ROOM_TEMPERATURE_K)]
    further = further.rename(columns={"sigma_s_cm": "sigma_rt_s_cm"})
    further = further.assign(formula=further["formula"].map(reduce_formula))[KNOWN_COLUMNS[:3]]
    labelled = of_campaign.loc[of_campaign["sigma_rt_s_cm"].notna(), "formula"]
    together = pd.concat([of_campaign, further[~further["formula"].isin(labelled)]])
    rows = [_reconcile(formula, rows) for formula, rows in together.groupby("formula")]
    return pd.DataFrame(rows, columns=KNOWN_COLUMNS)


def _reconcile(formula: str, rows: pd.DataFrame) -> tuple[str, float, bool, int]:
    """Make one row of all that is known of a formula."""
    values = rows.dropna(subset=["sigma_rt_s_cm"])
    is_bound = values["is_upper_bound"].to_numpy(dtype=bool)
    sigma = values["sigma_rt_s_cm"].to_numpy(dtype=float)
    if not len(sigma):
        return formula, np.nan, False, 0
    if is_bound.all():
        return formula, float(sigma.min()), True, len(sigma)
    logarithms = np.log10(sigma[~is_bound])
    return formula, 10 ** statistics.median(logarithms.tolist()), False, len(logarithms)


@dataclass(frozen=True)
class KnownCompounds:
    """The known compounds in descriptor space.

    Attributes
    ----------
    table : DataFrame
        As `list_known`, without those that lack a descriptor.
    domain : Domain
        Its points are the rows of the table.
    """

    table: pd.DataFrame
    domain: Domain

    @classmethod
    def describe(cls, known: pd.DataFrame) -> KnownCompounds:
        """Describe known compounds.

        Parameters
        ----------
        known : DataFrame
            As `list_known`; at least two described.

        Returns
        -------
        KnownCompounds
        """
        described = [describe_composition(Composition(formula)) for formula in known["formula"]]
        x = np.array([[values[column] for column in COLUMNS] for values in described])
        complete = np.isfinite(x).all(axis=1)
        return cls(known[complete].reset_index(drop=True), Domain.around(x[complete]))

    def find_nearest(self, x: np.ndarray) -> pd.DataFrame:
        """Find the known compound that is nearest to each composition.

        Parameters
        ----------
        x : array of float, shape (n, n_columns)
            As `describe_codes`.

        Returns
        -------
        DataFrame
            nearest_formula; nearest_distance, to that one compound, in units of the reach of
            `Domain`, 0 for the composition itself; nearest_sigma_rt_s_cm;
            nearest_is_upper_bound. One row a composition; of equally near ones the first by
            alphabet.
        """
        nearest, distance = np.zeros(len(x), dtype=int), np.zeros(len(x))
        for first in range(0, len(x), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            apart = self.domain.to_each(x[part]) / self.domain.reach
            nearest[part] = apart.argmin(axis=1)
            distance[part] = apart.min(axis=1)
        # Rounded, so that the same composition written by other means is at no distance.
        found = self.table.iloc[nearest]
        return pd.DataFrame({
            "nearest_formula": found["formula"].to_numpy(),
            "nearest_distance": np.round(distance, 6),
            "nearest_sigma_rt_s_cm": found["sigma_rt_s_cm"].to_numpy(),
            "nearest_is_upper_bound": found["is_upper_bound"].to_numpy(),
        })  # fmt: skip


def describe_codes(codes: np.ndarray, space: CompositionSpace) -> np.ndarray:
    """Describe many compositions, as `describe_composition` does one.

    Parameters
    ----------
    codes : array of int, shape (n,)
    space : CompositionSpace

    Returns
    -------
    array of float, shape (n, n_columns)
        The columns of `ionscout.features.elemental`.
    """
    systems, amounts = decode(codes)
    table = np.array([elemental_properties(symbol) for symbol in space.symbols])
    # In a ternary system lithium, with the amount 0, stands for X: it changes no statistic.
    values = table[np.insert(systems, 0, 0, axis=1)]
    fractions = (amounts / amounts.sum(axis=1, keepdims=True))[:, :, np.newaxis]
    mean = (fractions * values).sum(axis=1)
    deviation = np.sqrt((fractions * (values - mean[:, np.newaxis]) ** 2).sum(axis=1))
    statistics_of = np.stack([mean, deviation, values.min(axis=1), values.max(axis=1)], axis=-1)
    return np.column_stack(
        [fractions[:, 0, 0], statistics_of.reshape(len(codes), len(COLUMNS) - 1)]
    )
