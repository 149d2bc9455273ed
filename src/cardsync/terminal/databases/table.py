"""A table of any SQLite file, one item a row.

The primary key is the item's name: one column, or SQLite's rowid where there is none. Where one
column is left, its value is the content; where several are, the content is a JSON object of them
(RFC 8259), columns in ascending order, without spaces, octets as {"base64": ...}. So equal rows are
equal items, whatever their order. A table that is not there is made with a name and a content.
"""

import base64
import binascii
import json
import re
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from cardsync.errors import ConfigError, PeerError
from cardsync.syncml.datastore import ANY_TYPE

JSON: Final = "application/json"
_BUSY_SECONDS: Final = 5.0
_UNSUPPORTED, _EXISTS, _DEVICE_FULL, _FAILED = 415, 418, 420, 510
_NUMBER: Final = re.compile(r"0|-?[1-9][0-9]{0,17}")  # what SQLite keeps in 64 bits

_Value = str | int | float | bytes | None


class Table:
    """The rows of a table; raises `ConfigError` if it cannot be used as described above."""

    def __init__(self, path: Path, table: str, content_type: str = ANY_TYPE) -> None:
        self.content_version = ""
        self._path = path
        self._table = _quoted(table)
        try:
            self.connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._key, self._key_type, columns = self._describe(table)
        except sqlite3.Error as exc:
            raise ConfigError(f"table {table} of {path} cannot be used: {exc}") from exc
        self._columns = tuple(sorted(columns))
        self._types = columns
        self._is_json = len(columns) > 1
        usual = JSON if self._is_json else "text/plain"
        self.content_type = usual if content_type == ANY_TYPE else content_type

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    def identity(self) -> str:
        """Give what the file system knows the file by."""
        there = self._path.stat()
        return f"{there.st_dev}.{there.st_ino}.{self._table}"

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Write all that is within in one transaction."""
        if self.connection.in_transaction:
            yield
            return
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def stamps(self) -> Mapping[str, str]:
        """Give a digest of each row."""
        rows = self.connection.execute(self._select())
        return {str(row[0]): sha256(self._content(row[1:])).hexdigest() for row in rows}

    def read(self, name: str) -> bytes | None:
        """Read a row."""
        row = self.connection.execute(
            f"{self._select()} WHERE {self._key} IS ?", (self._key_of(name),)
        ).fetchone()
        return None if row is None else self._content(row[1:])

    def write(self, name: str, data: bytes) -> str:
        """Write a row as a whole."""
        values = self._values(data, name)
        names = ", ".join((self._key, *map(_quoted, self._columns)))
        marks = ", ".join("?" * (len(values) + 1))
        news = ", ".join(f"{column} = excluded.{column}" for column in map(_quoted, self._columns))
        statement = (
            f"INSERT INTO {self._table} ({names}) VALUES ({marks})"  # noqa: S608  # quoted
            f" ON CONFLICT ({self._key}) DO UPDATE SET {news}"
        )
        self._do(lambda: self.connection.execute(statement, (self._key_of(name), *values)))
        written = self.read(name)  # a column may have turned a text into a number
        return sha256(written or b"").hexdigest()

    def name(self, wanted: str, data: bytes) -> str:
        """Give the peer's name if the key takes it and it is free, else another one."""
        del data
        free = wanted
        while self._key_of(free) is None or self.read(free) is not None:
            free = str(secrets.randbits(53)) if self._is_number else secrets.token_hex(6)
        return free

    def remove(self, name: str) -> None:
        """Remove a row."""
        statement = f"DELETE FROM {self._table} WHERE {self._key} IS ?"  # noqa: S608  # quoted
        self._do(lambda: self.connection.execute(statement, (self._key_of(name),)))

    def type_of(self, data: bytes) -> str | None:
        """Say nothing: all rows are of one type."""
        del data
        return None

    def likeness(self, data: bytes) -> bytes:
        """Give the whole content: rows that differ are different items."""
        return data

    def merge(self, ours: bytes, theirs: bytes) -> bytes | None:
        """Merge two rows column by column: an empty column takes the other's value."""
        if ours == theirs or not self._is_json:
            return ours if ours == theirs else None
        try:
            one, two = _object(ours), _object(theirs)
        except ValueError:
            return None
        names = one.keys() | two.keys()
        if any(None not in (one.get(n), two.get(n)) and one[n] != two[n] for n in names):
            return None
        return _json({name: _first(one.get(name), two.get(name)) for name in names})

    # --- inside -----------------------------------------------------------------------------

    @property
    def _is_number(self) -> bool:
        return "INT" in self._key_type

    def _describe(self, table: str) -> tuple[str, str, dict[str, str]]:
        """Give the key, its declared type, and the other columns with theirs."""
        there = self.connection.execute(f"PRAGMA table_info({self._table})").fetchall()
        if not there:
            self.connection.execute(
                f"CREATE TABLE {self._table} (name TEXT PRIMARY KEY, content BLOB NOT NULL)"
            )
            there = self.connection.execute(f"PRAGMA table_info({self._table})").fetchall()
        keys = [row for row in there if row[5]]
        columns = {row[1]: str(row[2]).upper() for row in there if not row[5]}
        if len(keys) > 1 or not columns:
            raise ConfigError(
                f"table {table} of {self._path} has {len(keys)} columns in its primary key and "
                f"{len(columns)} others; one or none, and at least one other, are expected"
            )
        if not keys:
            return "rowid", "INTEGER", columns
        return _quoted(keys[0][1]), str(keys[0][2]).upper(), columns

    def _select(self) -> str:
        columns = ", ".join((self._key, *map(_quoted, self._columns)))
        return f"SELECT {columns} FROM {self._table}"  # noqa: S608  # quoted names

    def _key_of(self, name: str) -> _Value:
        """Give the key that a name means; None if it cannot be one."""
        if not self._is_number:
            return name
        return int(name) if _NUMBER.fullmatch(name) else None

    def _content(self, values: tuple[_Value, ...]) -> bytes:
        if self._is_json:
            return _json(dict(zip(self._columns, values, strict=True)))
        (value,) = values
        if isinstance(value, bytes):
            return value
        return b"" if value is None else str(value).encode()

    def _values(self, data: bytes, name: str) -> tuple[_Value, ...]:
        """Give what the columns get; raise `PeerError`, answer 415, for what is no row.

        A new row may lack some: of items that go by fields no more is known.
        """
        if not self._is_json:
            declared = self._types[self._columns[0]]
            return (_as_text(data) if _is_text(declared) else data,)
        try:
            fields = _object(data)
        except ValueError as exc:
            raise PeerError(f"no row: {exc}", answer=_UNSUPPORTED) from exc
        missing = set(self._columns) - fields.keys()
        if fields.keys() - set(self._columns) or (missing and self.read(name) is not None):
            raise PeerError("other columns than the table's", answer=_UNSUPPORTED)
        return tuple(fields.get(column) for column in self._columns)

    def _do(self, statement: Callable[[], object]) -> None:
        try:
            statement()
        except sqlite3.IntegrityError as exc:
            unique = exc.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_UNIQUE
            answer = _EXISTS if unique else _UNSUPPORTED
            raise PeerError(f"row refused: {exc}", answer=answer) from exc
        except OverflowError as exc:
            raise PeerError("a number that no column takes", answer=_UNSUPPORTED) from exc
        except sqlite3.Error as exc:
            full = getattr(exc, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL
            answer = _DEVICE_FULL if full else _FAILED
            raise PeerError(f"row not written: {exc}", answer=answer) from exc


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _is_text(declared: str) -> bool:
    """Tell a column of texts by its declared type. SQLite "Datatypes", clause 3.1."""
    return any(part in declared for part in ("CHAR", "CLOB", "TEXT"))


def _as_text(data: bytes) -> str | bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _json(row: Mapping[str, _Value]) -> bytes:
    told = {
        name: {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value
        for name, value in row.items()
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def _object(data: bytes) -> dict[str, _Value]:
    """Read what `_json` wrote; raise ValueError."""
    fields = json.loads(data.decode())
    if not isinstance(fields, dict):
        raise ValueError("no JSON object")  # noqa: TRY004  # as of any other text
    return {name: _value(value) for name, value in fields.items()}


def _value(value: Any) -> _Value:
    match value:
        case str() | int() | float() | None:
            return value
        case {"base64": str(text)} if len(value) == 1:
            try:
                return base64.b64decode(text, validate=True)
            except binascii.Error as exc:
                raise ValueError("base64 is malformed") from exc
        case _:
            raise ValueError("a value that no column has")


def _first(one: _Value, two: _Value) -> _Value:
    return two if one is None else one
