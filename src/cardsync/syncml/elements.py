"""The elements of a SyncML message as frozen values, the same for 1.0, 1.1 and 1.2.

OMA SyncML Representation Protocol 1.2 clause 6, SyncML Meta-Information 1.2, Data Sync usage.
One tree, two representations: `xml.py` and `wbxml.py` write and read these. Text is `str`,
the content of an item is `bytes` (UTF-8 where the peer sent characters). Attributes carry the
names of the elements in the manner of Python: `LocURI` is `uri`, `MsgID` is `msg_id`.
"""

from dataclasses import dataclass, field
from enum import Enum, IntEnum

from cardsync.syncml.devinf import CtCap, DevInf


class Version(Enum):
    """A version of the protocol: VerDTD, VerProto, the formal public identifier."""

    V1_0 = ("1.0", "SyncML/1.0")
    V1_1 = ("1.1", "SyncML/1.1")
    V1_2 = ("1.2", "SyncML/1.2")

    @property
    def dtd(self) -> str:
        """What VerDTD says."""
        return self.value[0]

    @property
    def proto(self) -> str:
        """What VerProto says."""
        return self.value[1]


class AlertCode(IntEnum):
    """What an Alert says. OMA DS Protocol 1.2, "Alert Codes"."""

    DISPLAY = 100
    TWO_WAY = 200
    SLOW = 201
    ONE_WAY_FROM_CLIENT = 202
    REFRESH_FROM_CLIENT = 203
    ONE_WAY_FROM_SERVER = 204
    REFRESH_FROM_SERVER = 205
    TWO_WAY_BY_SERVER = 206
    ONE_WAY_FROM_CLIENT_BY_SERVER = 207
    REFRESH_FROM_CLIENT_BY_SERVER = 208
    ONE_WAY_FROM_SERVER_BY_SERVER = 209
    REFRESH_FROM_SERVER_BY_SERVER = 210
    RESULT = 221
    NEXT_MESSAGE = 222
    NO_END_OF_DATA = 223
    SUSPEND = 224
    RESUME = 225


@dataclass(frozen=True, slots=True)
class Anchor:
    """Synchronization anchors: `last` is absent where everything is sent anew."""

    next: str
    last: str | None = None


@dataclass(frozen=True, slots=True)
class Mem:
    """Memory left: octets, and the number of items; None where a peer leaves one out."""

    free: int | None = None
    free_id: int | None = None
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Meta:
    """Meta-information; every field is optional. `field_level` is of 1.2."""

    format: str | None = None
    type: str | None = None
    mark: str | None = None
    size: int | None = None
    anchor: Anchor | None = None
    version: str | None = None
    next_nonce: str | None = None
    max_msg_size: int | None = None
    max_obj_size: int | None = None
    mem: Mem | None = None
    emi: tuple[str, ...] = ()
    field_level: bool = False


Data = bytes | Meta | DevInf | CtCap


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter of a source or target database, 1.2.

    The item of `record` names the grammar and the query, that of `field` the properties.
    """

    meta: Meta | None = None
    field: "Item | None" = None
    record: "Item | None" = None
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Location:
    """A Target or a Source: a LocURI, a LocName for people, and in 1.2 a filter."""

    uri: str
    name: str | None = None
    filter: Filter | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a command; `more_data` says that its data goes on in the next message."""

    target: Location | None = None
    source: Location | None = None
    meta: Meta | None = None
    data: Data | None = None
    more_data: bool = False
    source_parent: str | None = None
    target_parent: str | None = None


@dataclass(frozen=True, slots=True)
class Cred:
    """Credentials: `meta.type` names the scheme, `data` as it stands (base64 where it says so).

    The data is a secret and does not show.
    """

    data: bytes = field(repr=False)
    meta: Meta | None = None


@dataclass(frozen=True, slots=True)
class Chal:
    """A challenge: scheme, format and next nonce stand in `meta`."""

    meta: Meta


@dataclass(frozen=True, slots=True)
class SyncHdr:
    """The header of a message. `session_id` is text, `msg_id` counts from 1."""

    session_id: str
    msg_id: int
    target: Location
    source: Location
    version: Version = Version.V1_2
    resp_uri: str | None = None
    no_resp: bool = False
    cred: Cred | None = None
    meta: Meta | None = None


@dataclass(frozen=True, slots=True)
class _Manipulation:
    """What Add, Replace, Delete, Copy and Move share."""

    cmd_id: int
    items: tuple[Item, ...]
    meta: Meta | None = None
    no_resp: bool = False
    cred: Cred | None = None


@dataclass(frozen=True, slots=True)
class Add(_Manipulation):
    """Add items; each is named by the sender's Source."""


