"""A stand-alone SyncML client: databases of this machine with a server, over a carrier."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from cardsync.fleet.syncml_describe import describe
from cardsync.syncml import auth, codec
from cardsync.syncml.client import ClientConfig, ClientSession, DatabaseRequest
from cardsync.syncml.elements import AlertCode, Version
from cardsync.syncml.events import SessionResult
from cardsync.terminal.databases.sources import Source
from cardsync.transport.http import CarrierError, Failure

_RESENDS = 3  # of one message, where the carrier lost it or its answer
_LOST = {Failure.UNREACHABLE, Failure.TIMED_OUT}


class Carrier(Protocol):
    """Brings a message to an address and its answer back; raises `CarrierError`."""

    def exchange(self, url: str, content_type: str, body: bytes) -> tuple[str, bytes]:
        """Give the answer's content type and octets."""


@dataclass(frozen=True, slots=True)
class Order:
    """What shall be synchronized, and how. Sizes in octets."""

    url: str
    kind: AlertCode = AlertCode.TWO_WAY
    version: Version = Version.V1_2
    content_type: str = codec.WBXML
    account: auth.Account | None = None
    device_id: str | None = None
    max_msg_size: int = 65536


def synchronize(
    order: Order,
    sources: Sequence[Source],
    carrier: Carrier,
    clock: Callable[[], float] = time.time,
    pause: Callable[[float], None] = time.sleep,
) -> SessionResult:
    """Run one session. Raises `CarrierError` where the server cannot be reached."""
    device = order.device_id or _device(sources[0])
    known = f"devinf:{order.url}#{order.version.dtd}"
    devinf = describe(order.version.dtd, device, "workstation", sources)
    digest = sha256(repr(devinf).encode()).digest()
    config = ClientConfig(
        url=order.url,
        device_id=device,
        session_id=str(int(clock()) % 65536),
        databases=tuple([_request(order, source, int(clock())) for source in sources]),
        version=order.version,
        content_type=order.content_type,
        max_msg_size=order.max_msg_size,
        account=order.account,
        devinf=devinf,
        put_devinf=sources[0].index.recall(known) != digest,
    )
    session = ClientSession(config)
    while (octets := session.data_to_send()) is not None:
        session.receive_data(_exchange(carrier, session.url, config.content_type, octets, pause))
    result = session.result or SessionResult(500)
    sources[0].index.remember(known, digest if result.ok else None)
    return result


def _device(source: Source) -> str:
    """Name this end of the synchronization: every database that goes by itself is a device."""
    identity = source.index.recall("identity") or b""
    return f"cardsync-{sha256(identity).hexdigest()[:16]}"


def _request(order: Order, source: Source, now: int) -> DatabaseRequest:
    """Name the session by the second, and never two by the same."""
    store = source.client(f"{order.url}#{source.name}")
    last = [int(each.own) for each in store.anchors() if each.own.isdecimal()]
    return DatabaseRequest(store, source.name, order.kind, str(max([now, *(n + 1 for n in last)])))


def _exchange(
    carrier: Carrier, url: str, content_type: str, octets: bytes, pause: Callable[[float], None]
) -> bytes:
    """Send a message; the same once more where it or its answer was lost on the way."""
    resends = 0
    while True:
        try:
            kind, body = carrier.exchange(url, content_type, octets)
            break
        except CarrierError as error:
            if error.kind not in _LOST or resends == _RESENDS:
                raise
            resends += 1
            pause(0.2 * resends)
    if codec.media_type(kind) != content_type:
        raise CarrierError(Failure.GARBLED, f"an answer of type {kind or 'none'}")
    return body
