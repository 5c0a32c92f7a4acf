import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from ionscout.config import CLUSTERING_SETS, ClusterSettings, load_campaign
from ionscout.errors import ConfigError, ModelError
from ionscout.features import get_set
from ionscout.models import CLUSTERINGS, cluster_materials

METHODS = sorted(CLUSTERINGS)


def described(name, rng, *, n=60, centres=4, spread=0.3):
    """Made-up descriptors in the columns that the clustering reads."""
    columns = list(CLUSTERINGS[name].columns) or [f"two_theta_{i}" for i in range(12)]
    middle = rng.normal(size=(centres, len(columns))) * 3
    x = middle[np.arange(n) % centres] + rng.normal(size=(n, len(columns))) * spread
    ids = pd.Index([f"m{i:03d}" for i in range(n)], name="material_id")
    return pd.DataFrame(x, index=ids, columns=columns).assign(reason="")


def group(name, features, **settings):
    settings = {"n_clusters": 4, "n_neighbours": 10, **settings}
    return cluster_materials(name, features, ClusterSettings(**settings), seed=0)


class ReadSettings:
    """Settings that remember which of them were read."""

    def __init__(self, settings):
        self.settings, self.names = settings, set()

    def __getattr__(self, name):
        self.names.add(name)
        return getattr(self.settings, name)


def test_each_clustering_reads_columns_of_its_descriptor_set():
    assert set(CLUSTERING_SETS) == set(CLUSTERINGS)
    for name, method in CLUSTERINGS.items():
        assert set(method.columns) <= set(get_set(CLUSTERING_SETS[name]).columns)


@pytest.mark.parametrize("name", METHODS)
class TestEachMethod:
    def test_planted_groups_are_found(self, name):
        found = group(name, described(name, np.random.default_rng(0)))
        assert adjusted_rand_score(np.arange(60) % 4, found.clusters["cluster"].astype(int)) == 1
        assert found.numbers["is_chosen"].tolist() == [True]
        assert found.numbers["value"].between(0, 1).all()
        assert (found.clusters["note"] == "").all()

    @pytest.mark.parametrize("criterion", ["silhouette", "gap", "stability"])
    def test_their_number_is_found(self, name, criterion):
        features = described(name, np.random.default_rng(1))
        found = group(name, features, n_clusters="auto", criterion=criterion, max_clusters=6)
        assert found.clusters["cluster"].nunique() == 4
        assert found.numbers.loc[found.numbers["is_chosen"], "n_clusters"].tolist() == [4]

    def test_the_order_of_the_rows_does_not_matter(self, name):
        features = described(name, np.random.default_rng(2), spread=3.0)
        first = group(name, features).clusters
        second = group(name, features.sample(frac=1, random_state=1)).clusters
        pd.testing.assert_frame_equal(
            first.sort_values("material_id", ignore_index=True),
            second.sort_values("material_id", ignore_index=True),
        )

    def test_identical_materials_share_a_cluster(self, name):
        features = described(name, np.random.default_rng(3), n=30, spread=2.0)
        copies = features.set_axis(pd.Index([f"z{i:03d}" for i in range(30)], name="material_id"))
        found = group(name, pd.concat([features, copies])).clusters["cluster"].to_numpy()
        np.testing.assert_array_equal(found[:30], found[30:])

    @pytest.mark.parametrize("n", [0, 1, 2, 3])
    @pytest.mark.parametrize("number", [7, "auto"])
    def test_few_materials_are_no_fault(self, name, n, number):
        found = group(name, described(name, np.random.default_rng(4), n=n), n_clusters=number)
        assert len(found.clusters) == n
        assert found.clusters["cluster"].notna().all()
        if number == 7:
            assert found.clusters["cluster"].nunique() == n
            assert found.clusters["note"].str.startswith(f"{n} of 7 clusters").all()

    @pytest.mark.parametrize("number", [7, "auto"])
    def test_equal_materials_are_one_cluster(self, name, number):
        features = described(name, np.random.default_rng(5), n=10, centres=1, spread=0.0)
        found = group(name, features, n_clusters=number)
        assert (found.clusters["cluster"] == 1).all()
        assert found.clusters["note"].str.contains("cluster").all()

    def test_a_column_without_values_is_left_out(self, name):
        features = described(name, np.random.default_rng(6))
        column = features.columns[1]
        found = group(name, features.assign(**{column: np.nan}))
        assert found.clusters["cluster"].nunique() == 4
        assert (found.clusters["note"] == f"left out, no material has a value: {column}").all()

    def test_materials_without_any_descriptor_are_in_no_cluster(self, name):
        features = described(name, np.random.default_rng(7), n=5)
        features.iloc[:, :-1] = np.nan
        found = group(name, features)
        assert found.clusters["cluster"].isna().all()
        assert (found.clusters["reason"] == "descriptors are missing").all()
        assert found.numbers.empty

    @pytest.mark.parametrize("number", [4, "auto"])
    def test_values_that_overflow_count_as_missing(self, name, number):
        features = described(name, np.random.default_rng(12))
        features.iloc[3, 0], features.iloc[4, 1], features.iloc[5, 0] = 1e300, -np.inf, np.nan
        features.iloc[6, 0] = 1e29
        found = group(name, features, n_clusters=number, max_clusters=6).clusters
        assert found["cluster"].isna().to_numpy().nonzero()[0].tolist() == [3, 4, 5]
        assert found["reason"][3:7].tolist() == [
            "descriptors beyond 1e+30",
            "descriptors beyond 1e+30",
            "descriptors are missing",
            "",
        ]

    @pytest.mark.parametrize("number", [4, "auto"])
    def test_only_the_settings_it_is_said_to_use_are_read(self, name, number):
        settings = ClusterSettings(n_clusters=number, n_neighbours=10, max_clusters=5)
        read = ReadSettings(settings)
        cluster_materials(name, described(name, np.random.default_rng(13)), read, seed=0)
        assert read.names == set(settings.used_by(name))
        assert ClusterSettings(**settings.used_by(name)).n_clusters == number

    def test_a_constant_column_is_no_fault(self, name):
        features = described(name, np.random.default_rng(8))
        features[features.columns[0]] = 1e9
        assert group(name, features).clusters["cluster"].nunique() == 4


