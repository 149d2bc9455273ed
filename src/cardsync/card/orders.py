"""From a request of the policy to REQUEST SYNCHRONIZATION, and the session that it begins.

docs/request-synchronization.md, structure of the command and security. A command carries a
session reference and a one-time token, both from a counter of the card that only rises: it
outlives even the application, whose successor must not use a token twice.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Self

from cardsync.card.files import MF, cell
from cardsync.card.ladder import NATIVE
from cardsync.card.memory import Memory
from cardsync.errors import LocalError
from cardsync.octets.reader import Reader
from cardsync.ota.security import KeySet
from cardsync.ota.token import build_token, derive_token_key
from cardsync.policy.values import DeviceType, ResolvedRequest, Rung
from cardsync.toolkit import synchronization_objects as so
from cardsync.toolkit.codes import GeneralResult, TimeUnit
from cardsync.toolkit.commands import ProactiveCommand
from cardsync.toolkit.information import Imei
from cardsync.toolkit.objects import Duration, Result
from cardsync.toolkit.synchronization import Qualifier, Temporary, request_synchronization

MOST_RESUMES = 3
"""How often a session is taken up again at power-on before it counts as lost."""

_MOST_RESUMES: dict[int, int] = {Rung.BROWSER: 0, Rung.SMS: 1}
_COUNTER = "token counter"
_SESSION = "app:session"
_DAY = 24 * 60
_WAITING, _RUNG_SHIFT, _RESUMED = 0x80, 4, 0x0F


def most_resumes(rung: int) -> int:
    """Give how often a rung is taken again at power-on.

    A page is not opened twice, and two short messages are the most for one decision.
    """
    return _MOST_RESUMES.get(rung, MOST_RESUMES)


@dataclass(frozen=True, slots=True)
class Session:
    """A synchronization that was ordered: of which request, of which terminal, its attempt.

    `rung` is that of the ladder on which it is, 0 to 7. `waiting` says that it failed and its next
    attempt waits for a timer; `resumed` counts the power-ons that it has seen since it was
    ordered, or since it waits, 15 at most.
    """

    counter: int
    reference: bytes
    imei: str
    request: str
    attempt: int = 1
    waiting: bool = False
    resumed: int = 0
    rung: int = NATIVE

    def encode(self) -> bytes:
        """Give the octets of the cell."""
        head = self.counter.to_bytes(4, "big") + self.reference + Imei(self.imei).value()
        flags = self.resumed | self.rung << _RUNG_SHIFT | _WAITING * self.waiting
        return head + bytes([self.attempt, flags]) + self.request.encode()

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read the octets of the cell."""
        reader = Reader(octets)
        counter, reference = reader.uint32(), reader.octets(4)
        imei = Imei.read(reader.octets(8)).digits
        attempt, flags = reader.octets(2)
        waiting, resumed = bool(flags & _WAITING), flags & _RESUMED
        rung, request = flags >> _RUNG_SHIFT & 0x07, reader.rest().decode()
        return cls(counter, reference, imei, request, attempt, waiting, resumed, rung)


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

    def wait(self, session: Session) -> None:
        """Let the session wait for its next attempt."""
        self._keep(replace(session, waiting=True, resumed=0))

    def resume(self, session: Session) -> None:
        """Count a power-on that the session has seen."""
        self._keep(replace(session, resumed=min(session.resumed + 1, _RESUMED)))

    def begin(self, request: str, attempt: int, imei: str, rung: int = NATIVE) -> Session:
        """Begin a session on a rung in the place of the one before."""
        counter = int.from_bytes(self._memory.read(_COUNTER), "big") + 1
        self._memory.write(_COUNTER, counter.to_bytes(4, "big"))
        # Two cards that a terminal sees one after the other shall not give the same reference.
        reference = sha256(self._iccid).digest()[:2] + counter.to_bytes(4, "big")[2:]
        session = Session(counter, reference, imei, request, attempt, rung=rung)
        self._keep(session)
        return session

    def command(
        self, session: Session, request: ResolvedRequest, key_sets: Iterable[KeySet]
    ) -> ProactiveCommand | None:
        """Make the command of a session; None if no key is good enough, or no object can say it.

        The same session gives the same reference and token each time: to the terminal it is the
        same order.
        """
        token = self.token(session, request.target.database, key_sets)
        if token is None:
            return None
        try:
            return command_of(request, session.imei, self._iccid, session.reference, token)
        except (LocalError, ValueError):  # a number of the program that the command does not have
            return None

    def token(self, session: Session, target: str, key_sets: Iterable[KeySet]) -> bytes | None:
        """Make the one-time token of a session for a target; None if no key is good enough."""
        key = _token_key(key_sets)
        return None if key is None else build_token(key, self._iccid, target, session.counter)

    def delay(self, request: ResolvedRequest, attempt: int, result: Result) -> int | None:
        """Give the minutes to wait after attempt n failed so, or None if there is no other.

        A result 2X says that it may be worth to try again, but for the user's refusal; any other
        one that it is not (TS 102 223 clause 8.12). After a loss of power it is tried at once.
        The card has no random numbers: the jitter comes of its ICCID and counter, so that the
        cards of a fleet that failed together do not come again together.
        """
        retry, refused = request.retry, result.general == GeneralResult.USER_DID_NOT_ACCEPT
        if retry is None or attempt >= retry.attempts or result.general >> 4 != 2 or refused:
            return None
        if result == INTERRUPTED:
            return 0
        minutes = min(retry.first << retry.shift * (attempt - 1), _DAY)
        seed = self._iccid + self._memory.read(_COUNTER)
        spread = sha256(seed).digest()[0] / 255 * 2 - 1
        wanted = round(minutes * (1 + spread * retry.jitter / 100))
        return max(1, _retry_after(result), min(wanted, _DAY))

    @property
    def _iccid(self) -> bytes:
        return self._memory.read(cell(f"{MF}/2FE2"))

    def _keep(self, session: Session) -> None:
        self._memory.write(_SESSION, session.encode())


