"""A SyncML server that owes nothing to `cardsync.syncml`: items, manners, sessions.

DS Protocol 1.0 to 1.2 as servers of twenty years have read it. What is not as the standard says
is noted in `notes`, and the session goes on where it can.
"""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from syncml.peer_tree import Node, decode, encode, node

URL = "http://a.example/sync"


@dataclass(frozen=True)
class Manners:
    """How a server speaks; as it stands here it is the plainest of all."""

    auth: str = ""  # basic, md5
    fresh: bool = False  # a new nonce with each message, and credentials with each
    get: bool = False  # asks for the device information
    resp_uri: str = ""
    max_msg: int = 20000
    per_message: int = 1000  # commands of a message of ours
    chunk: int = 0  # octets of a piece of an item, 0 for whole ones
    verb: str = "Add"  # of what is new
    within: str = ""  # Atomic, Sequence
    ok: bool = False  # 200 for all that went well
    names: bool = True  # in a Status, of what it answers
    base64: bool = False
    late: bool = False  # a Status comes a message later
    anchor: str = "%d"
    ends: bool = True  # Final in the last message
    at_item: bool = False  # Meta stands at the item
    both: bool = False  # both names of what is replaced or deleted
    wins: str = "server"  # client, duplicate
    prefix: str = "./"
    guid: str = "guid-%d"


@dataclass
class _Session:
    """What is remembered from message to message."""

    version: str
    known: bool
    stage: str = "init"
    number: int = 0
    kind: int = 0
    limit: int = 1 << 30
    command: int = 0
    place: str = ""
    theirs: str = ""
    ours: str = ""
    late: list[Node] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    queue: list[tuple[str, Node, bool]] | None = None
    sent: dict[tuple[str, str], tuple[str, bytes | None]] = field(default_factory=dict)
    chunks: dict[str, tuple[str, bytes]] = field(default_factory=dict)


