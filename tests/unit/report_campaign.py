"""The files of a made-up campaign, as its stages would leave them, for the tests of the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from report_transport import make_conductivities, make_curve, make_density, make_line, make_run
from scipy.cluster.hierarchy import fcluster
from scipy.cluster.hierarchy import linkage as merge

from ionscout.config import load_campaign
from ionscout.dynamics.records import empty_run
from ionscout.report import ReportInputs, inputs
from ionscout.transport.analysis import CONDUCTIVITY_COLUMNS

LADDERS_K = {"s-cand": (800, 1000, 1200), "b-0": (800, 1000, 1200), "b-1": (600, 700, 800)}
SECOND_WAVE_K = {"s-cand": "900", "b-0": "900;1100", "b-1": None}
NUMBER_COLUMNS = [*inputs.NUMBER_COLUMNS, "is_chosen"]
VERDICTS = {"s-cand": "unresolved", "b-0": "diffusive", "b-1": "non-diffusive"}
ROLES = {"s-cand": "candidate", "b-0": "positive_control", "b-1": "negative_control"}


def make_settings(*, production_ps: float = 20.0, engine: str = "auto") -> dict:
    return load_campaign(
        {
            "campaign": "demo",
            "structures": {"sources": {"bundled": {"kind": "bundled"}}},
            "models": {"names": ["sendek2017", "logistic"]},
            "clusters": {"names": ["ward", "spectral"]},
            "regression": {"names": ["svr", "pls"]},
            "dynamics": {
                "production_ps": production_ps,
                "engine": engine,
                "replicas": 2,
                "second_wave": {"temperatures_k": [900, 1100], "replicas": 1},
            },
        }
    ).model_dump()


class Factory:
    """Writes the tables of a small campaign as its stages would."""

    def __init__(
        self,
        root: Path,
        *,
        formula: str = "Li3YCl6",
        engine: str = "chgnet",
        production_ps: float = 20.0,
        n_known: int = 24,
        n_candidates: int = 60,
    ):
        self.root, self.engine, self.production_ps = root, engine, production_ps
        self.rng = np.random.default_rng(5)
        self.known = [f"b-{i}" for i in range(n_known)]
        self.candidates = ["s-cand", *(f"s-{i}" for i in range(n_candidates - 1))]
        self.ids = self.known + self.candidates
        self.formulas = {name: f"Li{i + 1}X" for i, name in enumerate(self.ids)}
        self.formulas |= {"b-0": "Li3N", "b-1": "LiCl", "s-cand": formula}
        self.settings = make_settings(production_ps=production_ps)

    def write(self) -> ReportInputs:
        self._structures()
        self._judgements()
        self._explanations()
        self._regressions()
        self._clusters()
        self._screening()
        for name in LADDERS_K:
            self._dynamics(name)
            self._transport(name)
        self.save_json({name: self._line(name) for name in LADDERS_K}, "transport/arrhenius.json")
        self._conductivity()
        return ReportInputs.from_results(self.root, campaign=self.settings)

    def save(self, table: pd.DataFrame, path: str) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.suffix == ".csv":
            table.to_csv(target, index=False)
        else:
            table.to_parquet(target)

    def save_json(self, record: dict, path: str) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(record))

    def _structures(self):
        is_known = [name in self.known for name in self.ids]
        self.save(
            pd.DataFrame(
                {
                    "material_id": self.ids,
                    "source": np.where(is_known, "bundled", "substitution"),
                    "candidate": ~np.array(is_known),
                    "formula": [self.formulas[name] for name in self.ids],
                    "reduced_formula": [self.formulas[name] for name in self.ids],
                    "was_disordered": [i % 5 == 0 for i in range(len(self.ids))],
                    "duplicate_of": [None] * (len(self.ids) - 1) + ["b-0"],
                    "representative": 1,
                    "vacancies_per_cell": 0,
                }
            ),
            "structures/manifest.parquet",
        )
        failures = [
            ("x-1", "folder", "pull", "cannot be read as a CIF"),
            ("x-2", "folder", "curate", "holds no lithium"),
            ("x-3", "folder", "curate", "holds no lithium"),
        ]
        self.save(pd.DataFrame(failures, columns=inputs.FAILURE_COLUMNS), "structures/failures.csv")
        index = pd.Index(self.ids, name="material_id")
        for name in ("sendek", "elemental", "structural"):
            reasons = ["no anion" if name == "sendek" and i == 7 else "" for i in range(len(index))]
            self.save(
                pd.DataFrame({"x": 1.0, "reason": reasons}, index=index),
                f"features/{name}/features.parquet",
            )
        centres = self.rng.normal(size=(4, 30)) * 2
        self.patterns = centres[np.arange(len(index)) % 4] + self.rng.normal(size=(len(index), 30))
        mxrd = pd.DataFrame(self.patterns, index=index).add_prefix("two_theta_")
        self.save(mxrd.assign(reason=""), "features/mxrd/features.parquet")

    def _judgements(self):
        self.sigma = 10 ** self.rng.uniform(-11, -2, len(self.known))
        self.sigma[:2] = 1e-3, 1e-9
        self.save(
            pd.DataFrame(
                {
                    "material_id": self.known,
                    "sigma_rt_s_cm": self.sigma,
                    "is_upper_bound": [i % 6 == 1 for i in range(len(self.known))],
                    "temperature_k": 298.0,
                }
            ),
            "labels/labels.parquet",
        )
        for name in self.settings["models"]["names"]:
            trained = name == "logistic"
            n_seen = len(self.known) if trained else 3
            in_training = np.arange(len(self.ids)) < n_seen
            probability = self.rng.uniform(size=len(self.ids))
            probability[:2] = 0.8, 0.9
            probability[7] = np.nan
            self.save(
                pd.DataFrame(
                    {
                        "material_id": self.ids,
                        "probability": probability,
                        "reason": [
                            "descriptor missing" if i == 7 else "" for i in range(len(self.ids))
                        ],
                        "in_training": in_training,
                        "probability_loo": np.where(in_training & trained, probability / 2, np.nan),
                        "distance": 0.7,
                        "in_domain": np.arange(len(self.ids)) % 10 != 9,
                    }
                ),
                f"models/{name}/predictions.parquet",
            )
            held_out = [
                (name, "loo_misclassification", 0.21, 0.1, 0.38, 23, "leave-one-out"),
                ("constant", "loo_misclassification", 0.33, 0.2, 0.5, 23, ""),
                (name, "loo_roc_auc", 0.81, 0.66, 0.93, 23, "leave-one-out"),
                ("constant", "loo_roc_auc", 0.5, 0.5, 0.5, 23, ""),
            ]
            published = [
                (name, "published_misclassification", 0.13, 0.05, 0.26, 23, "3 seen"),
                ("constant", "published_misclassification", 0.33, 0.2, 0.5, 23, ""),
                (name, "published_unseen_misclassification", 0.15, 0.06, 0.31, 20, "3 seen"),
                ("constant", "published_unseen_misclassification", 0.4, 0.23, 0.61, 20, ""),
                (name, "x_randomised_misclassification", 0.47, 0.4, 0.55, 23, "3 seen"),
            ]
            scores = held_out if trained else published
            doubts = [
                (name, "uncertainty_of_errors_roc_auc", 0.57, 0.4, 0.7, 23, ""),
                (name, "uncertainty_spearman", 0.31, -0.02, 0.6, 23, ""),
                (name, "shuffled_uncertainty_spearman", 0.28, 0.1, 0.5, 23, ""),
                (name, "in_domain_misclassification", 0.22, 0.1, 0.4, 18, ""),
                (name, "out_of_domain_misclassification", 0.4, 0.1, 0.8, 5, ""),
            ]
            self.save(
                pd.DataFrame(scores + doubts, columns=inputs.METRIC_COLUMNS),
                f"models/{name}/metrics.csv",
            )
            self._curves(name, "grouped_system" if trained else "published_unseen", trained)

    def _curves(self, name: str, series: str, trained: bool):
        nothing = (np.nan, np.nan)
        rows = [
            *((name, "roc", series, x, y, *nothing, 20) for x, y in ((0, 0), (0.2, 0.7), (1, 1))),
            (name, "calibration", series, 0.1, 0.2, 0.05, 0.4, 12),
            (name, "calibration", series, 0.7, 0.6, 0.3, 0.8, 8),
        ]
        for n_learned in (10.0, 20.0) if trained else ():
            rows += [
                (name, "learning", "misclassification", n_learned, 0.3, 0.2, 0.5, 23),
                (name, "learning", "constant_misclassification", n_learned, 0.4, 0.3, 0.6, 23),
            ]
        self.save(pd.DataFrame(rows, columns=inputs.CURVE_COLUMNS), f"models/{name}/curves.csv")
        fitted = (0.4, 0.2, 0.1, 0.5) if trained else (0.184, 0.77, *nothing)
        self.save(
            pd.DataFrame([(name, "llb", *fitted, 0.184, 0.77)], columns=inputs.COEFFICIENT_COLUMNS),
            f"models/{name}/coefficients.csv",
        )
        importance = [(name, "llb", 0.2, 0.1, 0.3, 0.05, 23), (name, "sbi", 0.0, 0.0, 0.0, 0.0, 23)]
        self.save(
            pd.DataFrame(importance, columns=inputs.IMPORTANCE_COLUMNS),
            f"models/{name}/importance.csv",
        )

    def _explanations(self):
        models = self.settings["models"]["names"]
        rows = [
            (model, metric, 0.3, 0.2, 0.4, 0.01, -0.1, 0.2, 22, None, "")
            for metric in ("misclassification", "log_loss")
            for model in ("selected", "logistic", "constant")
        ]
        self.save(pd.DataFrame(rows, columns=inputs.COMPARISON_COLUMNS), "models/comparison.csv")
        rows = [
            (name, model, rank, column, 1.0, 0.5, added, 0.0, 0.1, -0.4)
            for name in LADDERS_K
            for model in models
            for rank, (column, added) in enumerate([("llb", 0.8), ("sbi", -0.3)], start=1)
        ]
        self.save(
            pd.DataFrame(rows, columns=inputs.ATTRIBUTION_COLUMNS),
            "models/explanations/attribution.csv",
        )
        rows = [
            (name, model, 1, "b-2", 0.5, 3, 1e-3, False, "Li7P3S11")
            for name in LADDERS_K
            for model in models
        ]
        self.save(
            pd.DataFrame(rows, columns=inputs.NEIGHBOUR_COLUMNS),
            "models/explanations/neighbours.csv",
        )

    def _regressions(self):
        known = np.arange(len(self.ids)) < len(self.known)
        log_sigma = np.full(len(self.ids), np.nan)
        log_sigma[known] = np.log10(self.sigma)
        value = np.linspace(-9, -3, len(self.ids))
        for name in self.settings["regression"]["names"]:
            table = pd.DataFrame(
                {
                    "material_id": self.ids,
                    "target": "sigma_rt_log10",
                    "value": value,
                    "low": value - 4,
                    "high": value + 4,
                    "reason": "",
                    "in_training": known,
                    "measured": log_sigma,
                    "held_out": np.where(known, value + 0.5, np.nan),
                    "held_out_low": np.where(known, value - 3.5, np.nan),
                    "held_out_high": np.where(known, value + 4.5, np.nan),
                    "is_upper_bound": known & (np.arange(len(self.ids)) % 6 == 1),
                }
            )
            self.save(table, f"regression/{name}/predictions.parquet")
            rows = [
                (model, "sigma_rt_log10", "grouped_system", "mae", error, 1.5, 2.6, 24, "")
                for model, error in ((name, 2.05), ("constant", 2.75))
            ]
            ranked = (name, "sigma_rt_log10", "grouped_system", "distance_spearman")
            rows.append((*ranked, 0.44, 0.3, 0.6, 22, ""))
            self.save(
                pd.DataFrame(rows, columns=inputs.REGRESSION_METRIC_COLUMNS),
                f"regression/{name}/metrics.csv",
            )

    def _clusters(self):
        merges = merge(self.patterns, "ward")
        found = {"ward": (fcluster(merges, 4, "maxclust"), merges)}
        found["spectral"] = (np.arange(len(self.ids)) % 4 + 1, np.empty((0, 4)))
        for name, (clusters, linkage) in found.items():
            folder = f"clusters/{name}"
            self.save(
                pd.DataFrame({"material_id": self.ids, "cluster": clusters}),
                f"{folder}/clusters.parquet",
            )
            np.savez(
                self.root / folder / "linkage.npz", linkage=linkage, material_id=np.array(self.ids)
            )
            rows = [
                (i, 21, 6, 2, 1 / 3, 0.3, 0.04 * i, min(1, 0.16 * i), False) for i in (1, 2, 3, 4)
            ]
            self.save(
                pd.DataFrame(rows, columns=inputs.ENRICHMENT_COLUMNS), f"{folder}/enrichment.csv"
            )
            self.save(
                pd.DataFrame([(4, "silhouette", 0.4, None, 84, True)], columns=NUMBER_COLUMNS),
                f"{folder}/numbers.csv",
            )
            self.save(
                pd.DataFrame(
                    [(20, 4, 9.0, 8.1, 0.9, 0.85, 1.1, 0.1, "")],
                    columns=inputs.LABEL_VARIANCE_COLUMNS,
                ),
                f"{folder}/label_variance.csv",
            )
        self.save(
            pd.DataFrame(
                [("ward", "spectral", 0.59, 84, 0, 0, 0)], columns=inputs.AGREEMENT_COLUMNS
            ),
            "clusters/agreement.csv",
        )
        rows = [(name, 84, 4, 0, 24, 0, 8, 0, 0.16) for name in found]
        self.save(pd.DataFrame(rows, columns=inputs.SUMMARY_COLUMNS), "clusters/summary.csv")

    def _stability(self):
        level, nothing = "materials_project_2018", dict.fromkeys(inputs.STABILITY_COLUMNS)
        rows = [
            ("s-cand", level, "predicted", 0.031, 0.028, "YCl3 + 3 LiCl", 0.59, 4.21,
             "Y + 6 LiCl", "YCl3 + 1.5 Cl2", 0.0712, "Y + 6 LiCl", 0.104, "LiCoO2", 0.41,
             "0.5 Co3O4 + 3 LiCl + YOCl", 0.251, 0.0182, "3 LiCl + 2 HCl + YOCl", False, ""),
            ("b-0", level, "level", 0.0, None, "Li3N", 0.0, 0.44, "", "0.5 N2", 0.0, "", 0.37,
             "LiFePO4", 0.3, "Fe2N + Li2O", 0.63, 0.5, "3 LiOH + NH3", False, ""),
        ]  # fmt: skip
        unknown = nothing | {
            "material_id": "b-1",
            "level": level,
            "hull_origin": "source",
            "energy_above_hull_ev_atom": 0.012,
            "reason": f"b-1: level {level} has no entry of the element Xe",
        }
        table = pd.DataFrame(rows, columns=inputs.STABILITY_COLUMNS)
        table.loc[len(table)] = unknown
        self.save(table, "screening/stability.parquet")

    def _screening(self):
        self._stability()
        n = len(self.ids)
        answers = np.array(["pass", "fail", "unknown"])
        self.save(
            pd.DataFrame(
                {
                    "material_id": self.ids,
                    "elements": answers[np.arange(n) % 2],
                    "hull": "unknown",
                    "band_gap": answers[np.arange(n) % 3],
                    "kept": np.arange(n) % 2 == 0,
                    "mean_probability": np.linspace(1, 0, n),
                    "probability_spread": 0.0,
                    "first_failed": ["" if i % 2 == 0 else "elements" for i in range(n)],
                }
            ),
            "screening/gates.parquet",
        )
        kept_20 = (0.4, 0.191, 0.639, 1.0, 0.631, 1.0, 1.2, 0.865, 1.2, 6.667, 5, 8, 0.171)
        kept_13 = (0.538, 0.251, 0.808, 0.875, 0.473, 0.997, 1.615, 0.989, 1.84, 4.333, 2, 7, 0.027)
        funnel = [
            ("elements", 60, 45, 15, 0, 45, 8, 8, 16, 12, *kept_20),
            ("hull", 45, 10, 5, 30, 40, 8, 8, 12, 12, *kept_20),
            ("band_gap", 40, 20, 12, 8, 20, 8, 7, 12, 6, *kept_13),
        ]
        self.save(pd.DataFrame(funnel, columns=inputs.FUNNEL_COLUMNS), "screening/funnel.csv")
        rows = [
            (i, name, ROLES[name], self.formulas[name], 40, self.engine, "it is installed",
             ";".join(map(str, temperatures_k)), SECOND_WAVE_K[name], 0.62, 0.91, 0.33, 0.5,
             None if i == 3 else 0.148, None if i == 1 else 0.44, 2, "the most probable one")
            for i, (name, temperatures_k) in enumerate(LADDERS_K.items(), start=1)
        ]  # fmt: skip
        self.save(pd.DataFrame(rows, columns=inputs.SHORTLIST_COLUMNS), "screening/shortlist.csv")

    def _dynamics(self, name: str):
        self.save_json(
            {"material_id": name, "status": "ready", "reason": "", "n_atoms": 40,
             "engine": self.engine, "relax_converged": True, "relax_steps": 12,
             "volume_change_fraction": 0.012, "max_force_ev_ang": 0.03},
            f"dynamics/{name}/cell.json",
        )  # fmt: skip
        self.save_json(self._audit(name), f"dynamics/{name}/audit.json")
        for temperature_k in LADDERS_K[name]:
            for replica in range(self.settings["dynamics"]["replicas"]):
                self._run(name, temperature_k, replica)
        for temperature_k in (SECOND_WAVE_K[name] or "").split(";"):
            if temperature_k:
                cell = {"material_id": name, "engine": self.engine}
                run = empty_run(
                    cell,
                    temperature_k=float(temperature_k),
                    replica=0,
                    reason="second wave: too hot",
                )
                self.save_json(run, f"dynamics/{name}/{temperature_k}K/0/run.json")

    def _run(self, name: str, temperature_k: int, replica: int):
        failed = name == "s-cand" and temperature_k == 1200
        self.save_json(
            {"material_id": name, "temperature_k": temperature_k, "replica": replica,
             "status": "failed" if failed else "finished",
             "reason": "energies are not finite" if failed else "",
             "engine": self.engine, "engine_version": "0.4.2", "timestep_fs": 2.0,
             "equilibration_ps": 2.0, "production_ps": self.production_ps,
             "seconds_per_step": 0.041, "mean_temperature_k": temperature_k + 3.2,
             "verdict": VERDICTS[name], "verdict_reason": "", "stopped_by": "settled",
             "energy_drift_mev_atom_ps": 0.012, "mean_pressure_gpa": 1.3,
             "volume_expansion_fraction": None},
            f"dynamics/{name}/{temperature_k}K/{replica}/run.json",
        )  # fmt: skip

    def _audit(self, name: str) -> dict:
        audit = {"material_id": name, "status": "not_audited", "verdict": "not_audited",
                 "reason": "40 atoms are more than the 36 of the budget", "verdict_reason": "",
                 "engine": self.engine, "n_atoms": 40, "temperatures_k": [], "n_snapshots": 0,
                 "n_snapshots_wanted": 0, "scatter": None}  # fmt: skip
        if name != "b-0":
            return audit | dict.fromkeys(inputs.AUDIT_MEASURES)
        forces = [-1.2, -0.4, 0.1, 0.6, 0.9, 1.4]
        return audit | {
            "status": "audited", "verdict": "doubtful", "reason": "2 of 6 snapshots: the budget",
            "verdict_reason": "lithium's forces are 14% too weak", "n_snapshots": 2,
            "n_snapshots_wanted": 6, "temperatures_k": [800.0], "force_mae_ev_ang": 0.061,
            "force_rmse_ev_ang": 0.083, "force_cosine": 0.98, "softening_factor": 0.91,
            "softening_factor_standard_error": 0.013, "lithium_softening_factor": 0.86,
            "lithium_force_relative_error": 0.21, "energy_error_mev_atom": 2.4,
            "scatter": {"gpaw_ev_ang": forces, "engine_ev_ang": [0.86 * x for x in forces],
                        "is_lithium": [True, False] * 3},
        }  # fmt: skip

    def _transport(self, name: str):
        verdict = VERDICTS[name]
        runs = [
            make_run(
                name, temperature_k, replica, verdict=verdict, engine=self.engine,
                production_ps=self.production_ps,
            )
            for temperature_k in LADDERS_K[name]
            for replica in range(2 if verdict == "diffusive" else 1)
        ]  # fmt: skip
        self.save(pd.DataFrame(runs), f"transport/{name}/diffusivity.csv")
        self.save(pd.concat(map(make_curve, runs)), f"transport/{name}/msd.parquet")
        density = make_density(name, max(LADDERS_K[name]))
        seen = density if verdict == "diffusive" else density.head(0)
        self.save(seen, f"transport/{name}/density.parquet")

    def _line(self, name: str) -> dict:
        return {"line": make_line() if VERDICTS[name] == "diffusive" else None}

    def _conductivity(self):
        reasons = {"s-cand": "too few jumps", "b-1": "lithium only rattled"}
        rows = [
            {"material_id": name, "formula": self.formulas[name], "engine": self.engine,
             "verdict": VERDICTS[name], "reason": reasons.get(name, "")}
            for name in ("b-0", "s-cand", "b-1")
        ]  # fmt: skip
        self.save(make_conductivities(rows), "transport/conductivity.csv")


class EmptyFactory(Factory):
    """Writes the tables of a campaign in which nothing came through anywhere."""

    def write(self) -> ReportInputs:
        ids = pd.Index([], name="material_id", dtype=str)
        empty = pd.DataFrame()
        self.save(pd.DataFrame(columns=inputs.MANIFEST_COLUMNS), "structures/manifest.parquet")
        self.save(pd.DataFrame(columns=inputs.FAILURE_COLUMNS), "structures/failures.csv")
        for name in self.settings["features"]["sets"]:
            self.save(pd.DataFrame({"reason": []}, index=ids), f"features/{name}/features.parquet")
        self.save(pd.DataFrame(columns=inputs.LABEL_COLUMNS), "labels/labels.parquet")
        for name in self.settings["models"]["names"]:
            self.save(empty, f"models/{name}/predictions.parquet")
            for table in ("metrics", "curves", "coefficients", "importance"):
                self.save(empty, f"models/{name}/{table}.csv")
        for table in ("comparison", "explanations/attribution", "explanations/neighbours"):
            self.save(empty, f"models/{table}.csv")
        for name in self.settings["regression"]["names"]:
            self.save(empty, f"regression/{name}/predictions.parquet")
            self.save(empty, f"regression/{name}/metrics.csv")
        for name in self.settings["clusters"]["names"]:
            self.save(empty, f"clusters/{name}/clusters.parquet")
            for table in ("numbers", "enrichment", "label_variance"):
                self.save(empty, f"clusters/{name}/{table}.csv")
            np.savez(
                self.root / f"clusters/{name}/linkage.npz",
                linkage=np.empty((0, 4)),
                material_id=np.array([], dtype=str),
            )
        self.save(empty, "clusters/agreement.csv")
        self.save(empty, "clusters/summary.csv")
        self.save(empty, "screening/stability.parquet")
        self.save(empty, "screening/gates.parquet")
        self.save(empty, "screening/funnel.csv")
        self.save(pd.DataFrame(columns=inputs.SHORTLIST_COLUMNS), "screening/shortlist.csv")
        self.save(pd.DataFrame(columns=CONDUCTIVITY_COLUMNS), "transport/conductivity.csv")
        self.save_json({}, "transport/arrhenius.json")
        return ReportInputs.from_results(self.root, campaign=self.settings)
