"""The messages of TS 31.124 and TS 51.010-4, and what is in them, as another program read them.

The fields are named in the words of that program (oFono); the tables below say where they are
in ours. What it shows of texts and pictures, as HTML and XPM, is compared in test_looks.py. A
short message is opaque to this language but for its service centre.
"""

from collections.abc import Callable
from typing import Any

import pytest

from cardsync.errors import PeerError
from cardsync.octets.apdu import CommandApdu
from cardsync.toolkit import calls, channels, information, looks, network, readers, texts
from cardsync.toolkit.commands import Part, ProactiveCommand, TerminalResponse, every, first
from cardsync.toolkit.data_object import DataObject, Unknown
from cardsync.toolkit.envelope import Envelope
from cardsync.toolkit.objects import (
    DeviceIdentities,
    Duration,
    EventList,
    TimerIdentifier,
    TimerValue,
)
from vectors import load

Parts = tuple[Part, ...]
Reading = Callable[[Parts], Any]

OWED = {1: 0x31, 2: 0x32, 3: 0x36}
"""The program's own words for a command that it refuses, and the general result that is owed."""


def plain(value: Any) -> Any:
    """Take named numbers and octets out of their wrapping."""
    if isinstance(value, dict) and set(value) == {"name", "value"}:
        return value["value"]
    if isinstance(value, dict) and set(value) == {"hex"}:
        return value["hex"]
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def the(wanted: type[DataObject], index: int = 0) -> Callable[[Parts], Any]:
    """Find the object of a class that stands at an index among those of its class."""
    return lambda parts: every(parts, wanted)[index]


def field(wanted: type[DataObject], name: str, index: int = 0) -> Reading:
    """Read a field of an object."""
    return lambda parts: getattr(the(wanted, index)(parts), name)


def value(wanted: type[DataObject], index: int = 0) -> Reading:
    """Read the octets of an object and how many they are, under the names that are in use."""

    def read(parts: Parts) -> dict[str, Any]:
        octets = the(wanted, index)(parts).value()
        names = ("attributes", "list", "array", "subaddr", "ccp", "cause")
        return {"len": len(octets), "has_cause": True} | dict.fromkeys(names, octets.hex())

    return read


def icon(index: int = 0) -> Reading:
    """Read an icon."""

    def read(parts: Parts) -> dict[str, int]:
        found = the(texts.IconIdentifier, index)(parts)
        return {"qualifier": found.qualifier, "id": found.identifier}

    return read


def number(index: int = 0) -> Reading:
    """Read an address, with capital letters as the program writes small ones."""

    def read(parts: Parts) -> dict[str, Any]:
        found = the(calls.Address, index)(parts)
        return {"ton_npi": found.ton_npi, "number": found.digits.lower()}

    return read


def duration(parts: Parts) -> dict[str, int]:
    """Read a duration."""
    found = the(Duration)(parts)
    return {"unit": found.unit, "interval": found.interval}


def timer(parts: Parts) -> dict[str, int]:
    """Read a timer value as hours, minutes and seconds; what is 0 is not told."""
    minutes, second = divmod(the(TimerValue)(parts).seconds, 60)
    hour, minute = divmod(minutes, 60)
    return {"hour": hour, "minute": minute, "second": second, "has_value": True}


def bearer(parts: Parts) -> dict[str, Any]:
    """Read a bearer description of packet service."""
    found = the(channels.BearerDescription)(parts)
    names = ("precedence", "delay", "reliability", "peak", "mean", "pdp_type")
    return {"type": found.type, "gprs": dict(zip(names, found.parameters, strict=True))}


def card_apdu(parts: Parts) -> dict[str, Any]:
    """Read the command for another card."""
    apdu = CommandApdu.decode(the(readers.CApdu)(parts).octets)
    return {"cla": apdu.cla, "ins": apdu.ins, "p1": apdu.p1, "p2": apdu.p2,
            "lc": len(apdu.data), "data": apdu.data.hex()}  # fmt: skip


def place(parts: Parts) -> dict[str, Any]:
    """Read where the terminal is, in GERAN, UTRAN and E-UTRAN."""
    found = the(information.LocationInformation)(parts)
    area, cell = found.rest[:2], found.rest[2:]
    return {"mcc": found.mcc, "mnc": found.mnc, "lac_tac": int.from_bytes(area, "big"),
            "has_ci": True, "ci": int.from_bytes(cell[:2], "big"),
            "has_ext_ci": True, "ext_ci": int.from_bytes(cell[2:], "big"),
            "has_eutran_ci": True, "eutran_ci": int.from_bytes(cell, "big") >> 4}  # fmt: skip


