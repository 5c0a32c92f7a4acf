from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms, units

from ionscout.dynamics.barostat import draw_scale
from ionscout.dynamics.engines.lennard_jones import LennardJones
from ionscout.dynamics.forces import Forces


def test_the_volume_of_a_harmonic_solid_fluctuates_as_its_compressibility_says():
    """The variance of ln V is kT / (B V) for a bulk modulus B (any textbook)."""
    random, modulus_gpa, volume_ang3, kelvin = np.random.default_rng(1), 20.0, 400.0, 800.0
    log_volumes, log_volume = [], 0.0
    for _ in range(60_000):
        scale = draw_scale(
            -modulus_gpa * log_volume,
            temperature_k=kelvin,
            volume_ang3=volume_ang3,
            interval_fs=20.0,
            random=random,
        )
        log_volume += 3 * np.log(scale)
        log_volumes.append(log_volume)
    variance = units.kB * kelvin / (modulus_gpa * units.GPa * volume_ang3)
    assert np.var(log_volumes[1000:]) == pytest.approx(variance, rel=0.1)
    assert np.mean(log_volumes[1000:]) == pytest.approx(0, abs=0.15 * variance**0.5)


def test_pressure_is_that_of_the_ideal_gas_less_the_tension():
    crystal = Atoms("LiCl", positions=[[0, 0, 0], [2.0, 2.0, 2.0]], cell=np.eye(3) * 4, pbc=True)
    forces = Forces(crystal, LennardJones(crystal), 1.0)
    forces.evaluate(crystal.positions)
    cold = forces.pressure_gpa(0.0)
    assert forces.pressure_gpa(0.96) - cold == pytest.approx(0.01 / units.GPa)
    forces.set_scale(0.97)
    forces.evaluate(0.97 * crystal.positions)
    assert forces.pressure_gpa(0.0) > cold, "a squeezed crystal pushes back"
