"""The files that the report shows, and the tables read from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ionscout.compositions.summary import (
    ELEMENT_COLUMNS,
    HISTOGRAM_COLUMNS,
    PERCENTILE_COLUMNS,
    SYSTEM_COLUMNS,
    TOP_COLUMNS,
    CompositionTables,
)
from ionscout.models.clusters.agreement import AGREEMENT_COLUMNS, SUMMARY_COLUMNS
from ionscout.models.clusters.cluster_number import NUMBER_COLUMNS
from ionscout.models.clusters.enrichment import ENRICHMENT_COLUMNS
from ionscout.models.clusters.label_variance import LABEL_VARIANCE_COLUMNS
from ionscout.models.comparison import COMPARISON_COLUMNS
from ionscout.models.curves import CURVE_COLUMNS
from ionscout.models.explanation import ATTRIBUTION_COLUMNS, NEIGHBOUR_COLUMNS
from ionscout.models.importance import COEFFICIENT_COLUMNS, IMPORTANCE_COLUMNS
from ionscout.models.regression.validation import METRIC_COLUMNS as REGRESSION_METRIC_COLUMNS
from ionscout.models.validation import METRIC_COLUMNS
from ionscout.report.inputs_transport import (
    DENSITY_COLUMNS,
    MSD_SHOWN,
    read_conductivity,
    read_diffusivity,
    read_msd,
)
from ionscout.report.readers import (
    read_features,
    read_json,
    read_linkage,
    read_records,
    read_table,
    stack_tables,
)
from ionscout.screening.assess import COLUMNS as STABILITY_COLUMNS
from ionscout.screening.funnel import FUNNEL_COLUMNS
from ionscout.screening.ranking import PARTS
from ionscout.transport.analysis import DIFFUSIVITY_COLUMNS

MANIFEST_COLUMNS = [
    *("material_id", "source", "candidate", "formula", "reduced_formula"),
    *("was_disordered", "duplicate_of", "representative", "vacancies_per_cell"),
]
FAILURE_COLUMNS = ["material_id", "source", "stage", "reason"]
RUN_COLUMNS = [
    *("material_id", "temperature_k", "replica", "status", "reason", "engine"),
    *("engine_version", "timestep_fs", "equilibration_ps", "production_ps"),
    *("seconds_per_step", "mean_temperature_k", "stopped_by", "energy_drift_mev_atom_ps"),
    *("mean_pressure_gpa", "volume_expansion_fraction"),
]
_COMPOSITION_COLUMNS = {
    "histogram.csv": HISTOGRAM_COLUMNS,
    "top.parquet": TOP_COLUMNS,
    "systems.parquet": SYSTEM_COLUMNS,
    "elements.csv": ELEMENT_COLUMNS,
    "percentiles.csv": PERCENTILE_COLUMNS,
}
AUDIT_MEASURES = [
    *("force_mae_ev_ang", "force_rmse_ev_ang", "force_cosine", "softening_factor"),
    *("lithium_softening_factor", "lithium_force_relative_error", "energy_error_mev_atom"),
]
CELL_COLUMNS = [
    *("material_id", "status", "reason", "n_atoms", "engine", "relax_converged"),
    *("relax_steps", "volume_change_fraction", "max_force_ev_ang"),
]
AUDIT_COLUMNS = [
    *("material_id", "status", "reason", "verdict", "verdict_reason", "engine", "n_atoms"),
    *("temperatures_k", "n_snapshots", "n_snapshots_wanted", "scatter"),
    *(name + end for name in AUDIT_MEASURES for end in ("", "_standard_error")),
]
SHORTLIST_COLUMNS = [
    *("rank", "material_id", "role", "formula", "n_atoms", "engine", "engine_reason"),
    *(
        "temperatures_k",
        "second_wave_k",
        "score",
        *(f"part_{name}" for name in PARTS),
        "cluster",
        "reason",
    ),
]
GATE_COLUMNS = ["material_id", "hull", "band_gap", "mean_probability", "probability_spread"]
LABEL_COLUMNS = ["material_id", "sigma_rt_s_cm", "is_upper_bound", "temperature_k"]
PREDICTION_COLUMNS = [
    *("material_id", "probability", "reason", "in_training", "probability_loo"),
    *("distance", "in_domain"),
]
PARITY_COLUMNS = [
    *("material_id", "target", "value", "low", "high", "reason", "in_training"),
    *("measured", "is_upper_bound", "held_out", "held_out_low", "held_out_high"),
]


@dataclass(frozen=True)
class ReportInputs:
    """The files of a campaign that its report shows.

    Mappings go from the name of a descriptor set, model or clustering to its
    file; tuples hold one file a material (or a material and temperature), and the
    split's file, and the folder of the compositions, where there are such.
    """

    manifest: Path
    failures: tuple[Path, ...]
    features: Mapping[str, Path]
    candidates: Mapping[str, Path]
    labels: Path
    predictions: Mapping[str, Path]
    metrics: Mapping[str, Path]
    curves: Mapping[str, Path]
    coefficients: Mapping[str, Path]
    importances: Mapping[str, Path]
    comparison: Path
    compositions: tuple[Path, ...]
    attribution: Path
    neighbours: Path
    regressions: Mapping[str, Path]
    regression_metrics: Mapping[str, Path]
    split_metrics: tuple[Path, ...]
    clusters: Mapping[str, Path]
    linkages: Mapping[str, Path]
    enrichments: Mapping[str, Path]
    cluster_numbers: Mapping[str, Path]
    label_variances: Mapping[str, Path]
    agreement: Path
    cluster_summary: Path
    stability: Path
    gates: Path
    funnel: Path
    shortlist: Path
    cells: tuple[Path, ...]
    runs: tuple[Path, ...]
    audits: tuple[Path, ...]
    diffusivities: tuple[Path, ...]
    msds: tuple[Path, ...]
    densities: tuple[Path, ...]
    arrhenius: Path
    conductivity: Path

    @classmethod
    def from_results(cls, results_dir: Path, *, campaign: Mapping[str, Any]) -> ReportInputs:
        """Name the files from a campaign's settings and its shortlist.

        Parameters
        ----------
        results_dir : Path
            `results/<campaign>`.
        campaign : mapping
            The campaign's settings, `Campaign.model_dump()`.

        Returns
        -------
        ReportInputs

        Raises
        ------
        CampaignError
            The shortlist lacks a column.
        """
        shortlist = results_dir / "screening" / "shortlist.csv"
        chosen = read_table(shortlist, SHORTLIST_COLUMNS)
        models, regressors = (campaign[stage]["names"] for stage in ("models", "regression"))
        clusterings = campaign["clusters"]["names"]
        is_split = campaign["regression"]["split"] is not None
        dynamics, transport = results_dir / "dynamics", results_dir / "transport"
        n_replicas = campaign["dynamics"]["replicas"]
        n_replicas_later = campaign["dynamics"]["second_wave"]["replicas"] or n_replicas

        def named(stage: str, names: Sequence[str], file: str) -> dict[str, Path]:
            return {name: results_dir / stage / name / file for name in names}

        def each(stage: Path, file: str) -> tuple[Path, ...]:
            return tuple(stage / material_id / file for material_id in chosen["material_id"])

        return cls(
            manifest=results_dir / "structures" / "manifest.parquet",
            failures=(results_dir / "structures" / "failures.csv",),
            features=named("features", campaign["features"]["sets"], "features.parquet"),
            candidates=named(
                "features", campaign["features"]["sets_after_gates"], "candidates.parquet"
            ),
            labels=results_dir / "labels" / "labels.parquet",
            predictions=named("models", models, "predictions.parquet"),
            metrics=named("models", models, "metrics.csv"),
            curves=named("models", models, "curves.csv"),
            coefficients=named("models", models, "coefficients.csv"),
            importances=named("models", models, "importance.csv"),
            comparison=results_dir / "models" / "comparison.csv",
            compositions=(results_dir / "compositions",) * campaign["compositions"]["enabled"],
            attribution=results_dir / "models" / "explanations" / "attribution.csv",
            neighbours=results_dir / "models" / "explanations" / "neighbours.csv",
            regressions=named("regression", regressors, "predictions.parquet"),
            regression_metrics=named("regression", regressors, "metrics.csv"),
            split_metrics=(results_dir / "regression" / "split" / "metrics.csv",) * is_split,
            clusters=named("clusters", clusterings, "clusters.parquet"),
            linkages=named("clusters", clusterings, "linkage.npz"),
            enrichments=named("clusters", clusterings, "enrichment.csv"),
            cluster_numbers=named("clusters", clusterings, "numbers.csv"),
            label_variances=named("clusters", clusterings, "label_variance.csv"),
            agreement=results_dir / "clusters" / "agreement.csv",
            cluster_summary=results_dir / "clusters" / "summary.csv",
            stability=results_dir / "screening" / "stability.parquet",
            gates=results_dir / "screening" / "gates.parquet",
            funnel=results_dir / "screening" / "funnel.csv",
            shortlist=shortlist,
            cells=each(dynamics, "cell.json"),
            runs=tuple(
                dynamics / row.material_id / f"{temperature_k:g}K" / str(replica) / "run.json"
                for row in chosen.itertuples()
                for ladder, n in (
                    (row.temperatures_k, n_replicas),
                    (row.second_wave_k, n_replicas_later),
                )
                for temperature_k in split_temperatures(ladder)
                for replica in range(n)
            ),
            audits=each(dynamics, "audit.json"),
            diffusivities=each(transport, "diffusivity.csv"),
            msds=each(transport, "msd.parquet"),
            densities=each(transport, "density.parquet"),
            arrhenius=transport / "arrhenius.json",
            conductivity=transport / "conductivity.csv",
        )


@dataclass(frozen=True)
class Tables:
    """What the report shows, read into memory; see the files' own columns."""

    manifest: pd.DataFrame
    failures: pd.DataFrame
    features: dict[str, pd.DataFrame]
    candidates: dict[str, pd.DataFrame]
    labels: pd.DataFrame
    predictions: pd.DataFrame
    metrics: pd.DataFrame
    curves: pd.DataFrame
    coefficients: pd.DataFrame
    importance: pd.DataFrame
    comparison: pd.DataFrame
    compositions: CompositionTables | None
    attribution: pd.DataFrame
    neighbours: pd.DataFrame
    regressions: pd.DataFrame
    regression_metrics: pd.DataFrame
    split_metrics: pd.DataFrame
    clusters: dict[str, pd.DataFrame]
    linkages: dict[str, tuple[np.ndarray, np.ndarray]]
    enrichments: dict[str, pd.DataFrame]
    cluster_numbers: pd.DataFrame
    label_variance: pd.DataFrame
    agreement: pd.DataFrame
    cluster_summary: pd.DataFrame
    stability: pd.DataFrame
    gates: pd.DataFrame
    funnel: pd.DataFrame
    shortlist: pd.DataFrame
    cells: pd.DataFrame
    runs: pd.DataFrame
    audits: pd.DataFrame
    diffusivity: pd.DataFrame
    msd: pd.DataFrame
    density: pd.DataFrame
    arrhenius: dict[str, dict[str, Any]]
    conductivity: pd.DataFrame


