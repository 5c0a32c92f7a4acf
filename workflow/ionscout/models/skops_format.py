"""Estimators that JSON cannot hold, stored without pickle."""

from __future__ import annotations

import base64
import binascii
import io
import re
import zipfile
from typing import Any

import numpy as np
import skops.io
from sklearn.base import BaseEstimator

# What a saved model may hold besides the types that skops itself trusts. Of no other
# type is an object made: skops refuses it by name before it constructs anything.
# A tree is walked in C without a look at its indices: `load_skops` looks at them.
TRUSTED_TYPES = (
    "ionscout.models._svm.CalibratedSVM",
    "ionscout.models.kernel_svm.KernelSVM",
    "ionscout.models.linear_svm.LinearSVM",
    "ionscout.models.regression._profile_process.ProfileGaussianProcess",
    "ionscout.models.regression.average.MeanRegressor",
    "ionscout.models.regression.pls.BoundedPLS",
    "ionscout.models.regression.preparation.Preparation",
    "ionscout.models.regression.replicated.Replicated",
    "ionscout.models.stack.Stack",
    "sklearn.tree._tree.Tree",
)
KEY = "skops_base64"
SCHEMA = "schema.json"
_ADDRESS = re.compile(r'("__id__": |"file": ")(\d+)(\b)')


def dump_skops(fitted: BaseEstimator) -> dict[str, Any]:
    """Store a fitted estimator.

    Parameters
    ----------
    fitted : scikit-learn estimator

    Returns
    -------
    dict
        `skops_base64`, a ZIP archive of arrays and JSON in base 64.
    """
    return {KEY: base64.b64encode(_without_addresses(skops.io.dumps(fitted))).decode()}


def load_skops(
    parameters: dict[str, Any], *, kind: type[BaseEstimator], n_columns: int
) -> BaseEstimator:
    """Make a fitted estimator again.

    Parameters
    ----------
    parameters : dict
        As `dump_skops` returns it.
    kind : type
        What it has to be.
    n_columns : int
        How many columns it has to read.

    Returns
    -------
    scikit-learn estimator

    Raises
    ------
    ValueError
        The content is damaged, holds an untrusted type, or is another estimator.
    """
    if set(parameters) != {KEY}:
        raise ValueError(f"other keys than {KEY}")
    try:
        content = base64.b64decode(parameters[KEY], validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise ValueError("no base 64") from None
    try:
        untrusted = set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED_TYPES)
        if not untrusted:
            fitted = skops.io.loads(content, trusted=list(TRUSTED_TYPES))
    except Exception as error:  # a damaged archive can fail in any of its parts
        raise ValueError(f"no model can be read from it: {type(error).__name__}") from None
    if untrusted:
        raise ValueError(f"it holds the untrusted type {min(untrusted)}")
    if any(not _is_sound(tree) for tree in _trees_of(fitted)):
        raise ValueError("a tree in it leads nowhere")
    if type(fitted) is not kind or getattr(fitted, "n_features_in_", None) != n_columns:
        raise ValueError(f"it is no {kind.__name__} of {n_columns} columns")
    return fitted


def _without_addresses(content: bytes) -> bytes:
    """Rename the objects of an archive, so that equal models give equal bytes.

    skops names them by their place in memory; here they are numbered.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        schema = archive.read(SCHEMA).decode()
        files = {name: archive.read(name) for name in archive.namelist() if name != SCHEMA}
    numbers: dict[str, str] = {}

    def number(match: re.Match[str]) -> str:
        return match[1] + numbers.setdefault(match[2], str(len(numbers))) + match[3]

    schema = _ADDRESS.sub(number, schema)
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            stem, _, suffix = name.partition(".")
            archive.writestr(zipfile.ZipInfo(f"{numbers[stem]}.{suffix}"), data)
        archive.writestr(zipfile.ZipInfo(SCHEMA), schema)
    return written.getvalue()


def _trees_of(fitted: Any) -> list[Any]:
    """List the trees of a forest, or of the forests in a stack."""
    members = getattr(fitted, "fitted_", [fitted])
    return [tree.tree_ for member in members for tree in getattr(member, "estimators_", [])]


def _is_sound(tree: Any) -> bool:
    """Check that every branch leads on to a later node, by a column that there is."""
    number = np.arange(tree.node_count)
    left, right = tree.children_left, tree.children_right
    is_leaf = (left == -1) & (right == -1)
    leads_on = (np.minimum(left, right) > number) & (np.maximum(left, right) < tree.node_count)
    has_column = (tree.feature >= 0) & (tree.feature < tree.n_features)
    return bool(len(number)) and bool((is_leaf | (leads_on & has_column)).all())
