"""The bundled crystals are what they say they are."""

import dataclasses
import re

import pandas as pd
import pytest
import yaml
from pymatgen.core import Composition, Structure

from ionscout.bundled.proofs import PROOFS
from ionscout.bundled.references import References
from ionscout.bundled.sources import RESOURCES, UNTRACED
from ionscout.errors import BundledDataError
from ionscout.structures.crystals import bundled_records, crystal_files, load_crystals
from ionscout.structures.hashing import structure_hash

CRYSTALS = load_crystals()
STRUCTURES = {crystal.id: crystal.structure() for crystal in CRYSTALS}
FAST_S_CM = 1e-4
FAMILIES_WITH_A_FAST_CONDUCTOR = {
    "thiophosphate", "argyrodite", "garnet", "nasicon", "perovskite", "nitride", "ternary halide",
    "complex hydride",
}  # fmt: skip
each_crystal = pytest.mark.parametrize("crystal", CRYSTALS, ids=lambda crystal: crystal.id)


def is_fast(crystal):
    return any(
        k.sigma_s_cm >= FAST_S_CM and not k.is_upper_bound and k.reference != UNTRACED
        for k in crystal.conductivities
    )


SOURCES = "here: {what: a test, licence: none}"
SALT = """
- id: salt
  name: salt
  formula: LiCl
  formula_units: 4
  family: binary halide
  phase: rock salt
  space_group: Fm-3m
  space_group_number: 225
  lattice: {a_ang: 5.15, b_ang: 5.15, c_ang: 5.15, alpha_deg: 90, beta_deg: 90, gamma_deg: 90}
  sites:
    - {label: Li, species: {Li: 1}, xyz: [0, 0, 0]}
    - {label: Cl, species: {Cl: 1}, xyz: [0, 0, 1/2]}
  origin: {reference: a book, read_in: here, method: x-ray}
  conductivities:
    - {sigma_s_cm: 1.0e-8, temperature_k: 298, kind: total, reference: a book, read_in: here}
    - {sigma_s_cm: 1.0e-3, temperature_k: 298, kind: bulk, reference: untraced, read_in: here}
"""


def write(folder, crystals, sources=SOURCES):
    (folder / "crystals").mkdir(exist_ok=True)
    (folder / "crystals" / "salts.yaml").write_text(crystals)
    (folder / "sources.yaml").write_text(sources)
    return folder


def test_numbers_and_families():
    fast = [crystal for crystal in CRYSTALS if is_fast(crystal)]
    poor = [crystal for crystal in CRYSTALS if crystal.conductivities and crystal not in fast]
    assert len(CRYSTALS) >= 60
    assert len(fast) >= 20
    assert len(poor) >= 20
    assert sum(not structure.is_ordered for structure in STRUCTURES.values()) >= 15
    assert {crystal.family for crystal in fast} >= FAMILIES_WITH_A_FAST_CONDUCTOR
    assert {"li3n", "licl"} <= set(STRUCTURES)


@each_crystal
def test_every_value_has_a_reference(crystal):
    references = [crystal.origin.reference, *(k.reference for k in crystal.conductivities)]
    if crystal.band_gap_ev is not None or crystal.energy_above_hull_ev_atom is not None:
        references.append(crystal.properties_reference)
    if crystal.origin.method == "derived":
        assert crystal.origin.note
    for reference in references:
        assert reference
        assert all(re.match(r"10\.\d{4,}/", doi) for doi in re.findall(r"doi:(\S*)", reference))


@each_crystal
def test_stands_the_proofs(crystal):
    faults = {
        name: fault
        for name, prove in PROOFS.items()
        if (fault := prove(crystal, STRUCTURES[crystal.id]))
    }
    assert set(faults) == set(crystal.exceptions) & set(PROOFS), faults
    assert all(len(reason) > 20 for reason in crystal.exceptions.values())


def test_the_outcomes_are_those_of_these_crystals():
    """`make check-data` was run, and its table committed, after the last change."""
    outcomes = pd.read_csv(RESOURCES / "proofs.csv", keep_default_na=False)
    proved = dict(zip(outcomes["crystal_id"], outcomes["structure_hash"], strict=True))
    assert proved == {id_: structure_hash(structure) for id_, structure in STRUCTURES.items()}
    excepted = {crystal.id for crystal in CRYSTALS if crystal.exceptions}
    assert set(outcomes.loc[outcomes["exceptions"] != "", "crystal_id"]) == excepted
    relaxation_excepted = [c.id for c in CRYSTALS if "relaxation" in c.exceptions]
    others = outcomes[~outcomes["crystal_id"].isin(relaxation_excepted)]
    assert (others["volume_change_percent"].astype(float).abs() < 12).all()
    assert (others["framework_shift_ang"].astype(float) < 0.6).all()


