from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.calculators.lj import LennardJones as AseLennardJones
from ase.md.verlet import VelocityVerlet
from scipy import stats

from ionscout.dynamics.engines.lennard_jones import LennardJones
from ionscout.dynamics.integrate import (
    Bath,
    ExplodedError,
    State,
    advance,
    kinetic_energy_ev,
    langevin,
    velocity_rescaling,
)
from ionscout.dynamics.neighbours import find_overlap, find_pairs


def make_crystal() -> Atoms:
    atoms = bulk("LiCl", "rocksalt", a=5.13, cubic=True)
    atoms.calc = LennardJones(atoms)
    return atoms


def make_bath(atoms: Atoms, temperature_k: float) -> Bath:
    return Bath(atoms.get_masses()[:, None], temperature_k, np.random.default_rng(7))


def evaluate_with(atoms: Atoms):
    def evaluate(positions_ang):
        atoms.positions = positions_ang
        return atoms.get_potential_energy(), atoms.get_forces()

    return evaluate


def test_pairs_agree_with_ase_neighbour_list_in_a_skewed_cell():
    from ase.neighborlist import neighbor_list

    rng = np.random.default_rng(1)
    cell = np.array([[3.0, 0, 0], [1.4, 3.1, 0], [-1.2, 0.7, 3.3]])
    atoms = Atoms("Li3", positions=rng.uniform(-9, 9, (3, 3)), cell=cell, pbc=True)
    pairs = find_pairs(atoms.positions, cell, 5.0)
    vectors = pairs.vectors_ang(atoms.positions, cell)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), pairs.distance_ang, atol=1e-9)
    expected = neighbor_list("d", atoms, 5.0)
    np.testing.assert_allclose(np.sort(np.tile(pairs.distance_ang, 2)), np.sort(expected))


def test_overlap_is_seen_across_the_boundary():
    cell = np.eye(3) * 4
    near = np.array([[0.1, 0, 0], [3.9, 0, 0]])
    assert find_overlap(np.array([3, 8]), near, cell) == pytest.approx(0.2)
    assert find_overlap(np.array([3, 8]), near - np.array([[0], [1]]) * [2, 0, 0], cell) is None
    hydrogen = np.array([[0, 0, 0], [0.74, 0, 0]])
    assert find_overlap(np.array([1, 1]), hydrogen, cell) is None


def test_lennard_jones_forces_and_stress_are_the_derivatives_of_its_energy():
    atoms = make_crystal()
    atoms.rattle(0.1, seed=2)
    numerical = calculate_numerical_forces(atoms, eps=1e-5)
    np.testing.assert_allclose(atoms.get_forces(), numerical, atol=1e-6)
    numerical = calculate_numerical_stress(atoms, eps=1e-6)
    np.testing.assert_allclose(atoms.get_stress(), numerical, atol=1e-6)


def test_lennard_jones_agrees_with_ase_up_to_the_shift_of_force():
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True)
    minimum = 5.3 / np.sqrt(2)
    atoms.rattle(0.05, seed=3)
    ours, reference = atoms.copy(), atoms.copy()
    ours.calc = LennardJones(bulk("Ar", "fcc", a=5.3, cubic=True))
    edge = 1.5 * minimum
    reference.calc = AseLennardJones(sigma=minimum / 2 ** (1 / 6), epsilon=0.2, rc=edge)
    x = (minimum / edge) ** 6
    edge_slope = 12 * 0.2 * (x - x * x) / edge
    distances = find_pairs(atoms.positions, atoms.cell.array, edge).distance_ang
    expected = reference.get_potential_energy() - edge_slope * (distances - edge).sum()
    assert ours.get_potential_energy() == pytest.approx(expected, abs=1e-9)


def test_verlet_agrees_with_ase():
    atoms = make_crystal()
    bath = make_bath(atoms, 300)
    state = State(atoms.positions.copy(), bath.draw_velocities())
    reference = make_crystal()
    reference.set_velocities(state.velocities_ang_fs / units.fs)
    VelocityVerlet(reference, timestep=2 * units.fs).run(20)
    evaluate = evaluate_with(atoms)
    _, forces = evaluate(state.positions_ang)
    for _ in range(20):
        state, _, forces = advance(
            state, forces, evaluate, lambda v: v, masses_u=bath.masses_u, timestep_fs=2.0
        )
    np.testing.assert_allclose(state.positions_ang, reference.positions, atol=1e-10)
    np.testing.assert_allclose(
        state.velocities_ang_fs / units.fs, reference.get_velocities(), atol=1e-10
    )