def test_the_anion_lattice_reads_no_other_column():
    features = described("anion_lattice", np.random.default_rng(9))
    other = features.assign(li_o_distance_ang=np.random.default_rng(10).normal(size=60) * 100)
    pd.testing.assert_frame_equal(
        group("anion_lattice", features).clusters, group("anion_lattice", other).clusters
    )
    with pytest.raises(ModelError, match="anion_lattice: no column anion_q4"):
        group("anion_lattice", features.drop(columns="anion_q4"))


def test_scales_do_not_matter_to_the_anion_lattice():
    features = described("anion_lattice", np.random.default_rng(11), spread=2.0)
    scaled = features.assign(anion_q4=features["anion_q4"] * 1000 + 5)
    pd.testing.assert_frame_equal(
        group("anion_lattice", features).clusters, group("anion_lattice", scaled).clusters
    )


def campaign(**sections):
    return {
        "campaign": "test",
        "structures": {"sources": {"mine": {"kind": "folder", "path": "here"}}},
        **sections,
    }


def test_a_clustering_without_its_descriptors_is_refused():
    others = {"features": {"sets": ["sendek", "mxrd"]}, "models": {"names": ["sendek2017"]}}
    with pytest.raises(ConfigError, match=r"clusters.names: 'anion_lattice' .* 'structural'"):
        load_campaign(campaign(**others, clusters={"names": ["ward", "anion_lattice"]}))
    assert load_campaign(campaign(**others, clusters={"names": ["ward"]}))


@pytest.mark.parametrize("number", [1, 0, 2.5, True, "many"])
def test_a_number_of_clusters_is_a_whole_number_or_auto(number):
    with pytest.raises(ConfigError, match=r"clusters\.n_clusters"):
        load_campaign(campaign(clusters={"n_clusters": number}))
