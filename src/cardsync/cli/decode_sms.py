"""Short messages for `cardsync decode`: every TPDU of TS 23.040, and what is in it.

A TPDU does not say which way it goes: each of the four message types means one thing from the
centre and another from the mobile. It is read as what it can be; the one that brings a text, and
not its report, comes first.
"""

from collections.abc import Callable, Sequence
from functools import partial

from cardsync.cli import decode_packet, decode_push
from cardsync.errors import CardsyncError, PeerError
from cardsync.octets import text
from cardsync.octets.semi import unswapped
from cardsync.ota.security import KeySet
from cardsync.transport import sms
from cardsync.transport.sms_reports import Command, StatusReport, SubmitReport
from cardsync.transport.user_data import Alphabet, Iei, UserData

Tpdu = sms.Deliver | sms.Submit | sms.DeliverReport | SubmitReport | StatusReport | Command
Inside = tuple[tuple[str, object], ...]

_LONGEST_CENTRE = 12  # octets of the address of a service centre, its length included
_READINGS: dict[int, tuple[Callable[[bytes], Tpdu], ...]] = {
    0: (
        sms.Deliver.decode,
        partial(sms.DeliverReport.decode, failed=False),
        partial(sms.DeliverReport.decode, failed=True),
    ),
    1: (
        sms.Submit.decode,
        partial(SubmitReport.decode, failed=False),
        partial(SubmitReport.decode, failed=True),
    ),
    2: (StatusReport.decode, Command.decode),
}
"""What a TPDU can be, by the lower two bits of its first octet. TS 23.040 clause 9.2.3.1."""


def read(octets: bytes) -> tuple[Tpdu, bytes]:
    """Read a TPDU, or one behind the address of the centre, as modems give it (TS 27.005).

    Gives the TPDU and the octets of the centre's address; raises `PeerError`.
    """
    length = 1 + octets[0] if octets else 0
    bare = _tried(octets)
    behind = _tried(octets[length:]) if 1 <= length <= _LONGEST_CENTRE else None
    if behind is not None and (bare is None or not _usual(bare)):
        return behind, octets[:length]
    return (tpdu(octets) if bare is None else bare), b""


def _tried(octets: bytes) -> Tpdu | None:
    try:
        return tpdu(octets)
    except PeerError:
        return None


def _usual(found: Tpdu) -> bool:
    """Say whether the sender's address is written as it should be; one read by chance is not."""
    return not isinstance(found, sms.Deliver) or not found.originator.written


def tpdu(octets: bytes) -> Tpdu:
    """Read a TPDU; raise the first `PeerError` if it can be none of its type."""
    kind = octets[0] & 0x03 if octets else 0
    if kind not in _READINGS:
        raise PeerError("message type 3 is reserved")
    first: PeerError | None = None
    for decode in _READINGS[kind]:
        try:
            return decode(octets)
        except PeerError as exc:
            first = first or exc
    raise first or PeerError("no message")


def inside(found: Tpdu, centre: bytes, keys: Sequence[KeySet]) -> Inside:
    """Give what is in a short message: centre, text, secured packet, pushed content."""
    told: list[tuple[str, object]] = []
    if centre[1:]:
        told.append(("centre", unswapped(centre[2:])))
    user_data, coding = _content(found)
    if user_data is None:
        return tuple(told)
    alphabet = sms.alphabet(coding)
    if alphabet is not Alphabet.OCTETS and user_data.data:
        told.append(("text", _text(user_data.data, alphabet)))
    return (*told, *_packet(user_data, keys), *decode_push.inside(user_data))


def _content(found: Tpdu) -> tuple[UserData | None, int]:
    """Give user data and coding scheme."""
    if isinstance(found, Command):
        return None, 0
    if isinstance(found, SubmitReport | StatusReport):
        told = found.optional
        return (told.user_data, told.coding or 0) if told else (None, 0)
    return found.user_data, found.coding or 0


def _text(data: bytes, alphabet: Alphabet) -> str:
    """Give the characters of a short message."""
    decode = text.decode_septets if alphabet is Alphabet.GSM7 else text.decode_ucs2
    try:
        return decode(data)
    except PeerError as exc:
        return f"cannot be read: {exc}"


def _packet(user_data: UserData, keys: Sequence[KeySet]) -> Inside:
    """Read a secured packet that is whole. TS 31.115 clause 4."""
    if user_data.concatenation:
        return ()
    for kind, one in (
        (Iei.COMMAND_PACKET, decode_packet.command),
        (Iei.RESPONSE_PACKET, decode_packet.response),
    ):
        if user_data.element(kind):
            try:
                found = one(user_data.data, keys)
            except CardsyncError as exc:
                return (("packet", f"cannot be read: {exc}"),)
            return (("packet", found.packet), *found.inside)
    return ()
