"""The files of the OBELiX training split: already there, or downloaded."""

from __future__ import annotations

import csv
import io
import logging
import tarfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path, PurePosixPath

import requests

from ionscout.errors import SourceError
from ionscout.structures.files import OBELIX_TABLE, obelix_cif_folder

logger = logging.getLogger("ionscout")

_ARCHIVE = "train_cifs.tar.gz"
_ADDRESS = "https://raw.githubusercontent.com/NRC-Mila/OBELiX/v{version}-data/data/downloads"
_TIMEOUT_S = 120


@dataclass(frozen=True)
class ObelixFiles:
    """The training split on the disk.

    Attributes
    ----------
    table : Path
    cifs : Path
        The folder of `<id>.cif`.
    release : str
        What was downloaded; `a folder` where it was there already.
    """

    table: Path
    cifs: Path
    release: str


def find_files(folder: Path) -> ObelixFiles:
    """Find the training split in a folder; nothing else in it is opened.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    ObelixFiles

    Raises
    ------
    SourceError
        When the folder, its table or its CIFs are missing.
    """
    table = folder / OBELIX_TABLE
    if not table.is_file():
        state = f"has no {OBELIX_TABLE}" if folder.is_dir() else "does not exist"
        raise SourceError(
            f"OBELiX: folder {folder} {state}; put there {OBELIX_TABLE} and cifs/ of the "
            "training split (tables with other splits are not read), or correct the key `path`"
        )
    cifs = obelix_cif_folder(folder)
    if cifs is None:
        raise SourceError(
            f"OBELiX: folder {folder} has no folder cifs; put the training split's CIFs there"
        )
    return ObelixFiles(table, cifs, "a folder")


def download_files(cache: Path, snapshot: str, *, address: str | None = None) -> ObelixFiles:
    """Download the training split of the release that `obelix-data` stands for.

    The package's own download brings the test split too, so only its release and
    address are taken. What is in the cache is not downloaded again.

    Parameters
    ----------
    cache : Path
    snapshot : str
        Of the source's settings.
    address : str, optional
        Where the files are; that of the release where empty.

    Returns
    -------
    ObelixFiles

    Raises
    ------
    SourceError
        When a file cannot be downloaded or is not what it should be.
    """
    release = version("obelix-data")
    address = address or _ADDRESS.format(version=release)
    folder = cache / f"obelix-{release}-{snapshot_name(snapshot)}"
    files = ObelixFiles(folder / OBELIX_TABLE, folder / "cifs", f"release {release}")
    if files.table.is_file():
        return files
    logger.info("OBELiX: downloading the training split of release %s", release)
    table, archive = (_download(f"{address}/{name}") for name in (OBELIX_TABLE, _ARCHIVE))
    files.cifs.mkdir(parents=True, exist_ok=True)
    _unpack(archive, files.cifs, _ids_of(table))
    partial = files.table.with_suffix(".partial")
    partial.write_bytes(table)
    partial.replace(files.table)
    return files


def snapshot_name(snapshot: str) -> str:
    """Make a folder's name of a snapshot.

    Parameters
    ----------
    snapshot : str

    Returns
    -------
    str
        The bytes of the text in hexadecimal.
    """
    return snapshot.encode("utf-8").hex()


def _download(address: str) -> bytes:
    try:
        answer = requests.get(address, timeout=_TIMEOUT_S)
    except requests.RequestException as error:
        raise SourceError(
            f"OBELiX: {address} cannot be reached ({type(error).__name__}); check the network, or "
            "download the training split and give its folder as `path`"
        ) from None
    if answer.status_code != requests.codes.ok:
        raise SourceError(
            f"OBELiX: {address} answered {answer.status_code}; download the training split and "
            "give its folder as `path`"
        )
    return answer.content


def _ids_of(table: bytes) -> set[str]:
    rows = csv.DictReader(io.StringIO(table.decode("utf-8", errors="replace")))
    return {row.get("ID") or "" for row in rows}


def _unpack(archive: bytes, folder: Path, ids: set[str]) -> None:
    """Write the CIFs of the table's rows, and nothing else that an archive may hold."""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as members:
            for member in members:
                path = PurePosixPath(member.name)
                if member.isfile() and path.suffix == ".cif" and path.stem in ids:
                    (folder / path.name).write_bytes(members.extractfile(member).read())
    except (tarfile.TarError, OSError, EOFError) as error:
        raise SourceError(
            f"OBELiX: {_ARCHIVE} is damaged ({error}); run the campaign again"
        ) from None
