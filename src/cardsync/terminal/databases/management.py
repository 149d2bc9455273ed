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
from cardsync.terminal.databases.management_file import ManagementFile
from cardsync.terminal.databases.management_peer import ManagementDatastore


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
    """A REQUEST SYNCHRONIZATION as it was accepted: draft of the command, clauses 2 to 4.

    `reference` is its session reference, `command` the octets as they were fetched, `created`
    the time of acceptance in seconds of UTC, `result` what the agent wrote; None while OPEN.
    """

    reference: bytes
    command: bytes
    state: OrderState
    result: bytes | None
    created: float


class ManagementDatabase:
    """The database in the file `path`, which is made if it is not there.

    Raises `ConfigError` if the file cannot be used.
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

    def keep_order(self, reference: bytes, command: bytes, now: float) -> bool:
        """Keep an order before it is answered; false if this reference is known already.

        Decision O-2: a known reference is the same order again, and is answered as the first.
        """
        with self._file.transaction() as connection:
            kept = connection.execute(
                "INSERT OR IGNORE INTO orders (reference, command, state, created)"
                " VALUES (?, ?, ?, ?)",
                (reference, command, OrderState.OPEN, now),
            )
            return kept.rowcount == 1

    def order(self, reference: bytes) -> Order | None:
        """Give an order, whatever its state."""
        with self._file.reading() as connection:
            row = connection.execute(
                "SELECT reference, command, state, result, created FROM orders WHERE reference = ?",
                (reference,),
            ).fetchone()
        return row and _order(row)

    def open_orders(self) -> tuple[Order, ...]:
        """Give the orders without a result, the oldest first: after a crash they go on."""
        return self._orders(OrderState.OPEN)

    def owed_orders(self) -> tuple[Order, ...]:
        """Give the orders of whose result the card has yet to hear, the oldest first."""
        return self._orders(OrderState.OWED)

    def finish_order(self, reference: bytes, result: bytes, *, owed: bool) -> None:
        """Keep the result of an order; `owed` if the card asked to hear of it.

        Raises `LocalError` if there is no such order.
        """
        self._move(reference, OrderState.OWED if owed else OrderState.DONE, result)

    def order_told(self, reference: bytes) -> None:
        """Note that the card has taken the result; raise `LocalError` for an unknown order."""
        self._move(reference, OrderState.DONE, None)

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

    def _orders(self, state: OrderState) -> tuple[Order, ...]:
        with self._file.reading() as connection:
            rows = connection.execute(
                "SELECT reference, command, state, result, created FROM orders"
                " WHERE state = ? ORDER BY created, rowid",
                (state,),
            ).fetchall()
        return tuple(map(_order, rows))

    def _move(self, reference: bytes, state: OrderState, result: bytes | None) -> None:
        with self._file.transaction() as connection:
            moved = connection.execute(
                "UPDATE orders SET state = ?, result = coalesce(?, result) WHERE reference = ?",
                (state, result, reference),
            )
            if not moved.rowcount:
                raise LocalError(f"there is no order {reference.hex()}")


def _order(row: tuple[bytes, bytes, int, bytes | None, float]) -> Order:
    reference, command, state, result, created = row
    return Order(reference, command, OrderState(state), result, created)
