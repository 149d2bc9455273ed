"""What a message centre makes of a message: SMPP on one side, TS 23.040 on the other.

SMPP carries the user data header as octets before the data, and septets one to an octet; a TPDU
has both packed. Addresses and times change their form, TP-PID, TP-DCS and TP-UDHI do not.
"""

import calendar
import re
from datetime import UTC, datetime, timedelta, timezone

from cardsync.errors import LocalError, PeerError
from cardsync.transport import sms
from cardsync.transport.smpp_bodies import ESM_UDHI, Address, DeliverSm, SubmitSm, Tlv
from cardsync.transport.smpp_codes import (
    CommandStatus,
    MessageState,
    MessageType,
    Npi,
    RegisteredDelivery,
    Tag,
    Ton,
)
from cardsync.transport.smpp_receipt import Receipt
from cardsync.transport.user_data import Alphabet, UserData

_RECEIPT_BITS = 0x03
_RECEIPT_DATE = "%y%m%d%H%M"
_TIME = re.compile(r"(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d)(\d{2})([+R-])")
_SAR = frozenset({Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM})
# Values of data_coding that name another alphabet than the same value of TP-DCS, clause 5.2.19.
_OTHER_ALPHABETS = frozenset(range(0x10)) - {0x00, 0x04, 0x08}


def deliver_of(message: SubmitSm, now: datetime) -> sms.Deliver:
    """Make the SMS-DELIVER of a submit_sm; raise `PeerError` with the status that refuses it."""
    _check(message)
    coding = message.data_coding
    deliver = sms.Deliver(
        _originator(message.source),
        timestamp(now),
        _user_data(message),
        message.protocol_id,
        coding,
    )
    try:
        deliver.encode()
    except LocalError as exc:
        raise PeerError(str(exc), answer=CommandStatus.ESME_RINVMSGLEN) from exc
    return deliver


def acknowledgement_of(message: SubmitSm, message_id: str, report: sms.DeliverReport) -> DeliverSm:
    """Make the SME delivery acknowledgement that carries a mobile's report. Clause 5.2.12.

    The user data of the report (a card's response packet) are those of the deliver_sm.
    """
    return _deliver_sm(
        message.destination,
        message.source,
        report.user_data,
        kind=MessageType.DELIVERY_ACKNOWLEDGEMENT,
        protocol_id=report.protocol or 0,
        data_coding=report.coding or 0,
        tlvs=(Tlv(Tag.RECEIPTED_MESSAGE_ID, message_id.encode("ascii") + b"\0"),),
    )


def receipt_of(
    message: SubmitSm, receipt: Receipt, submitted: datetime, done: datetime
) -> DeliverSm | None:
    """Make the delivery receipt of a message that has ended; None where none was asked for."""
    wanted = message.registered_delivery & _RECEIPT_BITS
    failed = receipt.state is not MessageState.DELIVERED
    if wanted != RegisteredDelivery.FINAL_RECEIPT and not (
        wanted == RegisteredDelivery.FAILURE_RECEIPT and failed
    ):
        return None
    return DeliverSm(
        message.destination,
        message.source,
        receipt.text(f"{submitted:{_RECEIPT_DATE}}", f"{done:{_RECEIPT_DATE}}"),
        esm_class=MessageType.DELIVERY_RECEIPT,
        tlvs=receipt.tlvs(),
    )


def deliver_sm_of(msisdn: str, submit: sms.Submit) -> DeliverSm:
    """Make the deliver_sm of a message that the mobile `msisdn` sent."""
    to = submit.destination
    return _deliver_sm(
        Address(msisdn, Ton.INTERNATIONAL, Npi.ISDN),
        Address(to.number, to.type_of_number, to.numbering_plan),
        submit.user_data,
        kind=MessageType.DEFAULT,
        protocol_id=submit.protocol,
        data_coding=submit.coding,
    )


def timestamp(now: datetime) -> sms.TimeStamp:
    """Write the centre's time, in UTC."""
    now = now.astimezone(UTC)
    return sms.TimeStamp.of(now.year % 100, now.month, now.day, now.hour, now.minute, now.second)


