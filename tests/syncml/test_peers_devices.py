"""Devices of twenty years against the stand-alone server, each with a manner of its own.

What they do was seen in public records of phones, organizers and plug-ins; names, items and
values here are ours.
"""

import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cardsync.fleet.syncml_server import Settings, SyncmlServer
from cardsync.syncml import auth, codec
from cardsync.syncml.elements import (
    Add,
    Alert,
    AlertCode,
    Anchor,
    Command,
    Cred,
    Delete,
    Get,
    Item,
    Location,
    Map,
    MapItem,
    Message,
    Meta,
    Put,
    Replace,
    Results,
    Status,
    Sync,
    SyncHdr,
    Version,
)
from cardsync.terminal.databases.sources import Source, open_source
from syncml_messages import device

URL = "http://sync.example/syncml"
TEXT = Meta(type="text/plain")
OK = {200, 201, 207, 212, 213}


def basic(user: str, password: str, form: str | None = "b64") -> Cred:
    """Show a password."""
    return Cred(base64.b64encode(f"{user}:{password}".encode()), Meta(form, "syncml:auth-basic"))


class Device:
    """An old device: it answers what it was sent last, then says what it has to say."""

    def __init__(self, server: SyncmlServer, name: str = "IMEI:490154203237518") -> None:
        self.server = server
        self.version = Version.V1_1
        self.content_type = codec.XML
        self.name = name
        self.url = self.target = URL
        self.origin = "192.0.2.1"
        self.session = 7
        self.sizes: list[int] = []
        self.meta: Meta | None = Meta(max_msg_size=16384)
        self.sent = b""
        self.told: Message | None = None
        self._message = 0

    def begin(self, session: int | None = None) -> None:
        """Begin a session."""
        self.session = self.session + 1 if session is None else session
        self._message, self.told, self.url = 0, None, URL

    def send(
        self, *commands: Command, final: bool = True, cred: Cred | None = None, answers: bool = True
    ) -> Message:
        """Send a message; give the reply."""
        self._message += 1
        header = SyncHdr(
            str(self.session),
            self._message,
            Location(self.target),
            Location(self.name),
            self.version,
            cred=cred,
            meta=self.meta,
        )
        owed = self._answers() if answers else []
        said = [replace(each, cmd_id=at) for at, each in enumerate([*owed, *commands], 1)]
        self.sent = codec.encode(Message(header, tuple(said), final), self.content_type)
        return self.post(self.sent)

    def post(self, octets: bytes) -> Message:
        """Post octets as they are."""
        query = self.url.partition("?")[2]
        reply = self.server.serve(octets, self.content_type, query, self.origin)
        assert (200, codec.media_type(self.content_type)) == (reply.status, reply.content_type)
        self.sizes.append(len(reply.body))
        self.told = codec.decode(reply.body, self.content_type.replace("syncml-", "syncml+"))
        self.url = self.told.header.resp_uri or self.url
        return self.told

    def _answers(self) -> list[Status]:
        told = self.told
        if told is None:
            return []
        owed = [Status(0, told.header.msg_id, 0, "SyncHdr", 200)]
        for command in told.commands:
            owed += [] if isinstance(command, Status) else [self._status(command)]
            if isinstance(command, Sync):
                owed += [self._status(each) for each in command.commands]
        return owed

    def _status(self, command: Command) -> Status:
        assert self.told
        code = 201 if isinstance(command, Add) else 200
        kind = type(command).__name__
        return Status(0, self.told.header.msg_id, command.cmd_id, kind, code)


def alert(name: str = "notes", code: int = 201, last: str | None = "0", now: str = "1") -> Alert:
    """Ask for a synchronization."""
    meta = Meta(anchor=Anchor(now, last))
    return Alert(0, code, (Item(Location(name), Location("C:\\Notes"), meta),))


def sync(*commands: Command, name: str = "notes") -> Sync:
    """Send changes; their numbers are far from those of others."""
    said = [replace(each, cmd_id=100 + at) for at, each in enumerate(commands)]
    return Sync(0, Location(name), Location("C:\\Notes"), commands=tuple(said))


def put(name: str, text: str) -> Replace:
    """Replace an item, whether it is there or not."""
    return Replace(0, (Item(source=Location(name), data=text.encode()),), TEXT)


def codes(message: Message) -> list[int]:
    """Give the codes of all statuses."""
    return [each.code for each in message.commands if isinstance(each, Status)]


