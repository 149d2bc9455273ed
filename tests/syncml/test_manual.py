"""docs/syncml.md says what is: the statuses that we send, the options, the tests that it names."""

import re
from pathlib import Path

from typer.main import get_command

from cardsync.cli.commands import app
from cardsync.syncml.status import UNDERSTOOD, StatusCode

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "syncml.md").read_text()
OPTIONS = PAGE + (ROOT / "docs" / "cli.md").read_text()


def test_statuses() -> None:
    """The table has every status that a session or a datastore of ours sends, and no other."""
    table = PAGE.partition("## Statuses that we send")[2]
    codes = [int(code) for row in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE)
             for code in row.split(",")]  # fmt: skip

    assert sorted(set(StatusCode) - UNDERSTOOD) == sorted(codes)


def test_files_that_are_named() -> None:
    """Tests and sources that the page names are there."""
    paths = re.findall(r"`((?:tests|src)/[\w/.*]+)`", PAGE)

    assert len(paths) > 4
    assert [] == [path for path in paths if not list(ROOT.glob(path))]


def test_every_option_is_told() -> None:
    """Each option of each command stands in this page or in that of the command line."""
    commands = get_command(app).commands["syncml"].commands  # type: ignore[attr-defined]
    names = {
        option
        for command in commands.values()
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--")
    }

    told = set(re.findall(r"--[a-z][a-z-]*", OPTIONS))
    assert [] == sorted(names - told - {"--help"})
