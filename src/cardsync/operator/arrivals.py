"""Browsers that a card has opened at our page: who they are by their one-time token, kept once.

The token is taken once, as that of a synchronization is: it vouches for the card, and its counter
has to be above every one that the card showed before. The browser that brought it may come again
within `TOKEN_WINDOW` (a page is loaded anew, the user goes back); that changes nothing. What is
kept is evidence: the card is in a phone with a browser that calls itself so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from psycopg.rows import class_row

from cardsync.operator.journal import note
from cardsync.operator.reports import known
from cardsync.operator.store.cards import Cards
from cardsync.operator.store.database import Connection, Database
from cardsync.ota.token import PAGE_TARGET

LONGEST_AGENT = 200
"""Characters that are kept of what a browser says of itself."""


@dataclass(frozen=True, slots=True)
class Browser:
    """What a browser says: `visitor` is a secret of ours that only it has, maybe a new one.

    `agent` is its name, `language` the one it prefers, two letters or empty.
    """

    visitor: str
    agent: str
    language: str


@dataclass(frozen=True, slots=True)
class Visit:
    """A browser that came: when, under which counter of the card, what it said of itself."""

    counter: int
    visited: datetime
    agent: str
    language: str | None


class Arrivals:
    """Takes the browsers of cards."""

    def __init__(self, database: Database, cards: Cards) -> None:
        self._database = database
        self._cards = cards

    def take(self, token: bytes, browser: Browser, now: datetime) -> str:
        """Take a browser with its token; give the language of the card's phone, or nothing.

        Raises `TokenUsed` for a token that came before or is too old, and `PeerError` for one
        that is not genuine: then nothing has changed.
        """
        session = f"page {sha256(browser.visitor.encode()).hexdigest()[:32]}"
        with self._database.transaction() as connection:
            accepted = self._cards.accept_token(connection, token, (PAGE_TARGET,), session, now)
            first = _keep(connection, accepted.iccid, accepted.counter, browser, now)
            if first:
                agent = browser.agent[:LONGEST_AGENT]
                note(connection, accepted.iccid, f"browser at the card's page: {agent}", now)
            told = known(connection, accepted.iccid)
        return (told.language if told else None) or ""


def recent(connection: Connection, iccid: str, limit: int = 50) -> list[Visit]:
    """Give the last browsers of a card, the newest first."""
    with connection.cursor(row_factory=class_row(Visit)) as cursor:
        return cursor.execute(
            "SELECT counter, visited, agent, language FROM card_visit WHERE iccid = %s "
            "ORDER BY visited DESC LIMIT %s",
            [iccid, limit],
        ).fetchall()


def forget(connection: Connection, before: datetime, cards: Sequence[object]) -> int:
    """Delete the visits of these cards older than `before`; give their number."""
    return connection.execute(
        "DELETE FROM card_visit WHERE iccid = ANY(%s) AND visited < %s", [list(cards), before]
    ).rowcount


def _keep(
    connection: Connection, iccid: str, counter: int, browser: Browser, now: datetime
) -> bool:
    """Write a visit down; say whether it is the first under this counter.

    A counter comes a second time only after the card got other keys, or by the same browser.
    """
    written = connection.execute(
        "INSERT INTO card_visit (iccid, counter, visited, agent, language) "
        "VALUES (%s, %s, %s, %s, %s) ON CONFLICT (iccid, counter) DO NOTHING",
        [iccid, counter, now, browser.agent[:LONGEST_AGENT], browser.language or None],
    )
    return written.rowcount > 0
