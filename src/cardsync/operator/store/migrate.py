"""Brings a database to the schema that this program was written for.

A migration is a file `NNNN_name.sql` in `migrations/`, applied once, in the order of numbers.
Two marks, each a comment line of its own:

`-- no-transaction`  as the first line: the statements run one by one, outside a transaction (for
                     CREATE INDEX CONCURRENTLY); each must be harmless when it is run again.
`-- distribute`      what follows runs only where the extension Citus is installed, also later
                     when it comes to an existing database.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources

import psycopg

from cardsync.errors import ConfigError

LOCK = 0x6361_7264_7379_6E63
"""The advisory lock under which one process migrates ("cardsync" in ASCII)."""

_REGISTER = """
CREATE TABLE IF NOT EXISTS schema_migration (
    number      integer PRIMARY KEY,
    name        text NOT NULL,
    checksum    text NOT NULL,
    distributed boolean NOT NULL,
    applied     timestamptz NOT NULL DEFAULT now()
)"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: the statements for every database, and those for Citus."""

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file."""
        return sha256(self.text.encode()).hexdigest()

    @property
    def in_transaction(self) -> bool:
        """Whether all of it is done or nothing."""
        return not self.text.startswith("-- no-transaction\n")

    @property
    def schema(self) -> str:
        """The statements for every database."""
        return self._parts[0]

    @property
    def distribution(self) -> str:
        """The statements for Citus; empty if there are none."""
        return self._parts[1]

    @property
    def _parts(self) -> tuple[str, str]:
        schema, _, distribution = self.text.partition("\n-- distribute\n")
        return schema, distribution


def migrations() -> tuple[Migration, ...]:
    """Read the migrations of this program, in their order."""
    folder = resources.files(__package__) / "migrations"
    found = []
    for file in folder.iterdir():
        name = re.fullmatch(r"(\d{4})_(\w+)\.sql", file.name)
        if name:
            found.append(Migration(int(name[1]), name[2], file.read_text()))
    return tuple(sorted(found, key=lambda migration: migration.number))


def migrate(dsn: str, known: tuple[Migration, ...] | None = None) -> list[str]:
    """Apply what is missing; give the names of what was applied.

    Raises `ConfigError` if the database was made by a newer program, or if a file that was
    applied has changed since. Several processes may call it at once: one works, the rest wait.
    """
    wanted = migrations() if known is None else known
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        connection.execute(_REGISTER)
        applied = _applied(connection)
        _check(applied, wanted)
        citus = connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'citus'").fetchone()
        return [
            migration.name
            for migration in wanted
            if _apply(connection, migration, applied.get(migration.number), citus is not None)
        ]


@dataclass(frozen=True, slots=True)
class _Applied:
    name: str
    checksum: str
    distributed: bool


def _applied(connection: psycopg.Connection) -> dict[int, _Applied]:
    rows = connection.execute("SELECT number, name, checksum, distributed FROM schema_migration")
    return {number: _Applied(name, checksum, done) for number, name, checksum, done in rows}


def _check(applied: dict[int, _Applied], wanted: tuple[Migration, ...]) -> None:
    here = {migration.number: migration for migration in wanted}
    for number, row in applied.items():
        if number not in here:
            raise ConfigError(
                f"the database has migration {number:04} ({row.name}), which this program does "
                "not know: it was used by a newer version; install that version"
            )
        if here[number].checksum != row.checksum:
            raise ConfigError(
                f"migration {number:04} ({row.name}) differs from the one that the database "
                "was made with; a migration that was applied is never changed: restore the file"
            )


def _apply(
    connection: psycopg.Connection, migration: Migration, row: _Applied | None, citus: bool
) -> bool:
    distribute = citus and bool(migration.distribution)
    steps = [] if row else [migration.schema]
    if distribute and not (row and row.distributed):
        steps.append(migration.distribution)
    if not steps:
        return False
    record = (
        "INSERT INTO schema_migration (number, name, checksum, distributed) "
        "VALUES (%s, %s, %s, %s) "
        "ON CONFLICT (number) DO UPDATE SET distributed = excluded.distributed"
    )
    values = [migration.number, migration.name, migration.checksum, distribute]
    if migration.in_transaction:
        with connection.transaction():
            for step in steps:
                connection.execute(step.encode())
            connection.execute(record, values)
    else:
        for step in steps:
            for statement in re.split(r";[ \t]*\n", step):
                if re.sub(r"--.*", "", statement).strip():
                    connection.execute(statement.encode())
        connection.execute(record, values)
    return True
