"""A folder with one item a file: notes, vCards, calendar entries.

The name of the file is the name of the item. Hidden files, folders within, and files whose names
cannot be printed are no items. A file is replaced as a whole, never half written.
"""

import errno
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cardsync.errors import ConfigError, PeerError
from cardsync.syncml.datastore import ANY_TYPE

_MARK: Final = "user.cardsync"
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+=, -]{0,99}")
"""Names of a peer that become names of files; all others are replaced by a number."""

_SETTLED_NANOSECONDS: Final = 100_000_000
"""A file as young as this may change once more without its stamp showing it."""

_PART: Final = re.compile(r"\.[0-9a-f]{12}\.part")
_LEFT_OVER: Final = 86_400  # seconds

_FEW: Final = 16
"""So many files of a batch go to the disk one by one, and each tells if it cannot; the others go
together at the end of the batch, which takes a tenth of the time."""

_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DEVICE_FULL, _FAILED = 420, 510

_BEGIN: Final = re.compile(rb"BEGIN:(VCARD|VCALENDAR)\s", re.IGNORECASE)
_VERSION: Final = re.compile(rb"^VERSION:([0-9.]+)", re.IGNORECASE | re.MULTILINE)
_UID: Final = re.compile(rb"^UID(?:;[^:\r\n]*)?:([^\r\n]+)", re.IGNORECASE | re.MULTILINE)
_TYPES: Final = {
    (b"VCARD", b"2.1"): "text/x-vcard",
    (b"VCARD", b""): "text/vcard",
    (b"VCALENDAR", b"1.0"): "text/x-vcalendar",
    (b"VCALENDAR", b""): "text/calendar",
}
_LOOKED_AT: Final = 2048  # octets of an item, from its beginning, that tell its type


@dataclass(frozen=True, slots=True)
class _Staged:
    """What a file shall be, None for none, and what it was."""

    part: Path | None
    before: bytes | None