def items(message: Message) -> list[tuple[str, bytes]]:
    """Give what the server sent: names and data, each in a command of its own."""
    found = []
    for each in message.commands:
        for command in each.commands if isinstance(each, Sync) else ():
            assert isinstance(command, Add | Replace | Delete)
            (item,) = command.items
            named = item.source or item.target
            assert named
            found.append((named.uri, item.data if isinstance(item.data, bytes) else b""))
    return found


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Source]:
    """Give a folder of the server with an item."""
    made = open_source(f"notes={tmp_path / 's'}")
    (tmp_path / "s" / "ours.txt").write_text("ours")
    yield made
    made.close()


@pytest.fixture
def old(source: Source) -> Device:
    """Give a device and a server that lets everyone in."""
    return Device(SyncmlServer([source], Settings()))


def contents(tmp_path: Path) -> list[str]:
    """Give what the server's files hold."""
    return sorted(path.read_text() for path in (tmp_path / "s").iterdir())


def whole(old: Device, tmp_path: Path) -> None:
    """Synchronize anew, in the usual three packages; all statuses are good."""
    first = old.send(alert())
    second = old.send(sync(put("667", "theirs")))
    third = old.send(Map(0, Location("notes"), Location("C:\\Notes"), (MapItem("ours.txt", "9"),)))

    assert OK >= {*codes(first), *codes(second), *codes(third)}
    assert [("ours.txt", b"ours")] == items(second)
    assert ["ours", "theirs"] == contents(tmp_path)


def agreed(old: Device, last: str = "1") -> bool:
    """Say whether the next session needs no slow synchronization."""
    old.begin()
    return 200 in codes(old.send(alert(code=200, last=last, now="2")))[1:]


@pytest.mark.parametrize("version", list(Version))
@pytest.mark.parametrize("content_type", [codec.XML, codec.WBXML])
def test_every_version(old: Device, version: Version, content_type: str, tmp_path: Path) -> None:
    """Everything by Replace, a command an item, one MapItem a Map; agreed at the end."""
    old.version, old.content_type = version, content_type

    whole(old, tmp_path)
    assert agreed(old)


@pytest.mark.parametrize("kind", ["xml", "wbxml"])
def test_content_types_of_1_0(old: Device, kind: str) -> None:
    """The first devices write a hyphen; they are answered in the same manner."""
    old.version = Version.V1_0
    old.content_type = codec.XML if kind == "xml" else codec.WBXML
    old.server.serve(b"", f"application/vnd.syncml-{kind}")
    first = old.send(alert())
    reply = old.server.serve(old.sent, f"application/vnd.syncml-{kind}; charset=UTF-8")

    assert first == codec.decode(reply.body, old.content_type)
    assert f"application/vnd.syncml-{kind}" == reply.content_type


@pytest.mark.parametrize("said", ["notes", "./notes", "/notes", "notes/", " notes "])
def test_names_of_a_database(old: Device, said: str, tmp_path: Path) -> None:
    """A device writes the name as it likes, in the Alert in one way, in the Sync in another."""
    first = old.send(alert(said))
    second = old.send(sync(put("1", "theirs"), name="./notes"))

    assert OK >= {*codes(first), *codes(second)}
    assert ["ours", "theirs"] == contents(tmp_path)


@pytest.mark.parametrize("last", [None, "", "0"])
def test_no_anchor_yet(old: Device, last: str | None) -> None:
    """Never synchronized is said in three ways; two-way becomes slow, and nobody is surprised."""
    reply = old.send(alert(code=200, last=last))

    assert [200, 508] == codes(reply)


def test_device_information_first(old: Device, tmp_path: Path) -> None:
    """Put and Get in a package of their own, the Alert in the next one."""
    old.version = Version.V1_2
    kind = Meta(type="application/vnd.syncml-devinf+xml")
    gives = Put(0, (Item(source=Location("./devinf12"), data=device("1.2")),), kind)
    first = old.send(gives, Get(0, (Item(target=Location("./devinf12")),), kind))

    assert any(isinstance(each, Results) for each in first.commands)
    whole(old, tmp_path)
    assert agreed(old)


def test_device_information_of_another_version(old: Device) -> None:
    """A session of 1.2 with ./devinf11, put and got: it is given in that manner."""
    old.version = Version.V1_2
    kind = Meta(type="application/vnd.syncml-devinf+xml")
    gives = Put(0, (Item(source=Location("./devinf11"), data=device("1.1")),), kind)
    reply = old.send(gives, Get(0, (Item(target=Location("./devinf11")),), kind))
    (results,) = [each for each in reply.commands if isinstance(each, Results)]

    assert OK >= set(codes(reply))
    assert "version='1.1'" in str(results.items[0].data)


