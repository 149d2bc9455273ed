"""Packages that take several messages, of a client and a server with little room.

DS Protocol 1.2, "Multiple messages in package": what goes on has no Final, and whoever asks for
the rest of a package by Alert 222 has none to send either.
"""

from dataclasses import replace

import pytest

from cardsync.syncml import codec
from cardsync.syncml.auth import Account, AuthResult, Challenge, Proof, Scheme
from cardsync.syncml.client import ClientConfig, ClientSession, DatabaseRequest
from cardsync.syncml.devinf import ContentType, DataStore, DevInf
from cardsync.syncml.elements import (
    Alert,
    AlertCode,
    Anchor,
    Get,
    Item,
    Location,
    Message,
    Meta,
    Results,
    Sync,
    SyncHdr,
)
from cardsync.syncml.events import SessionResult
from cardsync.syncml.memory import MemoryClientDatastore, MemoryServerDatastore
from cardsync.syncml.server import ServerConfig
from syncml.pair import DEVICE, URL, Server

TEXT = ContentType("text/plain", "1.0")
BOTH = pytest.mark.parametrize("content_type", [codec.WBXML, codec.XML])
SIZES = pytest.mark.parametrize(("number", "size"), [(1, 1024), (2, 1024), (20, 1024), (20, 4000)])


class _Many:
    """A client and a server with many databases, an item on each side of each."""

    def __init__(self, number: int, content_type: str, size: int) -> None:
        names = [f"db{each}" for each in range(number)]
        self.clients = {name: MemoryClientDatastore(name) for name in names}
        self.stores = {name: MemoryServerDatastore(name) for name in names}
        for name in names:
            self.clients[name].put("1", f"{name} of the client".encode())
            self.stores[name].put("a", f"{name} of the server".encode())
        told = tuple(DataStore(f"./{name}", TEXT, TEXT, (1, 2)) for name in names)
        devinf = DevInf("1.2", "server", "server", told)
        self.server = Server(self.stores, config=ServerConfig(URL, content_type, "", devinf=devinf))
        asked = tuple(
            DatabaseRequest(store, name, AlertCode.TWO_WAY, "C1")
            for name, store in self.clients.items()
        )
        self.config = ClientConfig(
            URL, DEVICE, "1", asked, content_type=content_type, max_msg_size=size, get_devinf=True
        )
        self.finals: list[bool] = []

    def sync(self) -> SessionResult:
        """Run a session to its end, which is not far."""
        session = ClientSession(self.config)
        while (octets := session.data_to_send()) is not None and len(self.finals) < 400:
            self.finals.append(codec.decode(octets, self.config.content_type).final)
            session.receive_data(self.server.post(octets))
        assert session.result is not None
        return session.result

    def equal(self) -> bool:
        """Say whether every database has two items, the same on both sides."""
        sides = zip(self.clients.values(), self.stores.values(), strict=True)
        both = [(set(c.items().values()), set(s.items().values())) for c, s in sides]
        return all(mine == theirs and len(mine) == 2 for mine, theirs in both)


@BOTH
@SIZES
def test_little_room_for_many_databases(number: int, size: int, content_type: str) -> None:
    """Neither our Alerts nor the server's, nor what it tells of itself, fit one message."""
    many = _Many(number, content_type, size)
    result = many.sync()

    assert [200] * number == [each.status for each in result.databases]
    assert many.equal()


@SIZES
def test_credentials_are_asked_for_first(number: int, size: int) -> None:
    """A challenge to the first message of package 1, which goes on: it begins anew."""

    def authenticate(proof: Proof | None, device: str) -> AuthResult:
        shown = proof is not None and proof.user == "bo"
        return AuthResult(ok=shown, identity=device, challenge=Challenge(Scheme.BASIC))

    many = _Many(number, codec.WBXML, size)
    many.server.authenticate = authenticate
    many.config = replace(many.config, account=Account(None, "bo", b"secret"))
    result = many.sync()

    assert [200] * number == [each.status for each in result.databases]
    assert many.equal()


@pytest.mark.parametrize("final", [False, True])
def test_rest_of_package_2(final: bool) -> None:
    """Who asks for it may send Final: his package 3 has not begun, so ours is not 4 yet."""
    many = _Many(20, codec.WBXML, 1024)
    header = SyncHdr("1", 1, Location(URL), Location(DEVICE), meta=Meta(max_msg_size=1024))
    wish = Item(Location("db0"), Location("mine"), Meta(anchor=Anchor("C1")))
    get = Get(1, (Item(Location("./devinf12")),))
    request = Message(header, (get, Alert(2, AlertCode.TWO_WAY, (wish,))), final=True)
    said: list[Message] = []
    while not said or not said[-1].final:
        many.server.post(codec.encode(request, codec.WBXML))
        said.append(many.server.replies[-1])
        header = replace(header, msg_id=len(said) + 1)
        request = Message(header, (Alert(1, AlertCode.NEXT_MESSAGE),), final=final)
    kinds = [type(command) for reply in said for command in reply.commands]
    (alert,) = [
        e for reply in said for e in reply.commands if isinstance(e, Alert) and e.code == 201
    ]

    assert 1 < len(said) < 5
    assert (1, 0) == (kinds.count(Results), kinds.count(Sync))
    assert ("mine", "db0") == (_uri(alert.items[0].target), _uri(alert.items[0].source))


def _uri(place: Location | None) -> str:
    return place.uri if place else ""
