"""The three answers of a gate, and numbers that cannot be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

PASS, FAIL, UNKNOWN = "pass", "fail", "unknown"

# Energies and potentials this close below zero are zero: noise of the hull's arithmetic.
NOISE = 1e-6


@dataclass(frozen=True)
class Judgement:
    """What a gate says of each material.

    Attributes
    ----------
    answers : Series of str
        `pass`, `fail` or `unknown`, by material id.
    reasons : Series of str
        Why an answer is unknown, where there is more to say than that a value is missing.
    """

    answers: pd.Series
    reasons: pd.Series


def judge_at_least(values: pd.Series, limit: float) -> pd.Series:
    """Pass the values at or above a limit; missing ones are unknown."""
    answers = np.where(values.isna(), UNKNOWN, np.where(values >= limit, PASS, FAIL))
    return pd.Series(answers, index=values.index, dtype=object)


def judge_at_most(values: pd.Series, limit: float) -> pd.Series:
    """Pass the values at or below a limit; missing ones are unknown."""
    return judge_at_least(-values, -limit)


def all_of(conditions: list[pd.Series], index: pd.Index) -> pd.Series:
    """Pass what meets every condition.

    Parameters
    ----------
    conditions : list of Series
        Answers; without one, everything passes.
    index : Index
        The materials.

    Returns
    -------
    Series of str
        `fail` where one condition fails, whatever the others; else `unknown` where one is.
    """
    table = pd.DataFrame(dict(enumerate(conditions)), index=index)
    unknown = np.where((table == UNKNOWN).any(axis=1), UNKNOWN, PASS)
    answers = np.where((table == FAIL).any(axis=1), FAIL, unknown)
    return pd.Series(answers, index=index, dtype=object)


def set_faults_aside(
    values: pd.Series, what: str, unit: str, *, highest: float = np.inf
) -> tuple[pd.Series, pd.Series]:
    """Take numbers that cannot be out of a column, and say so.

    Parameters
    ----------
    values : Series of float
        None may be negative or infinite. What lies within `NOISE` of zero becomes zero.
    what, unit : str
        For the message.
    highest : float
        What is above cannot be either.

    Returns
    -------
    sound : Series of float
        NaN for what is missing or cannot be.
    faults : Series of str
        Empty where there is no fault.
    """
    values = values.astype(float)
    values = values.mask(values.abs() <= NOISE, 0.0)
    is_fault = (values < 0) | np.isinf(values) | (values > highest)
    faults = pd.Series("", index=values.index, dtype=object)
    faults[is_fault] = [f"{what} of {value:g} {unit} cannot be" for value in values[is_fault]]
    return values.mask(is_fault), faults


def join_texts(texts: list[pd.Series], index: pd.Index) -> pd.Series:
    """Join texts of each material by semicolons, empty and repeated ones left out."""
    rows = zip(*texts, strict=True) if texts else [()] * len(index)
    joined = ["; ".join(dict.fromkeys(text for text in row if text)) for row in rows]
    return pd.Series(joined, index=index, dtype=object)
