import pytest

from ionscout.errors import SourceError, StructureError
from ionscout.structures.sources.optimade_providers import (
    PROPERTIES,
    WELL_KNOWN,
    properties_of,
    property_fields,
    resolve,
)
from ionscout.structures.sources.optimade_records import structure_of
from optimade_servers import crystal, species


def structure(**changes):
    return structure_of(crystal(**changes)["attributes"])[0]


def compositions(made):
    return [
        {element.symbol: pytest.approx(share) for element, share in site.species.items()}
        for site in made
    ]


def test_an_ordered_crystal():
    made = structure()
    assert made.is_ordered
    assert made.formula == "Li1 Cl1"
    assert made.lattice.volume == pytest.approx(64)
    assert made.frac_coords.tolist() == [[0, 0, 0], [0.5, 0.5, 0.5]]


def test_species_may_be_missing_where_sites_name_elements():
    assert structure(species=None).formula == "Li1 Cl1"
    assert structure(nperiodic_dimensions=None, dimension_types=None).formula == "Li1 Cl1"


def test_disorder_and_vacancies():
    mixed = [species("Li", Li=0.5, Na=0.25, vacancy=0.25), species("Cl", Cl=0.9)]
    made = structure(species=mixed, structure_features=["disorder"])
    assert compositions(made) == [{"Li": 0.5, "Na": 0.25}, {"Cl": 0.9}]


def test_a_site_that_is_empty_is_left_out():
    made = structure(species=[species("Li"), species("Cl", vacancy=1.0)])
    assert compositions(made) == [{"Li": 1}]


def test_shares_that_were_rounded_sum_up_to_one():
    made = structure(species=[species("Li", Li=0.3334, Na=0.6667), species("Cl")])
    assert made[0].species.num_atoms == pytest.approx(1)


def assembly(*groups):
    return [
        {
            "sites_in_groups": [sites for sites, _ in groups],
            "group_probabilities": [probability for _, probability in groups],
        }
    ]


def test_assemblies_become_partial_occupancies():
    made, note = structure_of(
        crystal(
            cartesian_site_positions=[[0, 0, 0], [2, 2, 2], [2, 2, 2]],
            species_at_sites=["Li", "Cl", "Br"],
            species=[species("Li"), species("Cl"), species("Br")],
            structure_features=["assemblies"],
            assemblies=assembly(([1], 0.3), ([2], 0.7)),
        )["attributes"]
    )
    assert compositions(made) == [{"Li": 1}, {"Cl": 0.3, "Br": 0.7}]
    assert "assemblies" in note


