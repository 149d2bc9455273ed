"""From a request of the policy to REQUEST SYNCHRONIZATION, and the session that it begins.

docs/request-synchronization.md clauses 2 and 15. Each command carries a session reference and a
one-time token; both rise with a counter of the card, so that neither is ever used twice.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Self

from cardsync.card.files import MF, cell
from cardsync.card.memory import Memory
from cardsync.errors import LocalError
from cardsync.octets.reader import Reader
from cardsync.ota.token import build_token, derive_token_key
from cardsync.policy.values import DeviceType, ResolvedRequest
from cardsync.toolkit import synchronization_objects as so
from cardsync.toolkit.codes import TimeUnit
from cardsync.toolkit.commands import ProactiveCommand
from cardsync.toolkit.information import Imei
from cardsync.toolkit.objects import Duration
from cardsync.toolkit.synchronization import Qualifier, request_synchronization

_COUNTER = "app:counter"
_SESSION = "app:session"
_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class Session:
    """A synchronization under way: its reference, the request's name, which attempt it is."""

    reference: bytes
    request: str
    attempt: int

    def encode(self) -> bytes:
        """Give the octets of the cell."""
        return self.reference + bytes([self.attempt]) + self.request.encode()

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read the octets of the cell."""
        reader = Reader(octets)
        reference, attempt = reader.octets(4), reader.uint8()
        return cls(reference, reader.rest().decode(), attempt)


class Orders:
    """Makes the commands and keeps the session that is under way."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    @property
    def session(self) -> Session | None:
        """The session under way, or None."""
        octets = self._memory.read(_SESSION)
        return Session.decode(octets) if octets else None

    def finish(self) -> None:
        """Forget the session: it ended."""
        self._memory.write(_SESSION, b"")

    def order(
        self, request: ResolvedRequest, attempt: int, imei: str, kid_key: bytes
    ) -> ProactiveCommand:
        """Make the command and begin its session; `kid_key` is that of the key set in use."""
        counter = int.from_bytes(self._memory.read(_COUNTER), "big") + 1
        self._memory.write(_COUNTER, counter.to_bytes(4, "big"))
        reference = counter.to_bytes(4, "big")
        iccid = self._memory.read(cell(f"{MF}/2FE2"))
        key = derive_token_key(kid_key)
        token = build_token(key, iccid, request.target.database, counter)
        self._memory.write(_SESSION, Session(reference, request.name, attempt).encode())
        return command_of(request, imei, iccid, reference, token)

    def delay(self, request: ResolvedRequest, attempt: int) -> int | None:
        """Give the minutes to wait after attempt n, or None where the attempts are used up.

        The card has no random numbers: the jitter comes of its ICCID and counter, so that the
        cards of a fleet that failed together do not come again together.
        """
        retry = request.retry
        if retry is None or attempt >= retry.attempts:
            return None
        minutes = min(retry.first << retry.shift * (attempt - 1), _DAY)
        seed = self._memory.read(cell(f"{MF}/2FE2")) + self._memory.read(_COUNTER)
        spread = sha256(seed).digest()[0] / 255 * 2 - 1
        return max(1, min(round(minutes * (1 + spread * retry.jitter / 100)), _DAY))


def command_of(
    request: ResolvedRequest, imei: str, iccid: bytes, reference: bytes, token: bytes
) -> ProactiveCommand:
    """Write a request as the command, its objects in the order of clause 2."""
    source_type, source = _device(request.source.device_type, request.source.device, imei, iccid)
    target_type, target = _device(request.target.device_type, request.target.device, imei, iccid)
    in_card = request.source.device_type is DeviceType.ICCID
    return request_synchronization(
        so.SynchronizationProtocol(request.protocol, request.version, request.representation),
        so.TransportList(request.transports),
        so.SynchronizationType(request.type),
        so.SourceDatabase(
            source_type, source, so.DatabaseIdType.URI, request.source.database.encode()
        ),
        so.TargetDatabase(
            target_type, target, so.DatabaseIdType.URI, request.target.database.encode()
        ),
        so.Notification(request.notify, request.progress or None),
        so.SessionReference(reference),
        so.AuthenticationReference(so.AuthenticationScheme.ONE_TIME_TOKEN, token),
        so.CategoryMask(request.categories),
        Duration(TimeUnit.MINUTES, request.duration) if request.duration else None,
        flags=Qualifier.SOURCE_IN_UICC if in_card else None,
    )


def _device(kind: DeviceType, name: str, imei: str, iccid: bytes) -> tuple[int, bytes]:
    """Write how a device is named: by its address, or by what the word stands for."""
    match kind:
        case DeviceType.TERMINAL:
            return kind, b""
        case DeviceType.IMEI:
            return kind, Imei(imei).value()
        case DeviceType.ICCID:
            return kind, iccid
        case DeviceType.URI:
            return kind, name.encode()
    raise LocalError(f"this card cannot name a device by {kind.name}")
