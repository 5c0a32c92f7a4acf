"""The files that the report shows, and the tables read from them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ionscout.errors import CampaignError
from ionscout.transport.analysis import CONDUCTIVITY_COLUMNS, DIFFUSIVITY_COLUMNS
from ionscout.transport.trajectory import MSD_COLUMNS

MANIFEST_COLUMNS = [
    *("material_id", "source", "candidate", "formula", "reduced_formula"),
    *("was_disordered", "duplicate_of", "representative", "vacancies_per_cell"),
]
FAILURE_COLUMNS = ["material_id", "source", "stage", "reason"]
RUN_COLUMNS = [
    *("material_id", "temperature_k", "status", "reason", "engine", "engine_version"),
    *("timestep_fs", "equilibration_ps", "production_ps", "seconds_per_step"),
    "mean_temperature_k",
]
CELL_COLUMNS = [
    *("material_id", "status", "reason", "n_atoms", "engine", "relax_converged"),
    *("relax_steps", "volume_change_fraction", "max_force_ev_ang"),
]
AUDIT_COLUMNS = [
    *("material_id", "status", "reason", "engine", "temperature_k", "n_atoms"),
    *("force_mae_ev_ang", "force_rmse_ev_ang", "force_cosine", "softening_factor"),
]
SHORTLIST_COLUMNS = [
    *("rank", "material_id", "role", "formula", "n_atoms", "engine", "engine_reason"),
    *("temperatures_k", "score", "cluster", "reason"),
]
FUNNEL_COLUMNS = [
    *("gate", "n_in", "n_pass", "n_fail", "n_unknown", "n_out"),
    *("known_fast_in", "known_fast_out", "known_slow_in", "known_slow_out"),
]
GATE_COLUMNS = ["material_id", "hull", "band_gap", "mean_probability", "probability_spread"]
LABEL_COLUMNS = ["material_id", "sigma_rt_s_cm", "is_upper_bound", "temperature_k"]
METRIC_COLUMNS = ["model", "metric", "value", "low", "high", "n", "note"]
PREDICTION_COLUMNS = ["material_id", "probability", "reason", "in_training", "probability_loo"]
ENRICHMENT_COLUMNS = [
    *("cluster", "n_materials", "n_labelled", "n_fast", "fraction_fast"),
    *("expected_fraction", "p_value", "p_value_corrected"),
]


@dataclass(frozen=True)
class ReportInputs:
    """The files of a campaign that its report shows.

    Mappings go from the name of a descriptor set, model or clustering to its
    file; tuples hold one file a material (or a material and temperature).
    """

    manifest: Path
    failures: tuple[Path, ...]
    features: Mapping[str, Path]
    candidates: Mapping[str, Path]
    labels: Path
    predictions: Mapping[str, Path]
    metrics: Mapping[str, Path]
    clusters: Mapping[str, Path]
    linkages: Mapping[str, Path]
    enrichments: Mapping[str, Path]
    gates: Path
    funnel: Path
    shortlist: Path
    cells: tuple[Path, ...]
    runs: tuple[Path, ...]
    audits: tuple[Path, ...]
    diffusivities: tuple[Path, ...]
    msds: tuple[Path, ...]
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
        models = campaign["models"]["names"]
        clusterings = campaign["clusters"]["names"]
        dynamics, transport = results_dir / "dynamics", results_dir / "transport"

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
            clusters=named("clusters", clusterings, "clusters.parquet"),
            linkages=named("clusters", clusterings, "linkage.npz"),
            enrichments=named("clusters", clusterings, "enrichment.csv"),
            gates=results_dir / "screening" / "gates.parquet",
            funnel=results_dir / "screening" / "funnel.csv",
            shortlist=shortlist,
            cells=each(dynamics, "cell.json"),
            runs=tuple(
                dynamics / row.material_id / f"{temperature_k:g}K" / "run.json"
                for row in chosen.itertuples()
                for temperature_k in split_temperatures(row.temperatures_k)
            ),
            audits=each(dynamics, "audit.json"),
            diffusivities=each(transport, "diffusivity.csv"),
            msds=each(transport, "msd.parquet"),
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
    clusters: dict[str, pd.DataFrame]
    linkages: dict[str, tuple[np.ndarray, np.ndarray]]
    enrichments: dict[str, pd.DataFrame]
    gates: pd.DataFrame
    funnel: pd.DataFrame
    shortlist: pd.DataFrame
    cells: pd.DataFrame
    runs: pd.DataFrame
    audits: pd.DataFrame
    diffusivity: pd.DataFrame
    msd: pd.DataFrame
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
        failures=_stack(
            (read_table(path, FAILURE_COLUMNS) for path in inputs.failures), FAILURE_COLUMNS
        ),
        features={name: _read_features(path) for name, path in inputs.features.items()},
        candidates={
            name: _read_features(path, "formula") for name, path in inputs.candidates.items()
        },
        labels=read_table(inputs.labels, LABEL_COLUMNS).astype({"is_upper_bound": bool}),
        predictions=_stack(
            (
                read_table(path, PREDICTION_COLUMNS).assign(model=name)
                for name, path in inputs.predictions.items()
            ),
            ["model", *PREDICTION_COLUMNS],
        ),
        metrics=_stack(
            (
                read_table(path, METRIC_COLUMNS).assign(judged=name)
                for name, path in inputs.metrics.items()
            ),
            ["judged", *METRIC_COLUMNS],
        ),
        clusters={
            name: read_table(path, ["material_id", "cluster"])
            for name, path in inputs.clusters.items()
        },
        linkages={name: _read_linkage(path) for name, path in inputs.linkages.items()},
        enrichments={
            name: read_table(path, ENRICHMENT_COLUMNS) for name, path in inputs.enrichments.items()
        },
        gates=read_table(inputs.gates, GATE_COLUMNS),
        funnel=read_table(inputs.funnel, FUNNEL_COLUMNS),
        shortlist=read_table(inputs.shortlist, SHORTLIST_COLUMNS),
        cells=_read_records(inputs.cells, CELL_COLUMNS),
        runs=_read_records(inputs.runs, RUN_COLUMNS),
        audits=_read_records(inputs.audits, AUDIT_COLUMNS),
        diffusivity=_stack(
            (read_table(path, list(DIFFUSIVITY_COLUMNS)) for path in inputs.diffusivities),
            list(DIFFUSIVITY_COLUMNS),
        ),
        msd=_stack(
            (
                read_table(path, list(MSD_COLUMNS)).assign(material_id=path.parent.name)
                for path in inputs.msds
            ),
            ["material_id", *MSD_COLUMNS],
        ),
        arrhenius=_read_json(inputs.arrhenius),
        conductivity=read_table(inputs.conductivity, list(CONDUCTIVITY_COLUMNS)),
    )


def read_table(path: Path, columns: list[str]) -> pd.DataFrame:
    """Read a CSV or Parquet table and check its columns.

    Parameters
    ----------
    path : Path
        Its suffix tells the format.
    columns : list of str
        Columns that must be there; a table without rows may lack them.

    Returns
    -------
    DataFrame
        Missing text reads as an empty string in `reason`, `first_failed` and `source`.
        Material ids are text.

    Raises
    ------
    CampaignError
        The file is missing or lacks a column.
    """
    table = _read_frame(path)
    if table.empty:
        table = table.reindex(columns=list(dict.fromkeys([*table.columns, *columns])))
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise CampaignError(f"report: {path} has no column {missing[0]!r}; run its stage again")
    return _with_text(table)


def split_temperatures(temperatures_k: Any) -> list[float]:
    """Read the temperatures of a shortlist's row, as in `600;700;800`."""
    return [float(part) for part in str(temperatures_k).split(";") if part]


