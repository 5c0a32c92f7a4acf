"""Histograms and rankings against plain enumeration, bit by bit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from compositions_reference import (
    ALL,
    MEANS,
    NO_EXTREMES,
    PlainTable,
    is_neutral_plainly,
    random_model,
    table_plainly,
)
from pymatgen.core import Composition, Element

from ionscout.compositions import (
    CompositionSpace,
    LinearCompositionModel,
    OxidationRules,
    ScoredCompositions,
    Scoring,
    merge,
    scoring,
)
from ionscout.compositions.scores import UNIT
from ionscout.compositions.tables import count_elements, list_systems, list_top
from ionscout.errors import CompositionError
from ionscout.features.elemental import COLUMNS, describe_composition
from ionscout.models.logistic import build_logistic, linear_form

SPACES = (
    CompositionSpace(("O", "P", "S", "Ge", "Cl"), 9),
    CompositionSpace(("F", "Fe", "Cs", "H"), 12),
    CompositionSpace(("N", "O", "Mn", "Bi", "Ta", "I", "La", "Zn"), 5),
    CompositionSpace(("O", "Si"), 24),
)


def assert_same(found: ScoredCompositions, table: PlainTable, space: CompositionSpace) -> None:
    """The histogram, the best and the systems are those of the table."""
    edges = found.bins.lowest_units + np.arange(found.bins.n_bins + 1) * found.bins.width_units
    np.testing.assert_array_equal(found.histogram, np.histogram(table.scores, edges)[0])
    ranked = table.ranked()
    top = ranked[: found.n_wanted]
    np.testing.assert_array_equal(found.top_scores, table.scores[top])
    assert [space.formula(code) for code in found.top_codes] == [table.formula(i) for i in top]
    systems, first = np.unique(table.system[ranked], return_index=True)
    best = {table.systems[s]: ranked[i] for s, i in zip(systems, first, strict=True)}
    counts = dict(zip(best, np.bincount(table.system)[systems], strict=True))
    assert len(found.systems) == len(best)
    for i, row in enumerate(found.systems):
        system = ("Li", *(space.symbols[number] for number in row if number))
        assert found.system_counts[i] == counts[system]
        assert found.best_scores[i] == table.scores[best[system]]
        assert space.formula(found.best_codes[i]) == table.formula(best[system])


def known_states(rules: OxidationRules) -> dict[str, tuple[int, ...]]:
    return dict(zip(rules.space.symbols, rules.states, strict=True))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("statistics", [MEANS, NO_EXTREMES, ALL])
@pytest.mark.parametrize("space", SPACES)
def test_all_compositions_as_enumerated_plainly(space, statistics, seed):
    model = random_model(seed, statistics)
    found = Scoring(model, space, n_top=300, n_bins=100).score_shard(0, n_threads=2)
    assert_same(found, table_plainly(space, model), space)
    assert not found.note


ALIKE = ("Ce", "La", "Nd", "Pr")
"""Elements of one group and row: scores that differ in their last digits alone."""


@pytest.mark.parametrize(
    "weights",
    [
        {"group_mean": 1.0, "atomic_mass_u_mean": 1e-10},
        {"group_mean": -1.0, "atomic_mass_u_mean": 1e-10, "row_deviation": 0.5},
        {"row_deviation": -1.0, "atomic_mass_u_deviation": 1e-10},
        {"row_deviation": 500.0, "atomic_mass_u_deviation": -1e-9, "group_min": 1e-3},
        {"atomic_mass_u_mean": 1e-12, "atomic_mass_u_deviation": -3e-12},
        {},
    ],
)
@pytest.mark.parametrize("n_bins", [50, 3000])
@pytest.mark.parametrize("elements", [ALIKE, ("O", "S", "Se", "Te")])
def test_scores_that_hardly_differ(elements, n_bins, weights):
    space, model = CompositionSpace(elements, 11), LinearCompositionModel(weights, 0.25)
    found = Scoring(model, space, n_top=40, n_bins=n_bins).score_shard(0)
    assert_same(found, table_plainly(space, model), space)


@pytest.mark.parametrize("n_bins", [50, 57, 64, 71])
@pytest.mark.parametrize("n_top", [0, 40])
@pytest.mark.parametrize("sign", [-1, 1])
def test_many_of_the_best_hardly_differ(sign, n_top, n_bins):
    space = CompositionSpace(("Cs", "K", "Na", "O", "Rb"), 11)
    weights = {"group_mean": -1.0, "atomic_mass_u_mean": sign * 1e-10, "group_deviation": 0.1}
    model = LinearCompositionModel(weights, 0.0)
    found = Scoring(model, space, n_top=n_top, n_bins=n_bins).score_shard(0)
    assert_same(found, table_plainly(space, model), space)


def test_ranked_means_that_are_on_an_edge(monkeypatch):
    monkeypatch.setattr(scoring, "_SCORED_A_RANK", 0)
    space, model = SPACES[0], LinearCompositionModel({"group_mean": 2e-10}, 0.0)
    job = Scoring(model, space, n_top=100, n_bins=700)
    table = table_plainly(space, model)
    assert np.any((table.scores - job.bins.lowest_units) % job.bins.width_units == 0)
    assert_same(job.score_shard(0), table, space)


@pytest.mark.parametrize("n_bins", [1, 7, 5000])
def test_any_number_of_bins(n_bins):
    space, model = SPACES[0], random_model(2)
    found = Scoring(model, space, n_top=20, n_bins=n_bins).score_shard(0)
    assert_same(found, table_plainly(space, model), space)


@pytest.mark.parametrize("n_top", [0, 5, 3000])
@pytest.mark.parametrize("space", SPACES[:2])
def test_means_are_ranked_as_they_are_enumerated(space, n_top, monkeypatch):
    model = random_model(3, MEANS)
    results = []
    for scored_a_rank in (0, 10**12):
        monkeypatch.setattr(scoring, "_SCORED_A_RANK", scored_a_rank)
        results.append(Scoring(model, space, n_top=n_top, n_bins=60).score_shard(0))
    assert_same(results[0], table_plainly(space, model), space)
    for name in vars(results[0]):
        np.testing.assert_array_equal(getattr(results[0], name), getattr(results[1], name))


@pytest.mark.parametrize("least_share", [0.0, 0.05])
@pytest.mark.parametrize("statistics", [MEANS, ALL])
@pytest.mark.parametrize("space", SPACES)
def test_neutral_compositions_as_tried_plainly(space, statistics, least_share):
    model, rules = random_model(4, statistics), OxidationRules(space, least_share)
    found = Scoring(model, space, rules, n_top=300, n_bins=100).score_shard(0, n_threads=2)
    table = table_plainly(space, model, known_states(rules))
    assert 0 < len(table.scores) < space.n_reduced
    assert found.n_reduced == space.n_reduced
    assert_same(found, table, space)


def test_no_neutral_composition():
    space = CompositionSpace(("Na", "Mg", "Al"), 4)
    found = Scoring(random_model(0), space, OxidationRules(space)).score_shard(0)
    assert found.n_scored == len(found.top_codes) == len(found.systems) == 0
    assert found.n_reduced == space.n_reduced


def test_equal_scores_are_ordered_by_formula():
    space = CompositionSpace(("O", "S", "Se"), 7)
    model = LinearCompositionModel({"group_mean": 1.0}, 0.0)
    found = Scoring(model, space, n_top=200, n_bins=50).score_shard(0)
    table = table_plainly(space, model)
    assert len(set(table.scores)) < 0.5 * len(table.scores)
    assert_same(found, table, space)


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_scikit_learn(seed):
    space, rng = SPACES[2], np.random.default_rng(seed)
    amounts = []
    for _ in range(300):
        symbols = ("Li", *rng.choice(space.elements, rng.integers(2, 4), replace=False))
        amounts.append(
            {str(s): int(n) for s, n in zip(symbols, rng.integers(1, 6, 4), strict=False)}
        )
    described = [describe_composition(Composition(row)) for row in amounts]
    x = np.array([[values[column] for column in COLUMNS] for values in described])
    pipeline = build_logistic(ridge_penalty=1.0, seed=0).fit(x, rng.random(len(x)) < 0.5)
    model = LinearCompositionModel.from_linear_form("esml", COLUMNS, *linear_form(pipeline))
    job = Scoring(model, space)
    scores = np.array([job.score(row) for row in amounts]) * UNIT
    np.testing.assert_allclose(scores, pipeline.decision_function(x), rtol=0, atol=1e-9)


@pytest.mark.parametrize("is_neutral", [False, True])
@pytest.mark.parametrize("statistics", [MEANS, ALL])
def test_shards_in_any_order_are_the_same_bytes(tmp_path, is_neutral, statistics):
    space, model = SPACES[2], random_model(5, statistics)
    rules = OxidationRules(space) if is_neutral else None
    job = Scoring(model, space, rules, n_top=100, n_bins=60, n_shards=7)
    shards = [job.score_shard(i, n_threads=1 + i % 3) for i in range(7)]
    for i, shard in enumerate(shards):
        shard.save(tmp_path / f"{i}.npz")
    loaded = [ScoredCompositions.load(tmp_path / f"{i}.npz") for i in range(7)]
    merge(loaded).save(tmp_path / "at_once.npz")
    pieces = [merge([shards[6], shards[2]]), shards[0], merge([shards[1], shards[5], shards[3]])]
    merge([*pieces, shards[4]]).save(tmp_path / "in_pieces.npz")
    merged = ScoredCompositions.load(tmp_path / "at_once.npz")
    assert (tmp_path / "at_once.npz").read_bytes() == (tmp_path / "in_pieces.npz").read_bytes()
    assert merged.is_complete
    assert not pieces[0].is_complete
    assert (merged.n_total, merged.n_reduced) == (space.n_total, space.n_reduced)
    states = known_states(rules) if rules else None
    assert_same(merged, table_plainly(space, model, states), space)


def test_more_asked_for_than_there_are():
    space, model = CompositionSpace(("O", "S"), 3), random_model(0)
    found = Scoring(model, space, n_top=100).score_shard(0)
    assert "there are only 25" in found.note
    assert_same(found, table_plainly(space, model), space)


def test_percentiles_are_bounded_by_the_bin():
    space, model = SPACES[0], random_model(6)
    job = Scoring(model, space, n_bins=2000)
    found, plain = job.score_shard(0), table_plainly(space, model)
    for amounts in ({"Li": 1, "P": 1, "O": 3}, {"Li": 2, "Ge": 1, "S": 3}):
        lowest, highest = found.percentile(job.score(amounts))
        lower = 100 * np.mean(plain.scores < job.score(amounts))
        assert lowest <= lower <= highest < lowest + 1.0


def test_tables():
    space, model = SPACES[2], random_model(7)
    rules = OxidationRules(space)
    found = Scoring(model, space, rules, n_top=40).score_shard(0)
    top = list_top(found, space, rules)
    assert top["is_neutral"].all()
    for formula, states in zip(top["formula"], top["oxidation_states"], strict=True):
        charges = {part[:-2]: int(part[-2:]) for part in states.split()}
        amounts = Composition(formula).get_el_amt_dict()
        assert sum(charges[symbol] * n for symbol, n in amounts.items()) == 0
    systems = list_systems(found, space)
    assert systems["n_scored"].sum() == found.n_scored
    assert systems["best_log_odds"].max() == top["log_odds"][0]
    counts = count_elements(found, space).set_index("element")["n_top"]
    assert counts["O"] == sum("O" in Composition(formula) for formula in top["formula"])
    everything = list_top(Scoring(model, space, n_top=40).score_shard(0), space, rules)
    assert not everything["is_neutral"].all()


def test_progress_ends_at_one():
    shares = []
    Scoring(random_model(0), SPACES[0]).score_shard(0, progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_states_are_found_for_one_composition():
    space = CompositionSpace(("Fe", "O", "P"), 5)
    rules = OxidationRules(space, least_share=0.0)
    amounts = {"Li": 1, "Fe": 1, "P": 1, "O": 4}
    assert rules.find_states(amounts)[0] == {"Li": 1, "Fe": 2, "P": 5, "O": -2}
    assert not OxidationRules(space).find_states({"Li": 1, "Fe": 1, "O": 5})
    plain = is_neutral_plainly(
        tuple(amounts), np.array([list(amounts.values())]), known_states(rules)
    )
    assert plain[0]


def test_equal_electronegativities_are_not_in_order():
    space = CompositionSpace(("H", "O", "Pd"), 6)
    rules, model = OxidationRules(space), random_model(0)
    states = known_states(rules)
    assert -1 in states["H"]
    assert 2 in states["Pd"]
    assert Element("H").X == Element("Pd").X
    assert not rules.find_states({"Li": 1, "Pd": 1, "H": 3})
    assert rules.find_states({"Li": 2, "Pd": 1, "O": 2})
    found = Scoring(model, space, rules, n_top=1000).score_shard(0)
    assert_same(found, table_plainly(space, model, states), space)


def test_a_failing_thread_stops_the_run():
    def fail(share: float) -> None:
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        Scoring(random_model(0), SPACES[0]).score_shard(0, progress=fail)


def test_results_that_do_not_belong_together():
    space = SPACES[0]
    one = Scoring(random_model(0), space, n_shards=2).score_shard(0)
    other = Scoring(random_model(1), space, n_shards=2).score_shard(1)
    with pytest.raises(CompositionError, match="different models"):
        merge([one, other])
    with pytest.raises(CompositionError, match="twice"):
        merge([one, one])
    with pytest.raises(CompositionError, match="no shards"):
        merge([])


def test_a_damaged_file(tmp_path):
    path = tmp_path / "shard.npz"
    Scoring(random_model(0), SPACES[0]).score_shard(0).save(path)
    whole = path.read_bytes()
    middle = len(whole) // 2
    flipped = bytes([whole[middle] ^ 1])
    damaged = (b"", b"nothing", whole[:middle], whole[:middle] + flipped + whole[middle + 1 :])
    for written in damaged:
        path.write_bytes(written)
        with pytest.raises(CompositionError, match="holds no scored compositions: delete it"):
            ScoredCompositions.load(path)


def test_scorings_that_cannot_be():
    space, model = SPACES[0], random_model(0)
    with pytest.raises(CompositionError, match="0 bins"):
        Scoring(model, space, n_bins=0)
    with pytest.raises(CompositionError, match="those of other elements"):
        Scoring(model, space, OxidationRules(SPACES[1]))
    with pytest.raises(CompositionError, match="cannot be split into 11 shards"):
        Scoring(model, space, n_shards=11)
    with pytest.raises(CompositionError, match="no shard 3"):
        Scoring(model, space, n_shards=3).score_shard(3)
    job = Scoring(model, space)
    smaller = CompositionSpace(space.elements, space.max_amount - 1)
    for changed in ({"n_top": 7}, {"n_bins": 9}, {"n_shards": 2}, {"space": smaller}):
        assert dataclasses.replace(job, **changed).fingerprint != job.fingerprint
