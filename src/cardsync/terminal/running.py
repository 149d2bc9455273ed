"""One ordered synchronization while it runs: its messages, its limits, how far it is.

It runs in a thread of its own, or in that of its caller; meanwhile other threads may read
`so_far` and set `stop`.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Protocol

from cardsync.errors import CardsyncError, ConfigError, LocalError
from cardsync.syncml import auth, codec
from cardsync.syncml.client import ClientConfig, ClientSession, DatabaseRequest
from cardsync.syncml.datastore import ClientDatastore
from cardsync.syncml.devinf import DevInf
from cardsync.syncml.elements import AlertCode, Version
from cardsync.syncml.events import Applied, SessionResult
from cardsync.terminal import outcome
from cardsync.terminal.conditions import KILOBYTE, UNLIMITED, Conditions
from cardsync.terminal.databases.management import ManagementDatabase, StorageError
from cardsync.terminal.ordered import Ordered
from cardsync.toolkit.objects import Result
from cardsync.toolkit.synchronization import Permanent, Temporary, Unable
from cardsync.toolkit.synchronization_objects import (
    Phase,
    Representation,
    SourceDatabase,
    Summary,
    Transport,
)
from cardsync.transport.carrier import Carrier, CarrierError, Failure, Relayed, check_tls
from cardsync.transport.wsp_client import LARGEST_UNIT

_CONTENT_TYPES = {Representation.XML: codec.XML}
_RESENDS = 2  # of one message, where the carrier lost it or its answer
_LOST = {Failure.UNREACHABLE, Failure.TIMED_OUT}
_PASSED_OVER = _LOST | {Failure.UNSUPPORTED}
"""After these the first message goes by the next transport of the list."""


Heard = Callable[[str, bytes], None]
"""Hears each SyncML message: `request` or `response`, and its octets."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What the agent says of the device: its IMEI and its device information."""

    imei: str
    devinf: DevInf

    @property
    def uri(self) -> str:
        """The device identifier in SyncML."""
        return f"IMEI:{self.imei}"


class Sources(Protocol):
    """The databases of a terminal beside its own of the device, and the files of its card."""

    def has(self, source: SourceDatabase, *, in_card: bool) -> bool:
        """Say whether one is there, as far as can be said before it is opened."""

    def open(
        self, source: SourceDatabase, card: str, peer: str, *, in_card: bool
    ) -> AbstractContextManager[ClientDatastore]:
        """Open one while it is used; raise `ConfigError` if it cannot be read."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a terminal synchronizes with. `carriers` are by transport, as the command has them."""

    identity: Identity
    database: ManagementDatabase
    carriers: Mapping[int, Carrier]
    clock: Callable[[], float]
    conditions: Callable[[], Conditions]
    max_msg_size: int
    heard: Heard
    sources: Sources | None = None


class _Ended(CardsyncError):
    """The session ends with this result."""

    def __init__(self, result: Result) -> None:
        super().__init__(f"ended: {result.value().hex().upper()}")
        self.result = result


