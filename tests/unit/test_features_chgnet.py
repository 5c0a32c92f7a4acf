"""The CHGNet embedding: the stock potential as the reference, invariance, odd input."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from ionscout.errors import FeatureError
from ionscout.features import chgnet
from ionscout.features.chgnet import ChgnetSet

# Single precision: of sums over some thousand bonds; the features are of order 1.
TOLERANCE = 2e-5

CRYSTALS = {
    "rock salt": Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(5.13), ["Li+", "Cl-"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    ).get_primitive_structure(),
    "nitride": Structure.from_spacegroup(
        "P6/mmm",
        Lattice.hexagonal(3.648, 3.875),
        ["Li+", "Li+", "N3-"],
        [[1 / 3, 2 / 3, 0], [0, 0, 0.5], [0, 0, 0]],
    ),
    "triclinic": Structure(
        Lattice.from_parameters(4.1, 5.4, 6.3, 98, 83, 107),
        ["Li+", "Li+", "P5+", "O2-", "S2-"],
        [[0, 0, 0], [0.5, 0.1, 0.4], [0.2, 0.5, 0.6], [0.7, 0.6, 0.9], [0.4, 0.8, 0.2]],
    ),
}


@pytest.fixture(scope="module")
def stock():
    model = pytest.importorskip("chgnet.model.model")
    return model.CHGNet.load(use_device="cpu", verbose=False)


def embed(structure: Structure) -> np.ndarray:
    pytest.importorskip("chgnet")
    return np.array(list(ChgnetSet().describe(structure).values()))


@pytest.mark.parametrize("name", CRYSTALS)
def test_it_is_the_mean_of_what_the_stock_potential_reads_its_energy_from(stock, name):
    import torch

    structure = CRYSTALS[name]
    embedding = embed(structure)
    prediction = stock.predict_structure(structure, task="e", return_crystal_feas=True)
    np.testing.assert_allclose(embedding * len(structure), prediction["crystal_fea"], atol=1e-5)

    features = {}
    hook = stock.readout_norm.register_forward_hook(
        lambda module, inputs, output: features.update(atoms=output.detach())
    )
    energy = stock.predict_structure(structure, task="e")["e"]
    hook.remove()
    np.testing.assert_allclose(embedding, features["atoms"].mean(dim=0), atol=TOLERANCE)
    with torch.no_grad():
        read_out = stock.mlp(features["atoms"]).sum().item()
    reference = stock.composition_model.fc.weight[0].detach().numpy()
    reference_ev = sum(reference[site.specie.Z - 1] for site in structure)
    assert (read_out + reference_ev) / len(structure) == pytest.approx(float(energy), abs=1e-4)


@pytest.mark.parametrize("name", CRYSTALS)
@pytest.mark.parametrize("seed", range(2))
def test_does_not_depend_on_the_cell(name, seed):
    structure = CRYSTALS[name]
    rng = np.random.default_rng(seed)
    twin = structure.copy().make_supercell([[1, 1, 0], [0, 2, 0], [0, -1, 1]])
    twin.translate_sites(list(range(len(twin))), rng.random(3))
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    order = rng.permutation(len(twin))
    twin = Structure(
        Lattice(twin.lattice.matrix @ rotation),
        [twin[i].species for i in order],
        twin.frac_coords[order],
    )
    np.testing.assert_allclose(embed(twin), embed(structure), rtol=0, atol=TOLERANCE)


def test_oxidation_states_do_not_matter():
    structure = CRYSTALS["nitride"]
    bare = structure.copy().remove_oxidation_states()
    np.testing.assert_array_equal(embed(bare), embed(structure))


@pytest.mark.parametrize(
    ("structure", "reason"),
    [
        (Structure(Lattice.cubic(20), ["Li"], [[0, 0, 0]]), "isolated atom"),
        (Structure(Lattice.cubic(4), ["Li", "Og"], [[0] * 3, [0.5] * 3]), "does not know Og"),
        (Structure(Lattice.cubic(4), ["Li", {"Cl": 0.5}], [[0] * 3, [0.5] * 3]), "partially"),
        (Structure(Lattice.cubic(4), ["Li", "Cl"], [[0] * 3, [np.nan] * 3]), "not finite"),
        (Structure(Lattice.cubic(4), [], []), "no atoms"),
    ],
)
def test_what_has_no_embedding_says_why(structure, reason):
    pytest.importorskip("chgnet")
    with pytest.raises(FeatureError, match=reason):
        ChgnetSet().describe(structure)


def test_overlapping_atoms_give_numbers_or_a_reason():
    pytest.importorskip("chgnet")
    overlapping = Structure(Lattice.cubic(4), ["Li", "Cl", "Cl"], [[0] * 3, [0.5] * 3, [0.5] * 3])
    values, reasons = ChgnetSet().describe_many([overlapping])
    assert np.isfinite(values).all() != bool(reasons[0])
    assert not reasons[0].startswith("unexpected")


def test_without_the_package_each_crystal_has_the_reason(monkeypatch):
    chgnet._load_model.cache_clear()
    monkeypatch.setitem(sys.modules, "chgnet.model.model", None)
    values, reasons = ChgnetSet().describe_many([CRYSTALS["rock salt"]] * 2)
    assert np.isnan(values).all()
    assert reasons == ["CHGNet is not installed; install the package chgnet"] * 2
