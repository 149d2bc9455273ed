"""Down the ladder with real processes: a card in terminals that lack the command. O-4.

The same card goes from a terminal that has the command into one after the other that has not; the
operator, in its own process, hears of each by the rung that is left, and shows it on its pages.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cardsync.cli.demo import TerminalKind
from cardsync.fleet.journey import ICCID
from cardsync.fleet.legacy import CHARACTERS, Kind

_SECONDS = 120
DOWN = "everything: from {} down to {}"
STEPS = {
    Kind.BROWSER: [DOWN.format("the native command", "browser")],
    Kind.CHANNEL: [
        DOWN.format("the native command", "browser"),
        DOWN.format("browser", "bip"),
    ],
    Kind.LEGACY: [
        DOWN.format("the native command", "browser"),
        DOWN.format("browser", "bip"),
        DOWN.format("bip", "sms"),
    ],
    Kind.SILENT: [
        "everything: no answer to the native command",
        DOWN.format("the native command", "browser"),
        DOWN.format("browser", "bip"),
    ],
    Kind.CLAIMING: [
        DOWN.format("the native command", "browser"),
        DOWN.format("browser", "bip"),
        DOWN.format("bip", "sms"),
    ],
}
CARRIERS = {Kind.CHANNEL: "bip", Kind.SILENT: "bip", Kind.LEGACY: "sms", Kind.CLAIMING: "sms"}


@dataclass(frozen=True)
class Ran:
    """What a demo said, the page that it named, and what the operator's API knew then."""

    output: str
    page: str
    told: dict[str, Any]


def get(address: str) -> str:
    """Ask the operator."""
    with urllib.request.urlopen(address, timeout=10) as answer:  # on this machine
        return str(answer.read().decode())


def run(home: Path, kind: Kind) -> Ran:
    """Put the card into a terminal; look at the operator's pages while it runs; end it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cardsync", "demo", "--home", str(home), "--terminal", kind],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    lines = []
    for line in process.stdout or ():
        lines.append(line)
        if found := re.match(r"page: +((http://[^/]+)/.*)$", line):
            page, api = get(found[1]), get(f"{found[2]}/api/cards/{ICCID}/reports")
            break
    else:
        raise AssertionError("".join(lines))
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=_SECONDS)
    return Ran("".join(lines) + rest, page, json.loads(api))


@pytest.fixture(scope="module")
def runs() -> Iterator[dict[Kind, Ran]]:
    """Put one card into each terminal; the first has the command."""
    folder = Path(tempfile.mkdtemp(prefix="cardsync-"))
    folder.chmod(0o755)
    yield {kind: run(folder / "demo", kind) for kind in Kind}
    shutil.rmtree(folder, ignore_errors=True)


def test_kinds_are_those_of_the_command_line() -> None:
    """What `cardsync demo --terminal` offers is what there is, each of its own type."""
    assert [one.value for one in Kind] == [one.value for one in TerminalKind]
    assert set(Kind) == set(CHARACTERS)
    assert len(Kind) == len({one.imei[:8] for one in CHARACTERS.values()})


def test_terminal_with_the_command(runs: dict[Kind, Ran]) -> None:
    """It synchronizes; the card has nothing to report."""
    first = runs[Kind.AGENT]

    assert "\nequal\n" in first.output
    assert {"reports": [], "visits": []} == first.told


@pytest.mark.parametrize("kind", STEPS)
def test_steps_down(runs: dict[Kind, Ran], kind: Kind) -> None:
    """The card goes down in the order of the request, each step told in words."""
    output = runs[kind].output
    places = [output.find(step) for step in STEPS[kind]]

    assert -1 not in places, output
    assert sorted(places) == places
    assert re.search(r"D  card > terminal +REQUEST SYNCHRONIZATION", output)
    assert len(STEPS[kind]) - (kind is Kind.SILENT) == output.count(" down to ")


@pytest.mark.parametrize("kind", CARRIERS)
def test_report_reaches_the_operator(runs: dict[Kind, Ran], kind: Kind) -> None:
    """Other phone in this card: in the database and on the page of that phone, by this carrier."""
    ran = runs[kind]
    imei = CHARACTERS[kind].imei
    one = next(one for one in ran.told["reports"] if one["imei"] == imei and one["failed"])
    failed = ["native", "bip", "browser"] if CARRIERS[kind] == "sms" else ["native", "browser"]

    assert (CARRIERS[kind], "other phone in this card") == (one["carrier"], one["reason"])
    assert failed == one["failed"]
    for shown in (f"IMEI:{imei}", "other phone in this card", ", ".join(failed), one["octets"]):
        assert shown in ran.page


def test_page_in_the_browser(runs: dict[Kind, Ran]) -> None:
    """The phone with a browser opens the one-time page; the browser is evidence for its card."""
    ran = runs[Kind.BROWSER]
    (visit,) = ran.told["visits"]

    assert "cardsync demo phone" == visit["agent"]
    assert re.search(r"browser > operator +page http://.*/phone: status 200", ran.output)
    assert "cardsync demo phone" in ran.page
    assert "?t=" not in ran.output


def test_a_message_at_most(runs: dict[Kind, Ran]) -> None:
    """A decision of the policy costs one short message at most, and only on the last rung."""
    for kind, ran in runs.items():
        reports = [one for one in re.findall(r"report by (sms|bip)", ran.output) if one == "sms"]
        decided = ran.output.count(" down to sms") + ran.output.count("sync-now: the operator asks")

        assert len(reports) <= (decided if CARRIERS.get(kind) == "sms" else 0)