INTERRUPTED = Result(so.CODE_POINTS.temporary, bytes([Temporary.INTERRUPTED_BY_RESET]))
"""The terminal lost its power while the session ran."""
TIMED_OUT = Result(so.CODE_POINTS.temporary, bytes([Temporary.TIMEOUT]))
"""The terminal accepted and has not told the end in time."""
UNANSWERED = Result(GeneralResult.TYPE_NOT_UNDERSTOOD)
"""Some terminals never answer a command that they do not know."""


def _retry_after(result: Result) -> int:
    """Give the minutes for which a busy server wants to be left alone, a day at most."""
    busy = result.additional[:1] == bytes([Temporary.SERVER_BUSY])
    if result.general != so.CODE_POINTS.temporary or not busy:
        return 0
    return min(-(-int.from_bytes(result.additional[1:3], "big") // 60), _DAY)


def _token_key(key_sets: Iterable[KeySet]) -> bytes | None:
    """Derive from the first key set whose key is strong enough."""
    for key_set in key_sets:
        try:
            return derive_token_key(key_set.kid.octets)
        except LocalError:
            continue
    return None


def command_of(
    request: ResolvedRequest, imei: str, iccid: bytes, reference: bytes, token: bytes
) -> ProactiveCommand:
    """Write a request as the command, its objects in the order of the specification."""
    source_type, source = _device(request.source.device_type, request.source.device, imei, iccid)
    target_type, target = _device(request.target.device_type, request.target.device, imei, iccid)
    in_card = request.source.device_type is DeviceType.ICCID
    return request_synchronization(
        so.SynchronizationProtocol(request.protocol, request.version, request.representation),
        so.TransportList(request.transports),
        so.SynchronizationType(request.type),
        so.SourceDatabase(source_type, source, *request.source.identifier),
        so.TargetDatabase(target_type, target, *request.target.identifier),
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
