"""What the scoring of some shards found, and how such results are put together.

Merging adds counts and keeps the best of what both kept, by score and then by formula: a
total order, so that the order of merging makes no difference.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ionscout.compositions.scores import UNIT, ScoreBins
from ionscout.errors import CompositionError

_OF_SYSTEMS = ("systems", "system_counts", "best_scores", "best_codes")
_ARRAYS = ("histogram", "top_scores", "top_codes", *_OF_SYSTEMS)
_SUMS = ("n_total", "n_ternary", "n_quaternary", "histogram")


@dataclass(frozen=True)
class ScoredCompositions:
    """Histogram, best compositions and systems of some shards.

    Attributes
    ----------
    fingerprint : str
        Of all that decides the result: space, model, bins, rules, number of shards.
    shards : tuple of int
        The shards in it, rising.
    n_shards : int
        How many there are in all.
    n_wanted : int
        How many of the best were asked for.
    n_total, n_ternary, n_quaternary : int
        Formulas in the shards, multiples of others included; compositions, each once.
    bins : ScoreBins
    histogram : array of int, shape (n_bins,)
        Number of compositions scored, by score.
    top_scores, top_codes : array of int, shape (n_top,)
        The best compositions, best first: units of `ionscout.compositions.scores`, and
        `ionscout.compositions.space.encode`.
    systems : array of int, shape (n_systems, 3)
        The systems with a composition scored, rising.
    system_counts : array of int, shape (n_systems,)
        Number of their compositions scored.
    best_scores, best_codes : array of int, shape (n_systems,)
        The best composition of each.
    """

    fingerprint: str
    shards: tuple[int, ...]
    n_shards: int
    n_wanted: int
    n_total: int
    n_ternary: int
    n_quaternary: int
    bins: ScoreBins
    histogram: np.ndarray
    top_scores: np.ndarray
    top_codes: np.ndarray
    systems: np.ndarray
    system_counts: np.ndarray
    best_scores: np.ndarray
    best_codes: np.ndarray

    @property
    def n_reduced(self) -> int:
        """Compositions in the shards, each once, scored or not."""
        return self.n_ternary + self.n_quaternary

    @property
    def n_scored(self) -> int:
        """Compositions scored: all, or the neutral ones."""
        return int(self.histogram.sum())

    @property
    def is_complete(self) -> bool:
        """Whether all shards are in it."""
        return len(self.shards) == self.n_shards

    @property
    def top_log_odds(self) -> np.ndarray:
        """Log-odds of the best compositions, shape (n_top,)."""
        return self.top_scores * UNIT

    @property
    def note(self) -> str:
        """What a reader of the best compositions has to know; empty for nothing."""
        if self.n_wanted <= self.n_scored:
            return ""
        return (
            f"the best {self.n_wanted:,} compositions were asked for and there are only"
            f" {self.n_scored:,}: all of them are listed"
        )

    def percentile(self, score: int) -> tuple[float, float]:
        """Bound the share of compositions with a lower score, by the score's bin.

        Parameters
        ----------
        score : int
            Units.

        Returns
        -------
        lowest, highest : float
            Percent.
        """
        place = (score - self.bins.lowest_units) // self.bins.width_units
        lower, same = int(self.histogram[:place].sum()), int(self.histogram[place])
        percent = 100.0 / max(self.n_scored, 1)
        return percent * lower, percent * (lower + same)

    def save(self, path: Path) -> None:
        """Write to a file that `load` reads; equal results are equal bytes.

        Parameters
        ----------
        path : Path
            With the suffix .npz.
        """
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        header = {name: value for name, value in vars(self).items() if name not in _ARRAYS}
        header["bins"] = vars(self.bins)
        np.savez(path, header=np.array(json.dumps(header)), **arrays)

    @classmethod
    def load(cls, path: Path) -> ScoredCompositions:
        """Read what `save` wrote.

        Parameters
        ----------
        path : Path

        Returns
        -------
        ScoredCompositions

        Raises
        ------
        CompositionError
            If the file is no such result.
        """
        try:
            with np.load(path, allow_pickle=False) as stored:
                header = json.loads(str(stored["header"]))
                arrays = {name: stored[name] for name in _ARRAYS}
            header["bins"] = ScoreBins(**header["bins"])
            header["shards"] = tuple(header["shards"])
            return cls(**header, **arrays)
        except Exception as error:  # numpy and zipfile fail in many ways on a damaged file
            raise CompositionError(
                f"{path} holds no scored compositions: delete it and run again"
            ) from error


def merge(results: Sequence[ScoredCompositions]) -> ScoredCompositions:
    """Put results of different shards together.

    Parameters
    ----------
    results : sequence of ScoredCompositions
        At least one, of the same scoring; in any order.

    Returns
    -------
    ScoredCompositions

    Raises
    ------
    CompositionError
        If there are none, if they are of different scorings, or if two have a shard in common.
    """
    _check_together(results)
    joined = {
        name: np.concatenate([getattr(result, name) for result in results])
        for name in ("top_scores", "top_codes", *_OF_SYSTEMS)
    }
    top = rank(joined["top_scores"], joined["top_codes"])[: results[0].n_wanted]
    order = np.lexsort(joined["systems"].T[::-1])
    arrays = {name: joined[name][top] for name in ("top_scores", "top_codes")}
    arrays |= {name: joined[name][order] for name in _OF_SYSTEMS}
    sums = {name: sum(getattr(result, name) for result in results) for name in _SUMS}
    shards = sorted(shard for result in results for shard in result.shards)
    return replace(results[0], shards=tuple(shards), **sums, **arrays)


def _check_together(results: Sequence[ScoredCompositions]) -> None:
    if not results:
        raise CompositionError("there are no shards of compositions to merge: score some first")
    if len({result.fingerprint for result in results}) > 1:
        raise CompositionError(
            "the shards of compositions are of different models, elements or settings:"
            " delete them and run again"
        )
    shards = [shard for result in results for shard in result.shards]
    if len(set(shards)) < len(shards):
        raise CompositionError("a shard of compositions is there twice: merge each once")


def rank(scores: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Order compositions: the highest score first, equal ones by formula.

    Parameters
    ----------
    scores, codes : array of int, shape (n,)

    Returns
    -------
    array of int, shape (n,)
        Places of the compositions, best first.
    """
    return np.lexsort((codes, -scores))
