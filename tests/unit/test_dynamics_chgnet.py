from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from pymatgen.core import Structure

from ionscout.config import DynamicsSettings
from ionscout.dynamics.engines import engine_version, make_calculator
from ionscout.dynamics.engines.chgnet import build_graph
from ionscout.dynamics.neighbours import find_pairs

chgnet_model = pytest.importorskip("chgnet.model.model")

TRICLINIC_CELL = [[4.1, 0, 0], [-1.6, 5.2, 0], [0.9, -1.3, 6.1]]
TRICLINIC_SITES = [[0, 0, 0], [0.5, 0.1, 0.4], [0.2, 0.5, 0.6], [0.7, 0.6, 0.9], [0.4, 0.8, 0.2]]


def make_crystals() -> dict[str, Atoms]:
    crystals = {
        "primitive": bulk("LiCl", "rocksalt", a=5.13),
        "cubic": bulk("LiF", "rocksalt", a=4.06, cubic=True).repeat((2, 1, 1)),
        "triclinic": Atoms(
            "Li2POS", cell=TRICLINIC_CELL, scaled_positions=TRICLINIC_SITES, pbc=True
        ),
        "no angles": bulk("Cs", "bcc", a=6.1),
    }
    for seed, atoms in enumerate(crystals.values()):
        atoms.rattle(0.03, seed=seed)
    return crystals


@pytest.fixture(scope="module")
def model():
    return chgnet_model.CHGNet.load(use_device="cpu", verbose=False)


def to_structure(atoms: Atoms) -> Structure:
    return Structure(atoms.cell.array, atoms.symbols, atoms.get_scaled_positions(wrap=False))


def exact_energy_and_forces(model, atoms: Atoms) -> tuple[float, np.ndarray]:
    """Evaluate the stock model in double precision, by its own code."""
    graph = model.graph_converter(
        Structure(atoms.cell.array, atoms.symbols, atoms.get_scaled_positions(wrap=False))
    )
    graph.lattice = torch.tensor(atoms.cell.array, requires_grad=True)
    scaled = atoms.get_scaled_positions(wrap=False)
    graph.atom_frac_coord = torch.tensor(scaled, requires_grad=True)
    graph.neighbor_image = graph.neighbor_image.double()
    model = model.double()
    batch = chgnet_model.BatchedGraph.from_graphs(
        [graph],
        bond_basis_expansion=model.bond_basis_expansion,
        angle_basis_expansion=model.angle_basis_expansion,
    )
    result = model._compute(batch, compute_force=True)
    reference = model.composition_model.fc.weight[0][atoms.numbers - 1].sum()
    energy = (result["e"][0] * len(atoms) + reference).item()
    forces = result["f"][0].detach().numpy()
    model.float()
    return energy, forces


@pytest.mark.parametrize("name", list(make_crystals()))
def test_energy_forces_and_stress_are_those_of_stock_chgnet(model, name):
    atoms = make_crystals()[name]
    atoms.calc = make_calculator("chgnet", atoms, DynamicsSettings())
    stock = model.predict_structure(to_structure(atoms), task="efs")
    energy = atoms.get_potential_energy() / len(atoms)
    assert energy == pytest.approx(float(stock["e"]), abs=1e-5)
    largest = max(1.0, np.abs(stock["f"]).max())
    np.testing.assert_allclose(atoms.get_forces(), stock["f"], atol=2e-5 * largest)
    stress_gpa = atoms.get_stress(voigt=False) * 160.21766208
    np.testing.assert_allclose(stress_gpa, stock["s"], atol=1e-3)


@pytest.mark.parametrize("name", ["cubic", "triclinic"])
def test_the_trimmed_path_is_nearer_to_the_exact_model_than_single_precision(model, name):
    atoms = make_crystals()[name]
    atoms.rattle(0.15, seed=9)
    atoms.calc = make_calculator("chgnet", atoms, DynamicsSettings())
    energy, forces = exact_energy_and_forces(model, atoms)
    assert atoms.get_potential_energy() == pytest.approx(energy, abs=1e-6 * len(atoms))
    np.testing.assert_allclose(atoms.get_forces(), forces, atol=1e-5)


def test_atoms_that_left_the_cell_feel_the_same_forces():
    atoms = make_crystals()["triclinic"]
    atoms.calc = make_calculator("chgnet", atoms, DynamicsSettings())
    forces = atoms.get_forces()
    atoms.positions[1] += 2 * atoms.cell[0] - 3 * atoms.cell[2]
    np.testing.assert_allclose(atoms.get_forces(), forces, atol=1e-5)
    np.testing.assert_allclose(forces.sum(axis=0), 0, atol=1e-12)


@pytest.mark.parametrize("name", list(make_crystals()))
def test_the_graph_has_the_stock_bonds_and_angles(model, name):
    atoms = make_crystals()[name]
    stock = model.graph_converter(to_structure(atoms))
    pairs = find_pairs(atoms.positions, atoms.cell.array, 6.0)
    graph, pairs = build_graph(pairs, short_ang=3.0)
    assert len(graph.first) == len(stock.undirected2directed)
    assert len(graph.apex) == len(stock.bond_graph)
    ends = np.stack([pairs.first, pairs.second])
    for bonds in (graph.bond_from, graph.bond_to):
        assert (ends[:, bonds.numpy()] == graph.apex.numpy()).any(axis=0).all()
    assert (pairs.distance_ang[: graph.n_short] <= 3.0).all()


def test_the_version_names_the_weights():
    assert "weights 0.3.0" in engine_version("chgnet")
