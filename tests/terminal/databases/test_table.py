"""A table of any SQLite file, one item a row."""

import sqlite3
from pathlib import Path

import pytest

from cardsync.errors import ConfigError, PeerError
from cardsync.terminal.databases.table import Table


def made(path: Path, statement: str, *rows: tuple[object, ...]) -> Table:
    """Make the table `t` by a statement, with rows."""
    connection = sqlite3.connect(path / "x.sqlite")
    connection.execute(statement)
    for row in rows:
        connection.execute(f"INSERT INTO t VALUES ({','.join('?' * len(row))})", row)
    connection.commit()
    connection.close()
    return Table(path / "x.sqlite", "t")


def test_table_is_made(tmp_path: Path) -> None:
    """A file and a table that are not there are made with a name and a content."""
    table = Table(tmp_path / "x.sqlite", 'odd "name"')
    stamp = table.write("a", b"\xff\0")

    assert {"a": stamp} == table.stamps()
    assert b"\xff\0" == table.read("a")
    table.remove("a")
    assert {} == table.stamps()


def test_one_column_is_the_content(tmp_path: Path) -> None:
    """A text is its UTF-8; the key is a number, and a peer's name is one or is not taken."""
    table = made(tmp_path, "CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT)", (7, "sept"))

    assert (b"sept", "text/plain") == (table.read("7"), table.content_type)
    table.write("8", "août".encode())
    assert [(7, "sept"), (8, "août")] == table.connection.execute("SELECT * FROM t").fetchall()
    assert "9" == table.name("9", b"")
    assert {"8", "x", "007", "9" * 20}.isdisjoint(
        {table.name(wanted, b"") for wanted in ("8", "x", "007", "9" * 20)}
    )


def test_several_columns_are_an_object(tmp_path: Path) -> None:
    """One JSON object a row, columns in ascending order, octets in base64; both ways."""
    table = made(tmp_path, "CREATE TABLE t (b, a, k TEXT PRIMARY KEY)", (b"\1", None, "x"))
    row = b'{"a":null,"b":{"base64":"AQ=="}}'

    assert (row, "application/json") == (table.read("x"), table.content_type)
    table.write("y", row)
    assert [(b"\1", None)] * 2 == table.connection.execute("SELECT b, a FROM t").fetchall()
    table.write("y", b'{"a": 1.5, "b": "text"}')
    assert b'{"a":1.5,"b":"text"}' == table.read("y")


def test_rowid_is_a_key(tmp_path: Path) -> None:
    """A table without a primary key has SQLite's."""
    table = made(tmp_path, "CREATE TABLE t (a, b)", (1, 2))

    assert {"1"} == table.stamps().keys()
    table.write("5", b'{"a":3,"b":4}')
    assert [(1, 1, 2), (5, 3, 4)] == table.connection.execute("SELECT rowid, * FROM t").fetchall()


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"[]", b"{", b'{"a":1}', b'{"a":1,"b":2,"c":3}', b'{"a":[],"b":1}',
     b'{"a":{"base64":"*"},"b":1}', b'{"a":1,"b":%d}' % 2**64],
)  # fmt: skip
def test_what_is_no_row(tmp_path: Path, data: bytes) -> None:
    """415 for what does not fit the columns; the row stays."""
    table = made(tmp_path, "CREATE TABLE t (k TEXT PRIMARY KEY, a, b)", ("x", 1, 2))

    with pytest.raises(PeerError) as caught:
        table.write("x", data)
    assert 415 == caught.value.answer
    assert b'{"a":1,"b":2}' == table.read("x")


def test_new_row_may_lack_columns(tmp_path: Path) -> None:
    """They are empty; a row that is there is replaced as a whole only."""
    table = made(tmp_path, "CREATE TABLE t (k TEXT PRIMARY KEY, a, b)", ("x", 1, 2))
    table.write("y", b'{"a":1}')

    assert b'{"a":1,"b":null}' == table.read("y")


def test_constraints_of_the_table(tmp_path: Path) -> None:
    """418 for a value that another row must not have too, 415 for one that no row may have."""
    statement = "CREATE TABLE t (k TEXT PRIMARY KEY, a UNIQUE, b CHECK (b > 0))"
    table = made(tmp_path, statement, ("x", 1, 2))
    answers = []
    for data in (b'{"a":1,"b":2}', b'{"a":2,"b":0}'):
        with pytest.raises(PeerError) as caught:
            table.write("y", data)
        answers.append(caught.value.answer)

    assert [418, 415] == answers


def test_full_disk(tmp_path: Path) -> None:
    """420."""
    table = made(tmp_path, "CREATE TABLE t (k TEXT PRIMARY KEY, a)")
    pages = table.connection.execute("PRAGMA page_count").fetchone()[0]
    table.connection.execute(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(PeerError) as caught:
        table.write("x", b"x" * 100_000)
    assert 420 == caught.value.answer


def test_merge_of_rows(tmp_path: Path) -> None:
    """Column by column: an empty one takes the other's value; two values are a conflict. O-9."""
    table = made(tmp_path, "CREATE TABLE t (k TEXT PRIMARY KEY, a, b)")

    assert b'{"a":1,"b":2}' == table.merge(b'{"a":1,"b":null}', b'{"a":null,"b":2}')
    assert table.merge(b'{"a":1,"b":2}', b'{"a":1,"b":3}') is None
    assert table.merge(b"x", b"y") is None
    assert b"x" == table.merge(b"x", b"x")


@pytest.mark.parametrize(
    "statement",
    ["CREATE TABLE t (a, b, c, PRIMARY KEY (a, b))", "CREATE TABLE t (a INTEGER PRIMARY KEY)"],
)
def test_table_that_cannot_be_used(tmp_path: Path, statement: str) -> None:
    """Two columns in the key, or none beside it."""
    with pytest.raises(ConfigError):
        made(tmp_path, statement)


def test_file_that_is_none(tmp_path: Path) -> None:
    """A file of something else."""
    (tmp_path / "x.sqlite").write_bytes(b"no database at all" * 100)

    with pytest.raises(ConfigError):
        Table(tmp_path / "x.sqlite", "t")


def fail(table: Table) -> None:
    """Write a row, then one that is none, in one batch."""
    with table.batch():
        table.write("x", b'{"a":1,"b":2}')
        table.write("y", b"no row")


def test_batch_is_all_or_nothing(tmp_path: Path) -> None:
    """A transaction that fails leaves what was there."""
    table = made(tmp_path, "CREATE TABLE t (k TEXT PRIMARY KEY, a, b)")
    with pytest.raises(PeerError):
        fail(table)

    assert {} == table.stamps()
