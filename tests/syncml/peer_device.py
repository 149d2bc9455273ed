"""A SyncML device that owes nothing to `cardsync.syncml`: items, manners, sessions.

DS Protocol 1.0 to 1.2 as devices of twenty years have read it. What is not as the standard says
is noted in `notes`, and the session goes on where it can.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from syncml.peer_tree import Node, decode, encode, node

URL = "http://a.example/syncml"
Post = Callable[[str, str, bytes], tuple[str, bytes]]
"""Bring a message to an address, with its type; give type and octets of the reply."""


@dataclass(frozen=True)
class Manners:
    """How a device speaks; as it stands here it is the plainest of all."""

    version: str = "1.2"
    binary: bool = True
    device: str = "IMEI:490154203237518"
    put: bool = True  # tells its device information
    get: bool = False  # asks for the server's
    alone: bool = False  # both in a package of their own, before the Alert
    auth: str = ""  # basic, md5
    max_msg: int = 16000
    per_message: int = 1000  # commands of a message of ours
    chunk: int = 0  # octets of a piece of an item, 0 for whole ones
    replaces: bool = False  # says Replace of what is new, too
    base64: bool = False
    maps: str = "now"  # in the next session: late
    last: str = "none"  # how "never" is said: empty, zero
    names: bool = True  # in a Status, of what it answers
    asks: bool = True  # by Alert 222 where the server's package goes on
    counts: bool = True  # NumberOfChanges
    keeps_url: bool = False
    session: str = ""  # always the same
    twice: bool = False  # every message, as after a reply that was lost
    prefix: str = "./"


@dataclass
class Device:
    """A database of a device. What its owner has changed since the last good session waits."""

    post: Post
    manners: Manners = field(default_factory=Manners)
    items: dict[str, bytes] = field(default_factory=dict)
    changed: dict[str, str] = field(default_factory=dict)
    target: str = "db"
    sent: int = 0
    got: int = 0
    kind: int = 0
    messages: int = 0
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin with no session."""
        self._sessions = self._count = 0
        self._last = self._server_last = ""
        self._maps: list[tuple[str, str]] = []
        self._nonce = b""

    # --- its owner --------------------------------------------------------------------------

    def put(self, data: bytes, name: str = "") -> str:
        """Write an item, a new one without a name."""
        if not name:
            self._count += 1
            name = str(self._count)
        is_new = name not in self.items or self.changed.get(name) == "Add"
        self.changed[name] = "Add" if is_new else "Replace"
        self.items[name] = data
        return name

    def drop(self, name: str) -> None:
        """Delete an item."""
        del self.items[name]
        self.changed[name] = "Delete"

    def name(self, data: bytes) -> str:
        """Give the name of what holds this."""
        return next(name for name, each in self.items.items() if each == data)

    # --- a session --------------------------------------------------------------------------

    def sync(self, kind: int = 200) -> None:
        """Run a session to its end; `sent` and `got` count items, `kind` is what was agreed."""
        self._sessions += 1
        self._session = self.manners.session or str(self._sessions)
        self._url, self.messages, self.sent, self.got = URL, 0, 0, 0
        self._known, self._owed = not self.manners.auth, list[Node]()
        self._said: dict[tuple[str, str], tuple[str, bytes | None]] = {}
        self._chunks: dict[str, tuple[int, bytes]] = {}
        self._next, self.kind = f"{self._sessions}00", 0
        reply = self._initialize(kind)
        reply = self._send(reply)
        self._receive(reply)
        self._last, self._server_last = self._next, self._server_next

    def _initialize(self, kind: int) -> Node:
        """Package 1, as often as credentials are asked for; what is left of package 2."""
        manners, told = self.manners, []
        if manners.put:
            told.append(self._devinf("Put"))
        if manners.get:
            told.append(node("Get", node("CmdID", 0), _type(manners), _item(_devinf_uri(manners))))
        begin = [self._alert(kind), node("Final")]
        for _ in range(3):
            reply = self._exchange(told if manners.alone else told + begin)
            if self._header_code(reply) not in ("401", "407"):
                break
        if manners.alone:
            self._take(reply)
            reply = self._exchange(begin)
        self._take(reply)
        while not (reply.one("SyncBody/Final") and self.kind) and self.messages < 40:
            reply = self._exchange([self._ask()])
            self._take(reply)
        return reply

    def _send(self, reply: Node) -> Node:
        """Package 3: what was changed, or all there is, in as many messages as it takes."""
        waiting = list(self._pieces())
        late, self._maps = (self._maps, []) if self.manners.maps == "late" else ([], self._maps)
        counts = self.manners.counts and self.manners.version != "1.0"
        while True:
            sync = node("Sync", node("CmdID", 0), *self._places())
            sync.parts += [node("NumberOfChanges", self.sent)] if counts else []
            counts = False
            room, more = self.manners.per_message, False
            while waiting and room and not more:
                command, more = waiting.pop(0)
                sync.parts.append(command)
                room -= 1
            body = [*self._map(late), sync]
            late = []
            reply = self._exchange(body if waiting else [*body, node("Final")])
            self._take(reply)
            if not waiting:
                return reply

    def _receive(self, reply: Node) -> None:
        """Take package 4, and send package 5, until the server has it."""
        for _ in range(400):
            final = reply.one("SyncBody/Final") is not None
            maps: list[Node] = []
            if self.manners.maps == "now":
                maps, self._maps = self._map(self._maps), []
            if final and not (self._owed or maps):
                return
            end = [node("Final")] if final else [self._ask()] if self.manners.asks else []
            reply = self._exchange([*maps, *end])
            self._take(reply)
        self.notes.append("a session without end")

    # --- messages ---------------------------------------------------------------------------

    def _exchange(self, body: list[Node]) -> Node:
        self.messages += 1
        manners = self.manners
        size = node("Meta", node("MaxMsgSize", manners.max_msg)) if manners.max_msg else None
        name = node("LocName", "u") if manners.auth == "md5" else None  # a digest does not tell it
        header = node(
            "SyncHdr",
            node("VerDTD", manners.version),
            node("VerProto", f"SyncML/{manners.version}"),
            node("SessionID", self._session),
            node("MsgID", self.messages),
            node("Target", node("LocURI", self._url)),
            node("Source", node("LocURI", manners.device), name),
            self._cred(),
            size,
        )
        commands = [*self._owed, *body]
        self._owed = []
        self._number(commands)
        octets = encode(
            node("SyncML", header, node("SyncBody", *commands)),
            manners.version,
            binary=manners.binary,
        )
        kind = f"application/vnd.syncml+{'wbxml' if manners.binary else 'xml'}"
        replies = [self.post(self._url, kind, octets)[1] for _ in range(1 + manners.twice)]
        answer = replies[-1]
        if answer != replies[0]:
            self.notes.append("another reply to the same message")
        reply = decode(answer)
        if not reply.one("SyncBody/Results") and len(answer) > (manners.max_msg or len(answer)):
            self.notes.append(f"{len(answer)} octets")
        if not manners.keeps_url:
            self._url = reply.text("SyncHdr/RespURI") or self._url
        return reply

    def _number(self, commands: list[Node]) -> None:
        """Give the commands their numbers, and remember which item is in which."""
        number = 0
        for command in commands:
            for each in [command, *command.parts] if command.name == "Sync" else [command]:
                for part in each.parts[:1]:
                    if part.name == "CmdID":
                        number += 1
                        part.data = str(number).encode()
                        name = each.text("Item/Source/LocURI")
                        key = str(self.messages), str(number)
                        self._said[key] = name, self.items.get(name)

    def _cred(self) -> Node | None:
        if self._known or not (self.manners.auth == "basic" or self._nonce):
            return None
        shown = b"u:secret"
        if self.manners.auth == "md5" and self.manners.version != "1.0":
            shown = base64.b64encode(hashlib.md5(shown).digest())
        if self.manners.auth == "md5":
            shown = hashlib.md5(shown + b":" + self._nonce).digest()
        kind = node("Type", f"syncml:auth-{self.manners.auth}")
        meta = node("Meta", node("Format", "b64"), kind)
        return node("Cred", meta, node("Data", base64.b64encode(shown)))

    def _header_code(self, reply: Node) -> str:
        """Take what the server thinks of our header."""
        (status,) = [e for e in reply.all("SyncBody/Status") if e.text("Cmd") == "SyncHdr"]
        nonce = status.octets("Chal/Meta/NextNonce")
        self._nonce = base64.b64decode(nonce) or self._nonce
        self._known |= status.text("Data") == "212"
        return status.text("Data")

    def _status(self, reply: Node, command: Node, code: int, item: Node | None = None) -> None:
        ends = [end for end in ("Target", "Source") if item and item.one(end)]
        named = ends if item and self.manners.names else []
        names = [node(f"{end}Ref", item.text(f"{end}/LocURI")) for end in named if item]
        ref = node("MsgRef", reply.text("SyncHdr/MsgID")), node("CmdRef", command.text("CmdID"))
        cmd = node("Cmd", command.name)
        self._owed.append(node("Status", node("CmdID", 0), *ref, cmd, *names, node("Data", code)))

    def _alert(self, kind: int) -> Node:
        never: dict[str, Node | None] = {"empty": node("Last", ""), "zero": node("Last", "0")}
        last = node("Last", self._last) if self._last else never.get(self.manners.last)
        meta = node("Meta", node("Anchor", last, node("Next", self._next)))
        return node(
            "Alert", node("CmdID", 0), node("Data", kind), node("Item", *self._places(), meta)
        )

    def _ask(self) -> Node:
        places = (
            node("Target", node("LocURI", URL)),
            node("Source", node("LocURI", self.manners.device)),
        )
        return node("Alert", node("CmdID", 0), node("Data", 222), node("Item", *places))

    def _places(self) -> tuple[Node, Node]:
        mine = node("Source", node("LocURI", f"{self.manners.prefix}mine"))
        return node("Target", node("LocURI", self.target)), mine

    def _map(self, maps: list[tuple[str, str]]) -> list[Node]:
        items = [
            node("MapItem", node("Target", node("LocURI", g)), node("Source", node("LocURI", name)))
            for g, name in maps
        ]
        return [node("Map", node("CmdID", 0), *self._places(), *items)] if items else []

    def _devinf(self, command: str, *refs: Node) -> Node:
        manners, types = self.manners, node("CTType", "text/plain")
        pref = [node(way, types, node("VerCT", "1.0")) for way in ("Rx-Pref", "Tx-Pref")]
        able = [] if manners.version == "1.0" else [node("SupportLargeObjs")]
        described = node(
            "DevInf",
            node("VerDTD", manners.version),
            node("DevID", manners.device),
            node("DevTyp", "phone"),
            *able,
            node(
                "DataStore",
                node("SourceRef", f"{manners.prefix}mine"),
                *pref,
                node("SyncCap", node("SyncType", 1)),
            ),
        )
        item = node("Item", node("Source", node("LocURI", _devinf_uri(manners))))
        item.parts.append(node("Data", described))
        return node(command, node("CmdID", 0), *refs, _type(manners), item)

    # --- items ------------------------------------------------------------------------------

    def _pieces(self) -> Iterator[tuple[Node, bool]]:
        """Give commands, and of each whether its item goes on in the next message."""
        manners = self.manners
        wanted = dict(self.changed) if self.kind == 200 else dict.fromkeys(self.items, "Add")
        self.sent = len(wanted)
        for name, kind in wanted.items():
            verb = "Replace" if manners.replaces and kind == "Add" else kind
            place = node("Source", node("LocURI", name))
            if kind == "Delete":
                yield node(verb, node("CmdID", 0), node("Item", place)), False
                continue
            data = self.items[name]
            data = base64.b64encode(data) if manners.base64 else data
            form = node("Format", "b64") if manners.base64 else None
            step = manners.chunk or max(len(data), 1)
            for at in range(0, len(data) or 1, step):
                more = at + step < len(data)
                size = node("Size", len(data)) if more and at == 0 else None
                meta = node("Meta", form, node("Type", "text/plain"), size)
                item = node("Item", place, meta, node("Data", data[at : at + step]))
                item.parts += [node("MoreData")] if more else []
                yield node(verb, node("CmdID", 0), item), more

    def _take(self, reply: Node) -> None:
        body = reply.one("SyncBody")
        for command in body.parts if body else []:
            match command.name:
                case "Status":
                    self._on_status(command)
                case "Alert" if command.text("Data") != "222":
                    self._on_alert(command)
                    self._status(reply, command, 200, command.one("Item"))
                case "Alert" | "Put" | "Results" | "Get":
                    self._status(reply, command, 200)
                    if command.name == "Get":
                        refs = node("MsgRef", reply.text("SyncHdr/MsgID"))
                        self._owed.append(
                            self._devinf("Results", refs, node("CmdRef", command.text("CmdID")))
                        )
                case "Sync":
                    self._on_sync(reply, command)
                case "Final":
                    pass
                case _:
                    self.notes.append(command.name)

    def _on_sync(self, reply: Node, sync: Node) -> None:
        self._status(reply, sync, 200, sync)
        for command in sync.parts:
            if command.name in ("Add", "Replace", "Delete"):
                for item in command.all("Item"):
                    self._status(reply, command, self._change(command, item), item)

    def _on_status(self, status: Node) -> None:
        key, code = (status.text("MsgRef"), status.text("CmdRef")), status.text("Data")
        if status.text("Cmd") == "Alert" and code == "508":
            return
        if code[0] != "2" and code != "418":
            self.notes.append(f"{status.text('Cmd')} {code}")
        elif status.text("Cmd") in ("Add", "Replace", "Delete") and code != "213":
            name, data = self._said[key]
            if self.items.get(name) == data:
                self.changed.pop(name, None)

    def _on_alert(self, alert: Node) -> None:
        anchor = "Item/Meta/Anchor"
        self.kind, self._server_next = int(alert.text("Data")), alert.text(f"{anchor}/Next")
        if self.kind == 200 and alert.text(f"{anchor}/Last") != self._server_last:
            self.notes.append("another anchor than the last one")

    def _change(self, command: Node, item: Node) -> int:
        """Do what the server asks of an item; give the status."""
        name, theirs = item.text("Target/LocURI"), item.text("Source/LocURI")
        if command.name == "Delete":
            self.got += 1
            self.changed.pop(name, None)
            return 200 if self.items.pop(name, None) is not None else 211
        data, size = item.octets("Data"), item.text("Meta/Size")
        expected, before = self._chunks.pop(name or theirs, (int(size or 0), b""))
        data = before + data
        if item.one("MoreData"):
            self._chunks[name or theirs] = expected, data
            return 213
        if expected not in (0, len(data)):
            self.notes.append(f"{len(data)} octets of {expected}")
        if "b64" in (item.text("Meta/Format"), command.text("Meta/Format")):
            data = base64.b64decode(data)
        self.got += 1
        if name in self.items:
            self.items[name] = data
            self.changed.pop(name, None)
            return 200
        self._count += 1
        self.items[str(self._count)] = data
        self._maps.append((theirs, str(self._count)))
        return 201


def _type(manners: Manners) -> Node:
    kind = "wbxml" if manners.binary else "xml"
    return node("Meta", node("Type", f"application/vnd.syncml-devinf+{kind}"))


def _devinf_uri(manners: Manners) -> str:
    return f"./devinf{manners.version.replace('.', '')}"


def _item(target: str) -> Node:
    return node("Item", node("Target", node("LocURI", target)))
