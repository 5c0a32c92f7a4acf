"""Judge the classifiers on a folder of labelled crystals, and repeat Sendek's search on it.

Run as ``python benchmarks/judge_classifiers.py FOLDER``: FOLDER has CIFs and
``ion_conductivity.csv`` with the columns Filename, Composition and Ionic_Conductivity
(S/cm at room temperature). Prints the scores of each classifier beside the constant, the
coefficients of the published descriptors beside the published ones, and the best subset of
20 descriptors, of up to five columns; with ``--all`` of all 2^20, some minutes.
"""

from __future__ import annotations

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from pymatgen.core import Structure

from ionscout.config import CLASSIFIER_SETS, ModelSettings
from ionscout.features import get_set
from ionscout.features.sendek import PAPER_COLUMNS
from ionscout.models import train_model
from ionscout.models.subset_search import search_subsets

SHOWN = (
    "loo_misclassification",
    "loo_roc_auc",
    "grouped_system_misclassification",
    "published_misclassification",
    "x_randomised_misclassification",
)
# Given as 5.75e-7 in that table.
CORRECTED_S_CM = {"Li3N": 5.75e-4}
SEED = 2017

Campaign = tuple[dict[str, pd.DataFrame], pd.DataFrame, pd.DataFrame]


def read(folder: Path) -> Campaign:
    """Describe the crystals; return descriptor sets, labels and manifest."""
    table = pd.read_csv(folder / "ion_conductivity.csv")
    crystals = [Structure.from_file(folder / name) for name in table["Filename"]]
    ids = pd.Index(table["Filename"].str.removesuffix(".cif"), name="material_id")
    sigma_s_cm = table["Composition"].map(CORRECTED_S_CM).fillna(table["Ionic_Conductivity"])
    labels = pd.DataFrame({"material_id": ids, "sigma_rt_s_cm": sigma_s_cm.astype(float)})
    manifest = pd.DataFrame({
        "material_id": ids,
        "duplicate_of": None,
        "chemical_system": [crystal.chemical_system for crystal in crystals],
        "reduced_formula": [crystal.composition.reduced_formula for crystal in crystals],
    })  # fmt: skip
    tables = {}
    for name in sorted({name for names in CLASSIFIER_SETS.values() for name in names}):
        descriptors = get_set(name)
        values, reasons = descriptors.describe_many(crystals)
        tables[name] = pd.DataFrame(values, ids, descriptors.columns).assign(reason=reasons)
    return tables, labels.assign(is_upper_bound=False), manifest


def judge(data: Campaign, settings: ModelSettings) -> None:
    """Print the scores, and the coefficients where there are published ones."""
    tables, labels, manifest = data
    for name, sets in CLASSIFIER_SETS.items():
        read_by_it = {one: tables[one] for one in sets}
        trained = train_model(name, read_by_it, labels, manifest, settings, SEED)
        metrics = trained.metrics[trained.metrics["metric"].isin(SHOWN)]
        print(
            metrics.drop(columns="note").round(3).to_string(index=False, header=name == "logistic")
        )
        known = trained.coefficients.dropna(subset="published")
        if not known.empty:
            print(known[["model", "column", "coefficient", "published"]].to_string(index=False))


def search(data: Campaign, settings: ModelSettings, max_features: int | None) -> None:
    """Print the best subset, its leave-one-out error, and its coefficients' columns."""
    tables, labels, _ = data
    values = tables["sendek"][list(PAPER_COLUMNS)]
    complete = np.isfinite(values.to_numpy()).all(axis=1)
    is_fast = (labels["sigma_rt_s_cm"] >= settings.fast_threshold_s_cm).to_numpy()[complete]
    found = search_subsets(
        values.to_numpy()[complete],
        is_fast,
        penalty=settings.ridge_penalty,
        max_features=max_features,
        n_threads=2,
    )
    best = [name for name, chosen in zip(PAPER_COLUMNS, found.masks[0], strict=True) if chosen]
    share = pd.Series(found.masks.mean(axis=0), PAPER_COLUMNS).sort_values(ascending=False)
    print(f"best subset of {max_features or 'any number of'} columns: {', '.join(best)};")
    print(
        f"{found.loo_misclassified[0]} of {len(is_fast)} wrong; an optimistic count: chosen by it"
    )
    print("share of the best subsets that hold a column:", share.head(5).round(2).to_dict())


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    campaign_data, model_settings = read(Path(sys.argv[1])), ModelSettings()
    judge(campaign_data, model_settings)
    search(campaign_data, model_settings, None if "--all" in sys.argv else 5)
