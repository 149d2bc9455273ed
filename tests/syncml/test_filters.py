"""Record filters: the grammar, what it finds, and sessions that are filtered."""

from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardsync.errors import LocalError, PeerError
from cardsync.syncml import codec, filters, properties
from cardsync.syncml.client import ClientConfig
from cardsync.syncml.datastore import Change, ChangeKind
from cardsync.syncml.elements import (
    Alert,
    AlertCode,
    Anchor,
    Filter,
    Item,
    Location,
    Meta,
    Version,
)
from cardsync.syncml.filters import Comparison, Query, Wanted
from cardsync.syncml.memory import MemoryClientDatastore, MemoryServerDatastore
from cardsync.syncml.record import CONTENT_TYPE as RECORD
from cardsync.syncml.record import Application, Parameter
from cardsync.syncml.state import ServerState
from syncml.pair import Pair
from syncml.test_resume import break_off
from syncml.test_server import Wire

BOTH = pytest.mark.parametrize("content_type", [codec.WBXML, codec.XML])
VCARD = "text/x-vcard"

BO = (
    b"BEGIN:VCARD\r\nVERSION:2.1\r\nN:Doe;Bo\r\nhome.TEL;CELL:+43 1\r\nTEL:12\r\nREV:9\r\nEND:VCARD"
)
ANN = (
    b"BEGIN:VCARD\r\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCl=\r\nler;Ann\r\n"
    b"NOTE:a long\r\n  line\\, and\\nmore\r\nREV:10\r\nEND:VCARD"
)


def card(name: str, city: str) -> bytes:
    """Give a card with a name and a town."""
    return f"BEGIN:VCARD\r\nN:{name}\r\nADR:{city}\r\nEND:VCARD\r\n".encode()


def finds(query: str, data: bytes = BO, content_type: str = VCARD) -> bool:
    """Say whether a query finds an item that the peer calls 10."""
    change = Change(ChangeKind.ADD, "g", data, "10")
    return bool(list(filters.select([change], Wanted(query), content_type)))


# --- the grammar ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("N&CON;Bo", True),
        ("n&CON;Bo", True),
        ("N&CON;bo", False),
        ("N&iCON;bo", True),
        ("N&NCON;bo", True),
        ("N&iNCON;bo", False),
        ("N&EQ;Doe%3BBo", True),
        ("N&iEQ;DOE;BO", True),
        ("N&NE;Doe;Bo", False),
        ("N&iNE;DOE", True),
        ("REV&LT;10", True),
        ("REV&GE;10", False),
        ("REV&iLE;9", True),
        ("REV&GT;8", True),
        ("VERSION&GE;2.0", True),
        ("TEL&EQ;12", True),
        ("TEL&EQ;%2B43 1", True),
        ("TEL&NE;12", False),
        ("FN&EQ;&NULL;", True),
        ("FN&NE;&NULL;", False),
        ("TEL&NE;&NULL;", True),
        ("FN&LT;x", False),
        ("FN&NCON;x", True),
        ("&LUID;&EQ;10", True),
        ("&LUID;&EQ;11", False),
        ("REV&EQ;1&AND;N&CON;Bo&OR;TEL&EQ;12", True),
        ("TEL&EQ;12&OR;REV&EQ;1&AND;N&CON;x", True),
        ("REV&EQ;9&AND;N&CON;Ann", False),
    ],
)
def test_query_of_a_card(query: str, *, found: bool) -> None:
    """Every operator, blind to case or not; AND binds closer. DS Protocol 1.2, "Filtering"."""
    assert found is finds(query)


def test_values_as_they_are_meant() -> None:
    """Folded lines, quoted-printable and escapes are undone. RFC 2425, vCard 2.1."""
    assert {
        "BEGIN": ("VCARD",),
        "N": ("Müller;Ann",),
        "NOTE": ("a long line, and\nmore",),
        "REV": ("10",),
        "END": ("VCARD",),
    } == properties.read(ANN, VCARD)


