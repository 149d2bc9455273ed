"""A profile: the file tree of a card as a person writes it, in TOML.

`profile.toml` beside this module is the default one and explains the format. What is made for
each subscriber is named here and made in `contents`.
"""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from cardsync.card import access
from cardsync.card.tree import File, Structure, Tree
from cardsync.errors import ConfigError, PeerError
from cardsync.octets import tlv

_DIRECTORY_ACCESS = "ADM1 ADM1"
_DIRECTORY_KEYS = {"path", "name", "files", "aid", "label"}
_FILE_KEYS = {
    "id", "name", "size", "record", "records", "cyclic", "short", "access", "content", "blank",
    "made", "link", "objects",
}  # fmt: skip
MADE = frozenset(
    {
        "access_class", "administrative", "centre", "directory", "display", "home", "home_access",
        "home_areas", "iccid", "imsi", "network_name", "number", "provider", "rules", "services",
        "sim_services",
    }
)  # fmt: skip
"""What can be made for a subscriber, or from the profile itself."""
_OF_PROFILE = {"directory", "rules", "services", "sim_services"}


@dataclass(frozen=True, slots=True)
class Profile:
    """The table of files, their contents, and what is still to be made, by path."""

    tree: Tree
    contents: Mapping[str, bytes]
    made: Mapping[str, str]


@cache
def default() -> Profile:
    """Give the profile that comes with the package."""
    return parse(resources.files("cardsync.card").joinpath("profile.toml").read_text("utf-8"))


def parse(text: str) -> Profile:
    """Read a profile; raise `ConfigError` that says which file is wrong and why."""
    try:
        return _Reading(tomllib.loads(text)).profile()
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"profile: {exc}") from exc


class _Reading:
    """A profile that is being read."""

    def __init__(self, source: Mapping[str, Any]) -> None:
        self._source = source
        directories = source.get("directory")
        if not isinstance(directories, list) or not directories:
            raise ConfigError("profile: [[directory]] tables are expected")
        self._directories: list[dict[str, Any]] = directories
        self._rules: dict[str, int] = {}
        self._contents: dict[str, bytes] = {}
        self._made: dict[str, str] = {}

    def profile(self) -> Profile:
        """Read it all; what depends on all of it comes last."""
        rows: dict[str, tuple[File, dict[str, Any]]] = {}
        for file, one in self._rows():
            if file.path in rows:
                raise ConfigError(f"{file.path}: stands in the profile twice")
            rows[file.path] = (file, one)
        records = [access.encode(access.rule(text)) for text in self._rules]
        longest = max(map(len, records))
        files = []
        for file, one in rows.values():
            whole = one.get("made") == "rules"
            found = _sized(file, one, rows, longest if whole else 0, len(records) if whole else 0)
            files.append(found)
            self._content(found, one)
        self._of_profile(Tree(files), [record.ljust(longest, b"\xff") for record in records])
        return Profile(Tree(files), self._contents, self._made)

    def _rows(self) -> Iterator[tuple[File, dict[str, Any]]]:
        """Give each directory and file with what was written; sizes are not known yet."""
        for directory in self._directories:
            _check_keys("directory", directory, _DIRECTORY_KEYS)
            path = _text(directory, "path", "directory")
            aid = _hex(directory.get("aid", ""), path)
            rule = self._rule(_DIRECTORY_ACCESS)
            name = _text(directory, "name", path)
            yield File(path, Structure.DIRECTORY, rule=rule, name=name, aid=aid), {}
            for one in directory.get("files", ()):
                yield self._file(path, one), one

    def _file(self, directory: str, one: dict[str, Any]) -> File:
        path = f"{directory}/{_text(one, 'id', directory)}"
        _check_keys(path, one, _FILE_KEYS)
        rule, short = self._rule(_text(one, "access", path)), _number(one, "short", path)
        name, link = _text(one, "name", path), one.get("link", "")
        # One octet stands for the size until those of links and of EF.ARR are known.
        return File(path, Structure.TRANSPARENT, 1, 0, short, rule, name, link)

    def _rule(self, text: str) -> int:
        """Give the number of the record of EF.ARR for an access; equal ones share one."""
        access.rule(text)
        return self._rules.setdefault(text, len(self._rules) + 1)

    def _content(self, file: File, one: Mapping[str, Any]) -> None:
        """Note what is in a file: its content, or the name of what is made."""
        made = one.get("made", "")
        if made:
            if made not in MADE:
                raise ConfigError(f"{file.path}: made = {made!r} is none of {', '.join(MADE)}")
            self._made[file.path] = made
        if file.structure is Structure.BER_TLV:
            self._objects(file, one)
            return
        blank = _hex(one.get("blank", ""), file.path).ljust(file.record, b"\xff")
        content = one.get("content", [])
        if isinstance(content, str):
            octets = _hex(content, file.path).ljust(file.size, b"\xff")
        else:
            parts = [_hex(part, file.path).ljust(file.record, b"\xff") for part in content]
            octets = b"".join(parts) + blank * (file.records - len(parts))
        if len(octets) > file.size and not file.directory:
            raise ConfigError(f"{file.path}: the content is longer than {file.size} octets")
        if octets.strip(b"\xff"):
            self._contents[file.path] = octets

    def _objects(self, file: File, one: Mapping[str, Any]) -> None:
        """Note the data objects of a file; there is no filling behind them."""
        octets = _hex(one.get("content", ""), file.path)
        try:
            tlv.decode_all(octets)
        except PeerError as exc:
            raise ConfigError(f"{file.path}: the content is no row of data objects") from exc
        if len(octets) > file.size:
            raise ConfigError(f"{file.path}: the content is longer than {file.size} octets")
        self._contents[file.path] = octets

    def _of_profile(self, tree: Tree, rules: list[bytes]) -> None:
        """Make what follows from the profile alone."""
        makers: dict[str, Callable[[File], bytes]] = {
            "rules": lambda _: b"".join(rules),
            "directory": lambda file: self._directory_of(tree, file),
            "services": lambda file: _bits(self._numbers("services"), file.size),
            "sim_services": lambda file: _pairs(self._numbers("sim_services"), file.size),
        }
        for path in [path for path, made in self._made.items() if made in _OF_PROFILE]:
            self._contents[path] = makers[self._made.pop(path)](tree.files[path])

    def _directory_of(self, tree: Tree, file: File) -> bytes:
        """Make the records of EF.DIR: AID and label of each application. TS 102 221 clause 13.1."""
        labels = {one["path"]: str(one.get("label", "")) for one in self._directories}
        octets = b""
        for one in tree.applications:
            template = tlv.encode(0x4F, one.aid) + tlv.encode(0x50, labels[one.path].encode())
            octets += tlv.encode(0x61, template).ljust(file.record, b"\xff")
        if len(octets) > file.size:
            raise ConfigError(f"{file.path}: the applications do not fit its records")
        return octets.ljust(file.size, b"\xff")

    def _numbers(self, key: str) -> list[int]:
        found = self._source.get(key, [])
        if not isinstance(found, list) or not all(type(one) is int and one > 0 for one in found):
            raise ConfigError(f"profile: {key}: a list of service numbers is expected")
        return found