def _with_text(table: pd.DataFrame) -> pd.DataFrame:
    """Make text of the columns that hold it, whatever an empty file made of them."""
    present = [name for name in ("reason", "first_failed", "source") if name in table.columns]
    text = {name: table[name].astype(object).fillna("").astype(str) for name in present}
    if "material_id" in table.columns:
        text["material_id"] = table["material_id"].astype(str)
    return table.assign(**text)


def _read_frame(path: Path) -> pd.DataFrame:
    try:
        if path.suffix == ".csv":
            return pd.read_csv(path)
        table = pd.read_parquet(path)
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except FileNotFoundError:
        raise CampaignError(f"report: {path} is missing; run its stage again") from None
    return table.reset_index() if table.index.name == "material_id" else table


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise CampaignError(f"report: {path} is missing; run its stage again") from None


def _read_records(paths: Iterable[Path], columns: list[str]) -> pd.DataFrame:
    """Read one JSON object a file; a key that a failed step left out is missing."""
    records = [_read_json(path) for path in paths]
    return _with_text(pd.DataFrame(records).reindex(columns=columns))


def _read_features(path: Path, *further: str) -> pd.DataFrame:
    """Read descriptors with their reasons and further columns, indexed by material."""
    return read_table(path, ["material_id", *further, "reason"]).set_index("material_id")


def _read_linkage(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read the merges (n - 1, 4) and the materials (n,) of a dendrogram."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return archive["linkage"].reshape(-1, 4), archive["material_id"].astype(str)
    except FileNotFoundError:
        raise CampaignError(f"report: {path} is missing; run its stage again") from None


def _stack(tables: Iterable[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """Put the tables that have rows below each other."""
    filled = [table[columns] for table in tables if not table.empty]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=columns)
