"""The published classifier of Sendek et al. (2017), with its published coefficients."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from ionscout.models._classes import LogOddsMixin
from ionscout.models.base import Classifier

COEFFICIENTS = {
    "llb": 0.184,
    "sbi": -4.009,
    "afc": -0.467,
    "lasd_ang": 8.699,
    "llsd_ang": -2.170,
}
INTERCEPT = -6.564
SENDEK_COLUMNS = tuple(COEFFICIENTS)

N_TRAINED_ON = 40
# The training compounds known here, 32 of the paper's 40.
TRAINED_ON = (
    *("Li10Ge(PS6)2", "Li2Ge7O15", "Li2HN", "Li2S", "Li2TiFe(PO4)3", "Li2ZrFe(PO4)3"),
    *("Li3Cr2(PO4)3", "Li3Fe2(PO4)3", "Li3N", "Li3P", "Li3PS4", "Li3Sc2(PO4)3", "Li3VO4"),
    *("Li4B7ClO12", "Li4BH10N3", "Li4SiO4", "Li5La3Nb2O12", "Li5La3Ta2O12", "Li6Br3N"),
    *("Li6FeCl8", "Li7La3Zr2O12", "Li7P3S11", "Li7VGeO8", "LiAlH4", "LiAlSiO4", "LiBH4"),
    *("LiGe2(PO4)3", "LiH2N", "LiI", "LiLaTi2O6", "LiTi2(PO4)3", "LiZr2(PO4)3"),
)


class Sendek2017Classifier(LogOddsMixin, BaseEstimator):
    """Logistic regression on five structural descriptors, as published.

    The probability of fast conduction at room temperature (1e-4 S/cm) is
    P = 1 / (1 + exp(-z)) with z = 0.184 LLB - 4.009 SBI - 0.467 AFC
    + 8.699 LASD - 2.170 LLSD - 6.564. Nothing is ever fitted.

    References
    ----------
    Sendek et al., Energy Environ. Sci. 10, 306 (2017), doi:10.1039/C6EE02697D.
    """

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @property
    def classes_(self) -> np.ndarray:
        """The classes slow (False) and fast (True), shape (2,)."""
        return np.array([False, True])

    def fit(self, X: np.ndarray, y: np.ndarray | None = None) -> Sendek2017Classifier:
        """Return the model as it is: its coefficients are published.

        Parameters
        ----------
        X : array of shape (n_materials, 5)
            Ignored.
        y : array of shape (n_materials,), optional
            Ignored.

        Returns
        -------
        Sendek2017Classifier
        """
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Compute z.

        Parameters
        ----------
        X : array of shape (n_materials, 5)
            LLB, SBI, AFC, LASD (angstrom) and LLSD (angstrom), in this order.

        Returns
        -------
        array of shape (n_materials,)
        """
        return np.asarray(X, dtype=float) @ np.array([*COEFFICIENTS.values()]) + INTERCEPT


def _dump(_: Sendek2017Classifier) -> dict[str, Any]:
    return {"coefficients": COEFFICIENTS, "intercept": INTERCEPT}


def _load(parameters: dict[str, Any]) -> Sendek2017Classifier:
    if parameters != _dump(Sendek2017Classifier()):
        raise ValueError("its coefficients are not the published ones")
    return Sendek2017Classifier()


CLASSIFIER = Classifier(
    columns=SENDEK_COLUMNS,
    learns=False,
    build=lambda settings, seed: Sendek2017Classifier(),
    dump=_dump,
    load=_load,
    linear=lambda _: (np.array([*COEFFICIENTS.values()]), INTERCEPT),
    published=COEFFICIENTS,
    note=(
        f"published coefficients, nothing fitted here; of its {N_TRAINED_ON} training compounds"
        f" {len(TRAINED_ON)} are known here, so that an unseen one may be among the others"
    ),
    trained_on=TRAINED_ON,
)
