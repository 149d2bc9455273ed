"""Our client with servers that do things their own way, seen in public records and programs."""

import base64
from pathlib import Path

import pytest

from cardsync.fleet.syncml_client import Order, synchronize
from cardsync.fleet.syncml_server import Settings, SyncmlServer
from cardsync.syncml import auth, codec
from cardsync.syncml.client import ClientConfig, ClientSession, DatabaseRequest
from cardsync.syncml.elements import (
    Add,
    Alert,
    AlertCode,
    Anchor,
    Chal,
    Command,
    Item,
    Location,
    Map,
    Message,
    Meta,
    Replace,
    Status,
    Sync,
    SyncHdr,
)
from cardsync.syncml.memory import MemoryClientDatastore
from cardsync.terminal.databases.sources import open_source

URL = "http://a.example/rpc.php"


class Odd:
    """A client, and a server that says what a test wants it to say."""

    def __init__(
        self, scheme: auth.Scheme = auth.Scheme.BASIC, *, plain: bool = True, url: str = URL
    ) -> None:
        self.store = MemoryClientDatastore("notes")
        self.store.put("one", b"1")
        self.store.put("two", b"2")
        self.session = ClientSession(
            ClientConfig(
                url,
                "d",
                "7",
                (DatabaseRequest(self.store, "notes", AlertCode.TWO_WAY, "C1"),),
                content_type=codec.XML,
                account=auth.Account(scheme, "u", b"secret"),
                plain=plain,
                beside=True,
            )
        )
        self._message = 0

    def hear(self) -> Message:
        """Take the client's next message."""
        octets = self.session.data_to_send()
        assert octets is not None
        return codec.decode(octets, codec.XML)

    def say(self, *commands: Command, uri: str | None = None) -> None:
        """Answer it."""
        self._message += 1
        header = SyncHdr("7", self._message, Location("d"), Location(URL), resp_uri=uri)
        self.session.receive_data(codec.encode(Message(header, commands, final=True), codec.XML))

    @property
    def status(self) -> int:
        """How the session ended."""
        assert self.session.result
        return self.session.result.status


def _header(code: int, chal: Chal | None = None, message: int = 1) -> Status:
    return Status(1, message, 0, "SyncHdr", code, chal=chal)


def _agrees(code: int = 201) -> tuple[Command, ...]:
    meta = Meta(anchor=Anchor("S1", "0"))
    theirs = Alert(3, code, (Item(Location("notes"), Location("notes"), meta),))
    return _header(212), Status(2, 1, 1, "Alert", 200), theirs


@pytest.mark.parametrize("scheme", list(auth.Scheme))
def test_refused_without_a_challenge(scheme: auth.Scheme) -> None:
    """401 and nothing to meet: it is over, after one message."""
    odd = Odd(scheme)
    odd.hear()
    odd.say(_header(401))

    assert 401 == odd.status
    assert odd.session.data_to_send() is None


@pytest.mark.parametrize(
    ("form", "nonce", "octets"),
    [
        ("b64", base64.b64encode(b"nonce").decode(), b"nonce"),
        (None, base64.b64encode(b"nonce").decode(), b"nonce"),
        (None, "as it is!", b"as it is!"),
        ("b64", None, b""),
    ],
)
def test_manners_of_a_nonce(form: str | None, nonce: str | None, octets: bytes) -> None:
    """In base64, or as it is where no Format is told; or none at all."""
    odd = Odd()
    first = odd.hear()
    odd.say(_header(401, Chal(Meta(form, "syncml:auth-md5", next_nonce=nonce))))
    cred = odd.hear().header.cred
    digest = auth.digest("u", b"secret", octets, first.header.version)

    assert cred
    assert base64.b64encode(digest) == cred.data


def test_nonce_that_is_none() -> None:
    """What says that it is base64 and is not, is not guessed: the session fails."""
    odd = Odd()
    odd.hear()
    odd.say(_header(401, Chal(Meta("b64", "syncml:auth-md5", next_nonce="as it is!"))))

    assert 401 == odd.status


def test_no_resp_uri() -> None:
    """Everything goes to one URL; where one is given, to that."""
    odd = Odd()
    odd.hear()
    odd.say(*_agrees())
    assert URL == odd.session.url

    odd.hear()
    odd.say(_header(200, message=2), uri=f"{URL};sessionid=1")
    assert f"{URL};sessionid=1" == odd.session.url


