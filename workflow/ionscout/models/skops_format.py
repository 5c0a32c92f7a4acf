"""Estimators that JSON cannot hold, stored without pickle."""

from __future__ import annotations

import base64
import binascii
import io
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import sklearn
import skops.io
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier
from sklearn.ensemble._forest import BaseForest
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, ExtraTreeRegressor
from sklearn.tree._tree import Tree

# What a saved model may hold besides the types that skops itself trusts. Of no other
# type is an object made: skops refuses it by name before it constructs anything.
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
# scikit-learn's own estimators that models are made of. skops trusts all of that package,
# and others of it would take their arrays to C unseen.
LOOKED_AT = (
    *(DecisionTreeClassifier, ExtraTreeRegressor, ExtraTreesRegressor),
    *(DummyRegressor, LogisticRegression, Pipeline, RandomForestClassifier, StandardScaler),
    *(SVC, SVR, Tree),
)
KEY = "skops_base64"
SKLEARN = "scikit-learn"
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
            fitted, written_by = _load(content)
    except Exception as error:  # a damaged archive can fail in any of its parts
        raise ValueError(f"no model can be read from it: {type(error).__name__}") from None
    if untrusted:
        raise ValueError(f"it holds the untrusted type {min(untrusted)}")
    for number in written_by:
        refuse_other_version({SKLEARN: number})
    if type(fitted) is not kind:
        raise ValueError(f"it is no {kind.__name__} of {n_columns} columns")
    refuse_unsound(fitted, n_columns)
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


def refuse_unsound(estimator: BaseEstimator, n_columns: int) -> None:
    """Refuse an estimator that compiled code would follow out of its arrays.

    Trees and support-vector machines are walked in C without a look at their indices.
    Looked at is every estimator that can be reached, in whatever holds it.

    Parameters
    ----------
    estimator : scikit-learn estimator
        Fitted.
    n_columns : int
        How many columns it is given.

    Raises
    ------
    ValueError
        It, or an estimator in it, is unsound or of a type that no model has.
    """
    try:
        _refuse_other_columns(estimator, n_columns)
        for part in _reachable(estimator):
            _refuse_unsound_part(part)
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise ValueError(f"a part of it is incomplete: {type(error).__name__}") from None


def refuse_other_version(versions: Mapping[str, str]) -> None:
    """Refuse what another minor version of scikit-learn has written.

    Parameters
    ----------
    versions : mapping of str to str
        Of the packages that the model was trained with.

    Raises
    ------
    ValueError
    """
    written, here = versions.get(SKLEARN, "unknown"), sklearn.__version__
    if written.split(".")[:2] != here.split(".")[:2]:
        raise ValueError(f"it was written by {SKLEARN} {written}, which {here} cannot be sure of")


def _load(content: bytes) -> tuple[BaseEstimator, list[str]]:
    """Make the objects of an archive; the other versions of scikit-learn that wrote them beside."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", InconsistentVersionWarning)
        fitted = skops.io.loads(content, trusted=list(TRUSTED_TYPES))
    said = [warning.message for warning in caught]
    return fitted, [
        one.original_sklearn_version for one in said if isinstance(one, InconsistentVersionWarning)
    ]


def _reachable(root: Any) -> Iterator[Any]:
    """Find all estimators and trees in an object, each once."""
    seen, waiting = {}, [root]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen[id(one)] = one
        if isinstance(one, BaseEstimator | Tree):
            yield one
        if isinstance(one, dict):
            waiting.extend(one.values())
        elif isinstance(one, list | tuple | set | frozenset):
            waiting.extend(one)
        elif isinstance(one, np.ndarray) and one.dtype == object:
            waiting.extend(one.ravel())
        if not isinstance(one, type):
            waiting.extend(getattr(one, "__dict__", {}).values())


def _refuse_unsound_part(part: BaseEstimator | Tree) -> None:
    """Look at one estimator, not at those in it."""
    kind = type(part)
    if kind.__module__.startswith("sklearn.") and kind not in LOOKED_AT:
        raise ValueError(f"it holds a {kind.__name__}, which no model has")
    held = vars(part) if isinstance(part, BaseEstimator) else {}
    if isinstance(part, BaseForest):
        for tree in held.get("estimators_", ()):
            _refuse_other_columns(tree, part.n_features_in_)
    if "tree_" in held and not _is_sound(part.tree_, part.n_features_in_):
        raise ValueError("a tree in it leads nowhere")
    if isinstance(part, SVC | SVR) and "support_vectors_" in held and not _is_sound_machine(part):
        raise ValueError("the arrays of a support-vector machine in it do not fit together")


def _refuse_other_columns(estimator: BaseEstimator, n_columns: int) -> None:
    if getattr(estimator, "n_features_in_", None) != n_columns:
        raise ValueError(f"it is no {type(estimator).__name__} of {n_columns} columns")


def _is_sound(tree: Tree, n_columns: int) -> bool:
    """Check that every branch leads on to a later node, by a column that it is given."""
    if tree.n_features != n_columns or tree.node_count < 1:
        return False
    number = np.arange(tree.node_count)
    left, right = tree.children_left, tree.children_right
    is_leaf = (left == -1) & (right == -1)
    leads_on = (np.minimum(left, right) > number) & (np.maximum(left, right) < tree.node_count)
    has_column = (tree.feature >= 0) & (tree.feature < n_columns)
    return bool((is_leaf | (leads_on & has_column)).all())


def _is_sound_machine(machine: SVC | SVR) -> bool:
    """Check the arrays that libsvm takes by the lengths of one another."""
    n_vectors = len(machine.support_vectors_)
    n_classes = len(machine.classes_) if isinstance(machine, SVC) else 2
    n_pairs = n_classes * (n_classes - 1) // 2
    of_class = machine._n_support
    counted = of_class if isinstance(machine, SVC) else of_class[:1]
    return (
        machine.kernel in ("linear", "poly", "rbf", "sigmoid")
        and machine._sparse is False
        and "_impl" not in vars(machine)
        and n_classes >= 2
        and of_class.shape == (n_classes,)
        and bool((of_class >= 0).all())
        and int(counted.sum(dtype=np.int64)) == n_vectors
        and machine.support_.shape == (n_vectors,)
        and machine.support_vectors_.shape == (n_vectors, machine.n_features_in_)
        and machine._dual_coef_.shape == (n_classes - 1, n_vectors)
        and machine._intercept_.shape == (n_pairs,)
        and machine._probA.shape == machine._probB.shape
        and machine._probA.shape in ((0,), (n_pairs,))
    )
