"""Transfer from structure to composition: Cubuk's esML, which needs no crystal to judge."""

from __future__ import annotations

from functools import partial

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted, validate_data

from ionscout.config import ModelSettings
from ionscout.features.elemental import COLUMNS as ELEMENTAL_COLUMNS
from ionscout.models._classes import TwoClassMixin, two_classes
from ionscout.models.base import Classifier
from ionscout.models.logistic import build_logistic, dump_logistic, linear_form, load_logistic
from ionscout.models.sendek2017 import SENDEK_COLUMNS
from ionscout.models.training_set import Pool

LEAST_POOL = 50
STRUCTURE_COLUMNS = tuple(f"sendek.{column}" for column in SENDEK_COLUMNS)
COMPOSITION_COLUMNS = tuple(f"elemental.{column}" for column in ELEMENTAL_COLUMNS)


class TransferClassifier(TwoClassMixin, BaseEstimator):
    """Logistic regression on composition, taught by one on structure.

    The first regression is fitted to the measured materials, by structure. It gives each
    material of the pool a probability p, and the second, on composition, is fitted to the
    pool: each material as fast with weight p and as slow with weight 1 - p. Where the pool
    has fewer than 50 materials the second is fitted to the measured ones instead, and
    nothing is transferred.

    Parameters
    ----------
    n_structure : int
        The first so many columns are of the structure, the others of the composition.
    ridge_penalty : float
        Of both regressions, as in `build_logistic`.
    random_state : int
        Of the solvers.

    Attributes
    ----------
    classes_ : array, shape (2,)
    teacher_, student_ : Pipeline
        The regressions on structure and on composition.
    n_pool_ : int
        Materials that the student was taught with; 0 where the pool was too small.

    References
    ----------
    Cubuk et al., J. Chem. Phys. 150, 214701 (2019), doi:10.1063/1.5093220.
    """

    def __init__(self, n_structure: int, ridge_penalty: float = 1.0, random_state: int = 0):
        self.n_structure = n_structure
        self.ridge_penalty = ridge_penalty
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: np.ndarray, pool: Pool | None = None) -> TransferClassifier:
        """Fit the teacher to the measured materials and the student to the pool.

        Parameters
        ----------
        X : array of float, shape (n, n_columns)
            Descriptors of the measured materials, finite.
        y : array, shape (n,)
            Two classes.
        pool : Pool, optional
            The materials without a label.

        Returns
        -------
        TransferClassifier

        Raises
        ------
        ValueError
            X or y is no such array.
        """
        X, y = validate_data(self, X, y, dtype=float, ensure_min_samples=2)
        self.classes_ = two_classes(y)
        structure, composition = np.split(X, [self.n_structure], axis=1)
        self.teacher_ = self._build().fit(structure, y)
        self.n_pool_ = 0 if pool is None or len(pool.x) < LEAST_POOL else len(pool.x)
        if self.n_pool_:
            self.student_ = self._teach(pool.x)
        else:
            self.student_ = self._build().fit(composition, y)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Compute the probabilities of the two classes, by composition alone.

        Parameters
        ----------
        X : array of float, shape (n, n_columns)
            Descriptors; those of the structure are ignored.

        Returns
        -------
        array of float, shape (n, 2)
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=float, reset=False)
        return self.student_.predict_proba(X[:, self.n_structure :])

    def _build(self) -> Pipeline:
        return build_logistic(ridge_penalty=self.ridge_penalty, seed=self.random_state)

    def _teach(self, x: np.ndarray) -> Pipeline:
        """Fit the student to what the teacher says of the pool."""
        structure, composition = np.split(x, [self.n_structure], axis=1)
        p = self.teacher_.predict_proba(structure)[:, 1]
        taught = np.repeat(self.classes_[::-1], len(x))
        weight = np.concatenate([p, 1 - p])
        return self._build().fit(
            np.tile(composition, (2, 1)), taught, classify__sample_weight=weight
        )


def _build(settings: ModelSettings, seed: int) -> TransferClassifier:
    return TransferClassifier(len(STRUCTURE_COLUMNS), settings.ridge_penalty, seed)


CLASSIFIER = Classifier(
    columns=STRUCTURE_COLUMNS + COMPOSITION_COLUMNS,
    learns=True,
    build=_build,
    dump=dump_logistic,
    load=partial(load_logistic, n_columns=len(COMPOSITION_COLUMNS)),
    linear=linear_form,
    judged_columns=COMPOSITION_COLUMNS,
    judge=lambda fitted: fitted.student_,
    note=(
        "composition alone, taught by a model on structure; the chemical systems held out are"
        f" kept from the pool; fitted to the labels alone where the pool has under {LEAST_POOL}"
    ),
)
