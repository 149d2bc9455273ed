"""PDUs of WSP, their headers, values and capabilities, octet by octet. WAP-230 clause 8."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardsync.errors import LocalError, PeerError
from cardsync.octets.reader import Reader
from cardsync.transport import wsp
from cardsync.transport.wsp_capabilities import Capabilities
from cardsync.transport.wsp_codes import (
    CONTENT_TYPES,
    HEADER_NAMES,
    FieldName,
    Options,
    PduType,
    Reason,
    http_status,
    status_code,
)
from cardsync.transport.wsp_headers import (
    Header,
    accept,
    decode_headers,
    encode_headers,
    find,
    retry_after,
    text_header,
)
from cardsync.transport.wsp_values import (
    encode_content_type,
    encode_integer,
    encode_text,
    encode_uintvar,
    encode_value_length,
    read_content_type,
    read_integer,
    read_text,
    read_value,
)

WBXML = "application/vnd.syncml+wbxml"
WBXML_TEXT = WBXML.encode().hex() + "00"

PDUS: list[tuple[wsp.Pdu, str]] = [
    (
        wsp.Connect(Capabilities(client_sdu=1 << 20, server_sdu=1 << 20), (accept("*/*"),)),
        "01 10 0a 02 0480c08000 0481c08000 8080",
    ),
    (wsp.ConnectReply(300, Capabilities(method_mor=2)), "02 822c 03 00 028302"),
    (
        wsp.Redirect((wsp.Address(bytes([192, 0, 2, 1]), 9201, 0x0B),), permanent=True),
        "03 80 c4 0b 23f1 c0000201",
    ),
    (wsp.Redirect((wsp.Address(b"123"),), reuse_security=True), "03 40 03 313233"),
    (wsp.Disconnect(5), "05 05"),
    (wsp.Get("http://a/", (accept("*/*"),)), "40 09 687474703a2f2f612f 8080"),
    (
        wsp.Post("http://a/", WBXML, b"\x02\xa4"),
        "60 09 1d 687474703a2f2f612f" + WBXML_TEXT + "02a4",
    ),
    (wsp.Reply(0x20, "text/plain", b"ok"), "04 20 01 83 6f6b"),
    (
        wsp.Push(
            "application/vnd.syncml.notification",
            b"x",
            (Header("X-Wap-Application-Id", encode_integer(5)),),
        ),
        "06 03 c4 af85 78",
    ),
]


@pytest.mark.parametrize(("pdu", "octets"), PDUS)
def test_pdu(pdu: wsp.Pdu, octets: str) -> None:
    """Each PDU has its octets, both ways. Clause 8.2."""
    assert not isinstance(pdu, wsp.Other)
    assert bytes.fromhex(octets) == pdu.encode()
    assert pdu == wsp.decode(bytes.fromhex(octets))


def test_units() -> None:
    """Without a connection an octet of the transaction stands before. Clause 8.1."""
    reply = wsp.Reply(0x20, "text/plain", b"ok")

    assert bytes.fromhex("07 04 20 01 83 6f6b") == wsp.unit(7, reply)
    assert (7, reply) == wsp.read_unit(wsp.unit(7, reply))


def test_what_is_not_served() -> None:
    """PDUs of facilities that we do not have are known by their type. Table 34."""
    assert wsp.Other(PduType.RESUME) == wsp.decode(bytes.fromhex("09 05"))
    assert wsp.Get("x", method=PduType.HEAD) == wsp.decode(bytes.fromhex("42 01 78"))


def test_reply_of_no_headers() -> None:
    """A gateway that has nothing to say leaves the content type out too."""
    assert wsp.Reply(0x62, "", b"") == wsp.decode(bytes.fromhex("04 62 00"))


@pytest.mark.parametrize(
    "octets",
    [
        "",
        "01 10",
        "01 10 05 00 0480",
        "01 10 01 00 00",  # a capability of no octets
        "02 ffffffffff7f 00 00",  # more than 32 bits
        "03 80 c4 0b 23f1 c000",
        "04 20 05 83",
        "04 20 02 1f 05",
        "60 01 01",
        "06 03 c4 af",
        "03 00" + "00" * 33,
    ],
)
def test_malformed(octets: str) -> None:
    """What cannot be read is owed an abort with PROTOERR. Table 35."""
    with pytest.raises(wsp.MalformedPdu) as caught:
        wsp.decode(bytes.fromhex(octets))

    assert Reason.PROTOERR == caught.value.answer


def test_an_address_that_cannot_be_written() -> None:
    """It is refused, and not repeated: it may hold a token."""
    with pytest.raises(LocalError) as caught:
        wsp.Post("http://a/\N{SNOWMAN}token", WBXML, b"").encode()

    assert "token" not in str(caught.value)


# Values.


@pytest.mark.parametrize(
    ("number", "octets"),
    [(0, "00"), (127, "7f"), (128, "8100"), (0x100000, "c08000"), (0xFFFFFFFF, "8fffffff7f")],
)
def test_uintvar(number: int, octets: str) -> None:
    """Seven bits an octet, the highest first. Clause 8.1.2."""
    assert bytes.fromhex(octets) == encode_uintvar(number)
    assert number == Reader(bytes.fromhex(octets)).uintvar()


@pytest.mark.parametrize(
    ("number", "octets"), [(0, "80"), (127, "ff"), (128, "0180"), (0x12345, "03012345")]
)
def test_integer(number: int, octets: str) -> None:
    """An integer is short up to 127. Clause 8.4.2.1."""
    assert bytes.fromhex(octets) == encode_integer(number)
    assert number == read_integer(Reader(bytes.fromhex(octets)))


def test_text() -> None:
    """A text that would look like a code is quoted; control characters have no place in one."""
    assert b"abc\0" == encode_text("abc")
    assert b"\x7f\xe4\0" == encode_text("\xe4")
    assert "\xe4" == read_text(Reader(b"\x7f\xe4\0"))
    assert "q" == read_text(Reader(b'"q\0'))
    for bad in ("a\nb", "a\0b", "\N{SNOWMAN}"):
        with pytest.raises(LocalError):
            encode_text(bad)


@pytest.mark.parametrize("octets", ["80", "00", "0201ff", "1f0203ff", "616200"])
def test_value_of_any_kind(octets: str) -> None:
    """Every value tells its own end. Clause 8.4.1.2."""
    value = bytes.fromhex(octets)

    assert value == read_value(Reader(value + b"\x61"))


CONTENT = [
    ("*/*", "80"),
    ("text/x-vCard", "87"),
    ("application/vnd.syncml.ds.notification", "ce"),
    (WBXML, WBXML_TEXT),
    (f"{WBXML}; charset=utf-8", "1f 1f" + WBXML_TEXT + "81ea"),
    ("text/plain; charset=iso-10646-ucs-2", "05 83 81 0203e8"),
    ("text/plain; a=b", "05 83 6100 6200"),
    ("text/plain; a=", "04 83 6100 00"),
]


@pytest.mark.parametrize(("text", "octets"), CONTENT)
def test_content_type(text: str, octets: str) -> None:
    """A code where there is one, a text otherwise; parameters behind a length. Clause 8.4.2.24."""
    assert bytes.fromhex(octets) == encode_content_type(text)
    assert text == read_content_type(Reader(bytes.fromhex(octets)))


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        ("c2", "application/vnd.syncml.dm+wbxml"),
        ("ff", "x-wsp/7f"),
        ("03 02030a", "x-wsp/30a"),
        ("05 83 80 0b 8180", "text/plain"),  # q, and any character set
        ("03 83 81 84", "text/plain; charset=iso-8859-1"),
        ("04 83 81 01 7b", "text/plain; charset=123"),
        ("06 83 6100 02 0102", "text/plain; a=258"),
        ("06 83 89 78797a00", "text/plain"),
    ],
)
def test_content_type_of_others(octets: str, text: str) -> None:
    """Codes without a name keep their number, parameters that we do not know are passed over."""
    assert text == read_content_type(Reader(bytes.fromhex(octets)))


def test_value_length() -> None:
    """From 31 octets on a length of its own stands before. Clause 8.4.2.2."""
    assert bytes([30]) + bytes(30) == encode_value_length(bytes(30))
    assert bytes([31, 31]) + bytes(31) == encode_value_length(bytes(31))


# Headers.


def test_headers() -> None:
    """Names are codes where they have one. Clause 8.4.1."""
    headers = (accept("*/*"), text_header("User-Agent", "cardsync"), text_header("X-Own", "1"))
    octets = bytes.fromhex("8080 a963617264 73796e6300 582d4f776e00 3100")

    assert octets == encode_headers(headers)
    assert headers == decode_headers(Reader(octets))
    assert "cardsync" == headers[1].text
    assert headers[0].text is None
    assert b"\x80" == find(headers, FieldName.ACCEPT)
    assert find(headers, FieldName.LOCATION) is None


def test_header_pages() -> None:
    """Codes of another page are passed over, until the default one is back. Clause 8.4.1.1."""
    octets = bytes.fromhex("7f 05 8081 10 8182 01 8080 ff80")

    assert (accept("*/*"), Header("x-wsp-7f", b"\x80")) == decode_headers(Reader(octets))


@pytest.mark.parametrize(
    ("octets", "seconds"),
    [
        ("a5 02 81 a0", 32.0),
        ("a5 06 80 04 000003f2", 10.0),
        ("a5 06 80 04 00000001", 0.0),
        ("a5 3137 00", 17.0),
        ("a5 736f6f6e 00", None),
        ("8080", None),
    ],
)
def test_retry_after(octets: str, seconds: float | None) -> None:
    """A number of seconds or a date. Clause 8.4.2.44."""
    assert seconds == retry_after(decode_headers(Reader(bytes.fromhex(octets))), 1000.0)


def test_too_many_headers() -> None:
    """The number of headers is bounded; a name is a token."""
    with pytest.raises(PeerError):
        decode_headers(Reader(b"\x80\x80" * 201))
    with pytest.raises(PeerError):
        retry_after((Header("Retry-After", b"\x02\x90\x80"),), 0.0)
    for name in ("", "\xe4"):
        with pytest.raises(LocalError):
            encode_headers((text_header(name, ""),))


def test_tables() -> None:
    """The codes are those of tables 36, 39 and 40."""
    assert [0x20, 0x40, 0x51, 0x60, 0x65, 0x40, 0x60, 0x60] == [
        status_code(status) for status in (200, 400, 417, 500, 505, 429, 599, 999)
    ]
    assert all(http_status(status_code(status)) == status for status in (100, 204, 302, 415, 503))
    assert http_status(0x52) is None
    assert "Encoding-Version" == HEADER_NAMES[0x43]
    assert "application/vnd.syncml.ds.notification" == CONTENT_TYPES[0x4E]


# Capabilities.


def test_capabilities() -> None:
    """All that is negotiated, and what is not. Clause 8.3."""
    octets = bytes.fromhex("0380 8a78 0281 00 0282 f0 0283 03 0284 04 0386 0501")
    capabilities = Capabilities(1400, 0, Options(0xF0), 3, 4, ((6, b"\x05\x01"),))

    assert capabilities == Capabilities.decode(octets)
    assert octets == capabilities.encode()


def test_capability_by_name() -> None:
    """One that has a name is nobody's whom we know; of one said twice the first counts."""
    octets = bytes.fromhex("04 78797a00 02 83 02 02 83 05")

    assert Capabilities(method_mor=2) == Capabilities.decode(octets)
    with pytest.raises(PeerError):
        Capabilities.decode(b"".join(bytes([1, 0x8A + n]) for n in range(33)))


