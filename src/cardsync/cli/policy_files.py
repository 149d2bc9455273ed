"""The files of `cardsync policy`: policies, programs and recordings, each error with its place."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cardsync.errors import CardsyncError, ConfigError

if TYPE_CHECKING:
    from cardsync.policy.bound import CardLimits
    from cardsync.policy.program import Program
    from cardsync.policy.recording import Line

_CHUNK = 1 << 18  # octets of whole lines that are read at once
_TELL_EACH = 2.0  # seconds
_LONGEST_FILE = 1 << 20  # octets of a policy or a program that are read: sixteen times enough
_MARK = b"\xef\xbb\xbf"  # what some editors put before UTF-8


def read_program(path: Path, limits: "CardLimits") -> "Program":
    """Read a policy (TOML) and compile it, or a program (octets or hexadecimal digits)."""
    from cardsync.policy.compiler import compile_policy  # noqa: PLC0415  # fast --help
    from cardsync.policy.program import MAGIC, Program  # noqa: PLC0415
    from cardsync.policy.source import read  # noqa: PLC0415

    octets = _octets(path)
    try:
        if octets.startswith(MAGIC.hex().encode()):
            octets = bytes.fromhex(octets.decode())
        if octets.startswith(MAGIC + b"\x01"):
            return Program.decode(octets)
        text = octets.removeprefix(_MARK).decode()
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path}: octet {exc.start} is no UTF-8; a policy is expected") from exc
    except (ValueError, CardsyncError) as exc:
        raise ConfigError(f"{path}: {exc}") from exc
    return compile_policy(read(text, str(path)), limits)


def _octets(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            octets = file.read(_LONGEST_FILE + 1)
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror}") from exc
    if len(octets) > _LONGEST_FILE:
        raise ConfigError(f"{path}: more than {_LONGEST_FILE} octets; a policy is expected")
    return octets


class Progress:
    """Tells on standard error how far a long work is; short work passes in silence."""

    def __init__(self, whole: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._whole, self._clock = max(1, whole), clock
        self._started = self._told = clock()

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return self._clock() - self._started

    def at(self, done: int, events: int) -> None:
        """Say how much is done, if there was no word for a while."""
        now = self._clock()
        if now - self._told >= _TELL_EACH:
            self._told = now
            part = done / self._whole
            left = (now - self._started) * (1 - part) / part if part else 0
            words = f"{events} events, {100 * part:.0f} %, about {left:.0f} s more"
            print(words, file=sys.stderr, flush=True)


def says_how_it_went(path: Path) -> bool:
    """Say whether a recording tells how synchronizations went."""
    from cardsync.policy.recording import OUTCOMES  # noqa: PLC0415

    if path.exists() and not path.is_file():
        raise ConfigError(f"{path}: a file is expected: its events are read twice")
    words = [f'"{word}"'.encode() for word in OUTCOMES]
    return any(word in b"".join(chunk) for chunk in _chunks(path) for word in words)


@dataclass(slots=True)
class PassedOver:
    """Lines of a recording that cannot be read: how many, and what is wrong with the first."""

    count: int = 0
    first: str = ""

    def note(self, wrong: str) -> None:
        """Count one."""
        self.count += 1
        self.first = self.first or wrong

    def tell(self) -> None:
        """Say so on standard error."""
        if self.count:
            print(f"{self.count} lines passed over, the first: {self.first}", file=sys.stderr)


@dataclass(frozen=True, slots=True)
class _Broken:
    """A line that is no JSON, from this column on."""

    column: int
    why: str


def read_recording(
    path: Path, progress: Progress | None = None, passed: PassedOver | None = None
) -> Iterator["Line"]:
    """Read a recording; raise `ConfigError` with file and line where one cannot be read.

    With `passed` such lines are passed over and noted.
    """
    from cardsync.policy.recording import LineReader  # noqa: PLC0415

    reader, number, octets = LineReader(), 0, 0
    for chunk in _chunks(path):
        for place, fields in enumerate(_objects(chunk), number + 1):
            try:
                yield reader.read(fields)
            except ConfigError as exc:
                wrong = f"{path}:{place}: {exc}"
                if isinstance(fields, _Broken):
                    wrong = f"{path}:{place}:{fields.column}: {fields.why}"
                if passed is None:
                    raise ConfigError(wrong) from exc
                passed.note(wrong)
        number += len(chunk)
        octets += sum(map(len, chunk))
        if progress is not None:
            progress.at(octets, number)


def _chunks(path: Path) -> Iterator[list[bytes]]:
    try:
        with path.open("rb") as file:
            chunk = file.readlines(_CHUNK)
            if chunk:
                chunk[0] = chunk[0].removeprefix(_MARK)
            while chunk:
                yield chunk
                chunk = file.readlines(_CHUNK)
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror}") from exc


def _objects(chunk: list[bytes]) -> list[object]:
    """Read many lines as one JSON array, which takes half the time; one by one if that fails."""
    try:
        found: list[object] = json.loads(b"[" + b",".join(chunk) + b"]")
    except (ValueError, RecursionError):
        found = []
    return found if len(found) == len(chunk) else [_object(line) for line in chunk]


def _object(line: bytes) -> object:
    try:
        found: object = json.loads(line.rstrip())
    except json.JSONDecodeError as exc:
        return _Broken(exc.colno, f"one JSON object is expected: {exc.msg}")
    except UnicodeDecodeError as exc:
        return _Broken(exc.start + 1, "one JSON object is expected: this is no UTF-8")
    except (ValueError, RecursionError):
        return _Broken(1, "one JSON object is expected: a number or a nesting without end")
    return found
