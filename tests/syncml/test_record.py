"""The record of the device-management database: one form, strict, merged field by field."""

import contextlib
from dataclasses import replace
from hashlib import sha256
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardsync.errors import LocalError, PeerError
from cardsync.syncml import record
from cardsync.syncml.record import Application, Category, Kind, Parameter, Record

EDITOR = Application(
    "vim",
    "Vi IMproved",
    "2:9.0.1378-2",
    3917824,
    Kind.APPLICATION,
    1778284800,
    (("colour", "on"), ("tab", "4")),
)

TEXT = st.text(
    st.characters(
        codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="/\x7f\ufffe\uffff"
    ),
    min_size=1,
    max_size=20,
)
PATHS = st.lists(TEXT, min_size=1, max_size=3).map(lambda names: "./" + "/".join(names))
PARAMETERS = st.builds(Parameter, PATHS, st.just("") | TEXT)
APPLICATIONS = st.builds(
    Application,
    TEXT,
    TEXT,
    st.none() | TEXT,
    st.none() | st.integers(0, 2**53 - 1),
    st.sampled_from(Kind),
    st.none() | st.integers(0, 253402300799),
    st.dictionaries(TEXT, st.just("") | TEXT, max_size=3).map(lambda d: tuple(sorted(d.items()))),
)
RECORDS = PARAMETERS | APPLICATIONS


def few(field: st.SearchStrategy[str]) -> st.SearchStrategy[Application]:
    """Versions of one application with few values in each field, so that they meet often."""
    return st.builds(
        Application,
        st.just("vim"),
        st.just("vim") | field,
        st.none() | field,
        st.none() | st.integers(0, 2),
        st.sampled_from((Kind.APPLICATION, Kind.GAME)),
        st.none() | st.integers(0, 2),
        st.dictionaries(field, field, max_size=2).map(lambda d: tuple(sorted(d.items()))),
    )


VERSIONS = few(st.sampled_from("ab"))


def test_parameter_octets() -> None:
    """A parameter is its path and its value, and nothing else. Our content type 1.0."""
    octets = b'{"d":"de-AT","p":"./DevInfo/Lang"}'

    assert octets == Parameter("./DevInfo/Lang", "de-AT").encode()
    assert Parameter("./DevInfo/Lang", "de-AT") == record.decode(octets)


def test_application_octets() -> None:
    """Names ascend, text is UTF-8, usual values are left out. Our content type 1.0."""
    octets = (
        b'{"i":"vim","n":"Vi IMproved","o":{"colour":"on","tab":"4"},'
        b'"s":3917824,"t":1778284800,"v":"2:9.0.1378-2"}'
    )
    game = Application("löwe", "löwe", kind=Kind.GAME)

    assert octets == EDITOR.encode()
    assert record.decode(octets) == EDITOR
    assert '{"i":"löwe","k":1}'.encode() == game.encode()


def test_application_is_small() -> None:
    """A typical package with version, size and time of installation fits 60 octets."""
    typical = Application("adduser", "adduser", "3.134", 702464, installed=1778284800)

    assert len(typical.encode()) <= 60


@given(RECORDS)
def test_decode_undoes_encode(value: Record) -> None:
    """What was encoded is decoded to the same record."""
    assert value == record.decode(value.encode())


@given(RECORDS, st.data())
def test_decode_takes_one_form_only(value: Record, data: st.DataObject) -> None:
    """Octets changed anywhere are another record or none: `PeerError`, nothing else."""
    octets = bytearray(value.encode())
    octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(PeerError):
        assert bytes(octets) == record.decode(bytes(octets)).encode()


