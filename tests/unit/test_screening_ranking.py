"""The parts of the ranking, the choice in turn, and the file of pins and bans."""

import numpy as np
import pandas as pd
import pytest

from ionscout.config import RankingSettings
from ionscout.errors import CampaignError
from ionscout.screening.choices import no_choices, read_choices
from ionscout.screening.ranking import (
    PARTS,
    PRIOR_MATERIALS,
    choose_in_turn,
    element_fractions,
    rate_applicability,
    rate_enrichment,
    rate_materials,
    weigh_parts,
)

IDS = [f"m{i}" for i in range(6)]


def manifest(**columns):
    table = pd.DataFrame({"material_id": IDS, "duplicate_of": None})
    return table.assign(**columns)


def labels(**sigma_s_cm):
    table = pd.DataFrame({"material_id": [*sigma_s_cm], "sigma_rt_s_cm": [*sigma_s_cm.values()]})
    return table.assign(is_upper_bound=False)


def clustering(*numbers):
    return pd.DataFrame({"material_id": IDS, "cluster": pd.array(numbers, dtype="Int64")})


def enrichment(clusters, known, table=None):
    rated = rate_enrichment(
        clusters, known, manifest() if table is None else table, fast_threshold_s_cm=1e-4
    )
    return rated.to_dict()


def shrunk(n_fast, n, base):
    return (n_fast + PRIOR_MATERIALS * base) / (n + PRIOR_MATERIALS)


KNOWN = labels(m0=1e-3, m1=1e-3, m2=1e-9, m3=1e-9)


def test_enrichment_is_shrunk_and_never_of_its_own_label():
    rated = enrichment({"ward": clustering(1, 1, 2, 2, 1, None)}, KNOWN)
    assert rated["m4"] == pytest.approx(shrunk(2, 2, 1 / 2))
    assert rated["m0"] == pytest.approx(shrunk(1, 1, 1 / 3))
    assert rated["m2"] == pytest.approx(shrunk(0, 1, 2 / 3))
    assert np.isnan(rated["m5"])


def test_a_cluster_without_labels_has_the_base_rate():
    rated = enrichment({"ward": clustering(1, 1, 1, 1, 2, 2)}, KNOWN)
    assert rated["m4"] == rated["m5"] == pytest.approx(0.5)


def test_a_label_shared_by_duplicates_counts_once_and_for_none_of_them():
    table = manifest(duplicate_of=[None, "m0", None, None, None, None])
    rated = enrichment({"ward": clustering(1, 1, 2, 2, 1, 2)}, KNOWN, table)
    assert rated["m4"] == pytest.approx(shrunk(1, 1, 1 / 3))
    assert rated["m0"] == rated["m1"] == pytest.approx(0.0)


def test_enrichment_is_the_mean_over_clusterings():
    both = {"ward": clustering(1, 1, 2, 2, 1, 1), "spectral": clustering(1, 1, 2, 2, 2, None)}
    rated = enrichment(both, KNOWN)
    assert rated["m4"] == pytest.approx((shrunk(2, 2, 0.5) + shrunk(0, 2, 0.5)) / 2)
    assert rated["m5"] == pytest.approx(shrunk(2, 2, 0.5))


def test_enrichment_is_unknown_where_nothing_is_labelled_or_clustered():
    assert np.isnan([*enrichment({"ward": clustering(*range(6))}, KNOWN.iloc[:0]).values()]).all()
    assert np.isnan([*enrichment({}, KNOWN).values()]).all()
    assert np.isnan([*enrichment({"ward": clustering(*[None] * 6)}, KNOWN).values()]).all()


def test_applicability_is_the_share_of_the_classifiers():
    def model(*inside):
        return pd.DataFrame({"material_id": IDS[:3], "in_domain": pd.array(inside, "boolean")})

    predictions = {
        "a": model(True, False, None),
        "b": model(True, True, None),
        "c": model(*[None] * 3),
    }
    rated = rate_applicability(predictions, pd.Index(IDS[:4]))
    assert rated.tolist()[:2] == [1.0, 0.5]
    assert rated.isna().tolist() == [False, False, True, True]
    assert rate_applicability({}, pd.Index(IDS)).isna().all()


def test_window_is_capped_and_faults_are_unknown():
    stability = pd.DataFrame(
        {
            "material_id": IDS[:5],
            "window_reduction_v": [0.0, 1.7, 2.5, -1.0, np.nan],
            "window_oxidation_v": [4.2, 2.3, 2.0, 3.0, 2.0],
        }
    )
    gates = pd.DataFrame({"material_id": IDS, "mean_probability": 0.5})
    rated = rate_materials(manifest(), gates, {}, {}, KNOWN, stability, fast_threshold_s_cm=1e-4)
    assert rated["window"].tolist()[:2] == pytest.approx([1.0, 0.2])
    assert rated["window"].isna().tolist() == [False] * 2 + [True] * 4
    assert (rated["probability"] == 0.5).all()


