"""What is owed to cards: order, leases, repetition, and one packet under way for each card."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from cardsync.operator import journal, outbox
from cardsync.operator.outbox import Order, Row, State
from cardsync.operator.store.database import Database

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


@pytest.fixture
def queue(database: Database) -> Database:
    """Give a database whose outbox and journal are empty."""
    with database.transaction() as connection:
        connection.execute("TRUNCATE outbox, journal RESTART IDENTITY")
    return database


def order(card: str = "89001", purpose: str = "one", **more: object) -> Order:
    """Give an order that expires in a day."""
    fields: dict[str, object] = {"tar": bytes(3), "data": b"script", "expires": NOW + DAY, **more}
    return Order(card, purpose, **fields)  # type: ignore[arg-type]  # fields of several types


def enqueue(database: Database, *orders: Order) -> list[int]:
    """Enqueue in a transaction of its own."""
    with database.transaction() as connection:
        return outbox.enqueue(connection, orders, NOW)


def claim(database: Database, now: datetime = NOW, limit: int = 100) -> list[Row]:
    """Claim in a transaction of its own."""
    with database.transaction() as connection:
        return outbox.claim(connection, now, limit=limit)


def finish(database: Database, row: Row, reason: str | None = None) -> None:
    """Finish in a transaction of its own."""
    with database.transaction() as connection:
        outbox.finish(connection, row, NOW, reason=reason)


def test_one_at_a_time_and_in_order(queue: Database) -> None:
    """The second packet of a card waits for the first; another card does not."""
    enqueue(queue, order(purpose="first"), order(purpose="second"), order("89002", "other"))

    assert {"first", "other"} == {row.purpose for row in claim(queue)}
    assert [] == claim(queue)


def test_the_next_follows_when_the_first_is_done(queue: Database) -> None:
    """Whether it was done or failed, the next one goes."""
    enqueue(queue, order(purpose="first"), order(purpose="second"), order(purpose="third"))
    taken = []
    for reason in (None, "no", None):
        (row,) = claim(queue)
        taken.append(row.purpose)
        finish(queue, row, reason)

    assert ["first", "second", "third"] == taken
    with queue.transaction() as connection:
        states = [row.state for row in outbox.recent(connection, "89001")]
    assert [State.DONE, State.FAILED, State.DONE] == states


def test_an_order_is_owed_in_the_transaction_of_its_caller(queue: Database) -> None:
    """What the caller undoes is not owed."""
    with queue.transaction() as connection:
        outbox.enqueue(connection, [order()], NOW)
        connection.rollback()

    assert [] == claim(queue)


def test_once(queue: Database) -> None:
    """An order with the same `once` is passed over while the first is unfinished."""
    (first,) = enqueue(queue, order(once="trigger:sync-now"))

    assert [] == enqueue(queue, order(once="trigger:sync-now"))
    assert 1 == len(enqueue(queue, order("89002", once="trigger:sync-now")))
    (row,) = [row for row in claim(queue) if row.id == first]
    finish(queue, row)
    assert 1 == len(enqueue(queue, order(once="trigger:sync-now")))


def test_nothing_to_enqueue(queue: Database) -> None:
    """No order is no row."""
    assert [] == enqueue(queue)


def test_a_lease_comes_back(queue: Database) -> None:
    """What a gateway that died had claimed is claimed again, under the same counter."""
    enqueue(queue, order())
    with queue.transaction() as connection:
        (row,) = outbox.claim(connection, NOW)
        assert outbox.assign(connection, row, 7) is not None

    assert [] == claim(queue, NOW + outbox.LEASE - timedelta(seconds=1))
    (back,) = claim(queue, NOW + outbox.LEASE)
    assert (7, 2) == (back.counter, back.tries)


def test_resume_waits_for_no_lease(queue: Database) -> None:
    """Where no other gateway works, what a dead one had under way is due at once."""
    enqueue(queue, order())
    claim(queue)
    assert [] == claim(queue, NOW + timedelta(seconds=1))
    with queue.transaction() as connection:
        resumed = outbox.resume(connection, NOW + timedelta(seconds=1))

    assert 1 == resumed
    assert ["one"] == [row.purpose for row in claim(queue, NOW + timedelta(seconds=1))]


def test_a_counter_is_assigned_by_the_present_try_alone(queue: Database) -> None:
    """A gateway that slept over its lease cannot change the counter that another one sends."""
    enqueue(queue, order())
    (old,) = claim(queue)
    (new,) = claim(queue, NOW + outbox.LEASE)
    with queue.transaction() as connection:
        assert outbox.assign(connection, old, 7) is None
        assert outbox.assign(connection, new, 8) is not None
        assert outbox.assign(connection, new, 9) is None


def test_a_former_try_says_nothing(queue: Database) -> None:
    """A gateway whose lease ran out does not mark the row that another has claimed since."""
    enqueue(queue, order())
    (old,) = claim(queue)
    (new,) = claim(queue, NOW + outbox.LEASE)
    with queue.transaction() as connection:
        late = outbox.sent(connection, old, ["a"], NOW + DAY)
        present = outbox.sent(connection, new, ["b"], NOW + DAY)
        (row,) = outbox.recent(connection, "89001")

    assert (False, True) == (late, present)
    assert ["b"] == row.message_ids


def test_a_proof_before_the_response(queue: Database) -> None:
    """A row that is finished is not marked as sent: the proof came before the response."""
    enqueue(queue, order())
    (row,) = claim(queue)
    finish(queue, row)
    with queue.transaction() as connection:
        assert not outbox.sent(connection, row, ["a"], NOW + DAY)
        (after,) = outbox.recent(connection, "89001")

    assert State.DONE is after.state


def test_repetition_backs_off() -> None:
    """One minute, four, sixteen, then never more than six hours."""
    waits = [outbox.wait_after(tries) / MINUTE for tries in range(1, 9)]

    assert [1, 4, 16, 64, 256, 360, 360, 360] == waits


def test_sent_is_repeated_when_due_and_nothing_passes_it(queue: Database) -> None:
    """While the first packet waits for its proof, the second waits too."""
    enqueue(queue, order(purpose="first"), order(purpose="second"))
    (row,) = claim(queue)
    with queue.transaction() as connection:
        outbox.sent(connection, row, ["a"], NOW + 10 * MINUTE)

    assert [] == claim(queue, NOW + 9 * MINUTE)
    assert ["first"] == [row.purpose for row in claim(queue, NOW + 10 * MINUTE)]


def test_expired_is_overdue_and_never_sent(queue: Database) -> None:
    """A row whose time is over is not claimed; it is ended, also behind another."""
    enqueue(queue, order(purpose="first"), order(purpose="short", expires=NOW + MINUTE))
    claim(queue)
    with queue.transaction() as connection:
        assert outbox.overdue(connection, NOW) is None
        row = outbox.overdue(connection, NOW + MINUTE)

    assert row is not None
    assert "short" == row.purpose
    assert not row.may_have_arrived


def test_due_is_never_later_than_expires(queue: Database) -> None:
    """A packet that waits long for its proof ends when it expires."""
    enqueue(queue, order(expires=NOW + 2 * MINUTE))
    (row,) = claim(queue)
    with queue.transaction() as connection:
        outbox.sent(connection, row, ["a"], NOW + DAY)
        found = outbox.overdue(connection, NOW + 2 * MINUTE)

    assert found is not None


def test_enough_is_enough(queue: Database) -> None:
    """After eight tries a row is overdue and claimed no more."""
    enqueue(queue, order())
    now = NOW
    for _ in range(outbox.MOST_TRIES):
        assert 1 == len(claim(queue, now))
        now += outbox.LEASE

    assert [] == claim(queue, now)
    with queue.transaction() as connection:
        assert outbox.overdue(connection, now) is not None


def test_a_status_ends_the_waiting(queue: Database) -> None:
    """A card that says "counter low" is given time for its first answer, then it is overdue."""
    enqueue(queue, order())
    (row,) = claim(queue)
    with queue.transaction() as connection:
        outbox.wait(connection, row, NOW + MINUTE, status=2)
        assert outbox.overdue(connection, NOW) is None
        found = outbox.overdue(connection, NOW + MINUTE)

    assert found is not None
    assert 2 == found.status
    assert [] == claim(queue, NOW + MINUTE)


def test_again_takes_another_counter(queue: Database) -> None:
    """A row that begins anew has no counter and keeps its place."""
    enqueue(queue, order(purpose="first"), order(purpose="second"))
    (row,) = claim(queue)
    with queue.transaction() as connection:
        outbox.assign(connection, row, 7)
        outbox.again(connection, row, NOW)
    (back,) = claim(queue)

    assert ("first", None) == (back.purpose, back.counter)


def test_withdraw_takes_only_what_never_left(queue: Database) -> None:
    """Rows under way stay, and messages that change no content stay."""
    content = {"policy": "x"}
    enqueue(
        queue,
        order(purpose="under way", content=content),
        order(purpose="superseded", content=content),
        order(purpose="trigger"),
    )
    claim(queue)
    with queue.transaction() as connection:
        assert 1 == outbox.withdraw(connection, "89001", NOW, "superseded")
        left = [row.purpose for row in outbox.unfinished(connection, "89001")]

    assert ["under way", "trigger"] == left


def test_the_database_refuses_two_packets_of_a_card(queue: Database) -> None:
    """Even a faulty gateway cannot have two of a card under way."""
    enqueue(queue, order(purpose="first"), order(purpose="second"))

    with pytest.raises(psycopg.errors.UniqueViolation), queue.transaction() as connection:
        connection.execute("UPDATE outbox SET state = 1")


def test_rows_committed_in_another_order(queue: Database) -> None:
    """A row whose number is lower but which appears later neither passes nor blocks."""
    with queue.transaction() as slow:
        outbox.enqueue(slow, [order(purpose="slow")], NOW)
        enqueue(queue, order(purpose="quick"))
        (quick,) = claim(queue)

    assert "quick" == quick.purpose
    assert [] == claim(queue)
    assert ["quick"] == [row.purpose for row in claim(queue, NOW + outbox.LEASE)]
    finish(queue, quick)
    assert ["slow"] == [row.purpose for row in claim(queue)]


def test_many_gateways_never_claim_one_row_twice(queue: Database) -> None:
    """Four claim at once, in small batches, until nothing is left: each row once."""
    cards = [f"89{number:03}" for number in range(120)]
    enqueue(queue, *[order(card) for card in cards])
    together = threading.Barrier(4)

    def gateway(_: int) -> list[str]:
        together.wait()
        taken: list[str] = []
        while batch := claim(queue, limit=7):
            taken += [row.iccid for row in batch]
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [card for part in pool.map(gateway, range(4)) for card in part]

    assert sorted(cards) == sorted(taken)


def test_lock_and_forget(queue: Database) -> None:
    """A finished row cannot be locked for a second end, and is deleted when it is old."""
    (number,) = enqueue(queue, order())
    (row,) = claim(queue)
    with queue.transaction() as connection:
        assert outbox.lock(connection, number) is not None
        outbox.finish(connection, row, NOW, status=0, response=b"\x01")
        assert outbox.lock(connection, number) is None
        assert 0 == outbox.forget(connection, NOW, 9)
        assert 1 == outbox.forget(connection, NOW + DAY, 9)


def test_a_listener_hears_of_work(queue: Database) -> None:
    """The channel wakes a gateway up when the transaction is committed."""
    with queue.transaction() as listener:
        listener.execute(f"LISTEN {outbox.CHANNEL}".encode())
        listener.commit()
        enqueue(queue, order())
        heard = list(listener.notifies(timeout=5, stop_after=1))

    assert [outbox.CHANNEL] == [one.channel for one in heard]


def test_nothing_secret_in_a_row(queue: Database) -> None:
    """What is written of a row for people does not hold the script."""
    enqueue(queue, order(data=b"the script"))
    (row,) = claim(queue)

    assert "the script" not in repr(row)


def test_journal_in_pieces(queue: Database) -> None:
    """A reader goes on behind the last entry that it has seen."""
    for number in range(5):
        with queue.transaction() as connection:
            journal.note(connection, "89001", f"entry {number}", NOW, 10, 1.6)
    with queue.transaction() as connection:
        first = journal.journal_since(connection, limit=2)
        rest = journal.journal_since(connection, first[-1].position)

    assert [f"entry {number}" for number in range(5)] == [one.what for one in first + rest]
    assert (10, 2) == (first[0].octets, first[0].milliseconds)


def test_journal_holds_back_what_might_be_overtaken(queue: Database) -> None:
    """An entry waits for a transaction that began before: a reader misses neither."""
    with queue.transaction() as slow:
        journal.note(slow, "89001", "slow", NOW)
        with queue.transaction() as quick:
            journal.note(quick, "89001", "quick", NOW)
        with queue.transaction() as reader:
            assert [] == journal.journal_since(reader)
    with queue.transaction() as reader:
        assert ["slow", "quick"] == [one.what for one in journal.journal_since(reader)]


def test_journal_forgets(queue: Database) -> None:
    """Old entries are deleted."""
    with queue.transaction() as connection:
        journal.note(connection, "89001", "old", NOW)
        journal.note(connection, "89001", "new", NOW + DAY)
        assert 1 == journal.forget(connection, NOW + MINUTE, 9)
