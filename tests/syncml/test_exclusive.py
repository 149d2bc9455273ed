"""EXCLUSIVE filters: the client has what meets the query, and the server has everything."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from cardsync.syncml import codec, properties
from cardsync.syncml.client import ClientConfig
from cardsync.syncml.datastore import LEAST_EMPTYING, Rule
from cardsync.syncml.elements import AlertCode, Delete, Sync
from cardsync.syncml.filters import Wanted
from cardsync.syncml.memory import MemoryClientDatastore, MemoryServerDatastore
from syncml.pair import Pair
from syncml.test_filters import VCARD, card, towns
from syncml.test_resume import break_off
from syncml.test_sessions import Replicas

BOTH = pytest.mark.parametrize("content_type", [codec.WBXML, codec.XML])
VIENNA = Wanted("ADR&EQ;Wien", exclusive=True)


def only(asked: Wanted, **config: object) -> Callable[[ClientConfig], ClientConfig]:
    """Ask for this in all sessions."""

    def asking(given: ClientConfig) -> ClientConfig:
        databases = tuple(replace(each, filter=asked) for each in given.databases)
        return replace(given, databases=databases, **config)  # type: ignore[arg-type]  # any field

    return asking


def pair(content_type: str = codec.WBXML, asked: Wanted = VIENNA) -> Pair:
    """Give an address book at the server and one at the client, which wants those of a town."""
    client, store = MemoryClientDatastore("db", VCARD), MemoryServerDatastore("db", VCARD)
    two = Pair(client, store, content_type, only(asked))
    for name, city in (("bo", "Wien"), ("ann", "Graz"), ("cy", "Wien")):
        two.store.put(name, card(name, city))
    for name, city in (("eve", "Wien"), ("dan", "Linz")):
        two.client.put(name, card(name, city))
    return two


def there(two: Pair) -> set[str]:
    """Give the names that the server has."""
    found = [properties.read(data, VCARD) for data in two.store.items().values()]
    return {each["N"][0] for each in found}


def deletions(two: Pair) -> list[Delete]:
    """Give what the server told the client to delete in its last session."""
    messages = [codec.decode(reply, two.content_type) for _, reply in two.wire]
    sent = [e for message in messages for e in message.commands if isinstance(e, Sync)]
    return [each for one in sent for each in one.commands if isinstance(each, Delete)]


@BOTH
def test_client_has_nothing_else(content_type: str) -> None:
    """Its own items are taken first, then what does not meet the query leaves it, softly."""
    two = pair(content_type)
    result = two.sync(AlertCode.SLOW)

    assert result.ok
    assert {"bo": "Wien", "cy": "Wien", "eve": "Wien"} == towns(two)
    assert {"bo", "ann", "cy", "eve", "dan"} == there(two)
    assert [True] == [each.soft for each in deletions(two)]
    assert 1 == result.databases[0].received.deleted
    assert 2 == two.sync().round_trips
    assert [] == two.store.kept


@BOTH
def test_what_comes_to_meet_it_and_what_ceases_to(content_type: str) -> None:
    """Whoever changes an item: it comes, or leaves and stays at the server; both sides go on."""
    two = pair(content_type)
    assert two.sync(AlertCode.SLOW).ok
    names = {N: luid for luid, N in ((k, properties.read(v, VCARD)["N"][0])
                                     for k, v in two.client.items().items())}  # fmt: skip
    two.store.put("bo", card("bo", "Linz"))
    two.store.put("ann", card("ann", "Wien"))
    two.client.put(names["cy"], card("cy", "Rom"))
    two.client.put("fay", card("fay", "Rom"))
    result = two.sync()

    assert (200, False) == (result.status, result.slow)
    assert {"ann": "Wien", "eve": "Wien"} == towns(two)
    assert {"bo", "ann", "cy", "eve", "dan", "fay"} == there(two)
    two.store.put("bo", card("bo", "Wien"))
    two.client.remove("eve")
    assert two.sync().ok
    assert {"ann": "Wien", "bo": "Wien"} == towns(two)
    assert {"bo", "ann", "cy", "dan", "fay"} == there(two)
    assert 2 == two.sync().round_trips


def test_deletion_at_the_server_stays_one() -> None:
    """What is gone here is deleted there, not softly."""
    two = pair()
    assert two.sync(AlertCode.SLOW).ok
    two.store.remove("bo")

    assert two.sync().ok
    assert [False] == [each.soft for each in deletions(two)]
    assert {"cy": "Wien", "eve": "Wien"} == towns(two)


def test_name_of_what_has_left() -> None:
    """The client may give it to something else; what comes back comes as a new item."""
    two = pair()
    assert two.sync(AlertCode.SLOW).ok
    two.client.put("dan", card("zoe", "Wien"))
    assert two.sync().ok
    assert {"bo", "ann", "cy", "eve", "dan", "zoe"} == there(two)
    (name,) = [name for name, data in two.store.items().items() if b"N:dan" in data]
    two.store.put(name, card("dan", "Wien"))
    result = two.sync()

    assert (1, 0) == (result.databases[0].received.added, result.databases[0].received.replaced)
    assert {"bo", "cy", "eve", "dan", "zoe"} == set(towns(two))


def test_peer_of_which_nothing_is_known() -> None:
    """It is sent a plain Delete, which all understand."""
    two = pair()
    two.server.config = replace(two.server.config, plain=True)

    assert two.sync(AlertCode.SLOW).ok
    assert [False] == [each.soft for each in deletions(two)]
    assert {"bo", "ann", "cy", "eve", "dan"} == there(two)
    assert {"bo": "Wien", "cy": "Wien", "eve": "Wien"} == towns(two)


@pytest.mark.parametrize(
    "other",
    [Wanted(), Wanted("ADR&EQ;Wien"), Wanted("ADR&EQ;Graz", exclusive=True)],
)
def test_another_filter(other: Wanted) -> None:
    """508: everything is compared again; the same query of another FilterType is another one."""
    two = pair()
    assert two.sync(AlertCode.SLOW).ok
    two.client_config = only(other)
    result = two.sync()

    assert (200, True) == (result.status, result.slow)
    assert 5 == len(there(two))
    expected = {"": 5, "ADR&EQ;Wien": 3, "ADR&EQ;Graz": 1}[other.query]
    assert expected == len(towns(two))
    assert 2 == two.sync().round_trips


def test_one_way_from_the_server() -> None:
    """It becomes a refresh, so that there is nothing else."""
    two = pair()
    result = two.sync(AlertCode.ONE_WAY_FROM_SERVER)

    assert (200, True) == (result.status, result.slow)
    assert {"bo": "Wien", "cy": "Wien"} == towns(two)


def test_fields_of_what_is_asked_for() -> None:
    """Both filters together."""
    two = pair(asked=replace(VIENNA, fields=("N",)))
    assert two.sync(AlertCode.SLOW).ok

    assert {("bo", None), ("cy", None), ("eve", "Wien")} == {
        (each["N"][0], each.get("ADR", (None,))[0])
        for each in (properties.read(data, VCARD) for data in two.client.items().values())
    }
    assert 5 == len(there(two))
    assert 2 == two.sync().round_trips


def test_safety_stop_of_the_client() -> None:
    """It holds back that nearly all of its items leave it: 403; nothing has got lost."""
    two = pair()
    for number in range(LEAST_EMPTYING + 20):
        two.client.put(f"x{number}", card(f"x{number}", "Rom"))
    two.client.remove("eve")
    two.client.allows_emptying = False
    before = two.client.items()

    assert 403 == two.sync(AlertCode.SLOW).status
    assert before.items() <= two.client.items().items()
    two.client.allows_emptying = True
    assert two.sync(AlertCode.SLOW).ok
    assert {"bo": "Wien", "cy": "Wien"} == towns(two)
    assert LEAST_EMPTYING + 24 == len(there(two))


def test_edit_of_what_is_leaving() -> None:
    """409: the edit goes to the server in the next session, and then the item leaves."""
    two = pair()
    assert two.sync(AlertCode.SLOW).ok
    (luid,) = [k for k, v in two.client.items().items() if b"N:bo" in v]
    two.store.put("bo", card("bo", "Linz"))
    session = two.begin(AlertCode.TWO_WAY)
    for _ in range(2):
        octets = session.data_to_send()
        assert octets is not None
        reply = two.server.post(octets)
        if _:
            two.client.put(luid, card("bob", "Rom"))
        session.receive_data(reply)
    while (octets := session.data_to_send()) is not None:
        session.receive_data(two.server.post(octets))

    assert session.result
    assert 409 == session.result.status
    assert two.sync().ok
    assert "bob" in there(two)
    assert {"cy": "Wien", "eve": "Wien"} == towns(two)


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("town", ["Wien", "Graz"])
@pytest.mark.parametrize("after", range(1, 9))
def test_broken_session_goes_on(town: str, after: int, lost: bool) -> None:
    """With the same filter where it was, with another one from the beginning."""
    two = pair()
    two.client_config = only(VIENNA, max_msg_size=1400)
    for number in range(12):
        city = "Wien" if number % 2 else "Graz"
        two.store.put(f"s{number}", card(f"s{number}" * 60, city))
        two.client.put(f"c{number}", card(f"c{number}" * 60, city))
    left = break_off(two, AlertCode.SLOW, after, reply_lost=lost)
    asked = Wanted(f"ADR&EQ;{town}", exclusive=True)
    two.client_config = only(asked, max_msg_size=1400)

    assert two.sync(AlertCode.SLOW, resume=left).ok
    assert 29 == len(two.store.items())
    assert {town} == set(towns(two).values())
    assert (15 if town == "Wien" else 13) == len(two.client.items())


class Exclusive(Replicas):
    """The machine of two replicas, of which the client wants the even versions alone.

    The address of a card says whether its version is even.
    """

    def make_pair(self) -> Pair:
        """Make two address books."""
        client, store = MemoryClientDatastore("db", VCARD), MemoryServerDatastore("db", VCARD)
        return Pair(client, store)

    @initialize(conflict_rule=st.sampled_from(Rule), small=st.booleans())
    def begin(self, conflict_rule: Rule, small: bool) -> None:
        """Begin with nothing."""
        super().begin(conflict_rule, small)
        self.size = 900 if small else 65536
        self.ask(town="even")

    @rule(town=st.sampled_from(["even", "even", "odd"]))
    def ask(self, town: str) -> None:
        """Ask for these from now on."""
        self.town = town
        asked = Wanted(f"ADR&EQ;{town}", exclusive=True)
        self.pair.client_config = only(asked, max_msg_size=self.size)

    def _put(self, side: str, pick: int) -> None:
        store = self.pair.client if side == "c" else self.pair.store
        number = next(self.versions)
        names = [*sorted(store.items()), f"{side}new{number}"]
        name = names[pick % len(names)]
        self.written.discard(store.items().get(name, b""))
        long = "n" * (number % 7 * 30)
        data = card(f"{number}{long}", "odd" if number % 2 else "even")
        self.written.add(data)
        store.put(name, data)

    def _converged(self) -> None:
        ours, theirs = self.pair.store.items(), self.pair.client.items()
        names = self.pair.names()
        wanted = {name: data for name, data in ours.items() if f":{self.town}".encode() in data}
        assert {str(names[name]): data for name, data in wanted.items()} == theirs
        values = list(ours.values())
        assert len(values) == len(set(values))
        assert self.written <= {*values, *(change.data for change in self.pair.store.kept)}


def test_replicas_of_which_one_has_less_converge() -> None:
    """No order of changes, losses and repetitions loses an item or leaves too many."""
    run_state_machine_as_test(
        Exclusive,
        settings=settings(
            max_examples=60,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
