"""Time the descriptors beside pymatgen, in one run.

Run as ``python benchmarks/features.py [directory of CIF files, or JSON lines with a cif]``.
Without an argument, random crystals are used. First, on one core: the modified diffraction
pattern, from the crystal to the smeared pattern, beside pymatgen's XRDCalculator on the ready
anion lattice up to its peaks; and Sendek's descriptors beside a straightforward implementation
of those of the authors' table on pymatgen's neighbours. Then a whole campaign's worth: shards
of curated crystals are read, described and written by two processes, with their peak memory,
once and with the crystals four times over. Compilation is left out.
"""

from __future__ import annotations

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

import gzip
import json
import multiprocessing
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from pymatgen.analysis.diffraction.xrd import XRDCalculator
from pymatgen.core import Lattice, Structure

from ionscout.config import FeatureSettings
from ionscout.features import describe_shard, get_set, open_store
from ionscout.features.mxrd import anion_lattice
from ionscout.structures.records import iterate_records, write_records

N_RANDOM = 200
N_COMPARED = 120
SETS = ("sendek", "mxrd", "elemental")


def random_crystals() -> list[Structure]:
    rng = np.random.default_rng(2026)
    species = ["Li+"] * 16 + ["P5+"] * 4 + ["S2-"] * 24
    lattices = [
        Lattice.from_parameters(*rng.uniform(8, 12, 3), *rng.uniform(80, 100, 3))
        for _ in range(N_RANDOM)
    ]
    return [Structure(lattice, species, rng.random((len(species), 3))) for lattice in lattices]


def read_crystals(path: Path) -> list[Structure]:
    if path.is_dir():
        return [Structure.from_file(file) for file in sorted(path.glob("*.cif"))]
    with gzip.open(path, "rt") as lines:
        return [Structure.from_str(json.loads(line)["cif"], fmt="cif") for line in lines]


def sulfur_lattice(crystal: Structure) -> Structure:
    anions = anion_lattice(crystal)
    return Structure(
        Lattice(anions.lattice_ang), ["S"] * len(anions.frac_coords), anions.frac_coords
    )


def plain_sendek(structure: Structure) -> list[float]:
    """Describe with pymatgen's neighbours and plain loops, as a first script would."""
    chi = [site.specie.X for site in structure]
    lithium = {i for i, site in enumerate(structure) if site.specie.symbol == "Li"}
    rest = [i for i in range(len(structure)) if i not in lithium]
    anion = {i for i in range(len(structure)) if chi[i] == max(chi)}
    bonds = structure.get_all_neighbors(4.0)
    far = structure.get_all_neighbors(8.0)
    of_lithium = [(i, n) for i in lithium for n in bonds[i]]
    difference = [abs(chi[i] - chi[n.index]) for i, n in of_lithium]
    weight = [0.5 if n.index in lithium else 1.0 for _, n in of_lithium]
    lbi = np.average(difference, weights=weight)
    sbi = np.mean([abs(chi[i] - chi[n.index]) for i in rest for n in bonds[i]])
    shells = []
    for i in anion:
        distances = [n.nn_distance for n in far[i] if n.index in anion]
        shells.append([d for d in distances if d <= min(distances, default=0.0) + 1])
    counts = [len(bonds[i]) for i in lithium]
    snc = np.mean([len(bonds[i]) for i in rest])
    nearest = [
        np.mean(
            [min((n.nn_distance for n in far[i] if n.index in w), default=8.0) for i in lithium]
        )
        for w in (anion, lithium)
    ]
    return [
        np.mean([sum(n.index in lithium for n in bonds[i]) for i in lithium]),
        sbi,
        np.mean([len(shell) for shell in shells]),
        *nearest,
        np.mean([site.specie.atomic_mass for site in structure]),
        structure.volume / len(structure),
        structure.density,
        len(lithium) / structure.volume,
        structure.volume / len(anion),
        np.mean([chi[i] for i in rest]),
        np.mean(counts),
        snc,
        np.mean(counts) / snc,
        np.std(counts),
        lbi,
        lbi / sbi,
        np.sqrt(np.average((np.array(difference) - lbi) ** 2, weights=weight)),
        np.mean([np.mean([n.nn_distance for n in bonds[i]]) for i in lithium if bonds[i]]),
        np.mean([np.mean(shell) for shell in shells if shell]),
    ]