def read_time(text: str, now: datetime) -> datetime:
    """Give the moment that a validity period means at `now`. SMPP 3.4 clause 7.1.1.

    Raises `PeerError` with ESME_RINVEXPIRY where it is neither absolute nor relative.
    """
    found = _TIME.fullmatch(text)
    message = f"a time of {len(text)} characters is neither absolute nor relative"
    if found is None:
        raise PeerError(message, answer=CommandStatus.ESME_RINVEXPIRY)
    year, month, day, hour, minute, second, tenth, quarters = map(int, found.groups()[:-1])
    try:
        if found.group(9) == "R":
            clock = timedelta(days=day, hours=hour, minutes=minute, seconds=second)
            return _later(now, 12 * year + month) + clock
        zone = timezone(timedelta(minutes=15 * quarters) * (-1 if found.group(9) == "-" else 1))
        return datetime(2000 + year, month, day, hour, minute, second, tenth * 100000, zone)
    except (ValueError, OverflowError) as exc:
        raise PeerError(message, answer=CommandStatus.ESME_RINVEXPIRY) from exc


def _later(moment: datetime, months: int) -> datetime:
    """Add months as the calendar has them: a month behind 31 January is the end of February."""
    years, index = divmod(moment.month - 1 + months, 12)
    year, month = moment.year + years, index + 1
    day = min(moment.day, calendar.monthrange(year, month)[1])
    return moment.replace(year=year, month=month, day=day)


def _deliver_sm(
    source: Address,
    destination: Address,
    user_data: UserData,
    *,
    kind: MessageType,
    protocol_id: int,
    data_coding: int,
    tlvs: tuple[Tlv, ...] = (),
) -> DeliverSm:
    head = UserData(header=user_data.header).encode()
    return DeliverSm(
        source,
        destination,
        head + user_data.data,
        esm_class=kind | (ESM_UDHI if head else 0),
        protocol_id=protocol_id,
        data_coding=data_coding,
        tlvs=tlvs,
    )


def _check(message: SubmitSm) -> None:
    faults = (
        # Acknowledgements of an ESME have no mobile that would wait for them.
        (not message.is_ordinary, CommandStatus.ESME_RINVESMCLASS),
        (message.schedule_delivery_time != "", CommandStatus.ESME_RINVSCHED),
        # Segments would have to be given a header each: who wants one sends it.
        (any(tlv.tag in _SAR for tlv in message.tlvs), CommandStatus.ESME_ROPTPARNOTALLWD),
        (not message.destination.digits.isdecimal(), CommandStatus.ESME_RINVDSTADR),
        (message.data_coding in _OTHER_ALPHABETS, CommandStatus.ESME_RSUBMITFAIL),
    )
    for is_fault, status in faults:
        if is_fault:
            raise PeerError(f"a simulated message centre answers {status.name}", answer=status)


def _user_data(message: SubmitSm) -> UserData:
    octets = message.user_data
    size = 1 + octets[0] if message.udhi and octets else 0
    try:
        header = UserData.decode(octets[:size], size, has_header=message.udhi).header
    except PeerError as exc:
        raise PeerError(str(exc), answer=CommandStatus.ESME_RINVMSGLEN) from exc
    data = octets[size:]
    if sms.alphabet(message.data_coding) is Alphabet.GSM7 and any(octet > 0x7F for octet in data):
        raise PeerError("an octet is no septet", answer=CommandStatus.ESME_RSUBMITFAIL)
    return UserData(data, header)


def _originator(source: Address) -> sms.Address:
    try:
        return sms.Address(source.digits, sms.TypeOfNumber(source.ton), source.npi)
    except ValueError as exc:
        message = f"type of number {source.ton} is unknown"
        raise PeerError(message, answer=CommandStatus.ESME_RINVSRCTON) from exc
    except LocalError as exc:
        raise PeerError(str(exc), answer=CommandStatus.ESME_RINVSRCADR) from exc
