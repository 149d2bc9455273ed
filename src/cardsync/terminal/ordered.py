"""What a REQUEST SYNCHRONIZATION orders, checked against what this terminal can do.

docs/request-synchronization.md clauses 3, 4 and 8.2: everything that the synchronization needs
is in the command; what is missing, unknown or not for this terminal is refused at once, by name.
"""

from base64 import b64encode
from collections.abc import Container, Iterable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol, TypeVar

from cardsync.errors import PeerError
from cardsync.octets.semi import unswapped
from cardsync.syncml.elements import AlertCode
from cardsync.terminal import outcome
from cardsync.toolkit import synchronization_objects as so
from cardsync.toolkit.browser import Url
from cardsync.toolkit.codes import GeneralResult
from cardsync.toolkit.commands import ProactiveCommand, first
from cardsync.toolkit.information import Imei
from cardsync.toolkit.objects import Duration, Result
from cardsync.toolkit.synchronization import Permanent, Qualifier, reference_of
from cardsync.transport.carrier import CarrierError, parted

DATABASES = {"devman", "./devman", ""}
_VERSIONS = {0x00, 0x12}
_REPRESENTATIONS = {so.Representation.ANY, so.Representation.WBXML, so.Representation.XML}
_LONGEST = 30 * 60.0  # seconds of a session, where the command has no duration: T3
_PROGRESS = 2  # mode of the notification: final and progress
_INTERVAL = 6  # tens of seconds between two progress events, where the command names none
_DEFAULT_MASK = 0x0003  # identity and language, where the command has no category mask
_SCHEMES: dict[int, tuple[str, ...]] = {
    so.Transport.WSP: ("http", "wsp"),
    so.Transport.WSP_CONNECTIONLESS: ("http", "wsp"),
    so.Transport.HTTP: ("http",),
    so.Transport.HTTPS: ("https",),
    so.Transport.OBEX: ("http", "obex"),
}
"""Which addresses a transport fits: docs/request-synchronization.md table 8.3A."""


_Wanted = TypeVar("_Wanted")


class Refused(PeerError):
    """The order is refused with this result."""

    def __init__(self, result: Result) -> None:
        super().__init__(f"refused: {result.value().hex().upper()}", answer=result.general)
        self.result = result


@dataclass(frozen=True, slots=True)
class Ordered:
    """An order that can be done. `kind` is a SyncML alert code or 0; `token` is base64 or None.

    `transports` are those that can be used, the most wanted first; `gateway` is host and port of
    the WAP gateway that the command names.
    `seconds` is the longest that it may take, `interval` the least seconds between two progress
    events, None where there shall be none. `confirmed` says that the user has to be asked,
    `convenient` that it may wait for its constraints. `source` is None for the terminal's own
    database of the device.
    """

    reference: bytes
    transports: tuple[int, ...]
    gateway: tuple[str, int | None] | None
    representation: int
    kind: int
    server: str
    target: str
    mask: int
    token: bytes | None
    seconds: float
    interval: float | None
    constraints: so.Constraints | None
    confirmed: bool
    convenient: bool
    source: so.SourceDatabase | None = None

    @property
    def in_card(self) -> bool:
        """Whether the source lies in the card."""
        return self.source is not None and self.source.device_type == so.DeviceIdType.ICCID

    def __repr__(self) -> str:
        """Leave the token out."""
        return f"Ordered({self.reference.hex()}, {self.server}, {self.target}, {self.kind})"


class Known(Protocol):
    """The databases of a terminal beside its own of the device."""

    def has(self, source: so.SourceDatabase, *, in_card: bool) -> bool:
        """Say whether one is there, as far as can be said before it is opened."""


def read_order(
    command: ProactiveCommand,
    imei: str,
    transports: Container[int],
    card: str = "",
    known: Known | None = None,
) -> Ordered:
    """Read and check a *start*, steps 3 to 10; raise `Refused` with the result that is owed.

    `card` is the ICCID of the card that sent it.
    """
    parts, qualifier = command.parts, command.details.qualifier
    if first(parts, so.ProfileReference) is not None:  # this terminal has no profile
        raise Refused(Result(GeneralResult.VALUES_MISSING))
    protocol = _needed(first(parts, so.SynchronizationProtocol))
    offered = _needed(first(parts, so.TransportList)).transports
    kind = _needed(first(parts, so.SynchronizationType)).code
    source = _needed(first(parts, so.SourceDatabase))
    target = _needed(first(parts, so.TargetDatabase))
    _check_protocol(protocol)
    other = _other(source, known, in_card=_check_device(source, imei, card))
    server = _server(target)
    mask, limit = first(parts, so.CategoryMask), first(parts, Duration)
    return Ordered(
        reference_in(command),
        _transports(offered, transports, server),
        _gateway(first(parts, Url)),
        protocol.representation,
        kind,
        server,
        _database(target, Permanent.TARGET_DATABASE_UNKNOWN),
        _DEFAULT_MASK if mask is None else mask.mask,
        _token(first(parts, so.AuthenticationReference)),
        _LONGEST if limit is None else limit.seconds,
        _interval(first(parts, so.Notification)),
        first(parts, so.Constraints),
        bool(qualifier & Qualifier.CONFIRM),
        bool(qualifier & Qualifier.WHEN_CONVENIENT),
        other,
    )