def test_grant() -> None:
    """The narrower size holds, 0 being no limit; what we have not is granted as nothing."""
    asked = Capabilities(0, 1 << 20, Options.PUSH | Options.SESSION_RESUME, 9, 1)

    assert Capabilities(5000, 5000, Options(0), 4, 0) == asked.grant(5000, 4)
    assert Capabilities() == Capabilities().grant(5000, 4)


# Any octets.


@given(st.binary(max_size=80))
def test_any_octets(octets: bytes) -> None:
    """Any octets are read or refused."""
    for read in (wsp.decode, wsp.read_unit, Capabilities.decode):
        try:
            read(octets)
        except PeerError:
            continue


@given(st.sampled_from([0x01, 0x02, 0x03, 0x04, 0x06, 0x40, 0x60]), st.binary(max_size=80))
def test_any_octets_of_a_kind(kind: int, octets: bytes) -> None:
    """The same for each kind of PDU, with a header for what it promises."""
    try:
        pdu = wsp.decode(bytes([kind, 0x10]) + octets)
    except PeerError:
        return
    if isinstance(pdu, wsp.Reply | wsp.Post):
        retry_after_or_not(pdu)


def retry_after_or_not(pdu: wsp.Reply | wsp.Post) -> None:
    """Look at the headers of what could be read."""
    try:
        retry_after(pdu.headers, 0.0)
    except PeerError:
        return


@given(
    st.text(st.characters(codec="ascii", exclude_categories=["C", "Z"]), max_size=60),
    st.binary(max_size=200),
)
def test_post_round_trip(uri: str, body: bytes) -> None:
    """What is written is read alike."""
    post = wsp.Post(uri, f"{WBXML}; charset=utf-8", body, (text_header("X-A", "b"),))

    assert post == wsp.decode(post.encode())
