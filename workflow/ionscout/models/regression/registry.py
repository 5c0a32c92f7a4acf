"""The regressors by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ionscout.config import RegressionSettings
from ionscout.errors import ModelError
from ionscout.models.regression import average, constant, forest, gaussian_process, pls, svr
from ionscout.models.regression.replicated import Replicated

SIGMA = "sigma_rt_log10"
ACTIVATION_ENERGY = "activation_energy_ev"
CONSTANT = "constant"


@dataclass(frozen=True)
class Regressor:
    """A method that predicts a measured number.

    Attributes
    ----------
    build : callable
        Makes the unfitted estimator from settings and seed.
    targets : tuple of str
        What it is fitted to, one after the other.
    """

    build: Callable[[RegressionSettings, int], Replicated]
    targets: tuple[str, ...] = (SIGMA,)


REGRESSORS: dict[str, Regressor] = {
    "svr": Regressor(svr.build),
    "pls": Regressor(pls.build, targets=(SIGMA, ACTIVATION_ENERGY)),
    "gaussian_process": Regressor(gaussian_process.build),
    "forest": Regressor(forest.build),
    "average": Regressor(average.build),
}
BASELINE = Regressor(constant.build)


def get_regressor(name: str) -> Regressor:
    """Find a regressor.

    Parameters
    ----------
    name : str

    Returns
    -------
    Regressor

    Raises
    ------
    ModelError
        No such regressor.
    """
    if name not in REGRESSORS:
        raise ModelError(f"no regressor {name!r}; there are {', '.join(REGRESSORS)}")
    return REGRESSORS[name]