def capability(transports: Iterable[int]) -> so.Capability:
    """Give all that `read_order` takes. docs/request-synchronization.md clause 8.12."""
    return so.Capability(
        (so.Protocol.SYNCML_DS,),
        (so.Representation.WBXML, so.Representation.XML),
        tuple(sorted(set(transports) & set(_SCHEMES))),
        tuple(range(AlertCode.TWO_WAY, AlertCode.REFRESH_FROM_SERVER + 1)),
        (so.AuthenticationScheme.NONE, so.AuthenticationScheme.ONE_TIME_TOKEN),
    )


def reference_in(command: ProactiveCommand) -> bytes:
    """Give the session reference; where the card gave none, one that the command always has."""
    parts = b"".join([part.encode() for part in command.parts])
    return reference_of(command) or sha256(parts).digest()[:8]


def is_owed(command: ProactiveCommand) -> bool:
    """Say whether the card wants to hear how it ended."""
    notification = first(command.parts, so.Notification)
    return notification is not None and notification.mode > 0


def _interval(notification: so.Notification | None) -> float | None:
    if notification is None or notification.mode < _PROGRESS:
        return None
    return 10.0 * (notification.interval or _INTERVAL)


def _needed(found: _Wanted | None) -> _Wanted:
    if found is None:
        raise Refused(Result(GeneralResult.VALUES_MISSING))
    return found


def _check_protocol(protocol: so.SynchronizationProtocol) -> None:
    if protocol.protocol not in {so.Protocol.TERMINAL_DEFAULT, so.Protocol.SYNCML_DS}:
        raise Refused(outcome.refused(Permanent.PROTOCOL))
    if protocol.version not in _VERSIONS:
        raise Refused(outcome.refused(Permanent.VERSION))
    if protocol.representation not in _REPRESENTATIONS:
        raise Refused(outcome.refused(Permanent.REPRESENTATION))


def _check_device(source: so.SourceDatabase, imei: str, card: str) -> bool:
    """Refuse what is neither this terminal nor this card; say whether it is the card. RS-35."""
    named = (source.device_type, source.device)
    if named[0] == so.DeviceIdType.ICCID and card and unswapped(source.device) == card:
        return True
    ours = (so.DeviceIdType.IMEI, Imei(imei).value())
    if source.device_type != so.DeviceIdType.THIS_TERMINAL and named != ours:
        raise Refused(outcome.refused(Permanent.NOT_THIS_TERMINAL))
    return False


def _other(
    source: so.SourceDatabase, known: Known | None, *, in_card: bool
) -> so.SourceDatabase | None:
    """Give the source, None for the terminal's own database of the device; refuse what is not."""
    own = source.database_type == so.DatabaseIdType.DEFAULT
    if source.database_type == so.DatabaseIdType.URI:
        own = _database(source, Permanent.SOURCE_UNKNOWN) in DATABASES
    if own and not in_card:
        return None
    if known is None or not known.has(source, in_card=in_card):
        raise Refused(outcome.refused(Permanent.SOURCE_UNKNOWN))
    return source


def _database(named: so.Database, otherwise: Permanent) -> str:
    with suppress(PeerError):
        if named.uri is not None:
            return named.uri
    raise Refused(outcome.refused(otherwise))


def _server(target: so.TargetDatabase) -> str:
    if target.device_type != so.DeviceIdType.URI:
        raise Refused(outcome.refused(Permanent.TARGET_UNREACHABLE))
    try:
        return target.device.decode("ascii")
    except UnicodeDecodeError as exc:
        raise Refused(outcome.refused(Permanent.TARGET_UNREACHABLE)) from exc


def _transports(offered: tuple[int, ...], ours: Container[int], server: str) -> tuple[int, ...]:
    """Take the transports of the list that we have and that fit the address, each once."""
    scheme = server.partition("://")[0].lower()
    wanted = dict.fromkeys(offered)
    usable = tuple([one for one in wanted if one in ours and scheme in _SCHEMES.get(one, ())])
    if not usable:
        raise Refused(outcome.refused(Permanent.TRANSPORT))
    return usable


def _gateway(proxy: Url | None) -> tuple[str, int | None] | None:
    """Give the WAP gateway that the command names, `wsp://HOST:PORT`; other proxies are none."""
    if proxy is None:
        return None
    try:
        parts = parted(proxy.url, ("wsp",))
    except CarrierError:
        return None
    return parts.hostname or "", parts.port


def _token(reference: so.AuthenticationReference | None) -> bytes | None:
    """Give the one-time token in base64; other schemes need what this agent does not have."""
    if reference is None or reference.scheme == so.AuthenticationScheme.NONE:
        return None
    if reference.scheme != so.AuthenticationScheme.ONE_TIME_TOKEN:
        raise Refused(outcome.refused(Permanent.CLIENT_AUTHENTICATION))
    return b64encode(reference.data)
