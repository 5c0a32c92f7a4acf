from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.cluster.hierarchy import fcluster
from scipy.cluster.hierarchy import linkage as merge

from ionscout.config import DEMONSTRATION_PS, DynamicsSettings, load_campaign
from ionscout.errors import CampaignError
from ionscout.report import ReportInputs, inputs, write_report
from ionscout.report.inputs import load_tables
from ionscout.report.sections_dynamics import arrhenius_series, collect_failures
from ionscout.report.sections_models import known_predictions

BOLTZMANN_EV_K = 8.617333262e-5
LADDERS_K = {"s-cand": (800, 1000, 1200), "b-0": (800, 1000, 1200), "b-1": (600, 700, 800)}
VERDICTS = {"s-cand": "unresolved", "b-0": "diffusive", "b-1": "non-diffusive"}
ROLES = {"s-cand": "candidate", "b-0": "positive_control", "b-1": "negative_control"}
VOID_TAGS = {"meta", "link", "br", "img", "input", "hr"}


def make_settings(*, production_ps: float = 20.0, engine: str = "auto") -> dict:
    return load_campaign(
        {
            "campaign": "demo",
            "structures": {"sources": {"bundled": {"kind": "bundled"}}},
            "dynamics": {"production_ps": production_ps, "engine": engine},
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
            self.save(
                pd.DataFrame(scores, columns=inputs.METRIC_COLUMNS), f"models/{name}/metrics.csv"
            )

    def _clusters(self):
        merges = merge(self.patterns, "ward")
        clusters = fcluster(merges, 4, "maxclust")
        folder = self.root / "clusters" / "ward"
        self.save(
            pd.DataFrame({"material_id": self.ids, "cluster": clusters}),
            "clusters/ward/clusters.parquet",
        )
        np.savez(folder / "linkage.npz", linkage=merges, material_id=np.array(self.ids))
        rows = [(i, 21, 6, 2, 1 / 3, 0.3, 0.04 * i, min(1, 0.16 * i)) for i in (1, 2, 3, 4)]
        self.save(
            pd.DataFrame(rows, columns=inputs.ENRICHMENT_COLUMNS), "clusters/ward/enrichment.csv"
        )

    def _screening(self):
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
        funnel = [
            ("elements", 60, 45, 15, 0, 45, 8, 8, 16, 12),
            ("hull", 45, 10, 5, 30, 40, 8, 8, 12, 12),
            ("band_gap", 40, 20, 12, 8, 20, 8, 7, 12, 6),
        ]
        self.save(pd.DataFrame(funnel, columns=inputs.FUNNEL_COLUMNS), "screening/funnel.csv")
        rows = [
            (i, name, ROLES[name], self.formulas[name], 40, self.engine, "it is installed",
             ";".join(map(str, temperatures_k)), 0.9, 2, "the most probable one")
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
        audited = name == "b-0"
        self.save_json(
            {"material_id": name, "status": "audited" if audited else "not_audited",
             "reason": "" if audited else "40 atoms are more than the 36 of the budget",
             "engine": self.engine, "temperature_k": 800 if audited else None, "n_atoms": 40,
             "force_mae_ev_ang": 0.061 if audited else None,
             "force_rmse_ev_ang": 0.083 if audited else None,
             "force_cosine": 0.98 if audited else None,
             "softening_factor": 0.86 if audited else None},
            f"dynamics/{name}/audit.json",
        )  # fmt: skip
        for temperature_k in LADDERS_K[name]:
            failed = name == "s-cand" and temperature_k == 1200
            self.save_json(
                {"material_id": name, "temperature_k": temperature_k,
                 "status": "failed" if failed else "finished",
                 "reason": "energies are not finite" if failed else "",
                 "engine": self.engine, "engine_version": "0.4.2", "timestep_fs": 2.0,
                 "equilibration_ps": 2.0, "production_ps": self.production_ps,
                 "seconds_per_step": 0.041, "mean_temperature_k": temperature_k + 3.2},
                f"dynamics/{name}/{temperature_k}K/run.json",
            )  # fmt: skip

    def _transport(self, name: str):
        rows, curves = [], []
        lag = np.linspace(0, self.production_ps / 2, 250)
        for temperature_k in LADDERS_K[name]:
            verdict = VERDICTS[name]
            diffusive = verdict == "diffusive"
            value = 2e-3 * np.exp(-0.35 / (BOLTZMANN_EV_K * temperature_k)) if diffusive else None
            slope = 6 * value * 1e4 if diffusive else 0.0
            msd = 1.1 * (1 - np.exp(-lag / 0.1)) + slope * lag
            rows.append(
                {"material_id": name, "temperature_k": temperature_k, "engine": self.engine,
                 "verdict": verdict, "reason": "" if diffusive else "two jumps are too few",
                 "diffusivity_cm2_s": value,
                 "diffusivity_low_cm2_s": value and value / 1.6,
                 "diffusivity_high_cm2_s": value and value * 1.5,
                 "diffusivity_upper_bound_cm2_s": None if diffusive else 3e-7,
                 "fit_start_ps": 1.0, "fit_end_ps": 7.0, "msd_exponent": 0.97,
                 "msd_li_max_ang2": msd.max(), "msd_framework_max_ang2": 0.9, "n_jumps": 41,
                 "n_lithium": 12, "lithium_density_cm3": 3.1e22,
                 "production_ps": self.production_ps}
            )  # fmt: skip
            curves.append(
                pd.DataFrame(
                    {"temperature_k": float(temperature_k), "lag_ps": lag, "msd_li_ang2": msd,
                     "msd_li_error_ang2": 0.05 + 0.03 * lag, "msd_framework_ang2": 0.4 + 0 * lag,
                     "in_fit": diffusive & (lag > 1) & (lag < 7)}
                )
            )  # fmt: skip
        self.save(pd.DataFrame(rows), f"transport/{name}/diffusivity.csv")
        self.save(pd.concat(curves), f"transport/{name}/msd.parquet")

    def _line(self, name: str) -> dict:
        if VERDICTS[name] != "diffusive":
            return {"line": None}
        temperature_k = np.linspace(300, 1200, 40)
        value = 2e-3 * np.exp(-0.35 / (BOLTZMANN_EV_K * temperature_k))
        spread = np.exp(0.3 + np.abs(1000 / temperature_k - 1))
        line = {
            "temperature_k": temperature_k,
            "diffusivity_cm2_s": value,
            "diffusivity_low_cm2_s": value / spread,
            "diffusivity_high_cm2_s": value * spread,
        }
        return {"line": {key: list(column) for key, column in line.items()}}

    def _conductivity(self):
        numbers = {"b-0": (0.35, 0.31, 0.4, 1.1e-3, 2e-4, 5e-3, 0.061)}
        reasons = {"s-cand": "too few jumps", "b-1": "lithium only rattled"}
        rows = [
            (
                *(name, self.formulas[name], self.engine, VERDICTS[name]),
                *numbers.get(name, (None,) * 7),
                reasons.get(name, ""),
            )
            for name in ("b-0", "s-cand", "b-1")
        ]
        self.save(
            pd.DataFrame(rows, columns=inputs.CONDUCTIVITY_COLUMNS), "transport/conductivity.csv"
        )


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
            self.save(empty, f"models/{name}/metrics.csv")
        self.save(empty, "clusters/ward/clusters.parquet")
        self.save(empty, "clusters/ward/enrichment.csv")
        np.savez(
            self.root / "clusters/ward/linkage.npz",
            linkage=np.empty((0, 4)),
            material_id=np.array([], dtype=str),
        )
        self.save(empty, "screening/gates.parquet")
        self.save(empty, "screening/funnel.csv")
        self.save(pd.DataFrame(columns=inputs.SHORTLIST_COLUMNS), "screening/shortlist.csv")
        self.save(pd.DataFrame(columns=inputs.CONDUCTIVITY_COLUMNS), "transport/conductivity.csv")
        self.save_json({}, "transport/arrhenius.json")
        return ReportInputs.from_results(self.root, campaign=self.settings)


class Page(HTMLParser):
    """Collects what a browser would see, and checks that tags nest."""

    def __init__(self, html: str):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.words: list[str] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID_TAGS:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def render(factory: Factory) -> str:
    out = factory.root / "report" / "index.html"
    write_report(factory.write(), out, campaign=factory.settings)
    return out.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    return render(Factory(tmp_path_factory.mktemp("full")))


def test_every_section_is_there_and_linked(html):
    page = Page(html)
    anchors = {attrs["id"] for tag, attrs in page.tags if tag == "section"}
    links = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    assert {link.removeprefix("#") for link in links} == anchors
    assert {"results", "funnel", "ranking", "descriptors", "models", "clusters", "dynamics",
            "audit", "failures", "reading"} <= anchors  # fmt: skip


def test_the_page_asks_for_nothing_and_runs_nothing(html):
    page = Page(html)
    assert not {tag for tag, _ in page.tags} & {"script", "iframe", "object", "embed", "img"}
    for _, attrs in page.tags:
        assert not [name for name in attrs if name.startswith("on")]
        for name in ("href", "src", "xlink:href"):
            assert attrs.get(name, "#").startswith(("#", "data:"))
    assert not re.search(r"@import|url\((?!#)", html)


def test_every_figure_is_sound_svg(html):
    svgs = re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)
    assert len(svgs) == 9  # funnel, patterns, map, parity, dendrogram, Arrhenius and three MSDs
    for svg in svgs:
        ET.fromstring(svg)


def test_inner_identifiers_of_the_figures_do_not_clash(html):
    svgs = re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)
    clips = [set(re.findall(r'<clipPath id="([^"]+)"', svg)) for svg in svgs]
    assert len(set().union(*clips)) == sum(len(one) for one in clips)


def test_equal_inputs_give_equal_bytes(html, tmp_path):
    assert render(Factory(tmp_path)) == html


def test_results_carry_interval_verdict_reason_and_measurement(html):
    text = Page(html).text
    assert "0.350 0.310 to 0.400" in text
    assert "1.10 × 10⁻³ 2.00 × 10⁻⁴ to 5.00 × 10⁻³" in text
    assert "lithium only rattled" in text
    assert "< 1.00 × 10⁻⁹" in text
    assert (
        "leave-one-out misclassification logistic 0.210 0.100 to 0.380 0.330 0.200 to 0.500 23"
        in text
    )


def test_in_sample_scores_stand_in_a_table_of_their_own(html):
    tables = re.findall(r"<table>.*?</table>", html, flags=re.DOTALL)
    scores = {
        is_held_out: [table for table in tables if f"<caption>{caption}" in table]
        for is_held_out, caption in ((True, "Held-out scores"), (False, "Scores of models that"))
    }
    assert [len(found) for found in scores.values()] == [1, 1]
    held_out, published = (Page(found[0]).text for found in scores.values())
    assert "logistic" in held_out
    assert "sendek2017" not in held_out
    assert "logistic" not in published
    assert "all compounds, misclassification sendek2017 0.130" in published
    assert "compounds it was not trained on, misclassification sendek2017 0.150" in published
    assert "X-randomised misclassification sendek2017 0.470 0.400 to 0.550 – 23" in published
    assert "sendek2017: 3 seen." in Page(html).text


def test_only_a_model_that_is_no_better_than_the_constant_is_said_to_be_so(html):
    doubts = re.findall(r"(\S+) is not distinguishable from the constant baseline", Page(html).text)
    assert doubts == ["logistic"]
    assert (
        "leave-one-out misclassification, 0.100 to 0.380, includes the constant's 0.330"
        in Page(html).text
    )


def test_models_that_contradict_a_control_are_named(html):
    text = Page(html).text
    assert "LiCl, is a known slow conductor and is called fast by sendek2017 (0.90);" in text
    assert "Li₃N, is a known fast conductor and is called slow by logistic (0.40);" in text


def test_compounds_seen_in_a_fit_are_hollow(tmp_path):
    known = known_predictions(load_tables(Factory(tmp_path).write()))
    seen = known[~known["left_out"]]
    assert set(seen["model"]) == {"sendek2017"}
    assert set(seen["material_id"]) == {"b-0", "b-1", "b-2"}
    assert known.loc[known["model"] == "logistic", "probability"].max() <= 0.5


def test_the_page_says_what_the_intervals_leave_out(html, tmp_path):
    text = Page(html).text
    assert "What the intervals leave out" in text
    assert "GPAW's plane waves up to 500 eV" in text
    assert "1 of 1 shortlisted candidates passed with an unknown distance" in text
    factory = Factory(tmp_path)
    found = factory.write()
    gates = pd.read_parquet(found.gates).assign(hull="pass", band_gap="pass")
    factory.save(gates, "screening/gates.parquet")
    write_report(found, tmp_path / "page.html", campaign=factory.settings)
    assert "an unknown distance" not in (tmp_path / "page.html").read_text()


def test_an_unconverged_cell_is_shown_with_its_remark(tmp_path):
    factory = Factory(tmp_path)
    found = factory.write()
    cell = json.loads(found.cells[0].read_text())
    remark = "relaxation not converged in 12 steps"
    factory.save_json(
        cell | {"relax_converged": False, "reason": remark},
        f"dynamics/{cell['material_id']}/cell.json",
    )
    write_report(found, tmp_path / "page.html", campaign=factory.settings)
    text = Page((tmp_path / "page.html").read_text()).text
    assert "not converged 12 steps" in text
    assert remark in text
    assert "converged 12 steps" in text.replace("not converged 12 steps", "")


def test_the_enrichment_is_qualified(html):
    assert "The p-values overstate significance" in html


def test_controls_are_judged(html):
    text = Page(html).text
    assert re.search(r"Positive control, Li₃N: [^.]*\. It came out diffusive: it behaved", text)
    assert re.search(r"Negative control, LiCl: [^.]*\. It came out non-diffusive: it behaved", text)


def test_a_negative_control_that_moves_is_called_out(tmp_path, monkeypatch):
    monkeypatch.setitem(ROLES, "b-0", "negative_control")
    assert (
        "it did not behave, so distrust the other verdicts" in Page(render(Factory(tmp_path))).text
    )


def test_ranking_holds_the_twenty_best_candidates_in_order(html):
    table = re.search(r"<caption>The 20 candidates.*?</table>", html, flags=re.DOTALL).group()
    ids = re.findall(r"<small>(.*?)</small>", table)
    assert ids == ["s-cand", *(f"s-{i}" for i in range(19))]


def test_short_runs_are_called_a_demonstration(html, tmp_path):
    assert "This is a demonstration" in html
    assert "runs of 20 ps" in html
    default_ps = DynamicsSettings().production_ps
    assert default_ps == DEMONSTRATION_PS
    assert "This is a demonstration" not in render(Factory(tmp_path, production_ps=default_ps))


def test_lennard_jones_is_called_plumbing(html, tmp_path):
    assert "knows no chemistry" not in html
    assert "knows no chemistry" in render(Factory(tmp_path, engine="lennard-jones"))


def test_names_cannot_inject_html_or_mathematics(tmp_path):
    hostile = "<script>alert(1)</script>$\\frac{$&\"'><b onload=x>"
    page = Page(render(Factory(tmp_path, formula=hostile)))
    assert "script" not in {tag for tag, _ in page.tags}
    assert not [attrs for _, attrs in page.tags if "onload" in attrs]
    assert hostile in page.text


def test_an_empty_campaign_is_described_in_sentences(tmp_path):
    html = render(EmptyFactory(tmp_path))
    text = Page(html).text
    for sentence in (
        "No material came through curation.",
        "No material went through molecular dynamics.",
        "No candidate entered the funnel.",
        "there is nothing to rank",
        "have a diffraction pattern.",
        "No map of the materials",
        "No score could be computed.",
        "No material with a measured conductivity has a prediction.",
        "fewer than two materials could be clustered",
        "No molecular dynamics was run.",
        "Nothing failed.",
    ):
        assert sentence in text
    assert "<svg" not in html
    assert "nan" not in text.lower()


def test_nothing_diffusive_still_shows_the_upper_bounds(tmp_path, monkeypatch):
    monkeypatch.setitem(VERDICTS, "b-0", "non-diffusive")
    tables = load_tables(Factory(tmp_path).write())
    assert all(one.line_temperature_k.size == 0 for one in arrhenius_series(tables))
    assert all(np.isnan(one.diffusivity_cm2_s).all() for one in arrhenius_series(tables))
    assert "No material was diffusive at any temperature." in Page(render(Factory(tmp_path))).text


def test_unlabelled_materials_give_no_parity_and_no_enrichment(tmp_path):
    factory = Factory(tmp_path)
    found = factory.write()
    factory.save(pd.DataFrame(columns=inputs.LABEL_COLUMNS), "labels/labels.parquet")
    out = tmp_path / "page.html"
    write_report(found, out, campaign=factory.settings)
    assert "No material with a measured conductivity has a prediction." in out.read_text()


def test_failures_of_all_stages_are_collected(tmp_path):
    failures = collect_failures(load_tables(Factory(tmp_path).write()))
    stages = failures.groupby("stage")["material_id"].apply(list).to_dict()
    assert stages == {
        "pull": ["x-1"],
        "curate": ["x-2", "x-3"],
        "features sendek": ["b-7"],
        "models sendek2017": ["b-7"],
        "models logistic": ["b-7"],
        "dynamics, 1200 K": ["s-cand"],
    }


def test_a_lacking_column_is_named(tmp_path):
    factory = Factory(tmp_path)
    found = factory.write()
    pd.read_csv(found.funnel).drop(columns="n_fail").to_csv(found.funnel, index=False)
    with pytest.raises(CampaignError, match=r"funnel\.csv has no column 'n_fail'"):
        load_tables(found)


def test_a_lacking_file_is_named(tmp_path):
    found = Factory(tmp_path).write()
    found.audits[0].unlink()
    with pytest.raises(CampaignError, match=r"s-cand/audit\.json is missing"):
        load_tables(found)