def test_properties_of_a_record() -> None:
    """Those of the device-management database go by the names of the device information."""
    game = Application("org.x", "X", size=70, parameters=(("a", "b"),)).encode()

    assert finds("S&GT;8&AND;I&CON;x", game, RECORD)
    assert finds("P&CON;/Lang", Parameter("./DevInfo/Lang", "de").encode(), RECORD)
    assert {} == properties.read(b"[1]", RECORD) == properties.read(b"{", RECORD)
    assert {} == properties.read(BO, "text/plain")


TERMS = st.builds(
    Comparison,
    st.from_regex("[A-Z][A-Z0-9-]{0,9}", fullmatch=True) | st.just(filters.LUID),
    st.sampled_from(["EQ", "NE", "GT", "GE", "LT", "LE", "CON", "NCON"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.booleans(),
) | st.builds(Comparison, st.just("N"), st.sampled_from(["EQ", "NE"]), st.none(), st.booleans())


def written(term: Comparison) -> str:
    """Write a comparison."""
    value = "&NULL;" if term.value is None else quote(term.value, safe="")
    return f"{term.name}&{'i' * term.ignore_case}{term.operator};{value}"


@given(st.lists(st.lists(TERMS, min_size=1, max_size=4).map(tuple), min_size=1, max_size=4))
def test_what_is_written_is_read(parts: list[tuple[Comparison, ...]]) -> None:
    """Any query that is not too long."""
    text = "&OR;".join("&AND;".join(map(written, part)) for part in parts)

    if len(text) <= filters.MAX_QUERY:
        assert Query(tuple(parts)) == Query.decode(text)


@given(
    st.lists(
        st.sampled_from(["&AND;", "&OR;", "&", "N", "&EQ;", "&LT;", "&NULL;", "&LUID;", "%", "("])
        | st.text(max_size=3)
    ).map("".join),
    st.binary(max_size=60) | st.just(BO) | st.just(ANN),
    st.sampled_from([VCARD, RECORD, "text/plain"]),
)
def test_anything_is_a_query_or_422(text: str, data: bytes, content_type: str) -> None:
    """Nothing else is raised, whatever the items are. Representation Protocol 1.2, 422."""
    answers = set()
    try:
        finds(text, data, content_type)
    except PeerError as exc:
        answers.add(exc.answer)

    assert answers <= {422}


@pytest.mark.parametrize(
    "query",
    ["N&EQ;" + "x" * 5000, "&AND;".join(["N&EQ;1"] * 65), "N", "N&LT;&NULL;", "N&XX;1", "(N&EQ;1)"],
)
def test_what_is_no_query(query: str) -> None:
    """422."""
    with pytest.raises(PeerError) as caught:
        Query.decode(query)

    assert 422 == caught.value.answer


# --- what an Alert asks -----------------------------------------------------------------------


def filtered(
    query: str,
    kind: str | None = filters.INCLUSIVE,
    code: int = 201,
    grammar: str = filters.GRAMMAR,
) -> Alert:
    """Ask for a synchronization with a filter."""
    asked = Filter(None, None, Item(meta=Meta(type=grammar), data=query.encode()), kind)
    target = Location("db", filter=asked)
    return Alert(1, code, (Item(target, Location("mine"), Meta(anchor=Anchor("1"))),))


def changed(alert: Alert, **fields: object) -> Alert:
    """Ask with another filter."""
    (item,) = alert.items
    assert item.target
    assert item.target.filter
    other = replace(item.target.filter, **fields)  # type: ignore[arg-type]  # any field
    return replace(alert, items=(replace(item, target=replace(item.target, filter=other)),))


def cards() -> MemoryServerDatastore:
    """Give a server's address book."""
    return MemoryServerDatastore("db", VCARD)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (filtered("N&EQ;1"), 200),
        (changed(filtered("N&EQ;1"), meta=Meta(type=VCARD)), 200),
        (changed(filtered("N&EQ;1"), meta=Meta(type="text/calendar")), 415),
        (changed(filtered("N&EQ;1"), field=Item()), 421),
        (changed(filtered("N&EQ;1"), record=None), 412),
        (changed(filtered("N&EQ;1"), record=Item(data=b"N&EQ;1")), 421),
        (filtered("N"), 422),
        (filtered("N&EQ;1", "OTHER"), 422),
        (filtered("N&EQ;1", filters.EXCLUSIVE), 200),
        (filtered("N&EQ;1", None), 200),
        (filtered("N&EQ;1", None, code=202), 406),
        (filtered("N&EQ;1", filters.EXCLUSIVE, code=203), 406),
        (filtered("N&EQ;1", filters.INCLUSIVE, code=203), 200),
        (filtered("N&EQ;1", None, code=205), 200),
        (filtered("N&EQ;1", filters.EXCLUSIVE, code=204), 508),
    ],
)
def test_answers_to_filters(asked: Alert, code: int) -> None:
    """What is not served is refused: to pass over it would send what was not asked for."""
    assert ("Alert", code) == Wire(cards()).send(asked)[1]


