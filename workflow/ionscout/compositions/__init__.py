"""Billions of lithium compositions, scored by a linear model of the composition alone."""

from ionscout.compositions.neutrality import OxidationRules
from ionscout.compositions.results import ScoredCompositions, merge
from ionscout.compositions.scores import LinearCompositionModel
from ionscout.compositions.scoring import Scoring
from ionscout.compositions.space import CompositionSpace, default_elements

__all__ = [
    "CompositionSpace",
    "LinearCompositionModel",
    "OxidationRules",
    "ScoredCompositions",
    "Scoring",
    "default_elements",
    "merge",
]
