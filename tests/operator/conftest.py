"""A real PostgreSQL for the whole run, one database for each worker, emptied for each test."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from cardsync.operator.store.database import Database
from cardsync.operator.store.embedded import EmbeddedPostgres


@pytest.fixture
def home() -> Iterator[Path]:
    """Give an empty folder that an unprivileged account may enter, with a short name."""
    folder = Path(tempfile.mkdtemp(prefix="cardsync-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server(worker_id: str, testrun_uid: str) -> Iterator[str]:
    """Start or join the run's server; give the DSN of a database of this worker alone."""
    folder = Path(tempfile.gettempdir()) / f"cardsync-tests-{testrun_uid[:12]}"
    embedded = EmbeddedPostgres(folder)
    dsn = embedded.start()
    name = f"test_{worker_id}"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    yield psycopg.conninfo.make_conninfo(dsn, dbname=name)
    embedded.stop()
    if not embedded.alive():
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def opened(server: str) -> Iterator[Database]:
    """Open the worker's database with our schema."""
    with Database(server) as database:
        yield database


@pytest.fixture
def database(opened: Database) -> Iterator[Database]:
    """Give the worker's database, empty."""
    yield opened
    with opened.transaction() as connection:
        connection.execute(
            "TRUNCATE device, ident, pairing, credential, card, card_ident RESTART IDENTITY CASCADE"
        )