def _sized(
    file: File,
    one: Mapping[str, Any],
    rows: Mapping[str, tuple[File, Any]],
    record: int,
    count: int,
) -> File:
    """Give a file its structure and size: its own, those of its link, or the given ones."""
    if file.directory:
        return file
    if file.link:
        if file.link not in rows:
            raise ConfigError(f"{file.path}: link: there is no {file.link}")
        one = rows[file.link][1]
    record = record or _number(one, "record", file.path)
    count = count or _number(one, "records", file.path)
    structure = Structure.BER_TLV if one.get("objects") else Structure.TRANSPARENT
    if record:
        structure = Structure.CYCLIC if one.get("cyclic") else Structure.LINEAR
    size = record * count or _number(one, "size", file.path)
    row = (file.path, structure, size, record, file.short, file.rule, file.name, file.link)
    return File(*row)


def _check_keys(where: str, table: Mapping[str, Any], known: set[str]) -> None:
    unknown = set(table) - known
    if unknown:
        raise ConfigError(f"{where}: {', '.join(sorted(unknown))}: unknown")


def _text(table: Mapping[str, Any], key: str, where: str) -> str:
    found = table.get(key)
    if not isinstance(found, str) or not found:
        raise ConfigError(f"{where}: {key}: a text is expected")
    if key in {"id", "path"}:
        _check_path(found, where)
    return found


def _check_path(text: str, where: str) -> None:
    parts = text.split("/")
    if any(len(part) != 4 or set(part) - set("0123456789ABCDEF") for part in parts):
        raise ConfigError(f"{where}: {text!r}: identifiers of four digits 0 to F are expected")


def _number(table: Mapping[str, Any], key: str, where: str) -> int:
    found = table.get(key, 0)
    if type(found) is not int or found < 0:
        raise ConfigError(f"{where}: {key}: a number is expected")
    return found


def _hex(text: object, where: str) -> bytes:
    try:
        return bytes.fromhex(str(text))
    except ValueError as exc:
        raise ConfigError(f"{where}: {text!r}: hexadecimal digits are expected") from exc


def _bits(numbers: list[int], size: int) -> bytes:
    """Write a service table of one bit to a service. TS 31.102 clause 4.2.8."""
    table = bytearray(size)
    for number in numbers:
        if number > size * 8:
            raise ConfigError(f"service {number} does not fit {size} octets")
        table[(number - 1) // 8] |= 1 << (number - 1) % 8
    return bytes(table)


def _pairs(numbers: list[int], size: int) -> bytes:
    """Write a service table of two bits, allocated and activated. TS 51.011 clause 10.3.7."""
    return _bits([place for number in numbers for place in (2 * number - 1, 2 * number)], size)
