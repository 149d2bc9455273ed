"""Sessions that break off and go on: Alerts 224 and 225. DS Protocol 1.2, "Suspend and resume"."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from cardsync.errors import LocalError
from cardsync.syncml import codec
from cardsync.syncml.client import Interrupted
from cardsync.syncml.elements import Add, Alert, AlertCode, Replace, Status, Sync
from cardsync.syncml.state import ServerState
from cardsync.syncml.status import StatusCode
from syncml.pair import Pair
from syncml.test_sessions import Replicas

KINDS = [kind for kind in AlertCode if 200 <= kind <= 205]
Scene = Callable[[AlertCode], Pair]


def many(kind: AlertCode) -> Pair:
    """Give a pair with changes that need several messages both ways, of the kind to be tested."""
    pair = Pair(client_config=lambda config: replace(config, max_msg_size=1400))
    for number in range(4):
        pair.client.put(f"old{number}", b"old %d" % number)
    assert pair.sync(AlertCode.REFRESH_FROM_CLIENT).ok
    for number in range(12):
        if kind is not AlertCode.REFRESH_FROM_SERVER:
            pair.client.put(f"c{number}", b"c%d of the client " % number * 20)
        if kind is not AlertCode.REFRESH_FROM_CLIENT:
            pair.store.put(f"s{number}", b"s%d of the server " % number * 20)
    pair.store.put("large", b"a large object of the server " * 150)
    pair.client.put("large-c", b"a large object of the client " * 150)
    return pair


def break_off(pair: Pair, kind: AlertCode, after: int, *, reply_lost: bool) -> Interrupted | None:
    """Run a session for some messages; give what is left."""
    session = pair.begin(kind)
    for _ in range(after):
        octets = session.data_to_send()
        if octets is None:
            return None
        session.receive_data(pair.server.post(octets))
    octets = session.data_to_send()
    if octets is not None and reply_lost:
        pair.server.post(octets)
    (left,) = session.interrupted
    return left


def alerts(pair: Pair) -> list[int]:
    """Give the codes of the client's first message."""
    return [e.code for e in codec.decode(pair.wire[0][0], codec.WBXML).commands
            if isinstance(e, Alert)]  # fmt: skip


def carried(pair: Pair) -> int:
    """Count the octets of both sides' items on the wire."""
    octets = 0
    for message in (codec.decode(e, codec.WBXML) for both in pair.wire for e in both):
        for sync in message.commands:
            for command in sync.commands if isinstance(sync, Sync) else ():
                if isinstance(command, Add | Replace):
                    octets += sum(len(e.data) for e in command.items if isinstance(e.data, bytes))
    return octets


def _breaks() -> Iterator[tuple[AlertCode, int]]:
    for kind in KINDS:
        pair = many(kind)
        pair.sync(kind)
        for after in range(1, len(pair.wire)):
            yield kind, after


@pytest.mark.parametrize("reply_lost", [True, False])
@pytest.mark.parametrize(("kind", "after"), list(_breaks()))
def test_broken_session_goes_on(kind: AlertCode, after: int, reply_lost: bool) -> None:
    """Broken anywhere and resumed: the same contents as without a break, nothing twice."""
    calm, pair = many(kind), many(kind)
    assert calm.sync(kind).ok
    whole = carried(calm)

    left = break_off(pair, kind, after, reply_lost=reply_lost)
    result = pair.sync(kind, resume=left)

    assert result.ok
    assert (left is None) == (alerts(pair) == [kind])
    assert sorted(calm.client.items().values()) == sorted(pair.client.items().values())
    assert sorted(calm.store.items().values()) == sorted(pair.store.items().values())
    assert kind is result.databases[0].performed
    if after > 4:
        assert carried(pair) < whole
    assert pair.sync().ok
    assert pair.equal()


def test_what_was_answered_is_not_sent_again() -> None:
    """A resumed refresh carries what is left, not what the server has."""
    pair = many(AlertCode.REFRESH_FROM_CLIENT)
    assert pair.sync(AlertCode.REFRESH_FROM_CLIENT).ok
    whole, messages = carried(pair), len(pair.wire)
    pair = many(AlertCode.REFRESH_FROM_CLIENT)
    left = break_off(pair, AlertCode.REFRESH_FROM_CLIENT, messages - 2, reply_lost=False)

    assert pair.sync(AlertCode.REFRESH_FROM_CLIENT, resume=left).ok
    assert carried(pair) < whole * 3 // 5


def test_changes_between_are_not_lost() -> None:
    """What is changed, added and removed on both sides after the break arrives in the end."""
    pair = many(AlertCode.SLOW)
    left = break_off(pair, AlertCode.SLOW, 4, reply_lost=True)
    pair.client.put("c0", b"changed after the break")
    pair.client.remove("c1")
    pair.store.put("s0", b"changed after the break, at the server")
    pair.store.remove("s11")
    pair.store.put("between", b"added after the break")

    assert pair.sync(AlertCode.SLOW, resume=left).ok
    assert pair.sync().ok
    assert pair.equal()
    values = set(pair.client.items().values())
    assert {b"changed after the break", b"added after the break"} <= values
    assert b"changed after the break, at the server" in values
    assert not any(value.startswith((b"c1 of", b"s11 of")) for value in values)


def test_server_that_forgot_is_asked_anew() -> None:
    """509, and nothing is sent: to compare everything would bring back what was deleted.

    The next session begins from what was agreed last: nothing is lost, nothing is there twice.
    """
    pair = many(AlertCode.TWO_WAY)
    pair.client.remove("old0")
    left = break_off(pair, AlertCode.TWO_WAY, 3, reply_lost=True)
    assert left
    pair.server.sessions.clear()

    refused = pair.sync(AlertCode.TWO_WAY, resume=left)
    items, again = carried(pair), pair.sync()

    assert (StatusCode.NO_RESUME, 0) == (refused.status, items)
    assert (200, AlertCode.TWO_WAY) == (again.status, again.databases[0].performed)
    assert pair.equal()
    assert b"old 0" not in pair.client.items().values()


