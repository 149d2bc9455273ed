"""The terminal's device-management database `devman`: one SQLite file, safe at any `kill -9`.

It holds what is true of the device, parameters and applications, as the collectors read it and
as peers wrote it. Beside them lie the orders that the card gave, kept before they are answered,
and small things that the agent has to remember. One object serves several threads.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Self

from cardsync.errors import LocalError
from cardsync.syncml import record
from cardsync.syncml.record import Record
from cardsync.terminal.databases.management_file import ManagementFile, StorageError
from cardsync.terminal.databases.management_peer import ManagementDatastore

__all__ = ["ManagementDatabase", "Order", "OrderState", "StorageError", "Updated"]


@dataclass(frozen=True, slots=True)
class Updated:
    """How many records an update added, changed and removed."""

    added: int = 0
    changed: int = 0
    removed: int = 0


class OrderState(IntEnum):
    """How far an order of the card has come."""

    OPEN = 0
    """It was accepted; it runs or will run."""
    OWED = 1
    """It has its result, of which the card has to hear."""
    DONE = 2
    """It has its result, and nobody waits for it."""


@dataclass(frozen=True, slots=True)
class Order:
    """A REQUEST SYNCHRONIZATION as it was accepted: docs/request-synchronization.md clause 4.2.

    `card` is the ICCID of the card that gave it, digits, and empty where the card does not say;
    `reference` is its session reference, `command` the octets as they were fetched, `created`
    the time of acceptance in seconds of UTC, `result` what the agent wrote; None while OPEN.
    """

    card: str
    reference: bytes
    command: bytes
    state: OrderState
    result: bytes | None
    created: float


_SELECT = "SELECT card, reference, command, state, result, created FROM orders"


class ManagementDatabase:
    """The database in the file `path`, which is made if it is not there.

    Raises `ConfigError` if the file cannot be used; every method that writes raises `StorageError`
    where there is no room for it.
    """

    def __init__(self, path: Path) -> None:
        self._file = ManagementFile(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def datastore(self, peer: str, mask: int | None) -> ManagementDatastore:
        """Show the database to one peer, within the category mask; None: without a limit."""
        return ManagementDatastore(self._file, peer, mask)

    def update(self, records: Iterable[Record], *, full: bool) -> Updated:
        """Take over what the device shows; what is as it was costs no write.

        With `full`, what the device showed before and shows no more is removed; what a peer
        wrote and no collector reads stays. Of several records with one key the last counts.
        """
        shown = {value.key: value for value in records}
        with self._file.transaction() as connection:
            held = {value.key: (luid, seen, value) for luid, seen, value in self._file.records()}
            changed = [key for key in shown if key in held and shown[key] != held[key][2]]
            for key in changed:
                self._file.put(held[key][0], shown[key])
            claimed = [(held[key][0],) for key in shown if key in held and not held[key][1]]
            connection.executemany("UPDATE items SET collected = 1 WHERE luid = ?", claimed)
            added = [value for key, value in shown.items() if key not in held]
            for value in added:
                self._file.add(value, collected=True)
            gone = [luid for luid, seen, value in held.values() if seen and value.key not in shown]
            for luid in gone if full else ():
                self._file.bury(luid)
        return Updated(len(added), len(changed), len(gone) if full else 0)

    def records(self, mask: int | None = None) -> tuple[Record, ...]:
        """Give all records, as far as a category mask admits them."""
        with self._file.reading():
            held = [value for _, _, value in self._file.records()]
        told = (record.restrict(value, mask) for value in held)
        return tuple(value for value in told if value is not None)

    def digest(self, mask: int | None = None) -> str:
        """Give one SHA-256 over `records(mask)`, to be compared with the other side's."""
        return record.collection_digest(self.records(mask))

    def count(self) -> tuple[int, int]:
        """Count the parameters and the applications."""
        with self._file.reading() as connection:
            return (
                connection.execute("SELECT count(*) FROM parameters").fetchone()[0],
                connection.execute("SELECT count(*) FROM applications").fetchone()[0],
            )

    def keep_order(self, card: str, reference: bytes, command: bytes, now: float) -> bool:
        """Keep an order before it is answered; false if this card's reference is known already.

        Decision O-2: a known reference is the same order again, and is answered as the first.
        """
        with self._file.transaction() as connection:
            kept = connection.execute(
                "INSERT OR IGNORE INTO orders (card, reference, command, state, created)"
                " VALUES (?, ?, ?, ?, ?)",
                (card, reference, command, OrderState.OPEN, now),
            )
            return kept.rowcount == 1

    def order(self, card: str, reference: bytes) -> Order | None:
        """Give an order of a card, whatever its state."""
        with self._file.reading() as connection:
            row = connection.execute(
                _SELECT + " WHERE card = ? AND reference = ?", (card, reference)
            ).fetchone()
        return row and _order(row)

    def open_orders(self, card: str | None = None) -> tuple[Order, ...]:
        """Give the orders without a result, of one card or of all, the oldest first."""
        return self._orders(OrderState.OPEN, card)

    def owed_orders(self, card: str | None = None) -> tuple[Order, ...]:
        """Give the orders of whose result their card has yet to hear, the oldest first."""
        return self._orders(OrderState.OWED, card)

    def finish_order(self, order: Order, result: bytes, *, owed: bool) -> bool:
        """Keep the result of an open order; `owed` if its card asked to hear of it.

        False if it is open no more: what ended it first counts.
        """
        state = OrderState.OWED if owed else OrderState.DONE
        with self._file.transaction() as connection:
            moved = connection.execute(
                "UPDATE orders SET state = ?, result = ?"
                " WHERE card = ? AND reference = ? AND state = ?",
                (state, result, order.card, order.reference, OrderState.OPEN),
            )
            return moved.rowcount == 1

    def order_told(self, card: str, reference: bytes) -> None:
        """Note that the card has taken the result; raise `LocalError` for an unknown order."""
        self._move(card, reference, OrderState.DONE)

    def owe_order(self, card: str, reference: bytes) -> None:
        """Note that the card shall hear of the result again; raise `LocalError` as above."""
        self._move(card, reference, OrderState.OWED)

    def forget_orders(self, before: float) -> int:
        """Drop what was accepted before a time and is not open; give how many were still owed."""
        with self._file.transaction() as connection:
            owed = connection.execute(
                "SELECT count(*) FROM orders WHERE state = ? AND created < ?",
                (OrderState.OWED, before),
            ).fetchone()
            connection.execute(
                "DELETE FROM orders WHERE state <> ? AND created < ?", (OrderState.OPEN, before)
            )
        return int(owed[0])

    def recall(self, key: str) -> bytes | None:
        """Give what the agent kept under a key; None if nothing."""
        with self._file.reading() as connection:
            row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return row and bytes(row[0])

    def remember(self, key: str, value: bytes | None) -> None:
        """Keep octets under a key in place of those before; None forgets them."""
        with self._file.transaction() as connection:
            connection.execute("DELETE FROM meta WHERE key = ?", (key,))
            if value is not None:
                connection.execute("INSERT INTO meta VALUES (?, ?)", (key, value))

    def _orders(self, state: OrderState, card: str | None) -> tuple[Order, ...]:
        with self._file.reading() as connection:
            rows = connection.execute(
                _SELECT + " WHERE state = ?1 AND card = coalesce(?2, card) ORDER BY created, rowid",
                (state, card),
            ).fetchall()
        return tuple(map(_order, rows))

    def _move(self, card: str, reference: bytes, state: OrderState) -> None:
        """Change the state of an order that has its result."""
        with self._file.transaction() as connection:
            moved = connection.execute(
                "UPDATE orders SET state = ? WHERE card = ? AND reference = ? AND state <> ?",
                (state, card, reference, OrderState.OPEN),
            )
            if not moved.rowcount:
                raise LocalError(f"there is no order {reference.hex()} that has ended")


def _order(row: tuple[str, bytes, bytes, int, bytes | None, float]) -> Order:
    card, reference, command, state, result, created = row
    return Order(card, reference, command, OrderState(state), result, created)
