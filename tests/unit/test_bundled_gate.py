"""The gate lets true data pass and names what is false."""

import pandas as pd
import pytest

from ionscout.bundled.gate import check_conductivities, prove_crystal, run_gate
from ionscout.bundled.sources import RESOURCES
from ionscout.structures.crystals import load_crystals

LITHIUM_OXIDE = """
- id: oxide
  name: lithium oxide
  formula: Li2O
  formula_units: 4
  family: binary chalcogenide
  phase: antifluorite
  space_group: Fm-3m
  space_group_number: 225
  lattice: {a_ang: 4.62, b_ang: 4.62, c_ang: 4.62, alpha_deg: 90, beta_deg: 90, gamma_deg: 90}
  sites:
    - {label: Li, species: {Li: 1}, xyz: [1/4, 1/4, 1/4]}
    - {label: O, species: {O: 1}, xyz: [0, 0, 0]}
  origin: {reference: a book, read_in: here, method: x-ray}
  conductivities: []
"""
HEADER = (
    "formula,sigma_s_cm,is_upper_bound,temperature_k,kind,activation_energy_ev,reference,read_in,"
    "source_id,note\n"
)
ROW = "Li3N,5e-4,,298,bulk,,a book,here,,\n"


@pytest.fixture
def resources(tmp_path):
    (tmp_path / "crystals").mkdir()
    (tmp_path / "crystals" / "oxides.yaml").write_text(LITHIUM_OXIDE)
    (tmp_path / "sources.yaml").write_text("here: {what: a test, licence: none}")
    (tmp_path / "conductivities.csv").write_text(HEADER + ROW)
    (tmp_path / "thermochemistry").mkdir()
    (tmp_path / "thermochemistry" / "levels.yaml").write_text("toy: {what: toy, quantity: toy}")
    (tmp_path / "thermochemistry" / "toy.csv").write_text(
        "formula,phase,state,formation_energy_ev_atom,reference,read_in,note\n"
        "Li2O,,crystal,-2.0,a book,here,\n"
        "Li2O2,,crystal,-1.6,a book,here,\n"
    )
    return tmp_path


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_true_data_pass(resources):
    assert run_gate(resources) == []
    (row,) = pd.read_csv(resources / "proofs.csv").to_dict("records")
    assert row["crystal_id"] == "oxide"
    assert row["n_atoms"] == 3
    assert abs(row["volume_change_percent"]) < 4


@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        ("crystals/oxides.yaml", "formula_units: 4", "formula_units: 8", "oxide: composition"),
        ("crystals/oxides.yaml", "4.62, b_ang: 4.62, c_ang: 4.62", "5.2, b_ang: 5.2, c_ang: 5.2",
         "oxide: relaxation: CHGNet changes the volume by -"),
        ("crystals/oxides.yaml", "c_ang: 4.62", "c_ang: 4.9", "oxide: composition"),
        ("conductivities.csv", "298", "500", "line 2 (Li3N): 500.0 K is not room temperature"),
        ("conductivities.csv", "5e-4", "50", "50.0 S/cm is no conductivity"),
        ("conductivities.csv", ROW, ROW + ROW, "the same value of the same paper is there twice"),
        ("conductivities.csv", "Li3N", "Li3CaN", "no common oxidation states balance"),
        ("thermochemistry/toy.csv", "-1.6", "-0.9", "(Li2O2 ): 0.600 eV/atom above the hull"),
        ("thermochemistry/toy.csv", "Li2O2", "Li4O2", "the same phase is there twice"),
        ("thermochemistry/toy.csv", "crystal,-2.0", "dust,-2.0", "line 2: state 'dust'"),
    ],
)  # fmt: skip
def test_false_data_are_named(resources, file, old, new, complaint):
    change(resources / file, old, new)
    complaints = run_gate(resources)
    assert any(complaint in text for text in complaints), complaints


def test_an_exception_needs_a_fault_when_all_is_compared(resources):
    change(
        resources / "crystals" / "oxides.yaml",
        "conductivities", "exceptions: {density: it is light}\n  conductivities",
    )  # fmt: skip
    (crystal,) = load_crystals(resources)
    outcome = prove_crystal(crystal)
    assert outcome.complaints(compared=False) == []
    assert outcome.complaints(compared=True) == [
        "oxide: density: stated as an exception, but the crystal passes"
    ]


def test_matches_stay_when_there_is_nothing_to_compare_with(resources):
    run_gate(resources)
    table = pd.read_csv(resources / "proofs.csv")
    table.assign(matched="mp-1960").to_csv(resources / "proofs.csv", index=False)
    run_gate(resources)
    assert pd.read_csv(resources / "proofs.csv")["matched"].tolist() == ["mp-1960"]


def test_the_bundled_conductivities_pass():
    assert list(check_conductivities()) == []


@pytest.mark.slow
def test_a_sixth_of_the_crystals_relaxes_as_written(tmp_path):
    """The table of outcomes is what the gate gives, not only what was committed."""
    written = pd.read_csv(RESOURCES / "proofs.csv").set_index("crystal_id")
    for crystal in load_crystals()[::6]:
        outcome = prove_crystal(crystal)
        assert outcome.complaints(compared=False) == []
        relaxation = outcome.relaxation
        row = written.loc[crystal.id]
        assert 100 * relaxation.volume_change_fraction == pytest.approx(
            row["volume_change_percent"], abs=1
        )
        assert relaxation.framework_shift_ang == pytest.approx(row["framework_shift_ang"], abs=0.1)
