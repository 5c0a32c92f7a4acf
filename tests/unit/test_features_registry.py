"""The registry of descriptor sets and the table of many materials."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from ionscout.config import FeatureSettings
from ionscout.errors import ConfigError
from ionscout.features import SETS, describe_materials, get_set

LICL = Structure.from_spacegroup(
    "Fm-3m", Lattice.cubic(5.13), ["Li+", "Cl-"], [[0, 0, 0], [0.5, 0.5, 0.5]]
)
NACL = Structure.from_spacegroup(
    "Fm-3m", Lattice.cubic(5.64), ["Na+", "Cl-"], [[0, 0, 0], [0.5, 0.5, 0.5]]
)
DISORDERED = Structure(Lattice.cubic(3), [{"Li+": 0.5, "Na+": 0.5}, "Cl-"], [[0] * 3, [0.5] * 3])
COLLAPSED = Structure(Lattice.cubic(0.5), ["Li+", "Cl-"], [[0] * 3, [0.5] * 3])
NOT_FINITE = Structure(Lattice.cubic(5), ["Li+", "Cl-"], [[0] * 3, [np.nan] * 3])


@pytest.mark.parametrize("name", SETS)
def test_each_set_fulfils_the_interface(name):
    descriptors = get_set(name)
    description = descriptors.describe(LICL)
    assert descriptors.name == name
    assert tuple(description) == descriptors.columns
    assert len(set(descriptors.columns)) == len(descriptors.columns)
    assert np.isfinite(list(description.values())).all()
    assert description.reason == ""


def test_unknown_set_is_refused():
    with pytest.raises(ConfigError, match=r"no set 'magpie'; there are sendek, mxrd"):
        get_set("magpie")


def test_sets_follow_their_settings():
    settings = FeatureSettings.model_validate({"mxrd": {"wavelength_ang": 0.7}})
    default = get_set("mxrd").describe(LICL)
    assert get_set("mxrd", settings).describe(LICL) != default


@pytest.mark.parametrize(
    ("name", "reasons"),
    [
        ("sendek", ["", "no lithium", "partially occupied", "cubic angstrom an atom", "finite"]),
        ("mxrd", ["", "", "partially occupied", "cubic angstrom an atom", "finite"]),
        ("composition", ["", "", "", "", ""]),
    ],
)
def test_one_failure_leaves_the_others_alone(name, reasons):
    structures = [LICL, NACL, DISORDERED, COLLAPSED, NOT_FINITE]
    table = describe_materials(name, ((f"m-{i}", s) for i, s in enumerate(structures)))
    assert list(table.columns) == [*get_set(name).columns, "reason"]
    assert table.index.name == "material_id"
    assert list(table.index) == [f"m-{i}" for i in range(5)]
    for (_, row), reason in zip(table.iterrows(), reasons, strict=True):
        values = row.drop("reason").to_numpy(float)
        assert np.isnan(values).all() if reason else np.isfinite(values).all()
        assert reason in row["reason"]
        assert bool(reason) == bool(row["reason"])


def test_an_unexpected_error_becomes_a_reason():
    table = describe_materials("sendek", [("bad", None), ("good", LICL)])
    assert table.loc["bad", "reason"].startswith("unexpected TypeError")
    assert table.loc["good", "reason"] == ""


def test_no_materials_make_an_empty_table():
    table = describe_materials("sendek", [])
    assert table.shape == (0, 6)
    assert (table.dtypes.iloc[:5] == "float64").all()