def milliseconds_each(work: Callable, items: list, repeats: int) -> float:
    """Processor time of the best of some passes over the items, after a first one that compiles."""
    work(items[0])
    passes = []
    for _ in range(repeats):
        start = time.process_time()
        for item in items:
            work(item)
        passes.append(time.process_time() - start)
    return 1e3 * min(passes) / len(items)


def compare(crystals: list[Structure]) -> None:
    chosen = np.random.default_rng(1).permutation(len(crystals))[:N_COMPARED]
    crystals = [crystals[i] for i in chosen]
    lattices = [sulfur_lattice(crystal) for crystal in crystals]
    median = int(np.median([len(lattice) for lattice in lattices]))
    print(f"{len(lattices)} anion lattices, {median} sites in the median")
    pairs = {
        "mxrd": (XRDCalculator(wavelength=1.54184).get_pattern, lattices),
        "sendek": (plain_sendek, crystals),
    }
    for name, (peer, items) in pairs.items():
        theirs = milliseconds_each(peer, items, 1)
        batch = get_set(name).describe_many
        ours = milliseconds_each(batch, [crystals] * 3, 1) / len(crystals)
        print(f"{name}: {ours:.3f} ms, pymatgen {theirs:.1f} ms: {theirs / ours:.0f} times faster")


def describe_file(path: Path, name: str, number: int) -> int:
    """Describe one shard as the campaign does; peak memory of this process in MB."""
    records = ((one["material_id"], one["structure"]) for one in iterate_records(path))
    hashes = {one["material_id"]: one["material_id"] for one in iterate_records(path)}
    descriptors = get_set(name)
    store = open_store(
        path.parent / "store", descriptors, FeatureSettings(), shard=number, n_shards=2
    )
    table = path.with_suffix(f".{name}.parquet")
    describe_shard(descriptors, records, hashes, table, store)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def write_shards(crystals: Iterable[dict], folder: Path) -> list[Path]:
    records = [{"material_id": f"m-{i}", "structure": one} for i, one in enumerate(crystals)]
    paths = [folder / f"{number}.jsonl.gz" for number in range(2)]
    for number, path in enumerate(paths):
        write_records(path, records[number::2])
    return paths


def time_campaign(crystals: list[dict]) -> None:
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        paths = write_shards(crystals, Path(folder))
        jobs = [(path, name, n) for name in SETS for n, path in enumerate(paths)]
        with ProcessPoolExecutor(2, mp_context=spawn) as pool:
            list(pool.map(get_ready, range(2)))
            start = time.perf_counter()
            peak_mb = max(pool.map(describe_file, *zip(*jobs, strict=True)))
            seconds = time.perf_counter() - start
            start = time.perf_counter()
            list(pool.map(describe_file, *zip(*jobs, strict=True)))
            again = time.perf_counter() - start
    print(
        f"{len(crystals)} crystals by {', '.join(SETS)} on 2 processes: {seconds:.1f} s, "
        f"{again:.1f} s from the store; peak memory {peak_mb} MB"
    )


def get_ready(_: int) -> None:
    """Load what a process needs."""
    rock_salt = Structure(Lattice.cubic(3), ["Li+", "Cl-"], [[0] * 3, [0.5] * 3])
    for name in SETS:
        get_set(name).describe(rock_salt)
    time.sleep(1)


def main() -> None:
    warnings.simplefilter("ignore")
    crystals = read_crystals(Path(sys.argv[1])) if len(sys.argv) > 1 else random_crystals()
    crystals = [crystal for crystal in crystals if len(crystal.composition) > 1]
    compare(crystals)
    plain = [crystal.as_dict() for crystal in crystals]
    for times in (1, 4):
        time_campaign(plain * times)


if __name__ == "__main__":
    main()
