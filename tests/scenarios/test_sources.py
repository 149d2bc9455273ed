"""Any database by its identifier: of the device, of the card, of an application. R-13, R-14.

One policy, whose request takes its source from two parameters. The operator changes them over the
air, and nothing else; the terminal knows its card by APDUs alone.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cardsync.card.uicc import Uicc
from cardsync.fleet.syncml_server import Settings, SyncmlServer
from cardsync.octets.apdu import CommandApdu, Ins
from cardsync.ota.application import APPLICATION_TAR, ParameterUpdate, Trigger
from cardsync.syncml import record
from cardsync.syncml.devinf import DevInf
from cardsync.syncml.record import Application, Parameter
from cardsync.terminal.agent import Agent, Identity
from cardsync.terminal.databases.management import ManagementDatabase
from cardsync.terminal.databases.phonebook import card_of
from cardsync.terminal.databases.shelf import Shelf
from cardsync.terminal.databases.sources import Source, open_source
from cardsync.terminal.equipment import Equipment
from cardsync.terminal.handset import UnattendedHandset
from cardsync.terminal.links.shared import SharedLink
from cardsync.terminal.proactive import Surroundings
from cardsync.toolkit.objects import Result
from cardsync.toolkit.synchronization_objects import Transport
from cardsync.transport.carrier import Carrier
from mobiles import ALL_FEATURES, ENDS, HEAD, IMEI, NOON, SYNC_NOW, Sender, card_with, variables

POLICY = (
    HEAD.replace(
        'interval = "24 h"', 'interval = "24 h"\nwhere = "imei"\nwhat = "devman"\ninto = "devman"'
    )
    .replace('device = "imei", database = "devman"', 'device = "${where}", database = "${what}"')
    .replace('"${server}", database = "devman"', '"${server}", database = "${into}"')
    + SYNC_NOW
    + ENDS
)
AID = "A000000151AABB"
RECORDS = (Parameter("./DevInfo/DevId", IMEI), Application("app", "App", "1.0", 1000, installed=5))
ENTRY = b"Alice".ljust(14, b"\xff") + bytes.fromhex("079153382143F5").ljust(14, b"\xff")


class Phone:
    """A terminal with a card, three databases, and the operator's server in memory."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.card: Uicc = card_with(POLICY)
        self.sender = Sender(start=10)
        link = SharedLink(self.card)
        self.database = ManagementDatabase(home / "devman.sqlite")
        self.database.update(RECORDS, full=True)
        notes = f"notes={home}/notes.sqlite#notes"
        own = {"notes": lambda: open_source(notes), AID: lambda: open_source(notes)}
        carriers: dict[int, Carrier] = {Transport.HTTPS: self}
        self.agent = Agent(
            Identity(IMEI, DevInf("1.2", f"IMEI:{IMEI}", "phone", ())),
            self.database,
            carriers,
            lambda: 1_000_000.0,
            sources=Shelf(home, link.transact, own),
        )
        self.equipment = Equipment(
            link, UnattendedHandset(), self.agent, Surroundings(IMEI), ALL_FEATURES
        )
        self.stores = [self.store("devman"), self.store("contacts"), self.store("notes")]
        self.server = SyncmlServer(self.stores, Settings())
        self.equipment.power_on(0.0, NOON)

    def store(self, name: str) -> Source:
        """Give a database of the operator: a folder."""
        return open_source(f"{name}={self.home}/operator/{name}")

    def exchange(self, url: str, content_type: str, body: bytes) -> tuple[str, bytes]:
        """Carry a message to the server."""
        del url
        reply = self.server.serve(body, content_type)
        return reply.content_type, reply.body

    def told(self, name: str) -> set[bytes]:
        """Give what the operator has."""
        return {path.read_bytes() for path in (self.home / "operator" / name).iterdir()}

    def synchronize(self, where: str, what: str, into: str) -> Result:
        """Change the source over the air, let the operator ask, run what was ordered."""
        changes = {"where": where, "what": what, "into": into}
        data = b"".join([ParameterUpdate(*pair).encode() for pair in changes.items()])
        data += Trigger("sync-now").encode()
        for message in self.sender.messages(data, APPLICATION_TAR):
            self.equipment.short_message(message, 0.0)
        (order,) = self.agent.waiting()
        result = self.agent.run(order)
        for reference, told in self.agent.owed(self.equipment.iccid):
            taken = self.equipment.status_event(told, 0.0)
            self.agent.told(self.equipment.iccid, reference, taken=taken)
        return result

    def write_entry(self, number: int, entry: bytes) -> None:
        """Write an entry of the phone book as the user does, on the basic channel."""
        for path in ("3F00", "7F10", "6F3A"):
            self.card.transact(CommandApdu(0, Ins.SELECT, 0, 0x0C, bytes.fromhex(path)).encode())
        self.card.transact(CommandApdu(0, Ins.UPDATE_RECORD, number, 4, entry).encode())