def load_tables(inputs: ReportInputs) -> Tables:
    """Read every file of a report.

    Parameters
    ----------
    inputs : ReportInputs
        The files.

    Returns
    -------
    Tables

    Raises
    ------
    CampaignError
        A file is missing or lacks a column.
    """
    return Tables(
        manifest=read_table(inputs.manifest, MANIFEST_COLUMNS).astype(
            {"candidate": bool, "was_disordered": bool}
        ),
        failures=stack_tables(
            (read_table(path, FAILURE_COLUMNS) for path in inputs.failures), FAILURE_COLUMNS
        ),
        features={name: read_features(path) for name, path in inputs.features.items()},
        candidates={
            name: read_features(path, "formula") for name, path in inputs.candidates.items()
        },
        labels=read_table(inputs.labels, LABEL_COLUMNS).astype({"is_upper_bound": bool}),
        predictions=_stack_named(inputs.predictions, PREDICTION_COLUMNS, "model"),
        metrics=_stack_named(inputs.metrics, METRIC_COLUMNS, "judged"),
        curves=_stack_named(inputs.curves, CURVE_COLUMNS),
        coefficients=_stack_named(inputs.coefficients, COEFFICIENT_COLUMNS),
        importance=_stack_named(inputs.importances, IMPORTANCE_COLUMNS),
        comparison=read_table(inputs.comparison, COMPARISON_COLUMNS),
        compositions=next(map(_read_compositions, inputs.compositions), None),
        attribution=read_table(inputs.attribution, ATTRIBUTION_COLUMNS),
        neighbours=read_table(inputs.neighbours, NEIGHBOUR_COLUMNS),
        regressions=_stack_named(inputs.regressions, PARITY_COLUMNS, "model"),
        regression_metrics=_stack_named(
            inputs.regression_metrics, REGRESSION_METRIC_COLUMNS, "judged"
        ),
        split_metrics=stack_tables(
            (read_table(path, REGRESSION_METRIC_COLUMNS) for path in inputs.split_metrics),
            REGRESSION_METRIC_COLUMNS,
        ),
        clusters={
            name: read_table(path, ["material_id", "cluster"])
            for name, path in inputs.clusters.items()
        },
        linkages={name: read_linkage(path) for name, path in inputs.linkages.items()},
        enrichments={
            name: read_table(path, ENRICHMENT_COLUMNS) for name, path in inputs.enrichments.items()
        },
        cluster_numbers=_stack_named(
            inputs.cluster_numbers, [*NUMBER_COLUMNS, "is_chosen"], "clustering"
        ),
        label_variance=_stack_named(inputs.label_variances, LABEL_VARIANCE_COLUMNS, "clustering"),
        agreement=read_table(inputs.agreement, AGREEMENT_COLUMNS),
        cluster_summary=read_table(inputs.cluster_summary, SUMMARY_COLUMNS),
        stability=read_table(inputs.stability, list(STABILITY_COLUMNS)),
        gates=read_table(inputs.gates, GATE_COLUMNS),
        funnel=read_table(inputs.funnel, FUNNEL_COLUMNS),
        shortlist=read_table(inputs.shortlist, SHORTLIST_COLUMNS),
        cells=read_records(inputs.cells, CELL_COLUMNS),
        runs=read_records(inputs.runs, RUN_COLUMNS),
        audits=read_records(inputs.audits, AUDIT_COLUMNS),
        diffusivity=stack_tables(
            map(read_diffusivity, inputs.diffusivities), list(DIFFUSIVITY_COLUMNS)
        ),
        msd=stack_tables((read_msd(path, path.parent.name) for path in inputs.msds), MSD_SHOWN),
        density=stack_tables(
            (read_table(path, DENSITY_COLUMNS) for path in inputs.densities), DENSITY_COLUMNS
        ),
        arrhenius=read_json(inputs.arrhenius),
        conductivity=read_conductivity(inputs.conductivity),
    )


def split_temperatures(temperatures_k: Any) -> list[float]:
    """Read the temperatures of a shortlist's row, as in `600;700;800`; there may be none."""
    if pd.isna(temperatures_k):
        return []
    return [float(part) for part in str(temperatures_k).split(";") if part]


def _read_compositions(folder: Path) -> CompositionTables:
    tables = {
        Path(file).stem: read_table(folder / file, columns)
        for file, columns in _COMPOSITION_COLUMNS.items()
    }
    return CompositionTables(**tables, counts=read_json(folder / "summary.json"))


def _stack_named(
    paths: Mapping[str, Path], columns: list[str], key: str | None = None
) -> pd.DataFrame:
    """Put the tables of models or clusterings below each other, their names in a column."""
    tables = {name: read_table(path, columns) for name, path in paths.items()}
    if key is None:
        return stack_tables(tables.values(), columns)
    named = (table.assign(**{key: name}) for name, table in tables.items())
    return stack_tables(named, [key, *columns])
