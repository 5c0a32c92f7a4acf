"""Where the raw answers of databases are kept: a folder a generation of each source."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REFRESH = "IONSCOUT_REFRESH"


@contextmanager
def pulled_answers(folder: Path, *, refresh: bool) -> Iterator[Path]:
    """Give the folder of a source's raw answers.

    A refresh begins a new generation, which counts once it is complete: where the
    database fails meanwhile, the answers of the last one still serve.

    Parameters
    ----------
    folder : Path
        Of all generations of one source.
    refresh : bool
        Pull again what was pulled.

    Yields
    ------
    Path
        Made if it is not there.
    """
    pointer = folder / "generation"
    generation = int(pointer.read_text()) if pointer.exists() else 0
    generation += refresh
    answers = folder / str(generation)
    answers.mkdir(parents=True, exist_ok=True)
    yield answers
    if refresh:
        partial = folder / "generation.partial"
        partial.write_text(str(generation))
        partial.replace(pointer)