@given(st.binary(max_size=60))
def test_decode_of_anything(octets: bytes) -> None:
    """Arbitrary octets are refused with the SyncML status 415."""
    with pytest.raises(PeerError) as refused:
        record.decode(octets)

    assert refused.value.answer == 415


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b'{"i":"a","v":null}',
        b'{"i":"a","i":"a"}',
        b'{"i": "a"}',
        b'{"v":"1","i":"a"}',
        b'{"i":"a","k":0}',
        b'{"i":"a","n":"a"}',
        b'{"i":"a","o":{}}',
        b'{"i":"a","o":[]}',
        b'{"i":"a","o":{"b":1}}',
        b'{"i":"a","o":{"b":null}}',
        b'{"i":"a","s":1.0}',
        b'{"i":"a","s":true}',
        b'{"i":"a","s":-1}',
        b'{"i":"a","s":9007199254740992}',
        b'{"i":"a","t":NaN}',
        b'{"i":"a","k":6}',
        b'{"i":"a","v":2}',
        b'{"i":"a","x":"unknown"}',
        b'{"i":"./a"}',
        b'{"i":""}',
        b'{"i":"\\ud800"}',
        b'{"i":"\\u0061"}',
        b'{"i":"a\\n"}',
        b'{"i":"\xff"}',
        b'\xef\xbb\xbf{"i":"a"}',
        b'{"p":"./a"}',
        b'{"d":"","p":"a"}',
        b'{"d":"","p":"./a//b"}',
        b'{"d":"","p":"./a/"}',
        b'{"d":"","i":"a","p":"./a"}',
        b"[" * 60000,
        b'{"i":"' + b"a" * 256 + b'"}',
        b'{"d":"' + b"a" * 1024 + b'","p":"./a"}',
        b'{"i":"a","s":' + b"9" * 5000 + b"}",
        b" " * 65537,
    ],
)
def test_decode_refuses(octets: bytes) -> None:
    """What is no record, or a record in another form, is answered with 415."""
    with pytest.raises(PeerError) as refused:
        record.decode(octets)

    assert refused.value.answer == 415


def test_largest_record_is_decoded() -> None:
    """The limits of the fields keep every record within the limit of its octets."""
    quotes = '"' * record.MAX_NAME
    parameters = tuple((f"{number:02}" + quotes[2:], quotes) for number in range(32))
    largest = Application(quotes, quotes[1:], quotes, parameters=parameters)

    assert len(largest.encode()) <= record.MAX_RECORD
    assert largest == record.decode(largest.encode())


def test_fields_out_of_range_are_our_mistake() -> None:
    """A record that exists is valid; parameters are ascending, each name once, 32 at most."""
    many = tuple((f"{number:02}", "") for number in range(33))
    for parameters in ((("b", ""), ("a", "")), (("a", ""), ("a", "")), many):
        with pytest.raises(LocalError):
            Application("a", "a", parameters=parameters)


def test_digest() -> None:
    """Equality on both sides is one hash of every record, in whatever order they are read."""
    records: tuple[Record, ...] = (
        EDITOR,
        Parameter("./DevInfo/Man", "ACME"),
        Application("cat", "cat"),
    )
    expected = record.collection_digest(records)

    assert sha256(EDITOR.encode()).digest() == record.digest(EDITOR)
    assert {expected} == {record.collection_digest(order) for order in permutations(records)}
    assert expected != record.collection_digest(records[1:])
    assert expected != record.collection_digest((replace(EDITOR, size=1), *records[1:]))
    assert sha256(b"").hexdigest() == record.collection_digest(())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Parameter("./DevInfo/DevId", "IMEI:490154203237518"), Category.IDENTITY),
        (Parameter("./DevInfo/Lang", "en"), Category.LANGUAGE),
        (Parameter("./DevDetail/SwV", "12"), Category.IDENTITY),
        (Parameter("./Ext/Sounds/Profile", "silent"), Category.SOUNDS),
        (Parameter("./Ext/Network/APN", "internet"), Category.NETWORK),
        (Parameter("./Ext/Battery/Level", "80"), Category.BATTERY),
        (Parameter("./Ext/TimeZone", "Etc/UTC"), Category.SETTINGS),
        (Parameter("./DevInfox", "1"), Category.SETTINGS),
        (EDITOR, Category.APPLICATIONS),
        (Application("chess", "chess", kind=Kind.GAME), Category.GAMES),
    ],
)
def test_category(value: Record, expected: Category) -> None:
    """Each record belongs to one bit of the mask. Draft of the command, clause 2."""
    assert expected == record.category(value)
    assert value == record.restrict(value, None)
    assert record.restrict(value, 0x3FF & ~expected) is None
    assert record.restrict(value, 0x3FF) == value