def name(data: bytes) -> str:
    """Give path or identifier of a record of the device."""
    found = record.decode(data)
    return found.path if isinstance(found, Parameter) else found.identifier


@pytest.fixture
def phone(tmp_path: Path) -> Iterator[Phone]:
    """Make a phone."""
    made = Phone(tmp_path)
    yield made
    made.database.close()
    for store in made.stores:
        store.close()


def test_three_sources_by_their_identifiers_alone(phone: Phone) -> None:
    """The device's records, the card's phone book, an application's table. R-13, R-14."""
    notes = open_source(f"notes={phone.home}/notes.sqlite#notes")
    notes.index.collection.write("first", b"a note")
    notes.close()
    phone.write_entry(3, ENTRY)
    results = [
        phone.synchronize("imei", "devman", "devman"),
        phone.synchronize("iccid", "file:3F007F106F3A", "contacts"),
        phone.synchronize("terminal", "notes", "notes"),
    ]

    assert [0, 0, 0] == [result.general for result in results]
    assert {RECORDS[0].path, "app"} == {name(data) for data in phone.told("devman")}
    assert {card_of(ENTRY)} == phone.told("contacts")
    assert {b"a note"} == phone.told("notes")
    assert 3 == variables(phone.card)["good"]


def test_application_by_its_aid(phone: Phone) -> None:
    """The same table, by the AID of the application whose data they are. Table 8.6, type 03."""
    result = phone.synchronize("terminal", f"aid:{AID}", "notes")

    assert 0 == result.general
    assert set() == phone.told("notes")


def test_source_in_the_card_is_read_as_it_is_then(phone: Phone) -> None:
    """What the user changes in the card is in the next synchronization; deletions too. R-13."""
    source = ("iccid", "file:3F007F105F3A4F3A", "contacts")
    phone.write_entry(1, ENTRY)
    phone.write_entry(2, ENTRY.replace(b"Alice", b"Bob  "))
    phone.synchronize(*source)
    phone.write_entry(2, b"\xff" * 28)
    phone.write_entry(4, ENTRY.replace(b"Alice", b"Carol"))
    phone.synchronize(*source)

    assert {card_of(ENTRY), card_of(ENTRY.replace(b"Alice", b"Carol"))} == phone.told("contacts")


@pytest.mark.parametrize(
    ("where", "what", "expected"),
    [
        ("iccid", "file:3F001234", "3E08"),
        ("iccid", "file:3F00", "3E08"),
        ("iccid", "notes", "3E08"),
        ("terminal", "file:3F007F106F3A", "3E08"),
        ("terminal", "nowhere", "3E08"),
        ("iccid", f"aid:{AID}", "3E08"),
    ],
)
def test_sources_that_are_not_there(phone: Phone, where: str, what: str, expected: str) -> None:
    """Refused by name, `3E 08`, at once or when it is read; the card hears of it. RS-36."""
    changes = {"where": where, "what": what}
    data = b"".join([ParameterUpdate(*pair).encode() for pair in changes.items()])
    for message in phone.sender.messages(data + Trigger("sync-now").encode(), APPLICATION_TAR):
        phone.equipment.short_message(message, 0.0)
    results = [phone.agent.run(order) for order in phone.agent.waiting()]
    for reference, told in phone.agent.owed(phone.equipment.iccid):
        phone.agent.told(phone.equipment.iccid, reference, taken=True)
        phone.equipment.status_event(told, 0.0)

    assert all(result.value().hex().upper() == expected for result in results)
    assert f"all: result {expected}, 0" in phone.card.applet.journal
    assert 1 == variables(phone.card)["bad"]