def test_datastore_that_was_reset_begins_anew() -> None:
    """What was agreed is not there any more: the rest alone would not make both equal."""
    pair = many(AlertCode.TWO_WAY)
    left = break_off(pair, AlertCode.TWO_WAY, 3, reply_lost=True)
    pair.store.forget()

    refused, again = pair.sync(resume=left), pair.sync()

    assert StatusCode.NO_RESUME is refused.status
    assert AlertCode.SLOW is again.databases[0].performed
    assert again.ok
    assert pair.equal()


def test_person_breaks_off() -> None:
    """Alert 224 for the database, 200 for it, and the end: 214. Then 225 goes on."""
    pair = many(AlertCode.TWO_WAY)
    session = pair.begin(AlertCode.TWO_WAY)
    messages, left = [], None
    for number in range(20):
        octets = session.data_to_send()
        if octets is None:
            break
        messages.append(octets)
        reply = pair.server.post(octets)
        if number == 3:
            session.suspend()
        session.receive_data(reply)
        if session.result is None:
            (left,) = session.interrupted

    assert session.result
    assert (214, 5) == (session.result.status, len(messages))
    last = codec.decode(messages[-1], codec.WBXML)
    assert [224] == [each.code for each in last.commands if isinstance(each, Alert)]
    told = [e for e in pair.server.replies[-1].commands if isinstance(e, Status)]
    assert ("Alert", 200) in [(each.cmd, each.code) for each in told]
    assert pair.sync(resume=left).ok
    assert [225] == alerts(pair)
    assert pair.equal()


def test_person_breaks_off_at_once() -> None:
    """Before anything was agreed there is nothing to suspend."""
    pair = many(AlertCode.TWO_WAY)
    session = pair.begin(AlertCode.TWO_WAY)
    octets = session.data_to_send()
    assert octets
    session.suspend()

    session.receive_data(pair.server.post(octets))

    assert session.result
    assert 214 == session.result.status
    assert session.data_to_send() is None


def test_server_that_never_answers_the_end() -> None:
    """Dropped after Alert 224: 214, nothing more is sent, nothing agreed; 225 goes on."""
    pair = many(AlertCode.TWO_WAY)
    agreed = pair.client.anchors()
    left = break_off(pair, AlertCode.TWO_WAY, 3, reply_lost=False)
    session = pair.begin(AlertCode.TWO_WAY, resume=left)
    octets = session.data_to_send()
    assert octets
    session.suspend()
    session.receive_data(pair.server.post(octets))

    session.drop()

    assert session.result
    assert (214, None) == (session.result.status, session.data_to_send())
    assert agreed == pair.client.anchors()
    assert pair.sync(resume=left).ok
    assert pair.equal()


def test_another_session_came_between() -> None:
    """What was left of a session before the last success is no session to go on with."""
    pair = many(AlertCode.SLOW)
    left = break_off(pair, AlertCode.SLOW, 4, reply_lost=False)
    assert pair.sync().ok
    pair.client.put("c0", b"changed")

    assert pair.sync(resume=left).ok
    assert [AlertCode.TWO_WAY] == alerts(pair)
    assert pair.equal()


def test_what_failed_is_not_resumed() -> None:
    """A session with a failure has nothing to go on with: it would forget the failure."""
    pair = many(AlertCode.TWO_WAY)
    session = pair.begin(AlertCode.TWO_WAY)
    octets = session.data_to_send()
    assert octets
    session.receive_data(pair.server.post(octets))
    session._replicas[0].miss(415, 1)

    assert (None,) == session.interrupted


def test_what_is_left_can_be_kept() -> None:
    """As octets; anything else is refused."""
    left = Interrupted(AlertCode.SLOW, "5", "3", forgotten=True)

    assert left == Interrupted.decode(left.encode())
    for octets in (b"", b"[]", b"{}", b'{"kind":1}'):
        with pytest.raises(LocalError):
            Interrupted.decode(octets)


def test_identity_of_another_one() -> None:
    """Nobody goes on with a session of somebody else."""
    pair = many(AlertCode.TWO_WAY)
    left = break_off(pair, AlertCode.TWO_WAY, 3, reply_lost=True)
    sessions = pair.server.sessions
    for key, (octets, reply) in list(sessions.items()):
        sessions[key] = (replace(ServerState.decode(octets), identity="else").encode(), reply)

    assert StatusCode.NO_RESUME is pair.sync(resume=left).status


class Resuming(Replicas):
    """The machine of two replicas, whose broken sessions are resumed."""

    left: Interrupted | None = None

    @rule(after=st.integers(0, 5), reply_lost=st.booleans())
    def broken_off(self, after: int, reply_lost: bool) -> None:
        """Break a session, and keep what is left."""
        self.left = break_off(self.pair, AlertCode.TWO_WAY, after, reply_lost=reply_lost)

    @rule()
    def go_on(self) -> None:
        """Go on with it; one more session brings what changed meanwhile."""
        assert self.pair.sync(resume=self.left).ok
        self.left = None
        assert self.pair.sync().ok
        self._converged()


def test_replicas_that_resume_converge() -> None:
    """No order of changes, breaks and resumptions loses or doubles an item."""
    run_state_machine_as_test(
        Resuming,
        settings=settings(
            max_examples=40,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