def energy_drift_ev_atom(timestep_fs: float, length_fs: float = 400) -> float:
    """Return the spread of the total energy of a run without thermostat."""
    atoms = make_crystal()
    bath = make_bath(atoms, 600)
    state = State(atoms.positions.copy(), bath.draw_velocities())
    evaluate = evaluate_with(atoms)
    energy, forces = evaluate(state.positions_ang)
    totals = []
    for _ in range(round(length_fs / timestep_fs)):
        state, energy, forces = advance(
            state, forces, evaluate, lambda v: v, masses_u=bath.masses_u, timestep_fs=timestep_fs
        )
        totals.append(energy + kinetic_energy_ev(bath.masses_u, state.velocities_ang_fs))
    return np.std(totals) / len(atoms)


def test_energy_is_conserved_to_second_order_in_the_time_step():
    coarse, fine = energy_drift_ev_atom(2.0), energy_drift_ev_atom(1.0)
    assert coarse < 1e-3
    assert coarse / fine == pytest.approx(4, rel=0.25)


@pytest.mark.parametrize("kind", ["langevin", "rescaling"])
def test_thermostats_draw_the_canonical_kinetic_energy(kind):
    bath = Bath(np.array([[7.0], [7.0], [14.0], [35.5]]), 700.0, np.random.default_rng(11))
    if kind == "langevin":
        thermostat = langevin(bath, friction_per_ps=50, timestep_fs=20)
    else:
        thermostat = velocity_rescaling(bath, time_ps=0.02, timestep_fs=20)
    velocities = bath.draw_velocities()
    energies = []
    for step in range(12_000):
        velocities = thermostat(velocities)
        if step % 6 == 0:
            energies.append(kinetic_energy_ev(bath.masses_u, velocities))
    canonical = stats.gamma(bath.degrees_of_freedom / 2, scale=units.kB * 700)
    assert stats.kstest(energies, canonical.cdf).pvalue > 0.01
    momentum = (bath.masses_u * velocities).sum(axis=0)
    np.testing.assert_allclose(momentum, 0, atol=1e-12)


@pytest.mark.parametrize("kind", ["langevin", "rescaling"])
def test_thermostats_take_the_time_that_they_are_given(kind):
    """Kinetic energy decays as exp(-t / time), or as exp(-2 friction t)."""
    bath = Bath(np.full((4000, 1), 6.94), 300.0, np.random.default_rng(13))
    if kind == "langevin":
        thermostat = langevin(bath, friction_per_ps=2.5, timestep_fs=2)
    else:
        thermostat = velocity_rescaling(bath, time_ps=0.2, timestep_fs=2)
    velocities = 3 * bath.draw_velocities()
    hot_k = bath.kinetic_temperature_k(velocities) - 300
    for _ in range(100):
        velocities = thermostat(velocities)
    left = (bath.kinetic_temperature_k(velocities) - 300) / hot_k
    assert left == pytest.approx(np.exp(-1), rel=0.05)


def test_first_velocities_have_the_temperature():
    bath = Bath(np.full((4000, 1), 6.94), 900.0, np.random.default_rng(5))
    error = 900 * np.sqrt(2 / bath.degrees_of_freedom)
    temperature = bath.kinetic_temperature_k(bath.draw_velocities())
    assert temperature == pytest.approx(900, abs=4 * error)


@pytest.mark.parametrize("speed", [1.0, np.nan])
def test_a_runaway_atom_stops_the_run(speed):
    atoms = make_crystal()
    velocities = np.zeros((8, 3))
    velocities[0, 0] = speed
    with pytest.raises(ExplodedError, match="exploded: an atom moves"):
        advance(
            State(atoms.positions, velocities),
            np.zeros((8, 3)),
            evaluate_with(atoms),
            lambda v: v,
            masses_u=atoms.get_masses()[:, None],
            timestep_fs=2.0,
        )
