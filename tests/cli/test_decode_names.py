"""The names in the JSON of `cardsync decode` stay: programs read them. docs/cli.md."""

import json
from dataclasses import fields, is_dataclass
from pathlib import Path

from cardsync.cli.decode_kinds import decode
from cardsync.cli.decode_tree import plain
from cardsync.toolkit import data_object
from cardsync.toolkit.commands import ProactiveCommand, TerminalResponse
from cardsync.toolkit.envelope import Envelope
from cardsync.toolkit.profile import TerminalProfile
from cardsync.transport import sms, sms_reports

RECORDED: dict[str, list[str]] = json.loads((Path(__file__).parent / "names.json").read_text())
"""The names of each class: one that is gone is a broken promise."""

MESSAGES = (
    ProactiveCommand,
    TerminalResponse,
    Envelope,
    TerminalProfile,
    sms.Deliver,
    sms.Submit,
    sms.DeliverReport,
    sms_reports.SubmitReport,
    sms_reports.StatusReport,
    sms_reports.Command,
)


def names(kind: type) -> list[str]:
    """Give the fields that always show, and the readings, of a class."""
    assert is_dataclass(kind)
    found = [one.name for one in fields(kind) if one.init and one.repr]
    if issubclass(kind, data_object.DataObject | TerminalProfile):
        members = [vars(one).items() for one in reversed(kind.__mro__)]
        found += [name for each in members for name, one in each if isinstance(one, property)]
    return found


def test_names_stay() -> None:
    """Every class of messages and objects has the names that are recorded, and may have more."""
    here = {kind.__name__: set(names(kind)) for kind in (*MESSAGES, *data_object.classes())}
    gone = {kind: set(told) - here.get(kind, set()) for kind, told in RECORDED.items()}

    assert set() == set().union(*gone.values()), gone
    assert set(RECORDED) <= set(here)


def test_names_are_in_the_json() -> None:
    """What is recorded is what is printed."""
    found = plain(decode("command", bytes.fromhex("D009810301260082028182")).message)
    place = plain(
        decode("response", bytes.fromhex("8103012600820282818301009307 00F11000010001")).message
    )

    assert {"object", *RECORDED["ProactiveCommand"]} == set(found)
    assert {"object", "comprehension", *RECORDED["LocationInformation"]} == set(place["parts"][0])
