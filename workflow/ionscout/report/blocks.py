"""What a page is made of: sections of text, banners, lists, tables and figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Text:
    """A paragraph, or a banner where it must not be missed."""

    text: str
    tone: Literal["plain", "note", "warning", "good"] = "plain"
    kind: Literal["text"] = field(default="text", init=False)


@dataclass(frozen=True)
class Cell:
    """One cell: its text, a smaller second line, and a class that colours it."""

    text: str
    detail: str = ""
    style: str = ""


@dataclass(frozen=True)
class Table:
    """A table of cells; `numeric` says which columns are set to the right."""

    caption: str
    headings: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[Cell, ...], ...]
    kind: Literal["table"] = field(default="table", init=False)


@dataclass(frozen=True)
class Figure:
    """A picture as inline SVG, what it shows in a few words, and its caption."""

    svg: str
    label: str
    caption: str
    kind: Literal["figure"] = field(default="figure", init=False)


@dataclass(frozen=True)
class Definitions:
    """Terms with their explanations."""

    items: tuple[tuple[Cell, str], ...]
    kind: Literal["definitions"] = field(default="definitions", init=False)


@dataclass(frozen=True)
class Bullets:
    """A short list under a line of its own."""

    title: str
    items: tuple[str, ...]
    kind: Literal["bullets"] = field(default="bullets", init=False)


@dataclass(frozen=True)
class Details:
    """A table that is folded away until it is asked for."""

    summary: str
    table: Table
    kind: Literal["details"] = field(default="details", init=False)


Block = Text | Table | Figure | Definitions | Bullets | Details


@dataclass(frozen=True)
class Section:
    """A part of the page with its anchor."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]
