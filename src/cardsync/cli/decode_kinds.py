"""The kinds of octets that `cardsync decode` reads: how each is read and written again.

What cannot be read is told with the offset at which reading stopped and the clause that it does
not follow.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cardsync.cli import decode_packet, decode_push, decode_sms
from cardsync.cli.decode_tree import clause
from cardsync.errors import CardsyncError, PeerError, ShortInput
from cardsync.octets import tlv
from cardsync.octets.apdu import SW, CommandApdu, Ins, ResponseApdu
from cardsync.ota.security import KeySet
from cardsync.syncml import codec
from cardsync.toolkit import data_object
from cardsync.toolkit.codes import PROACTIVE_COMMAND_TAG, GeneralResult
from cardsync.toolkit.commands import ProactiveCommand, TerminalResponse
from cardsync.toolkit.data_object import MalformedObject
from cardsync.toolkit.envelope import Envelope
from cardsync.toolkit.objects import SmsTpdu
from cardsync.toolkit.parts import Part, content, decode_parts, first
from cardsync.toolkit.profile import TerminalProfile

_OFFSET = re.compile(r" ?(?:at )?\boffset (\d+)")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A message, the octets that it is written in, and what other messages are in it, by name."""

    message: object
    octets: bytes
    inside: tuple[tuple[str, object], ...] = ()


class Undecodable(CardsyncError):
    """Octets that are not what they should be: where reading stopped, and against which clause."""

    def __init__(self, offset: int, where: str, reason: str) -> None:
        super().__init__(f"offset {offset}, {where}: {reason}")
        self.offset, self.clause, self.reason = offset, where, reason


_LONGEST = 0x10000 + 10  # an extended APDU with its header and Le, ISO/IEC 7816-4 clause 5.1

Inside = tuple[str, object]
Read = Callable[[bytes, Sequence[KeySet]], Decoded]


def decode(kind: str, octets: bytes, keys: Sequence[KeySet] = ()) -> Decoded:
    """Read octets of a kind; raise `Undecodable`."""
    read, where = KINDS[kind]
    if len(octets) > _LONGEST and read is not _syncml:
        raise Undecodable(_LONGEST, where, f"{len(octets)} octets are more than a message has")
    try:
        return read(octets, keys)
    except PeerError as exc:
        raise _explained(kind, octets, where, exc) from exc
    except CardsyncError as exc:  # an object of ours that cannot exist was written by the peer
        raise Undecodable(_offset(exc), where, str(exc)) from exc


def _command(octets: bytes, keys: Sequence[KeySet]) -> Decoded:
    found = ProactiveCommand.decode(octets)
    owed = () if found.owed is None else (("answer", found.owed),)
    return Decoded(found, found.encode(), owed + _short_message(found.parts, keys))


def _response(octets: bytes, _: Sequence[KeySet]) -> Decoded:
    found = TerminalResponse.decode(octets)
    return Decoded(found, found.encode())


def _envelope(octets: bytes, keys: Sequence[KeySet]) -> Decoded:
    found = Envelope.decode(octets)
    return Decoded(found, found.encode(), _short_message(found.parts, keys))


def _short_message(parts: tuple[Part, ...], keys: Sequence[KeySet]) -> tuple[Inside, ...]:
    """Read the short message that a command sends or an envelope brings."""
    carried = first(parts, SmsTpdu)
    if carried is None:
        return ()
    try:
        found = decode_sms.tpdu(carried.tpdu)
    except CardsyncError as exc:
        return (("short_message", f"cannot be read: {exc}"),)
    return (("short_message", found), *decode_sms.inside(found, b"", keys))


def _profile(octets: bytes, _: Sequence[KeySet]) -> Decoded:
    if octets[:4] == _TERMINAL_PROFILE and octets[4:5] == bytes([len(octets) - 5 & 0xFF]):
        raise PeerError("the whole command TERMINAL PROFILE stands here, and not its data alone")
    return Decoded(TerminalProfile(octets), octets)


_TERMINAL_PROFILE = bytes([0x80, Ins.TERMINAL_PROFILE, 0, 0])


_CARRIED: dict[int, Callable[[bytes], object]] = {
    Ins.TERMINAL_PROFILE: TerminalProfile,
    Ins.TERMINAL_RESPONSE: TerminalResponse.decode,
    Ins.ENVELOPE: Envelope.decode,
}
"""What the data of a command APDU is, by its instruction. TS 102 221 clause 11.2."""


def _apdu(octets: bytes, keys: Sequence[KeySet]) -> Decoded:
    """Read a command APDU, or else a response APDU, which ends in a status word."""
    try:
        command = CommandApdu.decode(octets)
    except PeerError:
        if len(octets) < 2 or not _is_status(octets[-2:]):
            raise
        response = ResponseApdu.decode(octets)
        fetched = response.data[:1] == b"\xd0"
        inside = _inside("command", ProactiveCommand.decode, response.data) if fetched else ()
        return Decoded(response, response.encode(), _deeper(inside, keys))
    read = _CARRIED.get(command.ins)
    inside = _inside("content", read, command.data) if read and command.data else ()
    return Decoded(command, command.encode(), _deeper(inside, keys))


