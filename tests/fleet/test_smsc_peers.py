"""The simulated message centre judged by others: smpplib, Net::SMPP and tshark."""

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cardsync.fleet.smsc import Account, Smsc
from cardsync.transport import sms
from cardsync.transport.smpp import Pdu
from cardsync.transport.smpp_bodies import (
    Address,
    Bind,
    BindResp,
    DeliverSm,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    SubmitSm,
    Tlv,
)
from cardsync.transport.smpp_client import SmppClient
from cardsync.transport.smpp_codes import RESPONSE, CommandId, CommandStatus, MessageState, Tag
from cardsync.transport.smpp_errors import SubmitRefused
from cardsync.transport.smpp_receipt import Receipt
from cardsync.transport.user_data import RESPONSE_HEADER, UserData
from peers import need

MSISDN = "491711234567"
GATEWAY = Account("gateway", "secret", ("1234",))
PACKET = bytes.fromhex("027000 000E 0D 12 25 15 15 B00010 0000000001 00 AABBCCDD")
PROOF = sms.DeliverReport(UserData(b"proof of receipt", RESPONSE_HEADER), 0x7F, 0xF6)


async def radio(tpdu: bytes) -> bytes | None:
    """Take a packet, give a proof of receipt."""
    assert sms.Deliver.decode(tpdu).for_card
    return PROOF.encode()


def speak(port: int) -> tuple[list[str], list[Any]]:
    """Be an ESME, as smpplib is one: submit, and read the proof and the receipt."""
    from smpplib.client import Client  # noqa: PLC0415 - a peer, and slow to import

    client = Client("127.0.0.1", port, timeout=5, allow_unknown_opt_params=True)
    names: list[str] = []
    told: list[Any] = []

    def take(pdu: Any) -> None:  # smpplib names the argument
        told.append(pdu)

    client.set_message_sent_handler(lambda pdu: names.append(pdu.message_id.decode()))
    client.set_message_received_handler(take)
    client.connect()
    client.bind_transceiver(system_id="gateway", password="secret")
    client.send_message(
        source_addr="1234",
        destination_addr=MSISDN,
        dest_addr_ton=1,
        dest_addr_npi=1,
        short_message=PACKET,
        esm_class=0x40,
        protocol_id=0x7F,
        data_coding=0xF6,
        registered_delivery=1,
    )
    while len(told) < 2:
        client.read_once()
    client.unbind()
    client.disconnect()
    return names, told


def test_smpplib_as_esme() -> None:
    """Smpplib binds, submits to the card, and reads proof and receipt."""

    async def journey() -> tuple[list[str], list[Any]]:
        async with asyncio.timeout(20), Smsc([GATEWAY]) as smsc:
            smsc.attach(MSISDN, radio)
            return await asyncio.to_thread(speak, smsc.port)

    names, (proof, receipt) = asyncio.run(journey())
    assert ["1"] == names
    assert (proof.esm_class, proof.protocol_id, proof.data_coding) == (0x48, 0x7F, 0xF6)
    assert proof.short_message == bytes.fromhex("027100") + b"proof of receipt"
    assert proof.receipted_message_id.rstrip(b"\0") == b"1"
    assert (receipt.esm_class, receipt.message_state) == (0x04, 2)
    assert b"stat:DELIVRD" in receipt.short_message


ESME = r"""
use strict; use warnings; use Net::SMPP;
my $c = Net::SMPP->new_transceiver('127.0.0.1', port => $ARGV[0], smpp_version => 0x34,
    system_id => 'gateway', password => $ARGV[1]) or die;
my $r = $c->submit_sm(source_addr => '1234', destination_addr => '491711234567',
    esm_class => 0x40, protocol_id => 0x7F, data_coding => 0xF6,
    short_message => pack('H*', $ARGV[2]));
printf "%d %s\n", $r->{status}, defined $r->{message_id} ? $r->{message_id} : '';
exit if $r->{status};
my $d = $c->read_pdu;
my $text = unpack('H*', $d->{short_message});
printf "%02x %s %s\n", $d->{esm_class}, $d->{receipted_message_id}, $text;
$c->deliver_sm_resp(seq => $d->{seq}, message_id => '');
printf "%d\n", $c->enquire_link->{status};
printf "%d\n", $c->unbind->{status};
"""


@pytest.mark.parametrize(("password", "lines"), [("secret", 4), ("wrong", 1)])
def test_net_smpp_as_esme(password: str, lines: int) -> None:
    """Net::SMPP binds, submits, reads the proof, asks for the link and unbinds; or may not."""
    need("Net::SMPP")

    async def journey() -> str:
        async with asyncio.timeout(20), Smsc([GATEWAY]) as smsc:
            smsc.attach(MSISDN, radio)
            process = await asyncio.create_subprocess_exec(
                *("perl", "-e", ESME, str(smsc.port), password, PACKET.hex()),
                stdout=asyncio.subprocess.PIPE,
            )
            said, _ = await process.communicate()
            return said.decode()

    proof = f"48 1\0 {bytes.fromhex('027100').hex()}{b'proof of receipt'.hex()}"
    expected = ["0 1", proof, "0", "0"] if lines == 4 else ["4 "]
    assert expected == asyncio.run(journey()).split("\n")[:-1]