def test_session_for_each_database(tmp_path: Path) -> None:
    """Contacts in one session, notes in the next, and both again: each has its own anchors."""
    sources = [open_source(f"{name}={tmp_path / name}") for name in ("contacts", "notes")]
    old = Device(SyncmlServer(sources, Settings()))
    for now in ("1", "2"):
        for name in ("contacts", "notes"):
            old.begin()
            last = "0" if now == "1" else "1"
            first = old.send(alert(name, 200, last, now))
            old.send(sync(put("1", f"{name} {now}"), name=name))

            assert [200, 508 if now == "1" else 200] == codes(first)
    for each in sources:
        each.close()
    assert ["contacts 2"] == [path.read_text() for path in (tmp_path / "contacts").iterdir()]
    assert ["notes 2"] == [path.read_text() for path in (tmp_path / "notes").iterdir()]


def test_no_final_in_package_1(old: Device, tmp_path: Path) -> None:
    """The package goes on, so only statuses and Alert 222 come; then all is as ever."""
    first = old.send(alert(), final=False)
    second = old.send(sync(put("1", "theirs")))

    assert AlertCode.NEXT_MESSAGE in [c.code for c in first.commands if isinstance(c, Alert)]
    assert OK >= {*codes(first), *codes(second)}
    assert ["ours", "theirs"] == contents(tmp_path)


def test_map_never_comes(old: Device, tmp_path: Path) -> None:
    """Then our name is all that both know the item by; a change of it reaches the device."""
    old.send(alert())
    old.send(sync())
    old.send()
    assert agreed(old)
    old.send(sync())
    (tmp_path / "s" / "ours.txt").write_text("changed")
    old.begin()
    old.send(alert(code=200, last="2", now="3"))
    reply = old.send(sync())

    assert [("ours.txt", b"changed")] == items(reply)


def test_map_comes_in_the_next_session(old: Device, tmp_path: Path) -> None:
    """In package 3; from then on the item goes by the device's name."""
    old.send(alert())
    old.send(sync())
    old.send()
    (tmp_path / "s" / "ours.txt").write_text("changed")  # a folder is looked at once a session
    old.begin()
    old.send(alert(code=200, last="1", now="2"))
    mapped = Map(0, Location("notes"), Location("C:\\Notes"), (MapItem("ours.txt", "9"),))
    reply = old.send(mapped, sync())

    assert OK >= set(codes(reply))
    assert [("9", b"changed")] == items(reply)


@pytest.mark.parametrize("size", [None, 2048, 20])
def test_little_memory(old: Device, size: int | None, tmp_path: Path) -> None:
    """MaxMsgSize may be missing, small, or less than a header: all items come all the same."""
    old.meta = Meta(max_msg_size=size) if size else None
    for number in range(40):
        (tmp_path / "s" / f"{number}.txt").write_text(f"{number} " + "x" * 200)
    old.send(alert())
    reply = old.send(sync())
    got = items(reply)
    while not reply.final:
        reply = old.send(Alert(0, AlertCode.NEXT_MESSAGE), final=False)
        got += items(reply)

    assert 41 == len(dict(got))
    assert size != 2048 or max(old.sizes) <= 2048


def test_request_is_repeated(old: Device, tmp_path: Path) -> None:
    """After a time-out the same octets come again, and get the same reply; nothing is doubled."""
    old.send(alert())
    reply = old.send(sync(put("1", "theirs")))

    assert reply == old.post(old.sent)
    assert ["ours", "theirs"] == contents(tmp_path)


def test_next_message_is_asked_for_before_anything_is_looked_at(old: Device) -> None:
    """Old plug-ins take statuses only from the answer to their last Sync; then they ask, 222."""
    old.send(alert())
    missed = old.send(sync(put("1", "theirs")))
    old.told = None
    header = Status(0, missed.header.msg_id, 0, "SyncHdr", 200)
    asked = Alert(0, 222, (Item(Location("notes"), Location("C:\\Notes")),))
    again = old.send(header, asked)
    last = old.send(Map(0, Location("notes"), Location("C:\\Notes"), (MapItem("ours.txt", "9"),)))

    assert items(missed) == items(again) == [("ours.txt", b"ours")]
    assert again.final
    assert OK >= set(codes(last))
    assert agreed(old)


# --- who it is ------------------------------------------------------------------------------


@pytest.fixture
def guarded(source: Source) -> Device:
    """Give a device and a server that asks who it is."""
    users = {"u": b"secret", "a": b"b:c", "zoë": "pässword".encode()}
    return Device(SyncmlServer([source], Settings(users, auth.Scheme.BASIC)))


