"""Some fields of an item: what is left of it, and how they go into another one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardsync.errors import PeerError
from cardsync.syncml import fields, record
from cardsync.syncml.record import Application, Parameter

VCARD, EVENT = "text/x-vcard", "text/calendar; charset=utf-8"
RECORD = record.CONTENT_TYPE

BO = (
    b"BEGIN:VCARD\r\nVERSION:2.1\r\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:D=C3=B6=\r\n"
    b"e;Bo\r\nhome.TEL;CELL:1\r\nNOTE:a long\r\n  line\r\nTEL:2\r\nEND:VCARD\r\n"
)

MEETING = (
    b"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n"
    b"BEGIN:VTIMEZONE\nTZID:Europe/Vienna\nBEGIN:STANDARD\nDTSTART:1\nEND:STANDARD\nEND:VTIMEZONE\n"
    b"BEGIN:VEVENT\nUID:7\nSUMMARY:talk\nLOCATION:Graz\n"
    b"BEGIN:VALARM\nDESCRIPTION:now\nEND:VALARM\nEND:VEVENT\n"
    b"BEGIN:VEVENT\nUID:7\nRECURRENCE-ID:3\nSUMMARY:third\nLOCATION:Linz\nEND:VEVENT\n"
    b"END:VCALENDAR\n"
)

GAME = Application("org.x", "X", "1", 70, parameters=(("a", "b"),)).encode()


def only(data: bytes, kind: str, *names: str, complete: bool = False) -> str:
    """Leave some fields."""
    return fields.only(data, kind, names, complete=complete).decode()


def mixed(partial: str | bytes, kind: str, base: bytes | None) -> str:
    """Put fields into an item."""
    data = partial if isinstance(partial, bytes) else partial.encode()
    return fields.overlaid(data, kind, base).decode()


def test_fields_of_a_card() -> None:
    """All lines of a name, as they stand and with those in which they go on."""
    assert "BEGIN:VCARD\r\nVERSION:2.1\r\nhome.TEL;CELL:1\r\nTEL:2\r\nEND:VCARD\r\n" == only(
        BO, VCARD, "TEL"
    )
    assert "VERSION:2.1\r\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:D=C3=B6=\r\ne;Bo" in only(
        BO, VCARD, "N"
    )
    assert "VERSION:2.1\r\nNOTE:a long\r\n  line\r\nFN:\r\nEND" in only(
        BO, VCARD, "NOTE", "FN", complete=True
    )


def test_fields_of_an_event() -> None:
    """Its own lines, the zones that its times need, and an alarm only as a whole."""
    talk = only(MEETING, EVENT, "SUMMARY", "DESCRIPTION")

    assert "DTSTART:1\nEND:STANDARD\nEND:VTIMEZONE\nBEGIN:VEVENT\nUID:7\nSUMMARY:talk\nEND" in talk
    assert "BEGIN:VEVENT\nUID:7\nRECURRENCE-ID:3\nSUMMARY:third\nEND:VEVENT" in talk
    assert "BEGIN:VEVENT\nUID:7\nBEGIN:VALARM\nDESCRIPTION:now\nEND:VALARM\nEND:VEVENT" in only(
        MEETING, EVENT, "VALARM"
    )
    assert 1 == only(MEETING, EVENT, "VALARM", complete=True).count("VALARM:\n")


def test_fields_of_a_record() -> None:
    """Its key goes with every field, and a parameter is its path and its value."""
    assert {"i": "org.x", "v": "1"} == json.loads(only(GAME, RECORD, "V"))
    assert {"i": "org.x", "t": None, "n": "X"} == json.loads(
        only(GAME, RECORD, "T", "N", complete=True)
    )
    language = Parameter("./DevInfo/Lang", "de").encode()
    assert language.decode() == only(language, RECORD, "V", complete=True)


def test_fields_go_into_a_card() -> None:
    """In the place of those of their name; empty ones go away, and nothing else is touched."""
    given = "BEGIN:VCARD\nVERSION:3.0\nTEL:3\nTEL;WORK:4\nNOTE:\nFN:Bo\nEND:VCARD\n"

    assert (
        "BEGIN:VCARD\r\nVERSION:2.1\r\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:D=C3=B6=\r\n"
        "e;Bo\r\nTEL:3\nTEL;WORK:4\nFN:Bo\nEND:VCARD\r\n" == mixed(given, VCARD, BO)
    )
    assert "BEGIN:VCARD\nVERSION:3.0\nTEL:3\nTEL;WORK:4\nFN:Bo\nEND:VCARD\n" == mixed(
        given, VCARD, None
    )


def test_fields_go_into_events() -> None:
    """Each into its own event of a series; an empty alarm takes all alarms away."""
    given = (
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:7\nRECURRENCE-ID:3\nSUMMARY:new\nEND:VEVENT\n"
        "BEGIN:VEVENT\nUID:7\nLOCATION:Wien\nVALARM:\nEND:VEVENT\n"
        "BEGIN:VEVENT\nUID:7\nRECURRENCE-ID:4\nSUMMARY:more\nLOCATION:\nEND:VEVENT\nEND:VCALENDAR\n"
    )
    result = mixed(given, EVENT, MEETING)

    assert "BEGIN:VEVENT\nUID:7\nSUMMARY:talk\nLOCATION:Wien\nEND:VEVENT\n" in result
    assert "RECURRENCE-ID:3\nSUMMARY:new\nLOCATION:Linz\nEND:VEVENT\n" in result
    assert "BEGIN:VEVENT\nUID:7\nRECURRENCE-ID:4\nSUMMARY:more\nEND:VEVENT\nEND:VCAL" in result
    assert 1 == result.count("BEGIN:VTIMEZONE")


def test_series_without_names_keep_their_order() -> None:
    """Nothing is lost where several events look alike."""
    base = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nA:1\nEND:VEVENT\nBEGIN:VEVENT\nA:2\nEND:VEVENT\nEND:X\n"
    given = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nB:3\nEND:VEVENT\nEND:X\n"

    assert base.replace("A:1\n", "A:1\nB:3\n") == mixed(given, EVENT, base.encode())


def test_fields_go_into_a_record() -> None:
    """The result has the one form of a record; what is null goes away."""
    given = b'{"i":"org.x","n":null,"v":"2"}'

    assert Application(
        "org.x", "org.x", "2", 70, parameters=(("a", "b"),)
    ).encode().decode() == mixed(given, RECORD, GAME)
    assert Application("org.x", "org.x", "2").encode().decode() == mixed(given, RECORD, None)
    assert '{"d":"1","p":"./a"}' == mixed(b'{"d":"1","p":"./a"}', RECORD, GAME)


def test_fields_of_a_row() -> None:
    """A column goes by its name in whatever case; null is a value where there is a row."""
    row, kind = b'{"Name":"Bo","note":null,"tel":1}', "application/json"

    assert {"Name": "Bo", "note": None} == json.loads(only(row, kind, "NAME", "NOTE"))
    assert '{"Name":"Bo","note":null,"tel":null}' == mixed(b'{"tel":null}', kind, row)
    assert '{"tel":2}' == mixed(b'{"note":null,"tel":2}', kind, None)
    assert fields.alike(row, row.replace(b"1", b"2"), kind, ["NAME"])
    assert not fields.alike(row, row.replace(b"1", b"2"), kind, ["TEL"])


def test_same_fields() -> None:
    """The order of lines does not matter, nor do other fields; all count where none is named."""
    other = BO.replace(b"TEL:2\r\n", b"").replace(b"N;", b"TEL:2\r\nN;").replace(b"long", b"short")

    assert fields.alike(BO, other, VCARD, ["TEL", "N"])
    assert not fields.alike(BO, other, VCARD, ["NOTE"])
    assert not fields.alike(BO, other, VCARD, [])
    assert fields.alike(MEETING, MEETING + b"\n", EVENT, ["SUMMARY"])
    assert not fields.alike(GAME, GAME.replace(b'"1"', b'"2"'), RECORD, ["V"])


NAMES = st.sampled_from(["N", "TEL", "NOTE", "UID", "VERSION", "VEVENT", "X"])
LINES = st.builds(lambda name, value: f"{name}:{value}\r\n", NAMES, st.text("ab ", min_size=1))
CARDS = st.lists(LINES).map(lambda lines: f"BEGIN:VCARD\r\n{''.join(lines)}END:VCARD\r\n".encode())


@given(CARDS, st.lists(NAMES))
def test_fields_put_back_change_nothing(card: bytes, names: list[str]) -> None:
    """What was left of an item says the same of these fields, also with the empty ones."""
    left = fields.only(card, VCARD, names, complete=True)
    back = fields.overlaid(left, VCARD, card)

    assert sorted(line for line in card.splitlines() if line.split(b":")[1].strip()) == sorted(
        line for line in back.splitlines() if line.split(b":")[1].strip()
    )


@given(CARDS, CARDS, st.lists(NAMES))
def test_fields_of_one_in_another(one: bytes, other: bytes, names: list[str]) -> None:
    """Then both have the same in these, but for what each is known by."""
    named = [name for name in names if name not in ("UID", "VERSION")]
    left = fields.only(one, VCARD, named, complete=True)

    assert fields.alike(one, fields.overlaid(left, VCARD, other), VCARD, named) or not named


@given(
    st.binary(max_size=80)
    | st.text('BEGIN:END\n{}"in ,=;').map(str.encode)
    | st.sampled_from([b"BEGIN:V\n" * 50, b"[1]", b'{"i":1}', b'{"p":"x"}']),
    st.sampled_from([VCARD, RECORD]),
)
def test_anything_is_an_item_or_415(data: bytes, kind: str) -> None:
    """Nothing else is raised. Representation Protocol 1.2, 415."""
    answers = set()
    for base in (None, BO if kind == VCARD else GAME):
        try:
            fields.overlaid(data, kind, base)
            fields.only(data, kind, ["N"], complete=True)
            fields.alike(data, data + b" ", kind, ["N"])
        except PeerError as exc:
            answers.add(exc.answer)

    assert answers <= {415}


def test_item_of_too_many_lines() -> None:
    """413: the work for one item is bounded; lines that go on are one line."""
    long = b"BEGIN:VCARD\r\nPHOTO:" + b"x\r\n " * 20_000 + b"\r\nEND:VCARD\r\n"
    many = b"BEGIN:VCARD\r\n" + b"TEL:1\r\n" * fields.MAX_LINES + b"END:VCARD\r\n"

    assert long == fields.only(long, VCARD, ["PHOTO"], complete=True)
    with pytest.raises(PeerError) as caught:
        fields.only(many, VCARD, ["TEL"], complete=True)
    assert 413 == caught.value.answer


@pytest.mark.parametrize("kind", ["text/plain", "*/*", "image/png"])
def test_types_without_fields(kind: str) -> None:
    """They go as a whole."""
    assert not fields.are_known(kind)
