"""Repeat the funnel of Sendek et al. (2017) on crystals of the Materials Project.

Run as ``python benchmarks/sendek_funnel.py FILE``: FILE holds gzipped JSON lines with task_id,
pretty_formula, e_above_hull (eV/atom), band_gap (eV) and cif. The gates are the paper's, in
our order: no transition metals, on the hull (0 eV, no allowance), a band gap of at least
1 eV, an oxidation limit of at least 4 V, the published model. The window is unknown
without lithium-free phases, and turns nobody away. Prints the funnel and what became of two of
the paper's 21 candidates.
"""

from __future__ import annotations

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import gzip
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from pymatgen.core import Structure

from ionscout.config import DynamicsSettings, FeatureSettings, GateSettings, SendekSettings
from ionscout.features import get_set
from ionscout.models.sendek2017 import SENDEK_COLUMNS, Sendek2017Classifier
from ionscout.screening.funnel import count_funnel
from ionscout.screening.gates import judge_materials

PUBLISHED = {"mp-569782": "Sr2LiCBr3N2", "mp-22905": "LiCl"}
GATES = GateSettings(
    elements={"radioactive": False},
    hull={"max_ev_atom": 0, "temperature_k": 0},
    band_gap={"min_ev": 1},
    window={"enabled": True, "min_oxidation_v": 4},
    models={"min_probability": 0.5, "on_unknown": "drop"},
    cell={"enabled": False},
)
NO_LABELS = pd.DataFrame({"material_id": [], "sigma_rt_s_cm": [], "is_upper_bound": []})


def read(path: Path) -> tuple[pd.DataFrame, dict[str, Structure], pd.DataFrame]:
    """Read manifest, crystals and what the source says of their stability."""
    with gzip.open(path, "rt") as lines:
        rows = pd.DataFrame([json.loads(line) for line in lines])
    manifest = pd.DataFrame({
        "material_id": rows["task_id"],
        "formula": rows["pretty_formula"],
        "band_gap_ev": rows["band_gap"],
    }).assign(candidate=True, duplicate_of=None, representative=1)  # fmt: skip
    stability = pd.DataFrame({
        "material_id": rows["task_id"],
        "energy_above_hull_ev_atom": rows["e_above_hull"],
        "hull_origin": "source",
        "reason": "no lithium-free phases",
    })  # fmt: skip
    crystals = [Structure.from_str(cif, fmt="cif") for cif in rows["cif"]]
    return manifest, dict(zip(rows["task_id"], crystals, strict=True)), stability


def predict(structures: dict[str, Structure]) -> pd.DataFrame:
    """Give every crystal the published model's probability of being fast."""
    descriptors = get_set("sendek", FeatureSettings(sendek=SendekSettings(convention="published")))
    values, _ = descriptors.describe_many(structures.values())
    table = pd.DataFrame(values, index=[*structures], columns=descriptors.columns)
    table = table[list(SENDEK_COLUMNS)]
    complete = np.isfinite(table).all(axis=1)
    probability = pd.Series(np.nan, index=table.index)
    probability[complete] = Sendek2017Classifier().predict_proba(table[complete])[:, 1]
    return pd.DataFrame({
        "material_id": table.index,
        "probability": probability.to_numpy(),
        "probability_loo": np.nan,
    })  # fmt: skip


def main(path: Path) -> None:
    """Print the funnel."""
    manifest, structures, stability = read(path)
    predictions = {"sendek2017": predict(structures)}
    answers = judge_materials(
        manifest, structures, predictions, stability, GATES, DynamicsSettings()
    )
    funnel = count_funnel(answers, manifest, NO_LABELS, GATES, fast_threshold_s_cm=1e-4)
    print(funnel[["gate", "n_in", "n_pass", "n_fail", "n_unknown", "n_out"]].to_string(index=False))
    answers = answers.set_index("material_id")
    on_hull = answers["hull"] == "pass"
    plain = on_hull & (answers["elements"] == "pass") & (answers["band_gap"] == "pass")
    is_fast = answers["models"] == "pass"
    print(
        f"in the paper's order: {len(answers)} -> {on_hull.sum()} on the hull -> {plain.sum()} with"
        f" gap and without transition metals -> {(plain & is_fast).sum()} by the model;"
        " there 12831 -> 1472 -> 317 (with the window) -> 21"
    )
    for material_id, formula in PUBLISHED.items():
        if material_id not in answers.index:
            print(f"{material_id} ({formula}): not in the file")
            continue
        row = answers.loc[material_id]
        fate = "kept" if row["kept"] else f"lost at {row['first_failed']}"
        print(f"{material_id} ({formula}): {fate}, probability {row['mean_probability']:.3f}")
    kept = answers.index[answers["kept"]]
    formulas = manifest.set_index("material_id").loc[kept, "formula"]
    print("kept:", ", ".join(f"{formula} {name}" for name, formula in formulas.items()))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]))
