"""What a campaign's settings make of the scoring."""

from __future__ import annotations

import logging
import time
from typing import Literal

from ionscout.compositions._work import Progress
from ionscout.compositions.neutrality import OxidationRules
from ionscout.compositions.scores import LinearCompositionModel, tabulate
from ionscout.compositions.scoring import Scoring
from ionscout.compositions.space import CompositionSpace, default_elements
from ionscout.config import CompositionSettings
from ionscout.errors import ModelError
from ionscout.features.elemental import COLUMNS
from ionscout.models.predictor import Predictor
from ionscout.models.registry import get_classifier

Scope = Literal["all", "neutral"]

_SECONDS_BETWEEN_LINES = 10.0
_READS_EVERYTHING = LinearCompositionModel(dict.fromkeys(COLUMNS, 1e-6), 0.0)


def make_rules(settings: CompositionSettings) -> OxidationRules:
    """Make the space of a campaign, and the rules by which its compositions are neutral.

    Parameters
    ----------
    settings : CompositionSettings

    Returns
    -------
    OxidationRules
        With the space in it.

    Raises
    ------
    CompositionError
        If an element has no known oxidation state or no electronegativity, or if there are
        too few elements for so many shards.
    ModelError
        If a property of an element is unknown.
    """
    elements = default_elements() if settings.elements is None else tuple(settings.elements)
    space = CompositionSpace(elements, settings.max_amount)
    rules = OxidationRules(space, settings.least_share)
    tabulate(_READS_EVERYTHING, space)
    space.split(settings.shards)
    return rules


def make_scoring(predictor: Predictor, settings: CompositionSettings, scope: Scope) -> Scoring:
    """Say how a campaign's compositions are scored.

    Parameters
    ----------
    predictor : Predictor
        The trained model.
    settings : CompositionSettings
    scope : {'all', 'neutral'}
        All compositions, of which the best are kept where the settings ask for them, or
        the neutral ones.

    Returns
    -------
    Scoring

    Raises
    ------
    CompositionError
        As `make_rules`.
    ModelError
        If the model could not be trained, or is not linear in the composition alone.
    """
    if predictor.estimator is None:
        raise ModelError(
            f"{predictor.name} cannot score compositions, it could not be trained"
            f" ({predictor.reason}): set compositions.model to another one"
        )
    rules = make_rules(settings)
    is_neutral = scope == "neutral"
    return Scoring(
        LinearCompositionModel.from_classifier(
            predictor.name, get_classifier(predictor.name), predictor.estimator
        ),
        rules.space,
        rules if is_neutral else None,
        n_top=settings.n_top if is_neutral or settings.also_all else 0,
        n_bins=settings.n_bins,
        n_shards=settings.shards,
    )


def log_progress(logger: logging.Logger) -> Progress:
    """Write how much is done to a log, now and then.

    Parameters
    ----------
    logger : Logger

    Returns
    -------
    callable
        Takes the share that is done, from 0 to 1.
    """
    begin = last = time.monotonic()

    def report(share: float) -> None:
        nonlocal last
        now = time.monotonic()
        if share > 0 and now - last >= _SECONDS_BETWEEN_LINES:
            last = now
            left_s = (now - begin) * (1 - share) / share
            logger.info("%.0f %% scored, about %.0f s left", 100 * share, left_s)

    return report