def test_filter_of_what_the_client_sends() -> None:
    """406: a filter in the Source is the client's own affair."""
    (item,) = filtered("N&EQ;1").items
    turned = Item(Location("db"), item.target, item.meta)

    assert ("Alert", 406) == Wire(cards()).send(Alert(1, 201, (turned,)))[1]


def test_items_without_properties() -> None:
    """422 for text: it has none; by the client's name anything can be asked for."""
    assert ("Alert", 422) == Wire().send(filtered("N&EQ;1"))[1]
    assert ("Alert", 200) == Wire().send(filtered("&LUID;&EQ;1"))[1]


# --- sessions ---------------------------------------------------------------------------------


def pair(content_type: str, query: str) -> Pair:
    """Give an address book at the server, and a client that wants those of a query."""

    def asking(config: ClientConfig) -> ClientConfig:
        databases = tuple(replace(each, filter=Wanted(query)) for each in config.databases)
        return replace(config, databases=databases)

    two = Pair(MemoryClientDatastore("db", VCARD), cards(), content_type, asking)
    for name, city in (("bo", "Wien"), ("ann", "Graz"), ("cy", "Wien")):
        two.store.put(name, card(name, city))
    return two


def towns(two: Pair) -> dict[str, str]:
    """Give what the client has: names and towns."""
    found = [properties.read(data, VCARD) for data in two.client.items().values()]
    return {each["N"][0]: each["ADR"][0] for each in found}


@BOTH
@pytest.mark.parametrize("kind", [AlertCode.SLOW, AlertCode.REFRESH_FROM_SERVER])
def test_client_gets_what_it_asks_for(content_type: str, kind: AlertCode) -> None:
    """The rest stays at the server, and a second session has nothing to do."""
    two = pair(content_type, "ADR&EQ;Wien")

    assert two.sync(kind).ok
    assert {"bo": "Wien", "cy": "Wien"} == towns(two)
    assert 2 == two.sync().round_trips
    assert 3 == len(two.store.items())


@BOTH
def test_changes_under_a_filter(content_type: str) -> None:
    """What comes to meet it is added; what the client has, it hears of as before: INCLUSIVE."""
    two = pair(content_type, "ADR&iEQ;wien")
    assert two.sync(AlertCode.SLOW).ok
    two.store.put("ann", card("ann", "Wien"))
    two.store.put("bo", card("bo", "Linz"))
    two.store.put("dee", card("dee", "Linz"))
    two.store.remove("cy")
    two.client.put("mine", card("eve", "Rom"))
    result = two.sync()

    assert (200, False) == (result.status, result.slow)
    assert {"ann": "Wien", "bo": "Linz", "eve": "Rom"} == towns(two)
    assert 4 == len(two.store.items())