def moment(parts: Parts) -> dict[str, int]:
    """Read a time."""
    found = the(information.DateTime)(parts)
    return {"year": found.year % 100, "month": found.month, "day": found.day, "hour": found.hour,
            "minute": found.minute, "second": found.second, "timezone": found.zone}  # fmt: skip


def status(parts: Parts) -> dict[str, Any]:
    """Read how a reader is."""
    found = the(readers.CardReaderStatus)(parts)
    return {"id": found.reader, "removable": found.removable, "present": found.present,
            "id1_size": found.id1, "card_present": found.card_present,
            "card_powered": found.card_powered}  # fmt: skip


def page(parts: Parts) -> dict[str, Any]:
    """Read a page of a cell broadcast."""
    found = the(calls.CellBroadcastPage)(parts)
    return {"gs": found.serial >> 14, "message_code": found.serial >> 4 & 0x3FF,
            "update_number": found.serial & 0x0F, "message_identifier": found.identifier,
            "dcs": found.coding, "page": found.page[0], "max_pages": found.page[1],
            "ud": found.content.hex()}  # fmt: skip


def link(parts: Parts) -> int:
    """Read how a channel is: 0 not there, 1 there, 5 dropped."""
    found = the(channels.ChannelStatus)(parts)
    return 5 if found.information == b"\x05" else int(found.established)


def centre(parts: Parts) -> dict[str, Any] | list[Any]:
    """Read the service centre; an empty list is the program's word for none."""
    found = first(parts, calls.Address)
    if found is None:
        return []
    kind, plan = divmod(found.ton_npi & 0x7F, 16)
    return {"number_type": kind, "numbering_plan": plan, "address": found.digits}


def capability(parts: Parts) -> dict[str, Any]:
    """Read the bearer of a call, whose first octet is its length."""
    octets = the(calls.CapabilityConfigurationParameters)(parts).octets
    return {"len": octets[0], "ccp": octets[1:].hex()}


def dictionary(**readings: Reading) -> Reading:
    """Read several fields."""
    return lambda parts: {name: Lazy(reading, parts) for name, reading in readings.items()}


class Lazy:
    """A field that is read only where the vector has it."""

    def __init__(self, reading: Reading, parts: Parts) -> None:
        self.reading = reading
        self.parts = parts


CHANNEL = dictionary(id=field(channels.ChannelStatus, "channel"), status=link)
LANGUAGE = field(information.Language, "code")
CALLS = dictionary(
    len=lambda parts: len(the(calls.TransactionIdentifier)(parts).identifiers),
    list=lambda parts: bytes(the(calls.TransactionIdentifier)(parts).identifiers).hex(),
)

COMMAND: dict[str, Reading] = {
    "text": field(texts.TextString, "text"),
    "default_text": field(texts.DefaultText, "text"),
    "text_usr": field(texts.TextString, "text"),
    "text_passwd": field(texts.TextString, "text", 1),
    "icon_id": icon(),
    "icon_id_usr_cfm": icon(),
    "icon_id_call_setup": icon(1),
    "duration": duration,
    "text_attr": value(looks.TextAttribute),
    "text_attr_usr_cfm": value(looks.TextAttribute),
    "text_attr_call_setup": value(looks.TextAttribute, 1),
    "item_text_attr_list": value(looks.ItemTextAttributeList),
    "resp_len": dictionary(
        min=field(texts.ResponseLength, "minimum"), max=field(texts.ResponseLength, "maximum")
    ),
    "alpha_id": field(texts.AlphaIdentifier, "text"),
    "alpha_id_usr_cfm": field(texts.AlphaIdentifier, "text"),
    "alpha_id_call_setup": field(texts.AlphaIdentifier, "text", 1),
    "tone": field(texts.Tone, "code"),
    "items": lambda parts: [{"id": item.identifier, "text": item.text}
                            for item in every(parts, texts.Item)],
    "item_icon_id_list": dictionary(
        qualifier=field(texts.ItemIconIdentifierList, "qualifier"),
        list=lambda parts: bytes(the(texts.ItemIconIdentifierList)(parts).identifiers).hex(),
        len=lambda parts: len(the(texts.ItemIconIdentifierList)(parts).identifiers),
    ),
    "next_act": dictionary(
        list=lambda parts: list(the(texts.ItemsNextAction)(parts).actions),
        len=lambda parts: len(the(texts.ItemsNextAction)(parts).actions),
    ),
    "gsm_sms": dictionary(
        sc_addr=centre,
        type=lambda parts: the(calls.SmsTpdu)(parts).tpdu[0] % 4 << 2,  # SMS-SUBMIT is 01
    ),
    "ss": dictionary(ton_npi=field(calls.SsString, "ton_npi"), ss=field(calls.SsString, "digits")),
    "ussd": field(calls.UssdString, "text"),
    "addr": number(),
    "subaddr": value(calls.Subaddress),
    "file_list": lambda parts: [{"len": len(path), "file": path.hex()}
                                for path in the(readers.FileList)(parts).paths],
    "event_list": dictionary(
        list=lambda parts: list(the(EventList)(parts).events),
        len=lambda parts: len(the(EventList)(parts).events),
    ),
    "c_apdu": card_apdu,
    "timer_id": field(TimerIdentifier, "identifier"),
    "timer_value": timer,
    "at_command": field(readers.AtCommand, "text"),
    "dtmf": lambda parts: the(calls.DtmfString)(parts).digits.lower(),
    "language": LANGUAGE,
    "bearer_desc": bearer,
    "buf_size": field(channels.BufferSize, "size"),
    "uti": dictionary(
        protocol=field(channels.TransportLevel, "protocol"),
        port=field(channels.TransportLevel, "port"),
    ),
    "data_dest_addr": dictionary(
        type=field(channels.OtherAddress, "type"),
        addr=dictionary(
            ipv4=lambda parts: int.from_bytes(the(channels.OtherAddress)(parts).address, "little")
        ),
    ),
    "apn": field(channels.NetworkAccessName, "name"),
    "data_len": field(channels.ChannelDataLength, "length"),
    "data": value(channels.ChannelData),
}  # fmt: skip