@dataclass
class Server:
    """A database of a server, and what it knows of one device."""

    manners: Manners = field(default_factory=Manners)
    items: dict[str, bytes] = field(default_factory=dict)
    changed: dict[str, str] = field(default_factory=dict)
    maps: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin with no session."""
        self._count = self._clock = 0
        self._last = self._client_last = ""
        self._nonce = b"nonce 0"
        self._sessions: dict[str, _Session] = {}

    # --- its owner --------------------------------------------------------------------------

    def put(self, data: bytes, guid: str = "") -> None:
        """Write an item, a new one without a name."""
        is_new = not guid or self.changed.get(guid) == "Add"
        guid = guid or self._new()
        self.changed[guid] = "Add" if is_new else "Replace"
        self.items[guid] = data

    def drop(self, guid: str) -> None:
        """Delete an item."""
        del self.items[guid]
        self.changed[guid] = "Delete"

    def name(self, data: bytes) -> str:
        """Give the name of what holds this."""
        return next(guid for guid, each in self.items.items() if each == data)

    def _new(self) -> str:
        self._count += 1
        return self.manners.guid % self._count

    # --- messages ---------------------------------------------------------------------------

    def exchange(self, _url: str, content_type: str, body: bytes) -> tuple[str, bytes]:
        """Answer a message."""
        message = decode(body)
        header = message.all("SyncHdr")[0]
        name, manners = header.text("SessionID"), self.manners
        if header.text("MsgID") == "1":
            self._sessions[name] = _Session(header.text("VerDTD"), not manners.auth)
        session = self._sessions[name]
        session.number, session.command = session.number + 1, 0
        session.limit = int(header.text("Meta/MaxMsgSize") or session.limit)
        if len(body) > manners.max_msg and session.number > 1:
            self.notes.append(f"{len(body)} octets")
        out = self._answer(session, header, message.all("SyncBody")[0])
        reply = node("SyncML", self._header(session, header), node("SyncBody", *out))
        return content_type, encode(reply, session.version, binary="wbxml" in content_type)

    def _header(self, session: _Session, header: Node) -> Node:
        uri = self.manners.resp_uri
        return node(
            "SyncHdr",
            node("VerDTD", session.version),
            node("VerProto", f"SyncML/{session.version}"),
            node("SessionID", header.text("SessionID")),
            node("MsgID", session.number),
            node("Target", node("LocURI", header.text("Source/LocURI"))),
            node("Source", node("LocURI", header.text("Target/LocURI"))),
            node("RespURI", uri) if uri else None,
            node("Meta", node("MaxMsgSize", self.manners.max_msg)),
        )

    def _answer(self, session: _Session, header: Node, body: Node) -> list[Node]:
        code, chal = self._judge(session, header)
        whole = node("SyncHdr", node("CmdID", 0), *header.all("Target"), *header.all("Source"))
        out = [self._status(session, whole, code, whole, chal)]
        commands = [each for each in body.parts if each.name != "Final"]
        final = len(commands) < len(body.parts)
        if code in (401, 407):
            others = [each for each in commands if each.name != "Status"]
            out += [self._status(session, each, code, each) for each in others]
            return [*out, node("Final")]
        for command in commands:
            out += self._command(session, command)
        return [*out, *self._go_on(session, final=final)]

    def _judge(self, session: _Session, header: Node) -> tuple[int, Node | None]:
        """Say who it is; a new nonce comes with each answer, if it does at all."""
        manners = self.manners
        shown = header.octets("Cred/Data")
        if session.known and not manners.fresh:
            return 200, None
        good = base64.b64decode(shown) == self._expected(session)
        if good and not manners.fresh:
            session.known = True
            return 212, None
        self._clock += 1
        self._nonce = b"nonce %d" % self._clock
        kind = node("Type", f"syncml:auth-{manners.auth}")
        nonce = node("NextNonce", base64.b64encode(self._nonce)) if manners.auth == "md5" else None
        chal = node("Chal", node("Meta", node("Format", "b64"), kind, nonce))
        return 200 if good else 401 if shown else 407, chal

    def _expected(self, session: _Session) -> bytes:
        pair = b"u:secret"
        if self.manners.auth == "basic":
            return pair
        if session.version != "1.0":
            pair = base64.b64encode(hashlib.md5(pair).digest())
        return hashlib.md5(pair + b":" + self._nonce).digest()

    def _status(
        self, session: _Session, to: Node, code: int, item: Node | None, *more: Node | None
    ) -> Node:
        ends = [end for end in ("Target", "Source") if item and item.one(end)]
        named = ends if self.manners.names else []
        names = [node(f"{end}Ref", item.text(f"{end}/LocURI")) for end in named if item]
        refs = node("MsgRef", session.number), node("CmdRef", to.text("CmdID"))
        data = node("Data", code)
        return node("Status", _number(session), *refs, node("Cmd", to.name), *names, *more, data)

    # --- what the client says ---------------------------------------------------------------

    def _command(self, session: _Session, command: Node) -> Iterator[Node]:
        match command.name:
            case "Status":
                self._on_status(session, command)
            case "Alert" if command.text("Data") != "222":
                yield from self._on_alert(session, command)
            case "Sync":
                yield self._status(session, command, 200, command)
                yield from self._on_sync(session, command)
            case "Map":
                for each in command.all("MapItem"):
                    self.maps[each.text("Target/LocURI")] = each.text("Source/LocURI")
                yield self._status(session, command, 200, command)
            case "Get":
                yield self._status(session, command, 404, command.one("Item"))
            case _:
                yield self._status(session, command, 200, command.one("Item"))

    def _on_alert(self, session: _Session, alert: Node) -> Iterator[Node]:
        kind, (item,) = int(alert.text("Data")), alert.all("Item")
        self.asked.append(kind)
        if kind not in (200, 201, 202, 203, 204, 205):
            yield self._status(session, alert, 406, item)
            return
        anchor = "Meta/Anchor"
        agreed = self._last and item.text(f"{anchor}/Last") == self._client_last
        session.kind = kind if agreed or kind != 200 else 201
        self._clock += 1
        session.place = item.text("Source/LocURI")
        session.theirs = item.text(f"{anchor}/Next")
        session.ours = self.manners.anchor % self._clock
        yield self._status(session, alert, 200 if session.kind == kind else 508, item)
        last = node("Last", self._last) if self._last else None
        meta = node("Meta", node("Anchor", last, node("Next", session.ours)))
        inner = node("Item", *self._places(session), meta)
        yield node("Alert", _number(session), node("Data", session.kind), inner)

    def _on_sync(self, session: _Session, sync: Node) -> Iterator[Node]:
        answers = [
            self._status(session, command, self._change(session, command, item), item)
            for command in sync.parts
            if command.name in ("Add", "Replace", "Delete")
            for item in command.all("Item")
        ]
        if self.manners.late:
            session.late, answers = session.late + answers, []
        yield from answers

    def _change(self, session: _Session, command: Node, item: Node) -> int:
        """Do what the client asks of an item; give the status."""
        name = item.text("Source/LocURI")
        guid = next((g for g, mapped in self.maps.items() if mapped == name), "")
        if command.name == "Delete":
            if guid in self.changed:
                return 419
            self.maps.pop(guid, None)
            return 200 if self.items.pop(guid, None) is not None else 211
        size, before = session.chunks.pop(name, (item.text("Meta/Size"), b""))
        data = before + item.octets("Data")
        if item.one("MoreData"):
            session.chunks[name] = size, data
            return 213
        if size and int(size) != len(data):
            self.notes.append(f"{len(data)} octets of {size}")
        if "b64" in (item.text("Meta/Format"), command.text("Meta/Format")):
            data = base64.b64decode(data)
        return self._write(session, guid, name, data)

    def _write(self, session: _Session, guid: str, name: str, data: bytes) -> int:
        if session.kind == 201:
            same = (g for g, each in self.items.items() if each == data and g not in session.seen)
            guid = next(same, "")
            self.maps = {g: mapped for g, mapped in self.maps.items() if mapped != name}
        theirs = self.changed.get(guid) if session.kind == 200 else None
        if theirs == "Replace" and self.manners.wins == "server":
            return 419
        if theirs == "Replace" and self.manners.wins == "duplicate":
            self.changed[guid] = "Add"  # ours, as it is called here; theirs is new
            self.maps.pop(guid)
            self._write(session, "", name, data)
            return 209
        is_new, guid = guid not in self.items, guid or self._new()
        self.items[guid], self.maps[guid] = data, name
        self.changed.pop(guid, None)
        session.seen.add(guid)
        return 200 if self.manners.ok or not is_new else 201

    def _on_status(self, session: _Session, status: Node) -> None:
        command, code = status.text("Cmd"), status.text("Data")
        if code[0] != "2" and code not in ("404", "418"):
            self.notes.append(f"{command} {code}")
        elif command in ("Add", "Replace", "Delete") and code != "213":
            guid, data = session.sent[status.text("MsgRef"), status.text("CmdRef")]
            if self.items.get(guid) == data:
                self.changed.pop(guid, None)

    # --- what we say ------------------------------------------------------------------------

    def _go_on(self, session: _Session, *, final: bool) -> Iterator[Node]:
        """Move on with the packages; 2, 4 and 6 end in Final."""
        late = session.late if session.number > 2 else []
        session.late = session.late[len(late) :]
        for each in late:
            each.parts[0] = _number(session)
            yield each
        if session.stage == "init":
            if self.manners.get:
                place = f"./devinf{session.version.replace('.', '')}"
                item = node("Item", node("Target", node("LocURI", place)))
                kind = node("Meta", node("Type", "application/vnd.syncml-devinf+xml"))
                yield node("Get", _number(session), kind, item)
            session.stage = "sync" if final and session.kind else "init"
            yield from [node("Final")] if final else []
        elif session.stage == "sync" and not final:
            yield node("Alert", _number(session), node("Data", 222))
        elif session.stage in ("sync", "send"):
            session.stage = "send"
            yield from self._package_4(session)
        elif final:
            self._last, self._client_last = session.ours, session.theirs
            yield from [node("Final")] if self.manners.ends else []

    def _package_4(self, session: _Session) -> Iterator[Node]:
        if session.queue is None:
            session.queue = list(self._pieces(session))
        sync = node("Sync", _number(session), *self._places(session))
        within = sync
        if self.manners.within and session.queue:
            within = node(self.manners.within, _number(session))
            sync.parts.append(within)
        room, more, size, empty = self.manners.per_message, False, 1200, len(within.parts)
        while session.queue and room and not more:
            guid, command, more = session.queue[0]
            size += len(command.octets("Item/Data")) + 250
            if size > session.limit and len(within.parts) > empty:
                break
            session.queue.pop(0)
            command.parts[0] = _number(session)
            key = str(session.number), command.text("CmdID")
            session.sent[key] = guid, self.items.get(guid)
            within.parts.append(command)
            room -= 1
        yield sync
        if not session.queue:
            session.stage = "end"
            yield node("Final")

    def _pieces(self, session: _Session) -> Iterator[tuple[str, Node, bool]]:
        """Give commands, and of each whether its item goes on in the next message."""
        manners = self.manners
        fresh = {guid: "Add" for guid in self.items if guid not in session.seen}
        wanted = dict(self.changed) if session.kind == 200 else fresh
        for guid, kind in wanted.items():
            target = node("Target", node("LocURI", self.maps.get(guid, "")))
            source = node("Source", node("LocURI", guid))
            known = [target, source] if manners.both else [target]
            if kind == "Delete":
                if guid in self.maps:
                    yield guid, node(kind, node("CmdID", 0), node("Item", *known)), False
                continue
            verb = kind if kind == "Replace" else manners.verb
            places = known if kind == "Replace" else [source]
            data = self.items[guid]
            data = base64.b64encode(data) if manners.base64 else data
            step = manners.chunk or max(len(data), 1)
            for at in range(0, len(data) or 1, step):
                more = at + step < len(data)
                form = [node("Format", "b64")] if manners.base64 else []
                meta = node("Meta", *form, node("Type", "text/plain"))
                size = [node("Size", len(data))] if more and at == 0 else []
                own = node("Meta", *(meta.parts if manners.at_item else []), *size)
                item = node("Item", *places, *([own] if own.parts else []))
                item.parts.append(node("Data", data[at : at + step]))
                item.parts += [node("MoreData")] if more else []
                at_command = [] if manners.at_item else [meta]
                yield guid, node(verb, node("CmdID", 0), *at_command, item), more

    def _places(self, session: _Session) -> tuple[Node, Node]:
        ours = node("Source", node("LocURI", f"{self.manners.prefix}db"))
        return node("Target", node("LocURI", session.place)), ours


def _number(session: _Session) -> Node:
    session.command += 1
    return node("CmdID", session.command)
