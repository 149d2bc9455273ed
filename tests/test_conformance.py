"""docs/conformance.md tells the truth: every promise has its row, every proof is a test."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "conformance.md"

REQUIREMENTS = {
    *(f"R-{n:02}" for n in (*range(1, 8), *range(10, 16), *range(20, 24), *range(30, 35))),
    *(f"R-{n:02}" for n in (*range(40, 46), *range(50, 59), *range(60, 69))),
    *(f"O-{n}" for n in range(1, 11)),
    *(f"C{n}" for n in range(1, 8)),
}
STATES = {"done", "partly", "not done"}
_PROOF = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def rows() -> list[list[str]]:
    """Give the cells of every row of every table, without heads and rules."""
    found = []
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and cells[0] not in {"Id", "Clause"} and set(cells[0]) != {"-"}:
            found.append(cells)
    return found


def functions(path: Path) -> set[str]:
    """Give the names of the test functions of a file."""
    tree = ast.parse(path.read_text())
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }


def test_every_requirement_has_one_row() -> None:
    """No identifier of the requirements is left out or said twice."""
    named = [cells[0] for cells in rows() if re.fullmatch(r"[RO]-\d+|C\d", cells[0])]

    assert sorted(REQUIREMENTS) == sorted(named)


def test_rows_are_whole() -> None:
    """A row has four cells and says whether it is done."""
    broken = [cells for cells in rows() if len(cells) != 4 or cells[2] not in STATES]

    assert [] == broken


def test_what_is_done_is_proved() -> None:
    """What is done or partly done names a test; what is not done names none."""
    unproved = [c[0] for c in rows() if c[2] != "not done" and not _PROOF.search(c[3])]
    boasting = [c[0] for c in rows() if c[2] == "not done" and _PROOF.search(c[3])]

    assert ([], []) == (unproved, boasting)


def test_proofs_are_there() -> None:
    """Each test that is named stands in its file."""
    missing = [
        f"{path}::{name}"
        for cells in rows()
        for path, name in _PROOF.findall(cells[3])
        if not (ROOT / path).is_file() or name not in functions(ROOT / path)
    ]

    assert [] == missing