NEAR = [[0, 0, 0], [2, 2, 2], [2, 2, 2.5]]
THREE = {"species_at_sites": ["Li", "Cl", "Cl"], "cartesian_site_positions": NEAR}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"structure_features": ["implicit_atoms"]}, "implicit_atoms"),
        ({"nperiodic_dimensions": 2}, "nperiodic_dimensions"),
        ({"nperiodic_dimensions": None, "dimension_types": [1, 1, 0]}, "nperiodic_dimensions"),
        ({"lattice_vectors": None}, "lattice_vectors"),
        ({"lattice_vectors": [[4, 0, 0], [0, 4, 0], [None] * 3]}, "lattice_vectors"),
        ({"lattice_vectors": [[4, 0, 0], [0, 4, 0], [4, 4, 0]]}, "lattice_vectors"),
        ({"cartesian_site_positions": None}, "unknown_positions"),
        ({"cartesian_site_positions": [[0, 0, 0], [None] * 3]}, "unknown_positions: 1 of its 2"),
        ({"cartesian_site_positions": [[0, 0], [1, 1]]}, "cartesian_site_positions"),
        ({"cartesian_site_positions": [[0, 0, 0], "here"]}, "cartesian_site_positions"),
        ({"species_at_sites": None}, "species_at_sites"),
        ({"species_at_sites": ["Li"]}, "species_at_sites"),
        ({"species_at_sites": ["Li", "Br"]}, "species_at_sites: Br"),
        ({"species": [species("Li", X=1.0), species("Cl")]}, "species Li holds X"),
        ({"species": [species("Li", Lx=1.0), species("Cl")]}, "species"),
        ({"species": [species("Li", Li=-0.5), species("Cl")]}, "concentration of -0.5"),
        ({"species": [species("Li", Li=0.8, Na=0.8), species("Cl")]}, "disorder: site 1"),
        ({"species": [{"name": "Li"}, species("Cl")]}, "species"),
        ({"species": ["Li", "Cl"]}, "species"),
        (
            {"species": [species("Li"), species("Cl") | {"attached": ["H"], "nattached": [3]}]},
            "site_attachments",
        ),
        ({"species": [species(name, vacancy=1.0) for name in ("Li", "Cl")]}, "no atoms"),
        ({"assemblies": assembly(([0], 0.5), ([9], 0.5))}, "assemblies"),
        ({"assemblies": assembly(([0], 0.5), ([0], 0.5))}, "assemblies"),
        ({"assemblies": assembly(([0], 0.9), ([1], 0.9))}, "assemblies: probabilities"),
        ({"assemblies": assembly(([1], 0.5), ([2], 0.5))} | THREE, "assemblies: sites 2 and 3"),
        ({"assemblies": [{"sites_in_groups": 3}]}, "assemblies"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(changes, named):
    with pytest.raises(StructureError, match=f"^(.* )?{named}"):
        structure(**changes)


def test_properties_by_provider():
    stability = {"gga_gga+u": {"energy_above_hull": 0.3, "formation_energy_per_atom": -2.0}}
    assert properties_of({"_mp_stability": stability}) == {
        "band_gap_ev": None,
        "energy_above_hull_ev_atom": 0.3,
        "formation_energy_ev_atom": -2.0,
    }
    stability["gga_gga+u_r2scan"] = {"energy_above_hull": 0.2, "formation_energy_per_atom": -1.9}
    assert properties_of({"_mp_stability": stability})["energy_above_hull_ev_atom"] == 0.2
    assert properties_of({"_oqmd_band_gap": 1.5})["band_gap_ev"] == 1.5


def test_below_the_hull_is_on_it_and_placeholders_are_nothing():
    assert properties_of({"_oqmd_stability": -0.1})["energy_above_hull_ev_atom"] == 0
    for nothing in (-99999, "na", None, float("nan")):
        assert properties_of({"_jarvis_ehull": nothing})["energy_above_hull_ev_atom"] is None


def test_fields_to_ask_for():
    assert property_fields(["_mp_stability", "_mp_other", "nsites"]) == ["_mp_stability"]
    for provider, properties in PROPERTIES.items():
        for paths in properties.values():
            assert all(path.startswith(f"_{provider}_") for path in paths)


INDEX = "https://index.example"
CHILDREN = {
    "alexandria": {"alexandria-pbe": "https://a.example/pbe", "alexandria-pbesol": "https://a/s"},
    "mp": {"mp": "https://mp.example/"},
    "mcloud": {
        "mc3d-pbe-v1": "https://m/1",
        "mc3d-pbesol-v2": "https://m/2",
        "mc2d": "https://m/3",
    },
    "aiida": {},
}


def links(names, link_type):
    return {
        "data": [
            {"id": name, "attributes": {"base_url": address, "link_type": link_type}}
            for name, address in names.items()
        ]
    }


def online(address):
    if not address.startswith(INDEX):
        names = {name: f"{INDEX}/{name}" for name in CHILDREN} | {"aiida": None}
        return links(names, "external")
    return links(CHILDREN[address.split("/")[3]], "child")


def offline(address):
    raise SourceError("no network")


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("https://own.example/optimade/", "https://own.example/optimade"),
        ("mp", "https://mp.example"),
        ("alexandria", WELL_KNOWN["alexandria"]),
        ("alexandria.pbe", "https://a.example/pbe"),
        ("mcloud.mc2d", "https://m/3"),
        ("mcloud.mc3d", WELL_KNOWN["mcloud.mc3d"]),
        ("mcloud.mc3d-pbe-v1", "https://m/1"),
    ],
)
def test_names_of_providers(name, address):
    assert resolve(name, online) == address


@pytest.mark.parametrize("name", sorted(WELL_KNOWN))
def test_well_known_names_without_the_lists(name):
    assert resolve(name, offline) == WELL_KNOWN[name]


@pytest.mark.parametrize(
    ("name", "fetch", "said"),
    [
        ("mcloud", online, "mcloud.mc2d, mcloud.mc3d-pbe-v1"),
        ("mcloud.mc4d", online, "choose of mcloud.mc2d"),
        ("aiida", online, "give an address"),
        ("alexandra", online, "did you mean alexandria"),
        ("mcloud.mc4d", offline, "give an address"),
        ("jarvice", offline, "jarvis"),
    ],
)
def test_names_that_are_no_database(name, fetch, said):
    with pytest.raises(SourceError, match=said):
        resolve(name, fetch)