def test_matches_independent_data(shared_data):
    """Each crystal agrees with the third-party crystals and samples of the same phase."""
    references = References(shared_data)
    matched, compared = {}, set()
    for crystal in CRYSTALS:
        structure = STRUCTURES[crystal.id]
        matched[crystal.id], fault = references.check_structure(crystal, structure)
        assert bool(fault) == ("match" in crystal.exceptions), (crystal.id, fault)
        fault = references.check_conductivity(crystal, structure)
        assert bool(fault) == ("conductivity" in crystal.exceptions), (crystal.id, fault)
        if fault is not None:
            compared.add(crystal.id)
    assert {id_ for id_, names in matched.items() if names} >= {
        "li2o", "li2s", "li3n", "li3ps4-beta", "li7la3zr2o12-tetragonal", "li7p3s11", "licl",
        "lif", "lifepo4", "liti2p3o12", "lizr2p3o12", "li10gep2s12", "li6ps5cl",
        "li7la3zr2o12-cubic",
    }  # fmt: skip
    assert len(compared) >= 25


def test_a_false_crystal_matches_nothing(shared_data, tmp_path):
    """Zincblende LiCl has the composition of rock salt, and is none."""
    text = (
        SALT.replace("Fm-3m", "F-43m")
        .replace("225", "216")
        .replace("[0, 0, 1/2]", "[1/4, 1/4, 1/4]")
    )
    (crystal,) = load_crystals(write(tmp_path, text))
    as_rock_salt = dataclasses.replace(crystal, space_group_number=225)
    matched, fault = References(shared_data).check_structure(as_rock_salt, crystal.structure())
    assert not matched
    assert "LiCl" in fault


@pytest.mark.parametrize(
    ("proof", "change", "message"),
    [
        ("symmetry", lambda s: s.translate_sites([0], [0.02, 0, 0]), "symmetry of"),
        ("neutrality", lambda s: s.replace(0, "Mg"), "balance|charge"),
        ("distances", lambda s: s.translate_sites([0], [0, 0, 0.25]), "too short"),
        ("distances", lambda s: s.scale_lattice(s.volume * 2.5), "too long"),
        ("density", lambda s: s.scale_lattice(s.volume * 2.5), "fill"),
        ("density", lambda s: s.scale_lattice(s.volume * 0.6), "fill"),
    ],
)
def test_proofs_refuse_what_is_false(proof, change, message):
    crystal = next(crystal for crystal in CRYSTALS if crystal.id == "licl")
    structure = STRUCTURES["licl"].copy()
    assert PROOFS[proof](crystal, structure) is None
    change(structure)
    assert re.search(message, PROOFS[proof](crystal, structure))


def test_records_follow_the_contract():
    records = {record["material_id"]: record for record in bundled_records()}
    assert len(records) == len(CRYSTALS)
    record = records["bundled-li3n"]
    assert set(record) == {
        "material_id", "source", "structure", "properties", "labels", "provenance", "parent_id",
    }  # fmt: skip
    assert Structure.from_dict(record["structure"]).reduced_formula == "Li3N"
    assert record["properties"]["energy_above_hull_ev_atom"] == 0
    assert record["labels"][0]["sigma_s_cm"] > FAST_S_CM
    assert records["bundled-licl"]["labels"][0]["sigma_s_cm"] < 1e-6


def test_untraced_values_yield_no_label(tmp_path):
    (record,) = bundled_records(write(tmp_path, SALT))
    assert [label["sigma_s_cm"] for label in record["labels"]] == [1e-8]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("formula: LiCl", "formula: Li2Cl", "'salt'.*the sites make Li1 Cl1, not Li2 Cl1"),
        ("number: 225", "number: 216", "'salt'.*Fm-3m is number 225, not 216"),
        ("group: Fm-3m", "group: Fm-4m", "'salt'.*Fm-4m"),
        ("family:", "familiy:", "'salt'.*famil"),
        ("a_ang: 5.15", "a_ang: big", "'salt': lattice.a_ang"),
        ("Cl: 1}", "Cl: 1.5}", "'salt': sites.1.species.Cl"),
        ("read_in: here, method", "read_in: there, method", "'salt': unknown source 'there'"),
        ("  conductivities", "  exceptions: {luck: none}\n  conductivities", "'salt': exceptions"),
        ("- id: salt", "id: salt", "salts.yaml.*not valid YAML"),
        (SALT, "salt", "needs a list of crystals"),
        ("name: salt", "name: [salt", "line [0-9]+: not valid YAML"),
    ],
)
def test_faults_are_named(tmp_path, old, new, message):
    assert old in SALT
    with pytest.raises(BundledDataError, match=message):
        bundled_records(write(tmp_path, SALT.replace(old, new, 1)))


def test_an_id_may_be_there_once_only(tmp_path):
    with pytest.raises(BundledDataError, match="'salt' is there more than once"):
        load_crystals(write(tmp_path, SALT + SALT))


def test_sources_need_a_licence(tmp_path):
    with pytest.raises(BundledDataError, match=r"sources\.yaml: here\.licence"):
        load_crystals(write(tmp_path, SALT, sources="here: {what: a test}"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BundledDataError, match=r"sources\.yaml: the file cannot be read"):
        load_crystals(tmp_path)


def test_every_file_of_crystals_is_an_input_of_the_campaign():
    names = {path.split("/")[-1] for path in crystal_files()}
    assert names == {"sources.yaml", *(p.name for p in (RESOURCES / "crystals").iterdir())}
    for path in (RESOURCES / "crystals").iterdir():
        assert all(Composition(entry["formula"]) for entry in yaml.safe_load(path.read_text()))
