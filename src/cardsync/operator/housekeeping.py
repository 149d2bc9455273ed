"""What nobody needs any more is removed: no table grows for ever.

Each kind of thing is kept for its time. A page, of so many entries, cards or devices, is one
transaction, so that nobody waits long for a row; where several operators work on one database,
one of them keeps house.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Self

import psycopg

from cardsync.errors import ConfigError
from cardsync.operator import arrivals, journal, outbox, proofs, reports
from cardsync.operator.server import Background, Operator
from cardsync.operator.store import restoring, sessions
from cardsync.operator.store.database import Connection, Database

PAUSE = 3600.0
"""Seconds between two rounds."""

_BREATH = 0.05  # seconds between two pages
_ROWS = 2000  # of one page of a table that is not of cards or devices
_OWNERS = 500  # cards or devices of one page
_LOCK = 0x686F_7573_656B_6570
"""The advisory lock of who keeps house ("housekep" in ASCII)."""
_FOR_EVER = "forever"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Retention:
    """For how many days each kind of thing is kept; None is for ever."""

    journal: int | None = 30
    packets: int | None = 90
    """Of the outbox, after they ended."""
    reports: int | None = 365
    """Of cards, and browsers at their page; what is known of a card stays."""
    sessions: int | None = 365
    """The log of synchronizations."""
    history: int | None = 365
    """Versions of records after they were replaced; `restore` reaches back as far."""

    @classmethod
    def read(cls, given: Sequence[str]) -> Self:
        """Read WHAT=DAYS or WHAT=forever, as a person writes them. Raises `ConfigError`."""
        names = [field.name for field in fields(cls)]
        found: dict[str, int | None] = {}
        for text in given:
            name, _, days = text.partition("=")
            is_number = days.isascii() and days.isdigit() and 0 < int(days[:6]) <= 36500
            if name not in names or not (is_number or days == _FOR_EVER):
                raise ConfigError(
                    f"--keep {text}: WHAT=DAYS or WHAT={_FOR_EVER} is expected, WHAT one of "
                    f"{', '.join(names)}; such as journal=7"
                )
            found[name] = int(days) if is_number else None
        return cls(**found)

    def before(self, name: str, now: datetime) -> datetime | None:
        """Give the moment before which things of a kind go."""
        days: int | None = getattr(self, name)
        return None if days is None else now - timedelta(days=days)


class Housekeeper:
    """Keeps house in one database."""

    def __init__(self, database: Database, retention: Retention) -> None:
        self._database = database
        self._retention = retention

    def pages(self, now: datetime) -> Iterator[Mapping[str, int]]:
        """Keep house once, page by page; yield how many of what each page has removed."""
        yield from self._entries(now)
        yield from self._owned("card", "iccid", self._cards, now)
        yield from self._owned("device", "device_id", self._devices, now)

    def _entries(self, now: datetime) -> Iterator[Mapping[str, int]]:
        """Remove what is found by its age alone."""
        for name, before, forget in (
            ("journal", self._retention.before("journal", now), journal.forget),
            ("packets", self._retention.before("packets", now), outbox.forget),
            ("segments", now - proofs.PARTS_AGE, proofs.forget),
        ):
            gone = _ROWS
            while before is not None and gone == _ROWS:
                with self._database.transaction() as connection:
                    gone = forget(connection, before, _ROWS) if _may(connection) else 0
                yield {name: gone}

    def _owned(
        self, table: str, key: str, forget: "_Forget", now: datetime
    ) -> Iterator[Mapping[str, int]]:
        """Remove what belongs to each card, or to each device: asked with their names alone."""
        after: list[object] = []
        while True:
            with self._database.transaction() as connection:
                owners = _owners(connection, table, key, after) if _may(connection) else []
                gone = forget(connection, owners, now) if owners else {}
            if not owners:
                return
            yield gone
            after = owners[-1:]

    def _cards(
        self, connection: Connection, owners: Sequence[object], now: datetime
    ) -> Mapping[str, int]:
        before = self._retention.before("reports", now)
        if before is None:
            return {}
        gone = reports.forget(connection, before, owners)
        return {"reports": gone + arrivals.forget(connection, before, owners)}

    def _devices(
        self, connection: Connection, owners: Sequence[object], now: datetime
    ) -> Mapping[str, int]:
        gone = {"states": sessions.forget(connection, now - sessions.RETENTION, owners)}
        if before := self._retention.before("sessions", now):
            gone["sessions"] = sessions.forget_log(connection, before, owners)
        if before := self._retention.before("history", now):
            gone["history"] = restoring.forget(connection, before, owners)
        return gone


_Forget = Callable[[Connection, Sequence[object], datetime], Mapping[str, int]]


def _owners(connection: Connection, table: str, key: str, after: list[object]) -> list[object]:
    """Give the next cards or devices."""
    rows = connection.execute(
        f"SELECT {key} FROM {table} {f'WHERE {key} > %s' if after else ''} "  # noqa: S608  # ours
        f"ORDER BY {key} LIMIT {_OWNERS}".encode(),
        after,
    )
    return [row[0] for row in rows]


def _may(connection: Connection) -> bool:
    """Say whether nobody else keeps house, until the end of the transaction."""
    row = connection.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK]).fetchone()
    return bool(row and row[0])


def background(
    retention: Retention,
    tell: Callable[[Mapping[str, int]], None] = lambda _: None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    pause: float = PAUSE,
) -> Background:
    """Give what keeps house beside the server; `tell` hears what a round has removed."""

    async def run(running: Operator) -> None:
        keeper = Housekeeper(running.database, retention)
        while True:
            gone: Counter[str] = Counter()
            pages = keeper.pages(clock())
            try:
                while (page := await asyncio.to_thread(next, pages, None)) is not None:
                    gone.update(page)
                    await asyncio.sleep(_BREATH)
            except psycopg.Error as error:
                _LOG.warning("housekeeping goes on later: %s", error)
            if any(gone.values()):
                tell({name: count for name, count in gone.items() if count})
            await asyncio.sleep(pause)

    return run