class Running:
    """A session under way. `stop`, once set, is its result at the next message.

    `result` is what SyncML said at the end; None before it, or where it did not come to that.
    """

    def __init__(self, ordered: Ordered, card: str, anchor: str, means: Means) -> None:
        self.result: SessionResult | None = None
        self.stop: Result | None = None
        self.started = means.clock()
        self._ordered = ordered
        self._card = card
        self._anchor = anchor
        self._means = means
        self._so_far = Summary(Phase.CONNECTING)
        self._told_at: float | None = None
        self._ways = list(ordered.transports)
        self._opened: dict[int, Relayed] = {}

    def run(self) -> Result:
        """Synchronize to the end; give the result."""
        try:
            with self._datastore() as datastore:
                return outcome.of_session(self._synchronize(datastore))
        except ConfigError:
            return outcome.refused(Permanent.SOURCE_UNKNOWN)
        except _Ended as ended:
            return ended.result
        except CarrierError as error:
            return outcome.of_carrier(error)
        except StorageError:
            return outcome.unable(Unable.STORAGE)
        except CardsyncError:
            return outcome.refused(Permanent.INTERNAL)
        finally:
            for carrier in self._opened.values():
                carrier.close()

    def so_far(self) -> Summary:
        """Give phase and counts as they are now; of the items those that the server sent."""
        return replace(self._so_far, seconds=max(0, int(self._means.clock() - self.started)))

    def progress(self) -> Summary | None:
        """Give the same if it is time to tell the card, and then not for the interval."""
        interval, now = self._ordered.interval, self._means.clock()
        if interval is None or (self._told_at is not None and now - self._told_at < interval):
            return None
        self._told_at = now
        return self.so_far()

    @property
    def _peer(self) -> str:
        return f"{self._ordered.server}#{self._ordered.target}"

    def _datastore(self) -> AbstractContextManager[ClientDatastore]:
        """Open what is to be synchronized; the category mask is of the device's records alone."""
        ordered, sources = self._ordered, self._means.sources
        if ordered.source is None or sources is None:
            return nullcontext(self._means.database.datastore(self._peer, ordered.mask))
        return sources.open(ordered.source, self._card, self._peer, in_card=ordered.in_card)

    def _synchronize(self, datastore: ClientDatastore) -> SessionResult:
        database = self._means.database
        known, terse = f"devinf:{self._peer}", f"terse:{self._peer}"
        digest = sha256(repr(self._means.identity.devinf).encode()).digest()
        config = replace(
            self._config(datastore, put=database.recall(known) != digest),
            terse=database.recall(terse) is not None,
        )
        session = ClientSession(config)
        while (octets := session.data_to_send()) is not None:
            reply = self._exchange(session.url, config.content_type, octets)
            session.receive_data(reply)
            self._count(session, len(octets), len(reply))
        if session.result is None:
            raise LocalError("the session has neither a message nor a result")
        self.result = session.result
        if session.result.ok:
            if config.put_devinf:
                database.remember(known, digest)
            if config.terse is not session.is_server_terse:
                database.remember(terse, b"" if session.is_server_terse else None)
        elif session.result.status in {401, 407}:
            database.remember(known, None)
        return session.result

    def _count(self, session: ClientSession, up: int, down: int) -> None:
        so_far = self._so_far
        applied = [each for each in session.events() if isinstance(each, Applied)]
        if applied:
            counts = applied[-1].counts
            so_far = replace(
                so_far, added=counts.added, replaced=counts.replaced, deleted=counts.deleted,
                failed=applied[-1].failed,
            )  # fmt: skip
        up, down = so_far.octets_up + up, so_far.octets_down + down
        self._so_far = replace(so_far, phase=Phase.EXCHANGING, octets_up=up, octets_down=down)

    def _check(self, url: str, octets: int) -> None:
        """Go on only within what was ordered: its time, its limits, TLS where it has TLS."""
        if self.stop is not None:
            raise _Ended(self.stop)
        if self._means.clock() - self.started > self._ordered.seconds:
            raise _Ended(outcome.temporary(Temporary.TIMEOUT))
        check_tls(self._ordered.server, url)
        wanted = self._ordered.constraints
        if wanted is None:
            return
        conditions, so_far = self._means.conditions(), self._so_far
        if not conditions.carries(wanted):
            raise _Ended(outcome.temporary(Temporary.TRANSPORT_LOST))
        if not conditions.powers(wanted):
            raise _Ended(outcome.unable(Unable.BATTERY_LOW))
        total = so_far.octets_up + so_far.octets_down + octets
        if wanted.kilobytes != UNLIMITED and total > wanted.kilobytes * KILOBYTE:
            raise _Ended(outcome.unable(Unable.CONSTRAINT_NOT_MET))

    def _config(self, datastore: ClientDatastore, *, put: bool) -> ClientConfig:
        ordered, identity = self._ordered, self._means.identity
        kind = AlertCode(ordered.kind) if ordered.kind else AlertCode.TWO_WAY
        request = DatabaseRequest(datastore, ordered.target, kind, self._anchor)
        return ClientConfig(
            url=ordered.server,
            device_id=identity.uri,
            session_id=str(int.from_bytes(ordered.reference[-2:], "big")),
            databases=(request,),
            version=Version.V1_2,
            content_type=_CONTENT_TYPES.get(Representation(ordered.representation), codec.WBXML),
            max_msg_size=self._largest(),
            account=self._account(),
            devinf=identity.devinf,
            put_devinf=put,
        )

    def _account(self) -> auth.Account | None:
        """Show the one-time token as the password of the device. Clause 15."""
        token = self._ordered.token
        if token is None:
            return None
        return auth.Account(auth.Scheme.BASIC, self._means.identity.uri, token)

    def _exchange(self, url: str, content_type: str, octets: bytes) -> bytes:
        """Send a message; the same once more where it or its answer was lost on the way."""
        resends = _RESENDS
        self._check(url, len(octets))
        self._means.heard("request", octets)
        while True:
            try:
                kind, body = self._carrier().exchange(url, content_type, octets)
                break
            except CarrierError as error:
                if error.kind in _PASSED_OVER and len(self._ways) > 1:
                    del self._ways[0]
                elif error.kind in _LOST and resends:
                    resends -= 1
                else:
                    raise
                self._check(url, len(octets))
        del self._ways[1:]  # what has brought an answer brings the whole session
        if codec.known(kind) not in ("", content_type):  # some servers do not say it
            raise CarrierError(Failure.GARBLED, f"an answer of type {kind or 'none'}")
        self._means.heard("response", body)
        return body

    def _carrier(self) -> Carrier:
        """Give the carrier whose turn it is, by the gateway of the command if it names one."""
        transport = self._ways[0]
        carrier, gateway = self._means.carriers[transport], self._ordered.gateway
        if gateway is None or not isinstance(carrier, Relayed):
            return carrier
        if transport not in self._opened:
            self._opened[transport] = carrier.by(*gateway)
        return self._opened[transport]

    def _largest(self) -> int:
        """Give the octets of a message that every transport of the order can bring."""
        if Transport.WSP_CONNECTIONLESS in self._ordered.transports:
            return min(self._means.max_msg_size, LARGEST_UNIT)
        return self._means.max_msg_size
