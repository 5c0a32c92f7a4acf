from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from pymatgen.core import Structure

from ionscout.config import DynamicsSettings
from ionscout.dynamics.engines import chgnet_basis, chgnet_messages, engine_version, make_calculator
from ionscout.dynamics.engines.chgnet_graph import Rows, build_graph
from ionscout.dynamics.neighbours import find_pairs
from ionscout.errors import DynamicsError

chgnet_model = pytest.importorskip("chgnet.model.model")

TRICLINIC_CELL = [[4.1, 0, 0], [-1.6, 5.2, 0], [0.9, -1.3, 6.1]]
TRICLINIC_SITES = [[0, 0, 0], [0.5, 0.1, 0.4], [0.2, 0.5, 0.6], [0.7, 0.6, 0.9], [0.4, 0.8, 0.2]]


def make_every_element() -> Atoms:
    numbers = [z for z in range(1, 95) if z not in (84, 85, 86, 87, 88)]
    grid = np.stack(np.meshgrid(*[np.arange(5)] * 3), axis=-1).reshape(-1, 3)[: len(numbers)]
    return Atoms(numbers, positions=2.6 * grid, cell=[13, 13, 13], pbc=True)


def make_crystals() -> dict[str, Atoms]:
    crystals = {
        "primitive": bulk("LiCl", "rocksalt", a=5.13),
        "cubic": bulk("LiF", "rocksalt", a=4.06, cubic=True).repeat((2, 1, 1)),
        "triclinic": Atoms(
            "Li2POS", cell=TRICLINIC_CELL, scaled_positions=TRICLINIC_SITES, pbc=True
        ),
        "no angles": bulk("Cs", "bcc", a=6.1),
        "one atom, many images": bulk("Cu", "fcc", a=3.3),
        "every element": make_every_element(),
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


def test_an_isolated_atom_feels_nothing():
    atoms = Atoms("LiCl", positions=[[0, 0, 0], [7, 7, 7]], cell=[14, 14, 14], pbc=True)
    atoms.calc = make_calculator("chgnet", atoms, DynamicsSettings())
    assert np.isfinite(atoms.get_potential_energy())
    assert not atoms.get_forces().any()
    assert not atoms.get_stress().any()


def test_results_depend_on_the_positions_alone_to_the_bit(model):
    atoms = make_crystals()["triclinic"].repeat((2, 1, 1))
    rng = np.random.default_rng(4)
    kept = make_calculator("chgnet", atoms, DynamicsSettings())
    for step in range(8):
        atoms.positions += rng.normal(scale=0.03 if step < 5 else 0.2, size=atoms.positions.shape)
        kept.calculate(atoms, ["energy", "forces"])
        fresh = make_calculator("chgnet", atoms, DynamicsSettings())
        fresh.calculate(atoms, ["energy", "forces"])
        assert kept.results["energy"] == fresh.results["energy"]
        np.testing.assert_array_equal(kept.results["forces"], fresh.results["forces"])
    stock = model.predict_structure(to_structure(atoms), task="ef")
    largest = max(1.0, np.abs(stock["f"]).max())
    np.testing.assert_allclose(kept.results["forces"], stock["f"], atol=2e-5 * largest)


@pytest.mark.parametrize("name", list(make_crystals()))
def test_the_graph_has_the_stock_bonds_and_angles(model, name):
    atoms = make_crystals()[name]
    stock = model.graph_converter(to_structure(atoms))
    pairs = find_pairs(atoms.positions, atoms.cell.array, 6.0)
    graph, pairs = build_graph(pairs, short_ang=3.0)
    assert len(graph.first) == len(stock.undirected2directed)
    assert len(graph.pair) == len(stock.bond_graph)
    assert (pairs.distance_ang[: graph.n_short] <= 3.0).all()
    apex, rows = graph.apex.numpy(), np.stack([graph.bond_from, graph.bond_to])
    np.testing.assert_array_equal(apex[rows[0]], apex[rows[1]])
    assert (rows[0] != rows[1]).all()
    assert len(np.unique(rows, axis=1).T) == rows.shape[1]
    pair = graph.pair.numpy()
    ends = np.stack([graph.pair_from.numpy()[pair], graph.pair_to.numpy()[pair]])
    np.testing.assert_array_equal(np.sort(ends, axis=0), np.sort(rows, axis=0))


def plain_messages(layer, tables, weights, rows, n_owners):
    """Send messages by torch's own functions, one after the other."""
    start, end, between = tables
    between = between @ layer.weights[2] if rows.link is None else between[rows.link]
    first = start[rows.start] + end[rows.end] + between
    halves = first.split(64, dim=1)
    if layer.second:
        pairs = zip(halves, layer.second, strict=True)
        halves = [torch.nn.functional.silu(half) @ w + b for half, (w, b) in pairs]
    gain = torch.as_tensor(layer.norm)
    core, gate = (
        torch.nn.functional.layer_norm(half, (64,), gain[2 * i], gain[2 * i + 1])
        for i, half in enumerate(halves)
    )
    messages = torch.nn.functional.silu(core) * torch.sigmoid(gate) * weights[rows.weight_of]
    return torch.zeros(n_owners, 64).index_add(0, torch.as_tensor(rows.owner), messages)


@pytest.mark.parametrize("expand", ["lengths", "cosines"])
def test_expansions_and_their_slopes_are_those_of_chgnet(model, expand):
    if expand == "lengths":
        x = torch.linspace(0.9, 6.3, 60, dtype=torch.float64, requires_grad=True)
        ours = chgnet_basis.expand_lengths(x, model.bond_basis_expansion.rbf_expansion_ag)
        theirs = model.bond_basis_expansion.rbf_expansion_ag(x)
    else:
        x = torch.linspace(-1, 1, 61, dtype=torch.float64, requires_grad=True)
        ours = chgnet_basis.expand_cosines(x, model.angle_basis_expansion.fourier_expansion)
        theirs = model.angle_basis_expansion(x[:, None], torch.ones(61, 1, dtype=torch.float64))
    torch.testing.assert_close(ours.double(), theirs, rtol=0, atol=1e-6)
    pull = torch.randn(ours.shape, generator=torch.Generator().manual_seed(3))
    (mine,) = torch.autograd.grad((ours * pull).sum(), x)
    (reference,) = torch.autograd.grad((theirs * pull).sum(), x)
    torch.testing.assert_close(mine, reference, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["bond_conv_layers", "angle_layers"])
@pytest.mark.parametrize("is_linked", [True, False])
def test_messages_and_their_derivatives_are_those_of_plain_torch(model, kind, is_linked):
    layer = chgnet_messages.GatedLayer(getattr(model, kind)[0].twoBody_bond, 4)
    n_rows = chgnet_messages.BLOCK + 37
    rng = np.random.default_rng(2)
    start, end, link, weight_of, owner = rng.integers(0, 20, (5, n_rows))
    rows = Rows(start, end, torch.as_tensor(link) if is_linked else None, weight_of, owner)
    torch.manual_seed(1)
    sizes = (20, 128), (20, 128), (20, 128) if is_linked else (n_rows, 64), (20, 64)
    inputs = [torch.randn(size, requires_grad=True) for size in sizes]
    total = layer.send(*inputs, rows, 20)
    plain = plain_messages(layer, inputs[:3], inputs[3], rows, 20)
    torch.testing.assert_close(total, plain, rtol=1e-4, atol=1e-4)
    pull = torch.randn(20, 64)
    ours = torch.autograd.grad((total * pull).sum(), inputs)
    theirs = torch.autograd.grad((plain * pull).sum(), inputs)
    for mine, reference in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, reference, rtol=1e-3, atol=1e-3)


def test_an_energy_that_is_not_a_number_is_refused(monkeypatch):
    atoms = make_crystals()["cubic"]
    calculator = make_calculator("chgnet", atoms, DynamicsSettings())
    for layer in calculator._network.bond_layers:
        monkeypatch.setattr(layer, "norm", np.full_like(layer.norm, np.nan))
    with pytest.raises(DynamicsError, match="not a number"):
        calculator.calculate(atoms, ["energy"])


def test_the_version_names_the_weights():
    assert "weights 0.3.0" in engine_version("chgnet")