def packet(source: int, target: int, sequence: int, acknowledged: int, octets: bytes) -> bytes:
    """Give an IPv4 packet of one TCP segment, without checksums."""
    tcp = (
        source.to_bytes(2, "big")
        + target.to_bytes(2, "big")
        + sequence.to_bytes(4, "big")
        + acknowledged.to_bytes(4, "big")
        + bytes.fromhex("5018 FFFF 0000 0000")
        + octets
    )
    length = (20 + len(tcp)).to_bytes(2, "big")
    return b"\x45\0" + length + bytes.fromhex("00000000 40 06 0000 7F000001 7F000001") + tcp


PCAP_HEADER = bytes.fromhex("A1B2C3D4 0002 0004 00000000 00000000 0000FFFF 00000065")  # IPv4


def write_pcap(path: Path, wire: list[tuple[bool, bytes]]) -> None:
    """Write PDUs, those of the centre marked, as TCP between ports 40000 and 2775."""
    written = [PCAP_HEADER]
    sent = {True: 1, False: 1}
    for number, (by_centre, octets) in enumerate(wire):
        ports = (2775, 40000) if by_centre else (40000, 2775)
        data = packet(*ports, sent[by_centre], sent[not by_centre], octets)
        sent[by_centre] += len(octets)
        lengths = 2 * len(data).to_bytes(4, "big")
        written.append(number.to_bytes(4, "big") + bytes(4) + lengths + data)
    path.write_bytes(b"".join(written))


async def converse() -> list[tuple[bool, bytes]]:
    """Hold every conversation that the centre and our ESME can have, and record it."""
    wire: list[tuple[bool, bytes]] = []
    done = asyncio.Event()
    taken: list[DeliverSm] = []

    async def take(message: DeliverSm) -> None:
        taken.append(message)
        if len(taken) == 1:
            raise OSError("not durable: told again")
        if len(taken) == 4:
            done.set()

    message = SubmitSm(
        Address("1234"), Address(MSISDN, 1, 1), PACKET, 0x40, 0x7F, 0xF6, registered_delivery=1
    )
    long = SubmitSm(Address("1234"), Address(MSISDN), tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, b"A" * 160),))
    home = ""
    smsc = Smsc(
        [GATEWAY], retry=0.01, tap=lambda way, octets: wire.append((way.startswith(home), octets))
    )
    async with asyncio.timeout(20), smsc:
        home = f"{smsc.host}:{smsc.port}>"
        smsc.attach(MSISDN, radio)
        async with SmppClient(smsc.host, smsc.port, "gateway", "secret", on_deliver=take) as esme:
            await esme.submit(message)
            with pytest.raises(SubmitRefused):
                await esme.submit(SubmitSm(Address("1234"), Address("abc", 5)))
            submit = sms.Submit(sms.Address("1234"), UserData(b"report", RESPONSE_HEADER))
            await smsc.submit(MSISDN, submit.encode())
            await done.wait()
            smsc.detach(MSISDN)
            await esme.submit(long)
    return wire


RARE = (
    Pdu(Bind(CommandId.BIND_RECEIVER, "gateway", "secret", "ota", address_range="^1234"), 1),
    Pdu(BindResp(CommandId.BIND_RECEIVER_RESP, None), 1, CommandStatus.ESME_RALYBND),
    Pdu(Bind(CommandId.BIND_TRANSMITTER, "gateway", "secret"), 2),
    Pdu(BindResp(CommandId.BIND_TRANSMITTER_RESP, "centre"), 2),
    Pdu(EnquireLink(), 3),
    Pdu(EnquireLinkResp(), 3),
    Pdu(GenericNack(), 4, CommandStatus.ESME_RINVCMDID),
    Pdu(
        DeliverSm(
            Address(MSISDN),
            Address("1234"),
            esm_class=4,
            tlvs=(
                Tlv(Tag.NETWORK_ERROR_CODE, bytes.fromhex("030001")),
                Tlv(Tag.USER_MESSAGE_REFERENCE, bytes(2)),
                Tlv(Tag.SAR_MSG_REF_NUM, bytes(2)),
                Tlv(Tag.SAR_TOTAL_SEGMENTS, b"\2"),
                Tlv(Tag.SAR_SEGMENT_SEQNUM, b"\1"),
                *Receipt("17", MessageState.EXPIRED).tlvs(),
            ),
        ),
        5,
    ),
)


def test_tshark_reads_every_pdu(tmp_path: Path) -> None:
    """No PDU of ours is malformed, and each is to tshark what it is to us."""
    tshark = need("tshark")
    wire = asyncio.run(converse()) + [(False, pdu.encode()) for pdu in RARE]
    path = tmp_path / "smpp.pcap"
    write_pcap(path, wire)
    names = ("command_id", "command_status", "sequence_number", "protocol_id", "data_coding")
    shown = subprocess.run(
        [
            *(tshark, "-r", path, "-T", "fields", "-e", "_ws.malformed", "-e", "frame.protocols"),
            *(part for name in names for part in ("-e", f"smpp.{name}")),
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout

    expected = []
    for _, octets in wire:
        pdu = Pdu.decode(octets)
        is_response = pdu.body.command & RESPONSE
        message = pdu.body if isinstance(pdu.body, SubmitSm | DeliverSm) else None
        expected.append(
            (
                "",
                pdu.body.command,
                pdu.status if is_response else None,
                pdu.sequence,
                None if message is None else message.protocol_id,
                None if message is None else message.data_coding,
            )
        )
    read = []
    for line in shown.splitlines():
        malformed, protocols, *values = line.split("\t")
        assert "smpp" in protocols.split(":")
        read.append((malformed, *(int(value, 0) if value else None for value in values)))
    assert expected == read
    assert len(wire) == 18 + len(RARE)
