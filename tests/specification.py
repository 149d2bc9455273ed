"""docs/request-synchronization.md as data: its tables, its lists, its vectors."""

import re
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"
PLUGIN = DOCS / "wireshark" / "request_synchronization.lua"
TEXT = (DOCS / "request-synchronization.md").read_text()

_TITLE = re.compile(r"\*\*Table [\d.A-Z]+: (.+)\*\*")
_VECTOR = re.compile(r"- \*\*([CREP]\d+)\*\* .+:<br>`([0-9a-f]+)`<br>(.+)")
_REQUIREMENT = re.compile(r"- \*\*(RS-\d\d)\*\* ")


@dataclass(frozen=True, slots=True)
class Vector:
    """Octets of a message; `content` is what a decoder shows of them, in order."""

    name: str
    octets: bytes
    content: tuple[str, ...]


def _cells(line: str) -> tuple[str, ...]:
    return tuple([cell.strip() for cell in line.strip().strip("|").split("|")])


def _rows(lines: list[str], start: int) -> tuple[tuple[str, ...], ...]:
    """Give the rows of the table that follows a line, without head and rule."""
    while not lines[start].startswith("|"):
        start += 1
    end = start
    while lines[end].startswith("|"):
        end += 1
    width = len(_cells(lines[start]))
    return tuple([(*_cells(one), *("",) * width)[:width] for one in lines[start + 2 : end]])


def table(title: str) -> tuple[tuple[str, ...], ...]:
    """Give the rows of the table with this title."""
    lines = TEXT.splitlines()
    for number, line in enumerate(lines):
        found = _TITLE.fullmatch(line)
        if found and found[1] == title:
            return _rows(lines, number)
    raise KeyError(title)


def after(heading: str) -> tuple[tuple[str, ...], ...]:
    """Give the rows of the first table below a heading."""
    lines = TEXT.splitlines()
    return _rows(lines, next(n for n, line in enumerate(lines) if line.endswith(f" {heading}")))


def values(title: str) -> dict[int, str]:
    """Give a list of values, hexadecimal in the document, and their names."""
    return {int(row[0], 16): row[1] for row in table(title)}


def bits(title: str) -> dict[int, str]:
    """Give a list of bits, counted from 1, and their names."""
    return {int(row[0].removeprefix("b")): row[1] for row in table(title)}


def identifier(name: str) -> str:
    """Write a name of the document as the code writes its constants."""
    return re.sub(r"\W+", "_", name).upper()


def vectors() -> dict[str, Vector]:
    """Give the vectors of annex C by their names."""
    return {
        name: Vector(name, bytes.fromhex(octets), tuple(content.split("; ")))
        for name, octets, content in _VECTOR.findall(TEXT)
    }


def requirements() -> list[str]:
    """Give the requirements in the order of the document."""
    return _REQUIREMENT.findall(TEXT)