def test_restrict_drops_fields() -> None:
    """Version and time need b6, the size b7, operating parameters b4: never more than asked."""
    names = Application("vim", "Vi IMproved")

    assert names == record.restrict(EDITOR, 0x10)
    assert replace(names, version=EDITOR.version, installed=EDITOR.installed) == record.restrict(
        EDITOR, 0x30
    )
    assert replace(names, size=EDITOR.size) == record.restrict(EDITOR, 0x50)
    assert replace(names, parameters=EDITOR.parameters) == record.restrict(EDITOR, 0x18)


@given(APPLICATIONS, st.integers(0, 0x3FF) | st.none())
def test_restore_undoes_restrict(value: Application, mask: int | None) -> None:
    """A peer that returns what it was told takes nothing away that it was not told."""
    told = record.restrict(value, mask)

    assert told is None or value == record.restore(told, value, mask)


def test_restore_without_ours() -> None:
    """What we do not hold is taken as it comes."""
    assert record.restore(EDITOR, None, 0x10) == EDITOR
    assert Parameter("./a", "b") == record.restore(Parameter("./a", "b"), None, 0x10)


def test_merge_of_different_fields() -> None:
    """O-9: where both changed different fields, both changes are kept."""
    ours = replace(EDITOR, version="3", parameters=(("colour", "on"), ("tab", "8")))
    theirs = replace(EDITOR, name="Editor", parameters=(("ruler", "on"), ("tab", "4")))
    expected = replace(
        EDITOR, version="3", name="Editor", parameters=(("ruler", "on"), ("tab", "8"))
    )

    assert expected == record.merge(EDITOR, ours, theirs)


def test_merge_conflicts_are_named() -> None:
    """O-9: a field that both changed, not to the same value, is named for the rule to decide."""
    ours = replace(EDITOR, version="3", size=1, installed=7)
    theirs = replace(EDITOR, version="4", size=1, installed=8)
    many = tuple((f"{number:02}", "") for number in range(40))

    assert record.merge(EDITOR, ours, theirs) == ("installed", "version")
    assert record.merge(None, Parameter("./a", "1"), Parameter("./a", "2")) == ("value",)
    assert record.merge(
        None,
        Application("a", "a", parameters=many[:20]),
        Application("a", "a", parameters=many[20:]),
    ) == ("parameters",)


def test_merge_of_strangers() -> None:
    """Versions of one record have one key."""
    with pytest.raises(LocalError):
        record.merge(None, Application("a", "a"), Application("b", "b"))
    with pytest.raises(LocalError):
        record.merge(Application("b", "b"), Application("a", "a"), Application("a", "a"))


@given(VERSIONS, VERSIONS, VERSIONS)
def test_merge_properties(base: Application, ours: Application, theirs: Application) -> None:
    """One side unchanged yields the other; both alike yield it; the order does not matter."""
    assert ours == record.merge(base, ours, base)
    assert theirs == record.merge(base, base, theirs)
    assert ours == record.merge(base, ours, ours)
    assert record.merge(base, theirs, ours) == record.merge(base, ours, theirs)


@given(VERSIONS, VERSIONS, VERSIONS)
def test_merge_keeps_every_change(
    base: Application, ours: Application, theirs: Application
) -> None:
    """A merged record holds each change of either side; else the conflict is told."""
    merged = record.merge(base, ours, theirs)

    for field in ("name", "version", "size", "kind", "installed"):
        old, one, two = (getattr(side, field) for side in (base, ours, theirs))
        conflict = one not in (old, two) and two != old
        if isinstance(merged, tuple):
            assert conflict == (field in merged)
        else:
            assert (two if one == old else one) == getattr(merged, field)


def test_ctcap_describes_every_property() -> None:
    """The device information names each property that a record can have, and what it means."""
    cap = record.ctcap()
    written = b"".join((EDITOR.encode(), Application("a", "a", kind=Kind.GAME).encode()))
    written += Parameter("./a", "b").encode()

    assert (
        cap.content_type.type,
        cap.content_type.version,
    ) == ("application/vnd.cardsync.record+json", "1.0")
    assert all(f'"{p.name}":'.encode() in written and p.display_name for p in cap.properties)
    assert list("diknopstv") == [p.name for p in cap.properties]