ANSWER_TEXT = dictionary(
    text=dictionary(
        text=lambda parts: {"\x01": "Yes"}.get(written(parts), written(parts)),
        yesno=lambda parts: written(parts) == "\x01",
    )
)


def written(parts: Parts) -> str:
    """Give what the user wrote; the answer yes is the octet 01."""
    found = the(texts.TextString)(parts)
    return "\x01" if found.value() == b"\x04\x01" else found.text


RESPONSE: dict[str, Reading] = {
    "get_inkey": ANSWER_TEXT,
    "get_input": ANSWER_TEXT,
    "poll_interval": dictionary(max_interval=duration),
    "select_item": dictionary(item_id=field(texts.ItemIdentifier, "identifier")),
    "provide_local_info": lambda parts: [dictionary(
        location=place,
        imei=field(information.Imei, "digits"),
        datetime=moment,
        tadv=dictionary(status=field(information.TimingAdvance, "state"),
                        advance=field(information.TimingAdvance, "advance")),
        esn=lambda parts: int.from_bytes(the(information.Esn)(parts).octets, "big"),
        battery_charge=field(information.BatteryState, "code"),
        nmr=dictionary(nmr=value(information.NetworkMeasurementResults)),
    )(parts)],
    "timer_mgmt": dictionary(id=field(TimerIdentifier, "identifier"), value=timer),
    "run_at_command": dictionary(at_response=field(readers.AtResponse, "text")),
    "open_channel": dictionary(channel=CHANNEL, bearer_desc=bearer,
                               buf_size=field(channels.BufferSize, "size")),
    "receive_data": dictionary(rx_data=value(channels.ChannelData),
                               rx_remaining=field(channels.ChannelDataLength, "length")),
    "send_data": dictionary(tx_avail=field(channels.ChannelDataLength, "length")),
    "channel_status": dictionary(channel=CHANNEL),
}  # fmt: skip

EVENT = dictionary(
    type=lambda parts: the(EventList)(parts).events[0],
    mt_call=dictionary(
        transaction_id=lambda parts: the(calls.TransactionIdentifier)(parts).identifiers[0],
        caller_address=number(),
    ),
    call_connected=dictionary(
        transaction_id=lambda parts: the(calls.TransactionIdentifier)(parts).identifiers[0]
    ),
    call_disconnected=dictionary(transaction_ids=CALLS, cause=value(calls.Cause)),
    location_status=dictionary(state=field(information.LocationStatus, "status"), info=place),
    card_reader_status=status,
    language_selection=LANGUAGE,
    data_available=dictionary(
        channel=CHANNEL, channel_data_len=field(channels.ChannelDataLength, "length")
    ),
    channel_status=dictionary(channel=CHANNEL),
    network_rejection=dictionary(
        tai=dictionary(
            mcc=field(network.TrackingAreaIdentification, "mcc"),
            mnc=field(network.TrackingAreaIdentification, "mnc"),
            tac=lambda parts: int.from_bytes(
                the(network.TrackingAreaIdentification)(parts).area, "big"
            ),
        ),
        access_tech=lambda parts: the(information.AccessTechnology)(parts).technologies[0],
        update_attach=field(network.RegistrationKind, "code"),
        cause=field(network.RejectionCause, "cause"),
    ),
)