@pytest.mark.parametrize(
    "cred",
    [
        basic("u", "secret"),
        basic("a", "b:c"),
        basic("zoë", "pässword"),
        basic("u", "secret", None),
        replace(basic("u", "secret"), meta=None),
        Cred(b"u:secret", Meta(type="syncml:auth-basic")),
        Cred(b" " + base64.b64encode(b"u:secret") + b"\n", Meta("b64", "syncml:auth-basic")),
    ],
)
def test_manners_of_showing_a_password(guarded: Device, cred: Cred) -> None:
    """A colon in it, other characters than ASCII, no Format, no Meta, no base64, spaces."""
    assert 212 == codes(guarded.send(alert(), cred=cred))[0]


def test_credentials_in_every_message(guarded: Device, tmp_path: Path) -> None:
    """Some show them again and again; once is enough, and then even a stale digest does no harm."""
    guarded.send(alert(), cred=basic("u", "secret"))
    stale = Cred(base64.b64encode(bytes(16)), Meta("b64", "syncml:auth-md5"))
    reply = guarded.send(sync(put("1", "theirs")), cred=stale)

    assert OK >= set(codes(reply))
    assert ["ours", "theirs"] == contents(tmp_path)


def test_another_session_after_the_challenge(guarded: Device) -> None:
    """After 401 some come back with a new SessionID and MsgID 1, others go on counting."""
    refused = guarded.send(alert(), cred=basic("u", "wrong"))
    same = guarded.send(alert(), cred=basic("u", "secret"), answers=False)
    guarded.begin(99)
    anew = guarded.send(alert(), cred=basic("u", "secret"))

    assert [401, 212, 212] == [codes(each)[0] for each in (refused, same, anew)]


def test_device_that_keeps_its_url(guarded: Device, tmp_path: Path) -> None:
    """RespURI is passed over: the address that the session began from has to do, no other."""
    guarded.send(alert(), cred=basic("u", "secret"))
    guarded.url = URL
    guarded.origin = "203.0.113.9"
    stranger = guarded.send(sync(put("1", "forged")), answers=False)
    guarded._message -= 1
    guarded.origin = "192.0.2.1"
    assert 407 == codes(stranger)[0]
    assert ["ours"] == contents(tmp_path)


def test_device_that_keeps_its_url_goes_on(guarded: Device, tmp_path: Path) -> None:
    """From where it began it goes on, without a key and without credentials."""
    guarded.send(alert(), cred=basic("u", "secret"))
    guarded.url = URL
    reply = guarded.send(sync(put("1", "theirs")))

    assert OK >= set(codes(reply))
    assert ["ours", "theirs"] == contents(tmp_path)


@pytest.mark.parametrize("number", [7, 8])
def test_stranger_of_the_same_name(guarded: Device, number: int, tmp_path: Path) -> None:
    """Who claims to be a device, and cannot show it, does not end its session."""
    guarded.send(alert(), cred=basic("u", "secret"))
    stranger = Device(guarded.server)
    stranger.origin = "203.0.113.9"
    stranger.begin(number)
    refused = [stranger.send(alert(), cred=basic("u", "wrong"), answers=False)]
    refused.append(stranger.send(sync(put("1", "forged")), answers=False))
    reply = guarded.send(sync(put("1", "theirs")))

    assert [401, 407] == [codes(each)[0] for each in refused]
    assert OK >= set(codes(reply))
    assert ["ours", "theirs"] == contents(tmp_path)


@pytest.mark.parametrize("target", ["sync.example", "servlet/sync", "/"])
def test_target_that_is_no_url(old: Device, target: str) -> None:
    """What a person typed stands in the target; no RespURI can be made of it, and none is."""
    old.target = target
    reply = old.send(alert())

    assert reply.header.resp_uri is None
    assert target == reply.header.source.uri
    assert OK >= set(codes(old.send(sync(put("1", "theirs")))))


# --- forms of items -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        (Meta(type="text/plain"), Meta(format="b64")),
        (Meta(format="b64", type="text/plain"), None),
        (Meta(format="b64", type="text/plain; charset=UTF-8"), Meta(size=9)),
        (None, Meta(format="B64", type="text/plain")),
    ],
)
def test_base64_of_items(
    old: Device, outer: Meta | None, inner: Meta | None, tmp_path: Path
) -> None:
    """Format stands at the command or at the item, beside the type or not; lines are broken."""
    data = b"dGhl\r\naXJz\r\n"
    old.send(alert())
    reply = old.send(sync(Add(0, (Item(source=Location("1"), meta=inner, data=data),), outer)))

    assert OK >= set(codes(reply))
    assert ["ours", "theirs"] == contents(tmp_path)


def test_unknown_format(old: Device) -> None:
    """What is enciphered for another server is none of our items: 415."""
    old.send(alert())
    meta = Meta(format="des;b64", type="text/plain")
    reply = old.send(sync(Add(0, (Item(source=Location("1"), data=b"AAAA"),), meta)))

    assert 415 in codes(reply)
