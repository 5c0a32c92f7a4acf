"""The registry of descriptor sets, the batch form, and the tables of shards."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure

from ionscout.config import DESCRIPTOR_SETS, FeatureSettings
from ionscout.errors import ConfigError, FeatureError
from ionscout.features import (
    Description,
    DescriptorSet,
    describe_shard,
    get_set,
    list_failures,
    open_store,
    read_tables,
    write_tables,
)

LICL = Structure.from_spacegroup(
    "Fm-3m", Lattice.cubic(5.13), ["Li+", "Cl-"], [[0, 0, 0], [0.5, 0.5, 0.5]]
)
NACL = Structure.from_spacegroup(
    "Fm-3m", Lattice.cubic(5.64), ["Na+", "Cl-"], [[0, 0, 0], [0.5, 0.5, 0.5]]
)
DISORDERED = Structure(Lattice.cubic(3), [{"Li+": 0.5, "Na+": 0.5}, "Cl-"], [[0] * 3, [0.5] * 3])
COLLAPSED = Structure(Lattice.cubic(0.5), ["Li+", "Cl-"], [[0] * 3, [0.5] * 3])
ALWAYS = ("elemental", "mxrd", "sendek", "structural")
NOT_FINITE = Structure(Lattice.cubic(5), ["Li+", "Cl-"], [[0] * 3, [np.nan] * 3])


@pytest.mark.parametrize("name", ALWAYS)
def test_each_set_fulfils_the_interface(name):
    descriptors = get_set(name)
    description = descriptors.describe(LICL)
    assert descriptors.name == name
    assert tuple(description) == descriptors.columns
    assert len(set(descriptors.columns)) == len(descriptors.columns)
    assert np.isfinite(list(description.values())).all()
    assert description.reason == ""


def test_unknown_set_is_refused():
    with pytest.raises(ConfigError, match=r"no set 'magpie'; there are bond_valence, chgnet"):
        get_set("magpie")


def test_sets_follow_their_settings():
    settings = FeatureSettings.model_validate({"mxrd": {"wavelength_ang": 0.7}})
    default = get_set("mxrd").describe(LICL)
    assert get_set("mxrd", settings).describe(LICL) != default


@pytest.mark.parametrize(
    ("name", "reasons"),
    [
        ("sendek", ["", "no lithium", "", "cubic angstrom a site", "finite"]),
        ("mxrd", ["", "", "", "cubic angstrom a site", "finite"]),
        ("elemental", ["", "", "", "", ""]),
        ("structural", ["", "lithium", "partially occupied", "cubic angstrom a site", "finite"]),
    ],
)
def test_one_failure_leaves_the_others_alone(name, reasons):
    structures = [LICL, NACL, DISORDERED, COLLAPSED, NOT_FINITE]
    values, found = get_set(name).describe_many(structures)
    assert values.shape == (5, len(get_set(name).columns))
    for row, reason, expected in zip(values, found, reasons, strict=True):
        assert bool(reason) == bool(expected) == bool(np.isnan(row).any())
        assert expected in reason


def test_an_unexpected_error_becomes_a_reason():
    _, reasons = get_set("sendek").describe_many([None, LICL])
    assert reasons[0].startswith("unexpected TypeError")
    assert reasons[1] == ""


def test_every_module_without_an_underscore_is_a_set():
    for name in DESCRIPTOR_SETS:
        descriptors = get_set(name)
        assert isinstance(descriptors, DescriptorSet)
        assert descriptors.name == name
        assert "doi 10." in descriptors.source


class Counting(DescriptorSet):
    """Counts what it is asked for; does not know what has no lithium."""

    name, columns, source = "counting", ("n_sites", "volume_ang3"), "none"

    def __init__(self):
        self.n_described = 0

    def describe(self, structure):
        self.n_described += 1
        if "Li" not in structure.composition:
            raise FeatureError("no lithium")
        if structure.volume > 1000:
            raise RuntimeError("too large")
        return Description({"n_sites": len(structure), "volume_ang3": structure.volume})


def materials(n, volume=100.0):
    for i in range(n):
        yield f"m-{i}", LICL.copy().scale_lattice(volume + i).as_dict()


def shard(tmp_path, structures, hashes, name="one.parquet"):
    descriptors = Counting()
    store = open_store(tmp_path / "store", descriptors, FeatureSettings(), shard=0, n_shards=1)
    counts = describe_shard(descriptors, structures, hashes, tmp_path / name, store)
    assert counts[1] == descriptors.n_described
    return pd.read_parquet(tmp_path / name), counts


def test_a_shard_is_described_once(tmp_path):
    hashes = {f"m-{i}": f"h{i}" for i in range(700)}
    table, counts = shard(tmp_path, materials(700), hashes)
    assert counts == (700, 700)
    assert table.index.name == "material_id"
    assert list(table.index) == list(hashes)
    assert list(table["volume_ang3"]) == pytest.approx(100.0 + np.arange(700))
    hashes["m-5"] = "changed"
    again, counts = shard(tmp_path, materials(700), hashes, "two.parquet")
    assert counts == (700, 1)
    pd.testing.assert_frame_equal(again, table)
    assert (tmp_path / "two.parquet").read_bytes() == (tmp_path / "one.parquet").read_bytes()


def test_failures_are_tried_again(tmp_path):
    structures = [
        ("salt", NACL.as_dict()),
        ("large", LICL.copy().scale_lattice(2000).as_dict()),
    ]
    hashes = {"salt": "a", "large": "b"}
    table, counts = shard(tmp_path, structures, hashes)
    assert list(table["reason"]) == ["no lithium", "unexpected RuntimeError: too large"]
    assert table[["n_sites", "volume_ang3"]].isna().all(axis=None)
    again, counts = shard(tmp_path, structures, hashes)
    assert counts == (2, 2)
    pd.testing.assert_frame_equal(again, table)


def test_failures_are_told_from_gaps(tmp_path):
    table = pd.DataFrame(
        {"a": [1.0, 2.0, np.nan], "b": [1.0, np.nan, np.nan], "reason": ["", "no b", "nothing"]},
        index=pd.Index(["whole", "part", "none"], name="material_id"),
    )
    write_tables(tmp_path / "one", [table])
    write_tables(tmp_path / "two", [table.iloc[:1]])
    failures, n_materials = list_failures([tmp_path / "one", tmp_path / "two"])
    assert n_materials == 4
    assert failures["material_id"].tolist() == ["part", "none"]
    assert failures["has_values"].tolist() == [True, False]


def test_an_empty_shard_has_a_table(tmp_path):
    table, counts = shard(tmp_path, [], {})
    assert counts == (0, 0)
    assert list(table.columns) == ["n_sites", "volume_ang3", "reason"]
    assert (table.dtypes.iloc[:2] == "float64").all()


def test_tables_are_put_together_in_order(tmp_path):
    for name, n in (("a", 300), ("b", 0), ("c", 10)):
        shard(tmp_path, materials(n), {f"m-{i}": f"{n}-{i}" for i in range(n)}, name)
    write_tables(tmp_path / "all", read_tables([tmp_path / name for name in "abc"]))
    expected = pd.concat([pd.read_parquet(tmp_path / name) for name in "abc"])
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "all"), expected)


def test_the_store_follows_the_settings(tmp_path):
    changed = FeatureSettings.model_validate({"mxrd": {"smearing_deg": 0.3}})
    paths = set()
    for name, settings in itertools.product(("mxrd", "sendek"), (FeatureSettings(), changed)):
        store = open_store(tmp_path, get_set(name), settings, shard=0, n_shards=2)
        store.write_outcomes({"key": b"value"})
        paths |= set(tmp_path.rglob("*.sqlite"))
    assert sorted(path.parts[-3] for path in paths) == ["mxrd", "mxrd", "sendek"]
