"""Scoring of all compositions of a space, a shard at a time, on all cores."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ionscout.compositions._sweep import score_exactly
from ionscout.compositions._work import Progress, rank_means, score_all, score_neutral
from ionscout.compositions.neutrality import OxidationRules
from ionscout.compositions.results import ScoredCompositions
from ionscout.compositions.scores import (
    ElementScores,
    LinearCompositionModel,
    ScoreBins,
    choose_bins,
    prepare_systems,
    tabulate,
)
from ionscout.compositions.space import CompositionSpace, count_coprime, decode
from ionscout.errors import CompositionError

# Ranking one sum of two elements takes as long as scoring about this many compositions.
_SCORED_A_RANK = 8


@dataclass(frozen=True)
class Scoring:
    """One model, one space, and what to keep: all that decides a result.

    Attributes
    ----------
    model : LinearCompositionModel
    space : CompositionSpace
    rules : OxidationRules, optional
        Score the neutral compositions alone.
    n_top : int
        How many of the best compositions to keep; 0 for none.
    n_bins : int
        Bins of the histogram.
    n_shards : int
        Parts that can be scored on different machines.

    Raises
    ------
    CompositionError
        If a number is out of range or the rules are for another space.
    ModelError
        If the model has a weight for what is unknown of an element.
    """

    model: LinearCompositionModel
    space: CompositionSpace
    rules: OxidationRules | None = None
    n_top: int = 100_000
    n_bins: int = 1000
    n_shards: int = 1

    def __post_init__(self):
        if self.n_bins < 1 or self.n_top < 0:
            raise CompositionError(
                f"{self.n_bins} bins and the best {self.n_top} compositions: set at least 1 bin,"
                " and 0 or more compositions"
            )
        if self.rules is not None and self.rules.space != self.space:
            raise CompositionError("the oxidation states are those of other elements")
        self.space.split(self.n_shards)
        tabulate(self.model, self.space)

    @cached_property
    def element_scores(self) -> ElementScores:
        """What each element adds to the scores."""
        return tabulate(self.model, self.space)

    @cached_property
    def bins(self) -> ScoreBins:
        """Bins that hold all scores of the space."""
        return choose_bins(self.element_scores, self.space, self.n_bins)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all that decides the result, sixteen hexadecimal digits."""
        rules = self.rules and (self.rules.states, self.rules.electronegativities)
        decisive = (
            self.space,
            self.element_scores.fingerprint(),
            (self.n_top, self.n_bins, self.n_shards),
            rules,
        )
        return hashlib.sha256(repr(decisive).encode()).hexdigest()[:16]

    def score(self, amounts: dict[str, int]) -> int:
        """Score one composition of the space.

        Parameters
        ----------
        amounts : dict of str to int
            Amount by symbol, lithium among them.

        Returns
        -------
        int
            Units.

        Raises
        ------
        CompositionError
            If the composition is not in the space.
        """
        systems, rows = decode(np.array([self.space.find(amounts)]))
        parts = prepare_systems(self.element_scores, systems)
        return int(score_exactly(rows[0], 0, (parts.mean_units, parts.squares, parts.weights)))

    def score_shard(
        self, shard: int, *, n_threads: int | None = None, progress: Progress | None = None
    ) -> ScoredCompositions:
        """Score the compositions of one shard.

        Parameters
        ----------
        shard : int
            From 0 to n_shards - 1.
        n_threads : int, optional
            All cores by default; without effect on the result.
        progress : callable, optional
            Called now and then with the share that is done, from 0 to 1.

        Returns
        -------
        ScoredCompositions

        Raises
        ------
        CompositionError
            If there is no such shard.
        """
        if not 0 <= shard < self.n_shards:
            raise CompositionError(f"there is no shard {shard}: they are 0 to {self.n_shards - 1}")
        pairs = self.space.split(self.n_shards)[shard]
        n_threads = n_threads or os.cpu_count() or 1
        progress = progress or (lambda share: None)
        n_y = pairs[:, 0] - 1
        n_ternary = len(pairs) * count_coprime(self.space.max_amount, 3)
        n_quaternary = int(n_y.sum()) * count_coprime(self.space.max_amount, 4)
        if self.rules is not None:
            kept = score_neutral(self, self.rules, pairs, n_threads, progress)
        elif self._is_ranked(len(pairs), n_quaternary):
            kept = rank_means(self, pairs, n_threads, progress)
        else:
            kept = score_all(self, pairs, n_threads, progress)
        side = self.space.max_amount
        return ScoredCompositions(
            fingerprint=self.fingerprint,
            shards=(shard,),
            n_shards=self.n_shards,
            n_wanted=self.n_top,
            n_total=len(pairs) * side**3 + int(n_y.sum()) * side**4,
            n_ternary=n_ternary,
            n_quaternary=n_quaternary,
            bins=self.bins,
            **vars(kept),
        )

    def _is_ranked(self, n_pairs: int, n_quaternary: int) -> bool:
        """Whether the histogram can do without enumeration, and is found faster so."""
        n_ranks = self.n_bins * n_pairs * self.space.max_amount**2
        return self.element_scores.is_mean_only and n_ranks * _SCORED_A_RANK < n_quaternary
