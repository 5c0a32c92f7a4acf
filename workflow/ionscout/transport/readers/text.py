"""Rows of numbers from big text files, as fast as the file comes."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from pathlib import Path
from typing import IO

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ionscout.errors import TransportError

READ_BYTES = 2**22
OPENERS = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
SKIP, NUMBER, WORD = 0, 1, 2
WORD_BYTES = 6
POWERS = 10.0 ** np.arange(23)
SPACE, NEWLINE = 32, 10


def open_binary(path: Path) -> IO[bytes]:
    """Open a file, compressed by gzip, bzip2 or xz where its name says so."""
    try:
        return OPENERS.get(path.suffix, open)(path, "rb")
    except OSError as error:
        raise TransportError(f"{path}: cannot be read ({error})") from error


def decode_word(code: float) -> str:
    """Give back a word that `TextFile.rows` packed into a number."""
    return int(code).to_bytes(WORD_BYTES, "big").lstrip(b"\0").decode("latin-1")


class CutOffError(Exception):
    """The file ends within a frame."""


class TextFile:
    """A text file read line by line and table by table.

    Parameters
    ----------
    path : Path
        Compressed or not.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.line_number = 0
        self._file = open_binary(path)
        self._bytes, self._at, self._ended = b"", 0, False

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def fault(self, reason: str, line_number: int | None = None) -> TransportError:
        """Make an error that names the file and the line (the last one read)."""
        return TransportError(f"{self.path}, line {line_number or self.line_number}: {reason}")

    def line(self) -> str | None:
        """Read a line, stripped; None at the end of the file."""
        while (end := self._bytes.find(b"\n", self._at)) < 0 and self._more():
            pass
        if end < 0:
            if self._at >= len(self._bytes):
                return None
            end = len(self._bytes)
        text = self._bytes[self._at : end].decode("latin-1").strip()
        self._at = min(end + 1, len(self._bytes))
        self.line_number += 1
        return text

    def need(self) -> str:
        """Read a line that has to be there.

        Raises
        ------
        CutOffError
            At the end of the file.
        """
        text = self.line()
        if text is None:
            raise CutOffError
        return text

    def rows(self, n_rows: int, kinds: NDArray[np.int64]) -> NDArray[np.float64]:
        """Read a table.

        Parameters
        ----------
        n_rows : int
            Its lines.
        kinds : ndarray of int, shape (n_columns,)
            What each column is: `SKIP`, `NUMBER` or `WORD` (packed into a number).

        Returns
        -------
        ndarray, shape (n_rows, columns that are not skipped)

        Raises
        ------
        CutOffError
            The file ends within the table, or within its last line.
        TransportError
            A line is not as it has to be.
        """
        table = np.empty((n_rows, int((kinds != SKIP).sum())))
        done, length = 0, 0
        while done < n_rows:
            text = np.frombuffer(self._bytes, dtype=np.uint8)
            done, self._at, bad, length = _parse(text, self._at, done, kinds, POWERS, table, length)
            if bad:
                raise self._bad_row(done, n_rows, kinds)
            if done < n_rows and not self._more():
                self._last_line(table, done, n_rows, kinds, length)
                done += 1
        self.line_number += n_rows
        return table

    def _last_line(
        self, table: NDArray, done: int, n_rows: int, kinds: NDArray, length: int
    ) -> None:
        """Take a last line that has no newline, if it is as long as the one before it."""
        rest = self._bytes[self._at :]
        whole = done == n_rows - 1 and rest and len(rest.rstrip()) >= length
        text = np.frombuffer(rest + b"\n", dtype=np.uint8)
        if not whole or _parse(text, 0, done, kinds, POWERS, table, 0)[2]:
            self.line_number += done
            raise CutOffError
        self._at = len(self._bytes)

    def _bad_row(self, done: int, n_rows: int, kinds: NDArray) -> TransportError:
        self.line_number += done
        text = self.line()
        return self.fault(
            f"{text[:60]!r} stands where {len(kinds)} columns of numbers are due "
            f"(atom {done + 1} of {n_rows})"
        )

    def _more(self) -> bool:
        """Read on; False at the end of the file."""
        if self._ended:
            return False
        try:
            new = self._file.read(READ_BYTES)
        except EOFError:  # a compressed file that was cut off
            new = b""
        except (OSError, lzma.LZMAError, zlib.error) as error:
            raise TransportError(f"{self.path}: cannot be read ({error})") from error
        self._ended = not new
        self._bytes, self._at = self._bytes[self._at :] + new, 0
        return bool(new)


@njit(cache=True)
def _number(text, at, end, powers):
    """Parse text[at:end] as a decimal number; NaN where it is none."""
    negative = text[at] == 45
    if negative or text[at] == 43:
        at += 1
    mantissa, digits, scale, exponent, seen = 0, 0, 0, 0, False
    point = False
    while at < end:
        character = text[at]
        if 48 <= character <= 57:
            seen = True
            if digits < 18:
                mantissa = mantissa * 10 + np.int64(character - 48)
                digits += mantissa > 0
                scale -= point
            else:
                scale += not point
        elif character == 46 and not point:
            point = True
        else:
            break
        at += 1
    if at < end and seen and (text[at] == 101 or text[at] == 69 or text[at] == 68):
        at += 1
        minus = at < end and text[at] == 45
        if minus or (at < end and text[at] == 43):
            at += 1
        seen = False
        while at < end and 48 <= text[at] <= 57:
            exponent = exponent * 10 + np.int64(text[at] - 48)
            seen = True
            at += 1
        scale += -exponent if minus else exponent
    if not seen or at < end:
        return np.nan
    value = float(mantissa)
    while scale < 0 and value != 0.0:
        by = min(-scale, 22)
        value /= powers[by]
        scale += by
    while scale > 0 and value != 0.0 and np.isfinite(value):
        by = min(scale, 22)
        value *= powers[by]
        scale -= by
    return -value if negative else value


@njit(cache=True)
def _parse(text, at, row, kinds, powers, table, length):
    """Fill `table` from `row` on with the whole lines of `text`.

    Returns the next row, where its line begins, whether that line is bad, and the length
    of the line before it.
    """
    n_text = len(text)
    while row < len(table):
        end = at
        while end < n_text and text[end] != NEWLINE:
            end += 1
        if end == n_text:
            break
        column, filled, here, last = 0, 0, at, at
        while True:
            while here < end and (text[here] <= SPACE):
                here += 1
            if here == end:
                break
            start = here
            while here < end and text[here] > SPACE:
                here += 1
            last = here
            if column == len(kinds):
                return row, at, True, length
            if kinds[column] == NUMBER:
                value = _number(text, start, here, powers)
                if not np.isfinite(value):
                    return row, at, True, length
                table[row, filled] = value
                filled += 1
            elif kinds[column] == WORD:
                code = np.int64(0)
                for place in range(start, min(here, start + WORD_BYTES)):
                    code = code * 256 + np.int64(text[place])
                table[row, filled] = float(code)
                filled += 1
            column += 1
        if column < len(kinds):
            return row, at, True, length
        length = last - at
        at = end + 1
        row += 1
    return row, at, False, length
