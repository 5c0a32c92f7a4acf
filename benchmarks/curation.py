"""Time the curation beside a plain loop of pymatgen calls, in one run.

Run as ``python benchmarks/curation.py crystals.jsonl.gz``: a file of JSON lines with
``cif`` each. The loop standardises every crystal and groups them with
`StructureMatcher.group_structures`; the curation does that and finds oxidation states
too, in two processes. It is then run again unchanged, and with one crystal more.
``--generate 13000`` times the curation alone on so many crystals made of the
file's: other halogens and chalcogens, other volumes, displaced atoms, supercells.
"""

from __future__ import annotations

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

import argparse
import gzip
import json
import sqlite3
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from ionscout.config import StructureSettings
from ionscout.structures.curation import curate_all
from ionscout.structures.records import Record

N_WORKERS = 2
SETTINGS = StructureSettings(sources={"file": {"kind": "folder", "path": "-"}})
EXCHANGED = ({"F": "Cl", "Cl": "Br", "Br": "I"}, {"O": "S", "S": "Se"}, {"P": "As"}, {"Na": "K"})


def read_crystals(path: str) -> list[Structure]:
    with gzip.open(path, "rt") as lines:
        return [Structure.from_str(json.loads(line)["cif"], fmt="cif") for line in lines]


def make_crystals(known: list[Structure], n: int) -> list[Structure]:
    """Crystals made of known ones: new ones, and old ones written in another way."""
    rng = np.random.default_rng(2026)
    made = list(known[:n])
    while len(made) < n:
        crystal = known[rng.integers(len(known))].copy()
        exchanged = EXCHANGED[rng.integers(len(EXCHANGED))]
        held = {old: new for old, new in exchanged.items() if old in crystal.symbol_set}
        if held:
            crystal.replace_species(held)
        crystal.scale_lattice(crystal.volume * rng.uniform(0.95, 1.05))
        noise_ang = rng.choice([0.0, 0.003, 0.03])
        for i in range(len(crystal)):
            crystal.translate_sites([i], rng.normal(scale=noise_ang, size=3), frac_coords=False)
        if len(crystal) < 30 and rng.random() < 0.1:
            crystal.make_supercell([2, 1, 1])
        made.append(crystal)
    return made


def as_record(number: int, crystal: Structure) -> Record:
    return {
        "material_id": f"file-{number}",
        "source": "file",
        "structure": crystal.as_dict(),
        "properties": {},
        "labels": [],
        "provenance": "",
        "parent_id": None,
    }


def curate(records: list[Record], cache: Path) -> tuple[float, int]:
    """Return the seconds and the number of duplicates."""
    start = time.perf_counter()
    manifest, _, _ = curate_all(
        {"file": records},
        SETTINGS,
        seed=1,
        max_failure_rate=1.0,
        n_workers=N_WORKERS,
        cache_path=cache,
    )
    return time.perf_counter() - start, int(manifest["duplicate_of"].notna().sum())


def plain_loop(crystals: list[Structure]) -> tuple[float, int]:
    """Return the seconds and the number of duplicates."""
    start = time.perf_counter()
    primitive = [
        SpacegroupAnalyzer(crystal, symprec=0.01).get_primitive_standard_structure()
        for crystal in crystals
    ]
    groups = StructureMatcher().group_structures(primitive)
    return time.perf_counter() - start, len(crystals) - len(groups)


def time_curation(crystals: list[Structure]) -> float:
    records = [as_record(number, crystal) for number, crystal in enumerate(crystals)]
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "curated.sqlite"
        all_but_one_s, _ = curate(records[:-1], cache)
        one_more_s, n_duplicates = curate(records, cache)
        again_s, _ = curate(records, cache)
        with sqlite3.connect(cache) as file:
            file.execute("DELETE FROM pairs")
        compared_s, _ = curate(records, cache)
        size_mb = cache.stat().st_size / 1e6
    print(f"curation, {N_WORKERS} processes    {all_but_one_s:8.1f} s, {n_duplicates} duplicates")
    print(f"  of it, comparing       {compared_s - again_s:8.1f} s")
    print(f"again, one crystal more  {one_more_s:8.1f} s")
    print(f"again, unchanged         {again_s:8.1f} s, {size_mb:.0f} MB kept")
    return all_but_one_s


def main() -> None:
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description="Time the curation of crystals.")
    parser.add_argument("crystals", help="JSON lines, gzipped, with cif")
    parser.add_argument("--generate", type=int, metavar="N", help="make N crystals of them")
    arguments = parser.parse_args()
    crystals = read_crystals(arguments.crystals)
    if arguments.generate:
        crystals = make_crystals(crystals, arguments.generate)
    print(f"{len(crystals)} crystals")
    seconds = time_curation(crystals)
    if not arguments.generate:
        plain_s, n_duplicates = plain_loop(crystals)
        print(f"plain pymatgen loop      {plain_s:8.1f} s, {n_duplicates} duplicates")
        print(f"the curation is {plain_s / seconds:.2f} times as fast as the plain loop")


if __name__ == "__main__":
    main()
