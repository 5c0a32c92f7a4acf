from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from report_campaign import ROLES, VERDICTS, EmptyFactory, Factory

from ionscout.config import DEMONSTRATION_PS, DynamicsSettings
from ionscout.errors import CampaignError
from ionscout.report import ReportInputs, inputs, write_report
from ionscout.report.inputs import load_tables
from ionscout.report.sections_dynamics import collect_failures, gather_transport, show_dynamics
from ionscout.report.sections_models import known_predictions
from ionscout.report.sections_transport import arrhenius_series

VOID_TAGS = {"meta", "link", "br", "img", "input", "hr"}


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
    assert {"results", "funnel", "ranking", "stability", "descriptors", "models", "clusters",
            "dynamics", "audit", "failures", "reading"} <= anchors  # fmt: skip


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
    # Funnel, windows, patterns, map; parity, ROC, calibration, learning; attribution, importance;
    # regression; enrichment, dendrogram; Arrhenius, three MSDs and the lithium density; audit.
    assert len(svgs) == 19
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


def test_the_dynamics_carry_labels_haven_ratio_and_both_conductivities(html):
    text = Page(html).text
    assert "Stars: measured conductivities" in text
    assert "Li₃N b-0 2.00 × 10⁻³ 8.00 × 10⁻⁴ to 5.00 × 10⁻³ 800 to 1200 6 runs at 3 T" in text
    assert "1.80 × 10⁻³ 3.00 × 10⁻⁴ to 8.40 × 10⁻³ 1.00 × 10⁻³ 298 K" in text


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
    assert "logistic 0.210 (0.330) 0.100 to 0.380" in held_out
    assert "sendek2017 0.130 (0.330) 0.0500 to 0.260 0.150 (0.400) 0.0600 to 0.310" in published
    assert "X-randomised misclassification sendek2017 0.470 0.400 to 0.550 – 23" in Page(html).text
    assert "sendek2017: 3 seen." in Page(html).text


def test_only_a_model_that_is_no_better_than_the_constant_is_said_to_be_so(html):
    doubts = re.findall(r"Not distinguishable from the constant[^.]*\.[^.]*", Page(html).text)
    assert len(doubts) == 1
    text = Page(html).text
    assert "its leave-one-out misclassification including the constant's: logistic (0.100" in text
    assert "sendek2017 (0.0" not in text


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
    ids = re.findall(r'<span class="strong">.*?</span>\s*<small>(.*?)</small>', table)
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
        "No shortlisted material has phases to compare with.",
        "have a diffraction pattern.",
        "No map of the materials",
        "No score could be computed.",
        "No material with a measured conductivity has a prediction.",
        "No shortlisted material has a prediction that can be explained.",
        "No conductivity could be predicted.",
        "No shortlisted material has a predicted conductivity.",
        "ward, spectral: fewer than two materials could be clustered.",
        "No molecular dynamics was run.",
        "Nothing failed.",
    ):
        assert sentence in text
    assert "<svg" not in html
    assert "nan" not in text.lower()


def test_nothing_diffusive_still_shows_the_upper_bounds(tmp_path, monkeypatch):
    monkeypatch.setitem(VERDICTS, "b-0", "non-diffusive")
    series = arrhenius_series(gather_transport(load_tables(Factory(tmp_path).write())))
    assert len(series) == 3
    assert not any(one.line for one in series)
    assert all(one.runs["diffusivity_cm2_s"].isna().all() for one in series)
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
        "models sendek2017, logistic": ["b-7"],
        "dynamics, 1200 K": ["s-cand"],
    }


def test_a_lacking_column_is_named(tmp_path):
    factory = Factory(tmp_path)
    found = factory.write()
    pd.read_csv(found.funnel).drop(columns="n_fail").to_csv(found.funnel, index=False)
    with pytest.raises(CampaignError, match=r"funnel\.csv has no column 'n_fail'"):
        load_tables(found)


def test_the_rule_waits_for_every_file_that_the_page_reads(tmp_path):
    factory = Factory(tmp_path)
    factory.settings["regression"]["split"] = {"train": "somewhere", "test": None}
    found = ReportInputs.from_results(
        factory.write().manifest.parents[1], campaign=factory.settings
    )
    rule = (Path(__file__).parents[2] / "workflow" / "rules" / "report.smk").read_text()
    for value in vars(found).values():
        paths = [value] if isinstance(value, Path) else value
        paths = paths.values() if isinstance(paths, Mapping) else paths
        runs = [path for path in paths if path.name != "run.json"]  # all_runs names these
        assert all(path.name in rule for path in runs), value


def test_all_replicas_and_both_waves_are_shown(tmp_path):
    factory = Factory(tmp_path)
    found = factory.write()
    named = {str(path.relative_to(factory.root)) for path in found.runs}
    assert named == {str(p.relative_to(factory.root)) for p in factory.root.rglob("run.json")}
    runs = load_tables(found).runs
    assert len(runs) == 3 * 3 * 2 + 3
    table = show_dynamics(load_tables(found)).blocks[-1].table
    assert {"Replica", "Energy drift (meV/atom/ps)"} <= set(table.headings)
    assert len(table.rows) == len(runs)


def test_a_lacking_file_is_named(tmp_path):
    found = Factory(tmp_path).write()
    found.audits[0].unlink()
    with pytest.raises(CampaignError, match=r"s-cand/audit\.json is missing"):
        load_tables(found)