@pytest.mark.parametrize("query", ["", "N&NE;bo"])
def test_another_filter(query: str) -> None:
    """508: everything is compared again, and what was kept back comes."""
    two = pair(codec.WBXML, "ADR&EQ;Wien")
    assert two.sync(AlertCode.SLOW).ok
    other = pair(codec.WBXML, query)
    two.client_config = other.client_config
    result = two.sync()

    assert (200, True) == (result.status, result.slow)
    assert {"bo": "Wien", "ann": "Graz", "cy": "Wien"} == towns(two)
    assert 3 == len(two.store.items())
    assert not two.sync().slow


def test_one_item_again() -> None:
    """By its name a client asks for an item that it has lost. DS Protocol 1.2, "&LUID;"."""
    two = pair(codec.WBXML, "")
    assert two.sync(AlertCode.SLOW).ok
    lost = two.names()["ann"]
    two.client_config = pair(codec.WBXML, f"&LUID;&EQ;{lost}").client_config

    assert two.sync(AlertCode.REFRESH_FROM_SERVER).ok
    assert {"ann": "Graz"} == towns(two)


def test_session_of_many_messages() -> None:
    """A filter holds in each message, and while an item goes in chunks."""
    two = pair(codec.WBXML, "ADR&EQ;Wien")
    for number in range(60):
        city = "Wien" if number % 3 else "Graz"
        two.store.put(f"x{number}", card(f"x{number}" + "y" * 900 * (number % 4), city))
    base = two.client_config
    two.client_config = lambda config: replace(base(config), max_msg_size=2000)
    result = two.sync(AlertCode.SLOW)

    assert result.ok
    assert result.round_trips > 20
    assert 42 == len(two.client.items())
    assert {"Wien"} == set(towns(two).values())


@pytest.mark.parametrize("town", ["Wien", "Graz"])
@pytest.mark.parametrize("after", [1, 2, 3, 4, 6])
def test_broken_session_goes_on(town: str, after: int) -> None:
    """With the same filter it goes on where it was; with another one nothing of that is missed."""
    two = pair(codec.WBXML, "ADR&EQ;Wien")
    for number in range(20):
        two.store.put(f"x{number}", card(f"x{number}" * 60, "Wien" if number % 2 else "Graz"))
    first, then = two.client_config, pair(codec.WBXML, f"ADR&EQ;{town}").client_config
    two.client_config = lambda config: replace(first(config), max_msg_size=1400)
    left = break_off(two, AlertCode.SLOW, after, reply_lost=False)
    before = len(two.client.items())
    two.client_config = lambda config: replace(then(config), max_msg_size=1400)

    assert two.sync(AlertCode.SLOW, resume=left).ok
    all_of_it = [data for data in two.store.items().values() if town.encode() in data]
    assert set(all_of_it) <= set(two.client.items().values())
    assert len(two.client.items()) == (12 if town == "Wien" else before + 11)


def test_filter_of_an_old_version() -> None:
    """There are no filters before 1.2: nothing is sent."""
    two = pair(codec.WBXML, "ADR&EQ;Wien")
    base = two.client_config
    two.client_config = lambda config: replace(base(config), version=Version.V1_1)

    with pytest.raises(LocalError, match=r"1\.2"):
        two.sync()


def test_session_of_an_older_version() -> None:
    """It goes on: its state has the query alone."""
    wire = Wire(cards())
    wire.send(filtered("N&EQ;1"))
    octets = wire.server.sessions["1"][0]
    asked = b'{"query":"N&EQ;1","exclusive":false,"fields":[]}'
    assert asked in octets

    assert wire.state() == ServerState.decode(octets.replace(asked, b'"N&EQ;1"'))


def test_exclusive_begins_anew() -> None:
    """A one-way synchronization from the server becomes a refresh, so there is nothing else."""
    wire = Wire(cards())
    wire.store.put("bo", card("bo", "Wien"))
    wire.store.put("ann", card("ann", "Graz"))
    wire.send(filtered("ADR&EQ;Graz", filters.EXCLUSIVE, code=204))
    (state,) = ServerState.decode(wire.server.sessions["1"][0]).databases

    assert AlertCode.REFRESH_FROM_SERVER is state.kind
    assert "ADR&EQ;Graz" == state.filter.query
