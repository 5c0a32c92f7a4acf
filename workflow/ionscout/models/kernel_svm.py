"""Support-vector machine with a Gaussian kernel, on structure and composition."""

from __future__ import annotations

from functools import partial

from ionscout.config import ModelSettings
from ionscout.features.elemental import COLUMNS as ELEMENTAL_COLUMNS
from ionscout.features.sendek import PAPER_COLUMNS
from ionscout.models._svm import CalibratedSVM
from ionscout.models.base import Classifier
from ionscout.models.skops_format import dump_skops, load_skops

COLUMNS = (
    *(f"sendek.{column}" for column in PAPER_COLUMNS),
    *(f"elemental.{column}" for column in ELEMENTAL_COLUMNS),
)
PENALTIES_C = (1.0, 10.0)
WIDTHS = (0.1, 0.3, 1.0)


class KernelSVM(CalibratedSVM):
    """Gaussian kernel; C and gamma chosen and probabilities calibrated in inner folds.

    Gamma is one of 0.1, 0.3 and 1 over the number of columns, which makes it a number
    of standardised columns that may differ before two materials are strangers.

    Parameters
    ----------
    candidates, n_folds, random_state
        As in `CalibratedSVM`.

    Attributes
    ----------
    machine_ : SVC
    """

    def __init__(self, candidates, n_folds: int = 5, random_state: int = 0):
        super().__init__(candidates, n_folds, random_state)


def build(settings: ModelSettings, seed: int) -> KernelSVM:
    """Make the unfitted estimator.

    Parameters
    ----------
    settings : ModelSettings
    seed : int
        Seed of the inner folds.

    Returns
    -------
    KernelSVM
    """
    candidates = tuple(
        {"kernel": "rbf", "C": c, "gamma": width / len(COLUMNS)}
        for width in WIDTHS
        for c in PENALTIES_C
    )
    return KernelSVM(candidates, n_folds=settings.n_folds, random_state=seed)


CLASSIFIER = Classifier(
    columns=COLUMNS,
    learns=True,
    build=build,
    dump=dump_skops,
    load=partial(load_skops, kind=KernelSVM, n_columns=len(COLUMNS)),
)
