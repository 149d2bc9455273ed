"""The walls of the house, read from the imports themselves. docs/architecture.md tells why."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "cardsync"
LANGUAGES = ("toolkit", "policy", "ota", "syncml", "transport")
ACTORS = ("card", "terminal", "operator")
TOP = ("fleet", "cli", "__main__.py")

IGNORANCE = {
    "card": {"syncml"},
    "terminal": {"ota", "policy"},
    "operator": {"toolkit"},
}
"""What an actor must not know; `OPENINGS` are the doors that the house has on purpose."""

OPENINGS = {("operator", "cardsync.toolkit.profile")}

WORLD = (
    "operator",
    "fleet",
    "cli",
    "terminal/databases",
    "terminal/links",
    "transport/certificate.py",
    "transport/http.py",
    "transport/obex_client.py",
    "transport/obex_server.py",
    "transport/smpp_client.py",
    "transport/wsp_client.py",
    "transport/wsp_server.py",
    "card/slot.py",
    "config.py",
)
"""Places that touch the world; everything else is silent."""

NOISE = {
    "asyncio", "datetime", "fcntl", "glob", "httpx", "logging", "multiprocessing", "os",
    "pathlib", "random", "secrets", "select", "selectors", "shutil", "signal", "socket",
    "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time", "urllib.request",
}  # fmt: skip


def sources() -> list[Path]:
    """Give every source file of the package."""
    return sorted(SOURCE.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Yield the full name of each module that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(path: Path) -> str:
    """Give the first folder of a file below the package, or the file itself."""
    return path.relative_to(SOURCE).parts[0]


def ours(path: Path) -> set[str]:
    """Give the rooms of ours that a file imports."""
    return {name.split(".")[1] for name in imports(path) if name.startswith("cardsync.")}


def allowed(place: str) -> set[str]:
    """Give the rooms that a room may import."""
    base = {"errors", "octets"}
    if place == "errors.py":
        return set()
    if place == "octets":
        return base
    if place in LANGUAGES:
        return base | {place}
    if place in ACTORS:
        return base | set(LANGUAGES) | {place, "config"}
    if place in TOP:
        return base | set(LANGUAGES) | set(ACTORS) | {"fleet", "cli", "config"}
    return base


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_one_way(path: Path) -> None:
    """The order is octets, languages, actors, fleet and cli; siblings do not meet."""
    place = room(path)
    if place == "__init__.py":
        return
    if place == "fleet":
        assert "cli" not in ours(path)

    assert set() == ours(path) - allowed(place)


@pytest.mark.parametrize("actor", ACTORS)
def test_actors_are_ignorant(actor: str) -> None:
    """No actor knows what is not its business."""
    offences = [
        (str(path.relative_to(SOURCE)), name)
        for path in sorted((SOURCE / actor).rglob("*.py"))
        for name in imports(path)
        if name.startswith("cardsync.")
        and name.split(".")[1] in IGNORANCE[actor]
        and not any(name.startswith(door) for who, door in OPENINGS if who == actor)
        and (actor, f"{name}.profile") not in OPENINGS
    ]

    assert [] == offences


def is_silent(path: Path) -> bool:
    """Say whether a file must not touch the world."""
    relative = str(path.relative_to(SOURCE))
    return not any(relative == place or relative.startswith(f"{place}/") for place in WORLD)


@pytest.mark.parametrize(
    "path", [p for p in sources() if is_silent(p)], ids=lambda p: str(p.relative_to(SOURCE))
)
def test_cores_are_silent(path: Path) -> None:
    """A core holds no socket, file, thread, clock, random number or log line."""
    tree = ast.parse(path.read_text())
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }

    assert set() == {name for name in imports(path) if name in NOISE}
    assert set() == called & {"open", "print", "input"}


def test_the_rules_bite(tmp_path: Path) -> None:
    """The reader of imports sees those in functions and those by name."""
    path = tmp_path / "offender.py"
    path.write_text("def f():\n    import socket\n    from cardsync.syncml import wbxml\n")

    assert {"socket", "cardsync.syncml", "cardsync.syncml.wbxml"} == set(imports(path))
    assert {"syncml"} == ours(path)


def test_files_and_functions_are_small() -> None:
    """A file fits in 400 lines and a function in 40; tables of values are no functions."""
    long_files = {
        str(path.relative_to(SOURCE)): length
        for path in sources()
        if (length := len(path.read_text().splitlines())) > 400
    }
    long_functions = {
        f"{path.relative_to(SOURCE)}:{node.name}": length
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > 40
    }

    assert ({}, {}) == (long_files, long_functions)
