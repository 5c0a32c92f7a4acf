"""The classifiers by name."""

from __future__ import annotations

from ionscout.errors import ModelError
from ionscout.models import (
    esml,
    forest,
    kernel_svm,
    linear_svm,
    logistic,
    sendek2017,
    sendek_retrained,
    stack,
)
from ionscout.models.base import Classifier

# The descriptor sets that each reads are in `ionscout.config.CLASSIFIER_SETS`.
CLASSIFIERS: dict[str, Classifier] = {
    "sendek2017": sendek2017.CLASSIFIER,
    "logistic": logistic.CLASSIFIER,
    "sendek_retrained": sendek_retrained.CLASSIFIER,
    "linear_svm": linear_svm.CLASSIFIER,
    "kernel_svm": kernel_svm.CLASSIFIER,
    "forest": forest.CLASSIFIER,
    "stack": stack.CLASSIFIER,
    "esml": esml.CLASSIFIER,
}


def get_classifier(name: str) -> Classifier:
    """Look up a classifier.

    Parameters
    ----------
    name : str
        One of `CLASSIFIERS`.

    Returns
    -------
    Classifier

    Raises
    ------
    ModelError
        There is no such classifier.
    """
    if name not in CLASSIFIERS:
        raise ModelError(f"no model {name!r}; there are {', '.join(sorted(CLASSIFIERS))}")
    return CLASSIFIERS[name]