def _deeper(inside: tuple[Inside, ...], keys: Sequence[KeySet]) -> tuple[Inside, ...]:
    """Read the short message in what an APDU carries, too."""
    for _, one in inside:
        if isinstance(one, ProactiveCommand | Envelope):
            return inside + _short_message(one.parts, keys)
    return inside


def _is_status(octets: bytes) -> bool:
    return int.from_bytes(octets, "big") in set(SW) or octets[0] in _FIRST_OCTETS


_FIRST_OCTETS = {0x61, 0x62, 0x63, 0x6C, 0x90, 0x91, 0x92, 0x93, 0x94, 0x98, 0x9E, 0x9F}
"""First octets of status words whose second one says how much. TS 102 221 clause 10.2.1."""


def _inside(name: str, read: Callable[[bytes], object], octets: bytes) -> tuple[tuple[str, object]]:
    """Read what is carried; if that fails it is told in its place."""
    try:
        return ((name, read(octets)),)
    except CardsyncError as exc:
        return ((name, f"cannot be read: {exc}"),)


def _sms(octets: bytes, keys: Sequence[KeySet]) -> Decoded:
    found, centre = decode_sms.read(octets)
    return Decoded(found, centre + found.encode(), decode_sms.inside(found, centre, keys))


def _packet(octets: bytes, keys: Sequence[KeySet]) -> Decoded:
    found = decode_packet.read(octets, keys)
    return Decoded(found.packet, found.octets, found.inside)


def _notification(octets: bytes, _: Sequence[KeySet]) -> Decoded:
    found, head = decode_push.notification(octets)
    return Decoded(found, head + found.digest + found.trigger())


def _syncml(octets: bytes, _: Sequence[KeySet]) -> Decoded:
    kind = codec.XML if octets.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<" else codec.WBXML
    found = codec.decode(octets, kind)
    return Decoded(found, codec.encode(found, kind))


KINDS: dict[str, tuple[Read, str]] = {
    "apdu": (_apdu, "TS 102 221 clause 10"),
    "command": (_command, "TS 102 223 clause 6.6"),
    "response": (_response, "TS 102 223 clause 6.8"),
    "envelope": (_envelope, "TS 102 223 clause 7"),
    "profile": (_profile, "TS 102 223 clause 5.2"),
    "sms": (_sms, "TS 23.040 clause 9.2"),
    "packet": (_packet, "TS 102 225 clause 5"),
    "syncml": (_syncml, "OMA SyncML Representation 1.2 clause 6"),
    "notification": (_notification, "OMA DS Notification 1.2 clause 5"),
}
"""How each kind is read, and the clause that says how it is written."""


def kinds_of(octets: bytes) -> tuple[str, ...]:
    """Name the kinds of toolkit message that octets can be: a hint for one who named another."""
    return tuple([kind for kind in _TOOLKIT if _is(kind, octets)])


_TOOLKIT = ("command", "response", "envelope", "apdu")


def _is(kind: str, octets: bytes) -> bool:
    try:
        found = decode(kind, octets)
    except Undecodable:
        return False
    return kind != "apdu" or bool(found.inside)


def _explained(kind: str, octets: bytes, where: str, error: PeerError) -> Undecodable:
    """Find the offset and the clause of an error."""
    offset, reason = _offset(error), _OFFSET.sub("", str(error)).strip()
    if kind in {"command", "response", "envelope"}:
        offset, where = _place(kind, octets, where)
        reason += _owed(error)
    return Undecodable(offset, where, reason)


def _owed(error: PeerError) -> str:
    """Name the general result that a command is answered with. TS 102 223 clause 8.12."""
    try:
        return f" (answer {GeneralResult(error.answer or 0).name} {error.answer:02X})"
    except ValueError:
        return ""


def _offset(error: Exception) -> int:
    found = _OFFSET.search(str(error))
    return int(found[1]) if found else 0


def _place(kind: str, octets: bytes, where: str) -> tuple[int, str]:
    """Find the object that cannot be read; if each can, something is missing at the end."""
    start, place = 0, None
    if kind != "response":
        try:
            place, value = content(octets, range(0x100))
        except PeerError as exc:
            short = isinstance(exc, ShortInput) or "length" in str(exc)
            return _offset(exc), "TS 101 220 clause 7.1" if short else where
        if (place == PROACTIVE_COMMAND_TAG) != (kind == "command"):
            return 0, where
        start = len(octets) - len(value)
    return _broken(octets, start, place) or (len(octets), where)


def _broken(octets: bytes, start: int, place: int | None) -> tuple[int, str] | None:
    """Give offset and clause of the first object that cannot be read."""
    body, at = octets[start:], 0
    try:
        for one in tlv.walk_comprehension(body):
            end = at + len(one.encode())
            decode_parts(body[:end], place)
            at = end
    except MalformedObject as exc:
        named = [each for each in data_object.classes() if each.__name__ == str(exc).split()[0]]
        return start + at, (clause(named[0]) if named else "") or "TS 102 223 clause 8"
    except ShortInput as exc:
        return start + exc.offset, "TS 101 220 clause 7.1.2"
    except PeerError as exc:
        return start + _offset(exc), "TS 101 220 clause 7.1"
    return None