@dataclass(frozen=True, slots=True)
class Replace(_Manipulation):
    """Replace items, or add those that are not there."""


@dataclass(frozen=True, slots=True)
class Delete(_Manipulation):
    """Delete items; `archive` keeps them elsewhere, `soft` forgets them at the receiver only."""

    archive: bool = False
    soft: bool = False


@dataclass(frozen=True, slots=True)
class Copy(_Manipulation):
    """Copy items."""


@dataclass(frozen=True, slots=True)
class Move(_Manipulation):
    """Move items to another parent, 1.2."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An Alert; `code` is its Data, 0 where there is none."""

    cmd_id: int
    code: int = 0
    items: tuple[Item, ...] = ()
    no_resp: bool = False
    cred: Cred | None = None
    correlator: str | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """The answer to one command of message `msg_ref`; `cmd_ref` 0 is the header."""

    cmd_id: int
    msg_ref: int
    cmd_ref: int
    cmd: str
    code: int
    target_refs: tuple[str, ...] = ()
    source_refs: tuple[str, ...] = ()
    chal: Chal | None = None
    cred: Cred | None = None
    items: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True)
class Get:
    """Ask for items, such as the device information."""

    cmd_id: int
    items: tuple[Item, ...]
    meta: Meta | None = None
    no_resp: bool = False
    cred: Cred | None = None
    lang: str | None = None


@dataclass(frozen=True, slots=True)
class Put:
    """Give items, such as the device information."""

    cmd_id: int
    items: tuple[Item, ...]
    meta: Meta | None = None
    no_resp: bool = False
    cred: Cred | None = None
    lang: str | None = None


@dataclass(frozen=True, slots=True)
class Results:
    """The answer to a Get, beside its Status."""

    cmd_id: int
    cmd_ref: int
    items: tuple[Item, ...]
    msg_ref: int | None = None
    meta: Meta | None = None
    target_ref: str | None = None
    source_ref: str | None = None


@dataclass(frozen=True, slots=True)
class MapItem:
    """`target` is the server's identifier (GUID), `source` the client's (LUID)."""

    target: str
    source: str


@dataclass(frozen=True, slots=True)
class Map:
    """The client's identifiers for items that the server added."""

    cmd_id: int
    target: Location
    source: Location
    items: tuple[MapItem, ...]
    meta: Meta | None = None
    cred: Cred | None = None


@dataclass(frozen=True, slots=True)
class Exec:
    """Execute; of device management, kept to be refused properly."""

    cmd_id: int
    items: tuple[Item, ...] = ()
    meta: Meta | None = None
    no_resp: bool = False
    cred: Cred | None = None
    correlator: str | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """Search `sources` by the query in `data`; kept to be refused properly."""

    cmd_id: int
    sources: tuple[Location, ...] = ()
    data: bytes = b""
    target: Location | None = None
    meta: Meta | None = None
    no_resp: bool = False
    cred: Cred | None = None
    no_results: bool = False
    lang: str | None = None


@dataclass(frozen=True, slots=True)
class Sync:
    """The changes of one database, in the order in which they are applied."""

    cmd_id: int
    target: Location | None = None
    source: Location | None = None
    meta: Meta | None = None
    number_of_changes: int | None = None
    commands: "tuple[Command, ...]" = ()
    no_resp: bool = False
    cred: Cred | None = None


@dataclass(frozen=True, slots=True)
class Atomic:
    """All of its commands or none."""

    cmd_id: int
    commands: "tuple[Command, ...]"
    meta: Meta | None = None
    no_resp: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    """Its commands in this order."""

    cmd_id: int
    commands: "tuple[Command, ...]"
    meta: Meta | None = None
    no_resp: bool = False


@dataclass(frozen=True, slots=True)
class Unread:
    """A command of a peer that does not say what it must, and is refused by itself.

    `name` is its element, `code` the Status that it is owed, `reason` what is wrong and where,
    without what it holds.
    """

    cmd_id: int
    name: str
    code: int
    reason: str
    no_resp: bool = False


Command = (
    Add | Replace | Delete | Copy | Move | Alert | Status | Get | Put | Results
    | Map | Exec | Search | Sync | Atomic | Sequence | Unread
)  # fmt: skip


def name_of(command: Command) -> str:
    """Give the name of a command's element."""
    return command.name if isinstance(command, Unread) else type(command).__name__


@dataclass(frozen=True, slots=True)
class Message:
    """A SyncML message; `final` says that it is the last one of its package."""

    header: SyncHdr
    commands: tuple[Command, ...] = ()
    final: bool = False
