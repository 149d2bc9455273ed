"""A new policy and changed parameters over the air, with the operator's and the mobile's processes.

Everything between them is SMPP and HTTP; what the card has is read from its memory image.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty
from typing import Any

import pytest

from cardsync.card.memory import Memory
from cardsync.card.policy_store import PolicyStore
from cardsync.fleet import journey
from cardsync.fleet.journey import Stage

PATIENCE = 90.0
DEMO = Path(journey.__file__).with_name("demo.toml").read_text()
COUNTING = DEMO.replace("failures = 0\n\n", "failures = 0\ntimes = 0\n\n", 1).replace(
    "set = { failures = 0 }", 'set = { failures = 0, times = "times + 1" }'
)
VERSION_2 = (
    COUNTING.replace("version = 1", "version = 2")
    .replace("[variables]", 'interval = "24 h"\n[variables]')
    .replace("Your phone's data is up to date.", "Done.")
)
VERSION, HALF_A_DAY = 2, 12 * 60
PLACE = r"policy.toml:\d+:\d+: rules\[\d\].do.synchronise: unknown key"
BAD = VERSION_2.replace('synchronize = "changes"', 'synchronise = "changes"')


@pytest.fixture
def home() -> Iterator[Path]:
    """Give a folder that the account of PostgreSQL can enter, too."""
    folder = Path(tempfile.mkdtemp(prefix="cardsync-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


class Card:
    """What is in the memory of the mobile's card."""

    def __init__(self, home: Path) -> None:
        self._store = PolicyStore(Memory.decode((home / "mobile" / "card.image").read_bytes()))

    @property
    def version(self) -> int:
        """The version of the policy, 0 where there is none."""
        machine = self._store.machine
        return machine.program.version if machine else 0

    def value(self, name: str) -> int:
        """Give a variable or a parameter that is a number; -1 where there is none."""
        machine = self._store.machine
        if machine is None:
            return -1
        state = machine.state
        kept = zip(state.layout.variables, state.variables, strict=True)
        given = zip(state.layout.parameters, state.parameters, strict=True)
        found = {key[0]: value for key, value in (*kept, *given)}.get(name)
        return found if isinstance(found, int) else -1


@contextmanager
def running(home: Path, text: str, *more: str) -> Iterator[Stage]:
    """Let operator and mobile run with a policy."""
    policy = home / "policy.toml"
    policy.write_text(text)
    with Stage(home) as stage:
        ports, card = stage.ports(), stage.card()
        arguments = (*journey.operator_arguments(stage, ports, policy), *more)
        stage.start("operator", *arguments, listeners=("http", "reports"), secret="secret")
        stage.tell("operator", card or "[]", close=True)
        hear(stage, "ready")
        stage.keep_card()
        settings = json.dumps(journey.mobile_settings(stage, "secret"))
        stage.start("mobile", "mobile", listeners=("smpp",))
        stage.tell("mobile", settings)
        hear(stage, "listening")
        stage.tell("mobile", "on")
        yield stage


def hear(stage: Stage, kind: str) -> dict[str, Any]:
    """Listen until something of a kind is said; a process that ends instead is a failure."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            said = stage.said.get(timeout=1)
        except Empty:
            continue
        assert kind == said.kind or said.kind != "ended", stage.last_words(said.process)
        if said.kind == kind:
            return said.fields
    raise AssertionError(f"nobody said {kind}")


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds of the card."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def choose(stage: Stage, holds: Callable[[], bool]) -> None:
    """Let the user choose from the menu until something holds: a card that is busy holds back."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        stage.tell("mobile", "choose 1")
        time.sleep(1)


def test_update(home: Path) -> None:
    """A new version keeps the variables; a parameter is changed; a bad one changes nothing. R-21.

    The operator is told why by file, line and column, and ends with status 2 before anything is
    sent; the old program runs on.
    """
    with running(home, COUNTING):
        until(lambda: Card(home).value("times") == 1)

    assert 1 == Card(home).version

    with running(home, VERSION_2, "--parameter", "interval=12 h") as stage:
        until(lambda: Card(home).version == VERSION and Card(home).value("interval") == HALF_A_DAY)
        counted = Card(home).value("times")
        choose(stage, lambda: Card(home).value("times") > counted)

    assert counted >= 1

    before = (home / "mobile" / "card.image").read_bytes()
    with pytest.raises(AssertionError, match=PLACE), running(home, BAD):
        pass

    assert before == (home / "mobile" / "card.image").read_bytes()

    with running(home, VERSION_2) as stage:
        counted = Card(home).value("times")
        choose(stage, lambda: Card(home).value("times") > counted)

    assert (VERSION, HALF_A_DAY) == (Card(home).version, Card(home).value("interval"))
