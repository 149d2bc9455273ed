"""Other code points for a whole process. docs/request-synchronization.md annex A."""

from pathlib import Path

import pytest

import specification
from cardsync.cli import points
from cardsync.errors import ConfigError, LocalError
from cardsync.toolkit import code_points
from cardsync.toolkit.code_points import CodePoints
from cli.test_cli import run

OTHERS = """
command = 0xF6
event = 0xF7
temporary = 0x2F
permanent = 0x3F
tags = 0x7B00
"""


@pytest.fixture
def chosen(tmp_path: Path) -> Path:
    """Write a file with code points that are not the default ones."""
    path = tmp_path / "points.toml"
    path.write_text(OTHERS)
    return path


def test_command_at_other_points(chosen: Path) -> None:
    """Type and tags are those of the file: the default's octets are somebody else's."""
    default = specification.vectors()["C1"].octets
    moved = default.replace(b"\x01\xf5", b"\x01\xf6", 1).replace(b"\x7f\xfe", b"\x7f\xfb")
    environment = {points.VARIABLE: str(chosen)}
    ours, theirs = (
        run("decode", "command", octets.hex(), **environment).stdout for octets in (moved, default)
    )

    assert "REQUEST_SYNCHRONIZATION" in ours
    assert "SynchronizationProtocol" in ours
    assert "SynchronizationProtocol" not in theirs


def test_only_what_is_named_changes(chosen: Path) -> None:
    """What the file leaves out keeps its default."""
    found = points.read(chosen)

    assert CodePoints(0xF6, 0xF7, 0x2F, 0x3F, 0x7B00, 40) == found


def test_the_same_again() -> None:
    """The points in use can be chosen once more; others cannot any longer."""
    code_points.choose(code_points.in_use())
    with pytest.raises(LocalError, match="in use"):
        code_points.choose(CodePoints(command=0xF6))

    assert CodePoints() == code_points.in_use()


def test_nothing_is_chosen() -> None:
    """Without the variable the default ones stay."""
    points.choose({})

    assert CodePoints() == code_points.in_use()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("command = ", "no TOML"),
        ("comand = 1", "comand: one of command, event"),
        ('command = "F5"', "command: one of command, event"),
        ("command = true", "command: one of command, event"),
        ("command = 0x21", "command 0x21 is assigned"),
        ("event = 0x00", "event 0x0 is assigned"),
        ("temporary = 0x3E", "temporary 0x3e is assigned or out"),
        ("permanent = 0x30", "permanent 0x30 is assigned"),
        ("tags = 0x7E01", "tags 0x7e01 is assigned or out"),
        ("profile_byte = 1", "profile_byte 0x1 is assigned"),
    ],
)
def test_files_that_cannot_be(text: str, said: str, tmp_path: Path) -> None:
    """One message names file and field; nothing is chosen."""
    path = tmp_path / "points.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        points.choose({points.VARIABLE: str(path)})

    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_no_file() -> None:
    """A file that is not there ends the command with status 2, before anything else."""
    ran = run("demo", "--once", **{points.VARIABLE: "/nonexistent/points.toml"})

    assert 2 == ran.returncode
    assert "/nonexistent/points.toml: No such file" in ran.stderr
    assert "Traceback" not in ran.stderr
