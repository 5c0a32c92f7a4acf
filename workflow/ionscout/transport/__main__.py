"""Analyse a folder of trajectories: `python -m ionscout.transport FOLDER`."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from ionscout.config import TransportSettings
from ionscout.errors import IonscoutError
from ionscout.report import write_transport_page
from ionscout.transport.folder import analyse_folder, find_runs
from ionscout.transport.readers import FORMATS

REFUSED, NOTHING_READ = 2, 1
EPILOG = """Each folder below FOLDER that holds trajectory files is one run, its files
consecutive pieces; the first folder below FOLDER is the material, a folder such as 600K the
temperature. run.yaml in any folder
gives format, frame_interval_fs, species, temperature_k, topology, scratch_dir for all runs
below it. Exit code: 0, or 1 where no run could be analysed, or 2 where FOLDER or an
argument is wrong."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : list of str, optional
        Those of the command line.

    Returns
    -------
    int
        The exit code.
    """
    asked = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    keywords = {
        name: getattr(asked, name)
        for name in ("format", "frame_interval_fs", "temperature_k", "species", "scratch_dir")
        if getattr(asked, name) is not None
    }
    try:
        runs = find_runs(asked.folder, **keywords)
        settings = TransportSettings(credible_level=asked.credible_level)
        output = asked.output or asked.folder / "transport"
        diffusivity, conductivity = analyse_folder(runs, output, settings, progress=print)
        write_transport_page(output, output / "index.html", title=asked.folder.resolve().name)
    except (IonscoutError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return REFUSED
    for row in conductivity.to_dict("records"):
        print(f"{row['material_id']}: {row['verdict']}; {row['reason']}")
    print(f"written to {output}")
    return NOTHING_READ if diffusivity["n_lithium"].isna().all() else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ionscout.transport",
        description="Diffusivity, verdict and conductivity of trajectories that you ran.",
        epilog=EPILOG,
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the trajectories are")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="for the tables; FOLDER/transport by default"
    )
    parser.add_argument("--format", choices=list(FORMATS), help="the one meant of several")
    parser.add_argument("--frame-interval-fs", type=float, metavar="FS", help="between frames")
    parser.add_argument("--temperature-k", type=float, metavar="K", help="of all runs")
    parser.add_argument(
        "--species", nargs="+", metavar="X", help="an element for each atom or type in the files"
    )
    parser.add_argument(
        "--scratch-dir", type=Path, metavar="DIR", help="for scratch files of big trajectories"
    )
    parser.add_argument(
        "--credible-level", type=float, default=0.95, metavar="P", help="of each interval"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