@pytest.mark.parametrize(
    ("here", "said", "there"),
    [
        ("http://a.example/x/rpc.php", "rpc.php?s=1", "http://a.example/x/rpc.php?s=1"),
        ("http://a.example/rpc.php", "?s=1", "http://a.example/rpc.php?s=1"),
        ("http://a.example/rpc.php", "/b", "http://a.example/b"),
        ("http://a.example/rpc.php", "\n http://b.example/ ", "http://b.example/"),
        ("http://a.example/rpc.php", "https://a.example/b", "https://a.example/b"),
        ("http://a.example/rpc.php", "http://[", "http://["),
        ("http://a.example/rpc.php", "", "http://a.example/rpc.php"),
    ],
)
def test_resp_uri(here: str, said: str, there: str) -> None:
    """The end of an address is one; what is none is left to the carrier to refuse."""
    odd = Odd(url=here)
    odd.hear()
    odd.say(*_agrees(), uri=said)

    assert there == odd.session.url


def test_item_is_new_by_replace() -> None:
    """Some servers write Replace, with their own name alone: what is not there is added."""
    odd = Odd()
    odd.hear()
    odd.say(*_agrees())
    odd.hear()
    new = Replace(5, (Item(source=Location("g1"), data=b"x"),))
    sync = Sync(4, Location("notes"), Location("notes"), commands=(new,))
    good = [Status(9, 2, number, "Add", 201) for number in (4, 5)]
    odd.say(_header(200, message=2), Status(2, 2, 3, "Sync", 200), *good, sync)
    said = odd.hear().commands
    (mapped,) = [each for each in said if isinstance(each, Map)]

    assert [201] == [e.code for e in said if isinstance(e, Status) and e.cmd == "Replace"]
    assert b"x" == odd.store.items()[mapped.items[0].source]
    assert "g1" == mapped.items[0].target


def test_no_alert_of_the_server() -> None:
    """Without its anchors nothing can be agreed: 412, and nothing was sent."""
    odd = Odd()
    odd.hear()
    odd.say(_header(212), Status(2, 1, 1, "Alert", 200))

    assert 412 == odd.status


@pytest.mark.parametrize("plain", [True, False])
def test_items_of_a_first_synchronization(plain: bool) -> None:
    """Some servers take only Add, and only the first item of it, before anything was agreed."""
    odd = Odd(plain=plain)
    odd.hear()
    odd.say(*_agrees())
    (sync,) = [each for each in odd.hear().commands if isinstance(each, Sync)]

    assert {Add} == {type(each) for each in sync.commands}
    assert (2 if plain else 1) == len(sync.commands)


def test_statuses_name_what_they_answer() -> None:
    """Some servers look at the references alone."""
    odd = Odd()
    odd.hear()
    odd.say(*_agrees())
    odd.hear()
    added = Add(5, (Item(source=Location("g1"), data=b"x"), Item(source=Location("g2"), data=b"y")))
    sync = Sync(4, Location("notes"), Location("notes"), commands=(added,))
    good = [Status(9, 2, number, "Add", 201) for number in (4, 5)]
    odd.say(_header(200, message=2), Status(2, 2, 3, "Sync", 200), *good, sync)
    told = [each for each in odd.hear().commands if isinstance(each, Status)]

    assert [("g1",), ("g2",)] == [each.source_refs for each in told if each.cmd == "Add"]
    assert [((URL,), ("d",))] == [
        (each.source_refs, each.target_refs) for each in told if each.cmd == "SyncHdr"
    ]


def test_two_halves_know_each_other(tmp_path: Path) -> None:
    """From the second session on they say less: no references, and NoResp at the end."""
    sources = [open_source(f"notes={tmp_path / side}") for side in "cs"]
    server = SyncmlServer([sources[1]], Settings())
    replies: list[Message] = []

    class Line:
        def exchange(self, url: str, content_type: str, body: bytes) -> tuple[str, bytes]:
            reply = server.serve(body, content_type, url.partition("?")[2])
            replies.append(codec.decode(reply.body, content_type))
            return reply.content_type, reply.body

    for _ in range(2):
        assert synchronize(Order(URL), [sources[0]], Line()).ok
    for each in sources:
        each.close()
    refs = [
        bool(each.target_refs)
        for reply in (replies[0], replies[-1])
        for each in reply.commands
        if isinstance(each, Status) and each.cmd == "SyncHdr"
    ]

    assert [True, False] == refs
    assert replies[-1].header.no_resp
