"""`cardsync decode`: what octets say, for a person or for a program."""

import io
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardsync.errors import ConfigError

if TYPE_CHECKING:
    from cardsync.cli.decode_kinds import Decoded
    from cardsync.ota.security import KeySet

_KEYS = "CARDSYNC_KEYS"
_DIGITS = frozenset("0123456789abcdefABCDEF")
_BETWEEN = re.compile(r"(?:\b0[xX])|[\s:,\-\ufeff]")
"""What may stand between octets: blanks, colons, commas, dashes; before them `0x`."""


class Kind(Enum):
    """What octets can be."""

    APDU = "apdu"
    COMMAND = "command"
    RESPONSE = "response"
    ENVELOPE = "envelope"
    PROFILE = "profile"
    SMS = "sms"
    PACKET = "packet"
    SYNCML = "syncml"
    NOTIFICATION = "notification"


Hex = Annotated[
    list[str] | None,
    typer.Argument(
        help="The octets, hexadecimal digits; all arguments are one message. With - (or none) "
        "one message a line of standard input, and one JSON object a line.",
        metavar="HEX|-",
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object: the fields, and the octets anew.")
]
Keys = Annotated[
    Path | None,
    typer.Option(help=f"Keys of packets, JSON; or the same JSON in {_KEYS}. Never arguments."),
]


def decode(
    kind: Annotated[Kind, typer.Argument(help="What the octets are.", metavar="KIND")],
    octets: Hex = None,
    *,
    as_json: AsJson = False,
    keys: Keys = None,
) -> None:
    """Decode octets: a command, its response, an envelope, a short message, a secured packet, ...

    KIND is apdu (of either direction), command (from D0 on), response (the data of TERMINAL
    RESPONSE), envelope (the data of ENVELOPE), profile (TERMINAL PROFILE), sms (a TPDU), packet
    (of TS 102 225, from its length or its user data header on), syncml (WBXML or XML) or
    notification (by which a SyncML server asks a device to begin; bare, or in its push).

    Example: cardsync decode command D0 0D 8103012180 82028102 8D020441

    Example: cardsync decode envelope - < envelopes.txt

    What cannot be decoded ends with status 2 and one line that has the offset and the clause.
    """
    key_sets = _key_sets(keys)
    if not octets and sys.stdin.isatty():
        raise ConfigError(f"decode {kind.value}: octets are expected, or - and lines to read")
    if not octets or octets == ["-"]:
        sys.exit(_stream(kind.value, key_sets))
    _one(kind.value, "".join(octets), key_sets, as_json=as_json)


def _one(kind: str, digits: str, keys: "Sequence[KeySet]", *, as_json: bool) -> None:
    """Print one message."""
    try:
        found = _decoded(kind, digits, keys)
    except ConfigError as exc:
        raise ConfigError(f"decode {kind}: {exc}{_hint(kind, digits)}") from exc
    if as_json:
        print(json.dumps(_fields(kind, digits, found), indent=2))
        return
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal that cannot show every character
        sys.stdout.reconfigure(errors="backslashreplace")
    for line in _tree(found, _octets(digits)):
        print(line)


def _hint(kind: str, digits: str) -> str:
    """Tell whoever named a kind which one the octets are, if they are one."""
    from cardsync.cli.decode_kinds import kinds_of  # noqa: PLC0415  # fast --help

    try:
        others = [other for other in kinds_of(_octets(digits)) if other != kind]
    except ConfigError:
        return ""
    return f"; try decode {' or '.join(others)}" if others else ""


def _key_sets(path: Path | None) -> "Sequence[KeySet]":
    from cardsync.cli.decode_packet import read_keys  # noqa: PLC0415  # fast --help

    if path is None:
        text = os.environ.get(_KEYS, "")
        return read_keys(text, _KEYS) if text else ()
    if str(path).lstrip()[:1] in {"[", "{"}:  # the keys themselves; they are not repeated
        raise ConfigError(f"--keys takes the name of a file; keys stand in it, or in {_KEYS}")
    try:
        return read_keys(path.read_text(), str(path))
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path}: cannot be read") from exc


def _decoded(kind: str, digits: str, keys: "Sequence[KeySet]") -> "Decoded":
    """Decode hexadecimal digits; raise `ConfigError`."""
    from cardsync.cli.decode_kinds import Undecodable, decode  # noqa: PLC0415  # fast --help

    octets = _octets(digits)
    try:
        return decode(kind, octets, keys)
    except Undecodable as exc:
        raise ConfigError(str(exc)) from exc


def _octets(digits: str) -> bytes:
    """Read hexadecimal digits as a person writes them; raise `ConfigError`."""
    try:
        return bytes.fromhex(digits)
    except ValueError:
        text = _BETWEEN.sub("", digits)
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ConfigError(_no_digits(text)) from None


def _no_digits(text: str) -> str:
    for place, digit in enumerate(text):
        if digit not in _DIGITS:
            shown = repr(digit) if digit.isprintable() else _unprintable(digit)
            return f"offset {place // 2}: {shown} is no hexadecimal digit"
    return f"offset {len(text) // 2}: an octet has two digits, one is left over"


def _unprintable(character: str) -> str:
    """Name a character by its number, or an octet that is no UTF-8 (PEP 383)."""
    code = ord(character)
    return f"octet {code - 0xDC00:02X}" if 0xDC80 <= code <= 0xDCFF else f"U+{code:04X}"


def _fields(kind: str, digits: str, found: "Decoded") -> dict[str, Any]:
    """Give the JSON object; its digits are small or capital as they came."""
    from cardsync.cli.decode_tree import plain  # noqa: PLC0415  # fast --help

    told: dict[str, Any] = {"kind": kind} | plain(found.message)
    told |= {name: plain(one) for name, one in found.inside}
    anew = found.octets.hex()
    return told | {"octets": anew if digits == digits.lower() else anew.upper()}


def _tree(found: "Decoded", octets: bytes) -> list[str]:
    """Give the lines; the first says how many octets, and if some bits of them are not kept."""
    from cardsync.cli.decode_tree import lines  # noqa: PLC0415  # fast --help

    told = list(lines(found.message))
    told[0] += f", {len(octets)} octets"
    if found.octets != octets:
        told[0] += f"; fill or reserved bits differ, written anew {found.octets.hex().upper()}"
    for name, one in found.inside:
        told += lines(one, name, 1)
    return told


def _stream(kind: str, keys: "Sequence[KeySet]") -> int:
    """Decode line by line; give the exit status."""
    status = 0
    write: Callable[[str], object] = sys.stdout.write
    encode = json.JSONEncoder(check_circular=False).encode
    try:
        for octets in sys.stdin.buffer:
            line = octets.decode("utf-8", "surrogateescape")
            try:
                told = _fields(kind, line.strip(), _decoded(kind, line, keys))
            except ConfigError as exc:
                told, status = {"error": str(exc)}, 2
            write(encode(told) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has enough
        sys.stderr.close()
    except OSError as exc:
        raise ConfigError(f"standard output: {exc.strerror}") from exc
    return status
