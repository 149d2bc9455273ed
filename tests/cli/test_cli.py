"""The command line: what a person did wrong is one message and status 2, never a traceback."""

import subprocess
import sys
from pathlib import Path

import pytest


def run(*arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run `cardsync` with an environment of its own."""
    return subprocess.run(
        [sys.executable, "-m", "cardsync", *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **more},
        input="",
        timeout=60,
    )


@pytest.mark.parametrize(
    "arguments", [(), ("demo",), ("operator",), ("operator", "serve")], ids=" ".join
)
def test_help(arguments: tuple[str, ...]) -> None:
    """Each command explains itself."""
    ran = run(*arguments, "--help")

    assert 0 == ran.returncode
    assert "Usage" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("demo", "--home", "/proc/nowhere"), "/proc/nowhere: cannot be used"),
        (("demo", "--max-message", "12"), "max-message"),
        (("operator", "serve"), "--home"),
        (("operator", "serve", "--home", "/tmp/x", "--smsc", "here"), "HOST:PORT is expected"),
        (("operator", "serve", "--home", "/tmp/x", "--smsc", "h:1"), "CARDSYNC_SMPP_PASSWORD"),
        (("operator", "serve", "--home", "/tmp/x", "--wsp", "h:p"), "HOST or HOST:PORT"),
        (("operator", "serve", "--home", "/tmp/x", "--key", "/tmp/x"), "needed together"),
        (
            ("operator", "serve", "--home", "/tmp/x", "--cards", "/no/cards"),
            "/no/cards: cannot be read",
        ),
        (("mobile",), "a JSON object in one line is expected"),
        (("nothing",), "nothing"),
    ],
)
def test_mistakes(arguments: tuple[str, ...], said: str) -> None:
    """One clear message on standard error, status 2, nothing changed."""
    ran = run(*arguments)

    assert 2 == ran.returncode, ran.stderr
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr


def test_small_device_needs_no_operator(tmp_path: Path) -> None:
    """Terminal and agent load without a module of the operator's dependencies, and the reverse."""
    program = tmp_path / "walls.py"
    program.write_text(
        "import sys, importlib\n"
        "names, forbidden = sys.argv[1].split(','), sys.argv[2].split(',')\n"
        "for name in names: importlib.import_module(name)\n"
        "print([name for name in forbidden if name in sys.modules])\n"
    )
    sides = {
        "cardsync.terminal.agent,cardsync.terminal.equipment,cardsync.transport.http": (
            "psycopg,fastapi,uvicorn,jinja2,pydantic,cryptography"
        ),
        "cardsync.operator.server,cardsync.operator.gateway": "httpx,sqlite3",
    }
    for names, forbidden in sides.items():
        loaded = subprocess.run(
            [sys.executable, program, names, forbidden], check=True, capture_output=True, text=True
        )
        assert "[]\n" == loaded.stdout


@pytest.mark.parametrize(
    ("module", "command", "extra"),
    [
        ("httpcore", ["syncml", "sync", "http://127.0.0.1:1/", "a=x"], "terminal"),
        ("cryptography", ["decode", "profile", "FF"], "card"),
        ("psycopg", ["operator", "serve", "--home", "x"], "operator"),
    ],
)
def test_what_a_small_device_does_without(
    tmp_path: Path, module: str, command: list[str], extra: str
) -> None:
    """A command that needs more than is installed says what brings it, in one line."""
    program = tmp_path / "small.py"
    program.write_text(
        f"import sys\nsys.modules[{module!r}] = None\nfrom cardsync.cli import main\nmain()\n"
    )
    ran = subprocess.run(
        [sys.executable, program, *command],
        check=False, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip

    said = f"needs {module}, which is not installed: pip install 'cardsync[{extra}]'\n"
    assert (2, "", f"cardsync: this {said}") == (ran.returncode, ran.stdout, ran.stderr)