ENVELOPE: dict[str, Reading] = {
    "sms_pp_download": dictionary(
        address=number(), message=lambda parts: the(calls.SmsTpdu)(parts).tpdu
    ),
    "cbs_pp_download": dictionary(page=page),
    "menu_selection": dictionary(
        item_id=field(texts.ItemIdentifier, "identifier"),
        help_request=lambda parts: first(parts, texts.HelpRequest) is not None,
    ),
    "call_control": dictionary(
        type=lambda parts: int(first(parts, calls.Address) is None),
        address=number(),
        ccp1=capability,
        location=place,
    ),
    "sms_mo_control": dictionary(sc_address=number(), dest_address=number(1), location=place),
    "event_download": EVENT,
    "timer_expiration": dictionary(id=field(TimerIdentifier, "identifier"), value=timer),
}

HEAD = {"status", "number", "type", "qualifier", "src", "dst", "result", "html"}
"""What is compared by the tests themselves, or is not ours."""


def compare(expected: Any, ours: Any) -> None:
    """Compare what the vector has; what it does not tell is not compared."""
    if isinstance(ours, Lazy):
        compare(expected, ours.reading(ours.parts))
    elif isinstance(ours, bytes):
        assert ours  # a short message: another language reads it
    elif isinstance(expected, dict):
        for name, inner in expected.items():
            if name in ours:
                compare(inner, ours[name])
            else:
                assert name == "submit", name
    elif isinstance(expected, list) and ours and isinstance(ours[0], dict):
        assert len(expected) == len(ours)
        for one, other in zip(expected, ours, strict=True):
            compare(one, other)
    else:
        assert expected == ours


def vectors(kind: str) -> list[dict[str, Any]]:
    """Give the vectors of a kind."""
    return [one for one in load("cat_31124.json")["vectors"] if one["kind"] == kind]


def compare_fields(expected: dict[str, Any], table: dict[str, Reading], parts: Parts) -> None:
    """Compare each field by the table of its kind."""
    for name, inner in expected.items():
        if name not in HEAD:
            compare(inner, table[name](parts))


def test_commands() -> None:
    """All 340: the octets again, and what is in them; two of them are to be refused."""
    for vector in vectors("command"):
        expected, octets = plain(vector["expect"]), bytes.fromhex(vector["pdu"])
        owed = OWED.get(expected.get("status", 0))
        if owed is not None:
            with pytest.raises(PeerError) as caught:
                ProactiveCommand.decode(octets)
            assert owed == caught.value.answer, vector["name"]
            continue
        decoded = ProactiveCommand.decode(octets)
        details, devices = decoded.details, decoded.devices

        assert octets == decoded.encode(), vector["name"]
        assert expected["number"] == details.number
        assert expected["type"] == details.type
        assert expected["qualifier"] == details.qualifier
        assert (expected["src"], expected["dst"]) == (devices.source, devices.destination)
        assert () == every(decoded.parts, Unknown), vector["name"]

        compare_fields(expected, COMMAND, decoded.parts)


def test_responses() -> None:
    """All 97: the octets again, and what is in them."""
    for vector in vectors("response"):
        expected, octets = plain(vector["expect"]), bytes.fromhex(vector["pdu"])
        decoded = TerminalResponse.decode(octets)
        result = expected["result"]

        assert octets == decoded.encode(), vector["name"]
        assert expected["type"] == decoded.details.type
        assert result["type"] == decoded.result.general
        assert result.get("additional", "") == decoded.result.additional.hex()

        compare_fields(expected, RESPONSE, decoded.parts)


def test_envelopes() -> None:
    """All 30: the octets again, and what is in them."""
    for vector in vectors("envelope"):
        expected, octets = plain(vector["expect"]), bytes.fromhex(vector["pdu"])
        decoded = Envelope.decode(octets)
        devices = the(DeviceIdentities)(decoded.parts)

        assert octets == decoded.encode(), vector["name"]
        assert vector["envelope_tag"] == expected["type"] == decoded.tag
        assert (expected["src"], expected["dst"]) == (devices.source, devices.destination)
        assert () == every(decoded.parts, Unknown), vector["name"]

        compare_fields(expected, ENVELOPE, decoded.parts)


def test_objects_as_another_program_reads_them() -> None:
    """Five objects of the toolkit that pySim wrote."""
    rows = [one for one in load("uicc_tlv_ef.json")["tlv"] if one["class"].startswith("pySim.cat")]
    made = {
        "BearerDescription": channels.BearerDescription(3),
        "NetworkAccessName": channels.NetworkAccessName(("naa",)),
        "OtherAddress": channels.OtherAddress(0x21, b"\1\2\3\4"),
        "TextString": texts.TextString("password"),
        "UiccTransportLevel": channels.TransportLevel(2, 32768),
    }

    assert {one["class"].rsplit(".", 1)[1]: one["hex"] for one in rows} == {
        name: one.encode().hex() for name, one in made.items()
    }