def test_an_unknown_part_counts_as_the_usual_one():
    parts = pd.DataFrame(
        {"probability": [0.8, 0.8, np.nan, np.nan], "window": [0.4, np.nan, 0.4, np.nan]}
    )
    ranking = RankingSettings(probability=1, window=0.5)
    usual = pd.Series({"probability": 0.2, "window": 0.1})
    scores = weigh_parts(parts, ranking, usual).tolist()
    assert scores == pytest.approx([1.0 / 1.5, 0.85 / 1.5, 0.4 / 1.5, 0.25 / 1.5])
    nothing = pd.Series(np.nan, index=usual.index)
    scores = weigh_parts(parts, ranking, nothing)
    assert scores.tolist()[:3] == pytest.approx([1.0 / 1.5, 0.8, 0.4])
    assert np.isnan(scores[3])
    weightless = RankingSettings(**dict.fromkeys(PARTS, 0.0))
    assert weigh_parts(parts, weightless, usual).isna().all()


def test_distance_in_composition():
    fractions = element_fractions(pd.Series(["LiCl", "Li4Cl4", "LiBr", "Li3N", "Na"]))
    apart = (fractions - fractions.loc[0]).abs().sum(axis=1) / 2
    assert apart.tolist() == pytest.approx([0, 0, 0.5, 0.5, 1.0])


def choose(probabilities, formulas, *, first=(), size=3, parents=None, **weights):
    index = pd.Index(IDS[: len(formulas)], name="material_id")
    parts = pd.DataFrame(
        {"probability": probabilities, "enrichment": np.nan, "applicability": np.nan}, index=index
    ).assign(window=np.nan)
    table = pd.DataFrame(
        {"formula": formulas, "reduced_formula": formulas, "parent_id": parents}, index=index
    )
    return choose_in_turn(parts, table, RankingSettings(**weights), first=first, size=size)


def test_diversity_prefers_what_is_unlike_those_chosen():
    formulas = ["LiCl", "LiBr", "Li3PS4"]
    by_probability = choose([0.9, 0.89, 0.88], formulas, diversity=0)
    assert list(by_probability.index) == ["m0", "m1", "m2"]
    diverse = choose([0.9, 0.89, 0.88], formulas, diversity=1)
    assert list(diverse.index) == ["m0", "m2", "m1"]
    assert np.isnan(diverse.loc["m0", "diversity"])
    assert diverse.loc["m2", "diversity"] == pytest.approx(0.625)
    assert diverse.loc["m1", "diversity"] == pytest.approx(0.5)


def test_polymorphs_and_siblings_do_not_crowd_the_list():
    chosen = choose(
        [0.9, 0.8, 0.7, 0.6],
        ["LiCl", "LiCl", "LiBr", "Li3N"],
        parents=[None, None, "p", "p"],
        size=9,
    )
    assert list(chosen.index) == ["m0", "m2"]


def test_pins_come_first_and_others_are_held_against_them():
    chosen = choose([0.1, 0.9, 0.89], ["LiCl", "LiBr", "Li3PS4"], first=["m0"], size=2, diversity=1)
    assert list(chosen.index) == ["m0", "m2"]
    assert list(choose([0.1, 0.9], ["LiCl", "LiBr"], first=["m0"], size=0).index) == ["m0"]


def test_what_no_classifier_judged_comes_last():
    chosen = choose([np.nan, 0.2, 0.1], ["Li3PS4", "LiCl", "LiBr"], diversity=5)
    assert list(chosen.index) == ["m1", "m2", "m0"]


def test_the_choice_does_not_depend_on_the_order_of_rows_and_ties_go_by_id():
    chosen = choose([0.5, 0.5, 0.5], ["LiCl", "LiBr", "LiI"])
    assert list(chosen.index) == ["m0", "m1", "m2"]
    assert choose([], []).empty


def test_choices_are_read(tmp_path):
    path = tmp_path / "choices.csv"
    path.write_text('\ufeffmaterial_id,choice,reason\nm1, pin ,"why, not"\n\nm2,ban,\n', "utf-8")
    chosen = read_choices(path, IDS)
    assert chosen.to_numpy().tolist() == [["m1", "pin", "why, not"], ["m2", "ban", ""]]
    assert list(no_choices().columns) == list(chosen.columns)
    path.write_text("material_id,choice,reason\n")
    assert read_choices(path, IDS).empty


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("m1,pin,\nnobody,ban,\n", "line 3: 'nobody' is not among the curated materials"),
        ("m1,keep,\n", "line 2: the choice 'keep' is neither `pin` nor `ban`"),
        ("m1,pin,\n\nm1,ban,\n", "line 4: m1 is pinned and banned, see line 2"),
        ("m1,ban,\nm1,ban,\n", "line 3: m1 is there twice, see line 2"),
        (",pin,\n", "line 2: '' is not among"),
    ],
)
def test_bad_choices_are_named_by_line(tmp_path, text, fault):
    path = tmp_path / "choices.csv"
    path.write_text("material_id,choice,reason\n" + text)
    with pytest.raises(CampaignError, match=f"screening.choices.*{fault}"):
        read_choices(path, IDS)


def test_a_bad_file_of_choices_is_named(tmp_path):
    path = tmp_path / "choices.csv"
    for text, fault in (("material_id,choice\n", "no column 'reason'"), ("", "cannot be read")):
        path.write_text(text)
        with pytest.raises(CampaignError, match=fault):
            read_choices(path, IDS)
    with pytest.raises(CampaignError, match=r"missing.csv cannot be read"):
        read_choices(tmp_path / "missing.csv", IDS)
