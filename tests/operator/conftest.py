"""A real PostgreSQL for each worker of a run, emptied after each test."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

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
    """Start this worker's server; give the DSN of its database.

    Workers share none: what one of them has under way shows in the snapshots of all databases.
    """
    folder = Path(tempfile.gettempdir()) / f"cardsync-{testrun_uid[:8]}-{worker_id}"
    embedded = EmbeddedPostgres(folder)
    yield embedded.start()
    embedded.stop()
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
            "TRUNCATE device, record, ident, pairing, credential, card, card_ident "
            "RESTART IDENTITY CASCADE"
        )