class Folder:
    """The files of a folder, made if it is not there; raises `ConfigError` if it cannot be used."""

    def __init__(self, path: Path, content_type: str = ANY_TYPE, content_version: str = "") -> None:
        self.content_type = content_type
        self.content_version = content_version
        self._path = path
        self._staged: dict[str, _Staged] | None = None  # what a batch shall change at its end
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._sweep()
        except FileExistsError as exc:
            raise ConfigError(f"{path} is a file; a folder is expected") from exc
        except OSError as exc:
            raise ConfigError(f"folder {path} cannot be used: {exc.strerror}") from exc

    def identity(self) -> str:
        """Give the mark of the folder; where the file system takes none, what it is known by."""
        with suppress(OSError, AttributeError):
            try:
                mark = os.getxattr(self._path, _MARK)
            except OSError:
                mark = secrets.token_hex(8).encode()
                os.setxattr(self._path, _MARK, mark)
            return mark.decode("latin-1")
        there = self._path.stat()
        return f"{there.st_dev}.{there.st_ino}"

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Put files aside until the end, then in their places, each on the disk; or not at all."""
        if self._staged is not None:
            yield
            return
        staged = self._staged = {}
        try:
            yield
            self._staged = None
            if len(staged) > _FEW:
                os.sync()
            for name, one in staged.items():
                if self.read(name) == one.before:  # else its owner was here just now: it is his
                    self._place(name, one.part)
            if staged:
                sync_folder(self._path)
        finally:
            self._staged = None
            for one in staged.values():
                if one.part is not None:
                    one.part.unlink(missing_ok=True)

    def stamps(self) -> Mapping[str, str]:
        """Give what the file system tells of each file, unless it is too young to be sure."""
        now = time.time_ns()
        found = {}
        for entry in self._files():
            with suppress(FileNotFoundError):  # removed while we look
                found[entry.name] = _stamp(entry.stat(), now)
        for name, one in (self._staged or {}).items():
            found.pop(name, None)
            if one.part is not None:
                found[name] = ""
        return found

    def read(self, name: str) -> bytes | None:
        """Read a file."""
        one = self._staged.get(name) if self._staged else None
        if one is not None and one.part is None:
            return None
        try:
            return (one.part if one and one.part else self._path / name).read_bytes()
        except (FileNotFoundError, IsADirectoryError, PermissionError):
            return None

    def write(self, name: str, data: bytes) -> str:
        """Put a file into the place of the old one; its stamp is known when it has aged."""
        with self.batch():
            part = self._path / f".{secrets.token_hex(6)}.part"
            try:
                _write(part, data, durably=len(self._staged or ()) < _FEW)
                if (self._path / name).is_dir():
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            except OSError as exc:
                part.unlink(missing_ok=True)
                answer = _DEVICE_FULL if exc.errno in _FULL else _FAILED
                raise PeerError(f"file {name}: {exc.strerror}", answer=answer) from exc
            self._stage(name, part)
        return ""

    def name(self, wanted: str, data: bytes) -> str:
        """Give the peer's name if it makes a good file name that is free, else another one."""
        del data
        free = wanted if _NAME.fullmatch(wanted) else secrets.token_hex(6)
        while (self._path / free).exists() or free in (self._staged or ()):
            free = secrets.token_hex(6)
        return free

    def remove(self, name: str) -> None:
        """Remove a file."""
        with self.batch():
            self._stage(name, None)

    def type_of(self, data: bytes) -> str | None:
        """Tell the type by the beginning of the content."""
        if self.content_type != ANY_TYPE:
            return None
        kind = _BEGIN.match(data.lstrip()[:_LOOKED_AT])
        if not kind:
            return "text/plain"
        version = _VERSION.search(data[:_LOOKED_AT])
        name = kind[1].upper()
        return _TYPES.get((name, version[1] if version else b""), _TYPES[name, b""])

    def likeness(self, data: bytes) -> bytes:
        """Give the UID of a card or an event, else the lines, however a peer ends them."""
        uid = _UID.search(data) if _BEGIN.match(data.lstrip()[:_LOOKED_AT]) else None
        return b"UID " + uid[1].strip() if uid else _lines(data)

    def merge(self, ours: bytes, theirs: bytes) -> bytes | None:
        """Merge what differs in the ends of its lines alone; a file has no fields that we know."""
        return theirs if _lines(ours) == _lines(theirs) else None

    def _stage(self, name: str, part: Path | None) -> None:
        """Note what a file shall be at the end of the batch."""
        staged = self._staged if self._staged is not None else {}
        old = staged.get(name)
        if old is not None and old.part is not None:
            old.part.unlink(missing_ok=True)
        staged[name] = _Staged(part, old.before if old else self.read(name))

    def _place(self, name: str, part: Path | None) -> None:
        if part is None:
            (self._path / name).unlink(missing_ok=True)
        else:
            part.replace(self._path / name)

    def _sweep(self) -> None:
        """Remove what a process that was killed had put aside; what is young may be in use."""
        for path in self._path.iterdir():
            with suppress(OSError):
                if _PART.fullmatch(path.name) and time.time() - path.stat().st_mtime > _LEFT_OVER:
                    path.unlink()

    def _files(self) -> Iterator["os.DirEntry[str]"]:
        with os.scandir(self._path) as entries:
            for entry in entries:
                hidden = entry.name.startswith(".") or not entry.name.isprintable()
                if not hidden and _is_file(entry):
                    yield entry


def sync_folder(path: Path) -> None:
    """Have the names in a folder on the disk."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _write(path: Path, data: bytes, *, durably: bool) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        if durably:
            os.fsync(file.fileno())


def _is_file(entry: "os.DirEntry[str]") -> bool:
    """Say whether it is a file; a link that leads in a circle is none."""
    try:
        return entry.is_file()
    except OSError:
        return False


def _lines(data: bytes) -> bytes:
    """Give the lines of a text without their ends and without empty ones; other octets as is."""
    if b"\0" in data:
        return data
    return b"\n".join([line.rstrip() for line in data.splitlines() if line.strip()])


def _stamp(found: os.stat_result, now: int) -> str:
    if now - max(found.st_mtime_ns, found.st_ctime_ns) < _SETTLED_NANOSECONDS:
        return ""
    return f"{found.st_mtime_ns}.{found.st_ctime_ns}.{found.st_size}.{found.st_ino}"
