"""The ESME against an independent message centre: Net::SMPP, written in Perl by others."""

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cardsync.transport.smpp_bodies import Address, DeliverSm, SubmitSm, Tlv
from cardsync.transport.smpp_client import SmppClient
from cardsync.transport.smpp_codes import MessageState, MessageType, Tag
from cardsync.transport.smpp_errors import SubmitRefused
from cardsync.transport.smpp_receipt import Receipt, receipted_message_id
from peers import need

# It answers the first submit_sm behind a proof of receipt and a delivery receipt about it, the
# second with ESME_RTHROTTLED, the third is accepted, the fourth refused. It prints what it reads.
CENTRE = r"""
use strict; use warnings; use Net::SMPP;
my $listener = Net::SMPP->new_listen('127.0.0.1', port => 0, smpp_version => 0x34) or die;
$| = 1;
print $listener->sockport, "\n";
my $c = $listener->accept or die;
my $submits = 0;
while (my $pdu = $c->read_pdu) {
    my %at = (seq => $pdu->{seq});
    if ($pdu->{cmd} == 0x09) {
        print join(' ', 'bind', @$pdu{qw(system_id password system_type interface_version)}), "\n";
        $c->set_version(0x34);
        $c->bind_transceiver_resp(%at, system_id => 'perl', sc_interface_version => "\x34");
    } elsif ($pdu->{cmd} == 0x04) {
        my @fields = @$pdu{qw(source_addr destination_addr esm_class protocol_id data_coding
                              registered_delivery validity_period)};
        my $text = $pdu->{message_payload};
        $text = $pdu->{short_message} unless defined $text;
        print join(' ', 'submit', @fields, unpack('H*', $text)), "\n";
        $submits++;
        if ($submits == 1) {
            $c->deliver_sm(async => 1, source_addr => '491711', destination_addr => '1234',
                esm_class => 0x48, protocol_id => 0x7F, data_coding => 0xF6,
                short_message => "\x02\x71\x00proof", receipted_message_id => "m1\0");
            $c->deliver_sm(async => 1, source_addr => '491711', destination_addr => '1234',
                esm_class => 0x04, message_state => "\x02",
                short_message => 'id:m1 sub:001 dlvrd:001 submit date:0211221538 '
                    . 'done date:0211221540 stat:DELIVRD err:000 text:');
        }
        if ($submits == 2) { $c->submit_sm_resp(%at, status => 0x58, message_id => '') }
        elsif ($submits == 4) { $c->submit_sm_resp(%at, status => 0x0B, message_id => '') }
        else { $c->submit_sm_resp(%at, message_id => "m$submits") }
    } elsif ($pdu->{cmd} == 0x06) {
        $c->unbind_resp(%at);
        last;
    } else {
        printf "%08x %d\n", $pdu->{cmd}, $pdu->{status};
        $c->enquire_link_resp(%at) if $pdu->{cmd} == 0x15;
    }
}
"""

PACKET = bytes.fromhex("027000 000E 0D 12 25 15 15 B00010 0000000001 00 AABBCCDD")


@contextmanager
def perl(script: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a script, and end it."""
    need("Net::SMPP")
    with subprocess.Popen(
        ["perl", "-e", script, *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


@pytest.mark.peer("Net::SMPP")
def test_net_smpp_as_centre() -> None:
    """Fields and parameters arrive as sent, both ways; early proofs and throttling are handled."""
    taken: list[DeliverSm] = []

    async def take(message: DeliverSm) -> None:
        taken.append(message)

    async def journey(port: int) -> list[str]:
        one = SubmitSm(
            Address("1234"),
            Address("491711", 1, 1),
            PACKET,
            esm_class=0x40,
            protocol_id=0x7F,
            data_coding=0xF6,
            registered_delivery=5,
            validity_period="000001000000000R",
        )
        long = SubmitSm(
            Address("1234"), Address("491711"), tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, bytes(300)),)
        )
        client = SmppClient(
            "127.0.0.1", port, "gateway", "secret", system_type="ota", on_deliver=take
        )
        async with asyncio.timeout(20), client:
            names = [await client.submit(one), await client.submit(long)]
            with pytest.raises(SubmitRefused):
                await client.submit(one)
            return names

    with perl(CENTRE) as centre:
        assert centre.stdout is not None
        names = asyncio.run(journey(int(centre.stdout.readline())))
        lines = centre.stdout.read().splitlines()

    submitted = f"submit 1234 491711 64 127 246 5 000001000000000R {PACKET.hex()}"
    payload = f"submit 1234 491711 0 0 0 0  {bytes(300).hex()}"
    assert ["m1", "m3"] == names
    assert [line for line in lines if line[0] in "bs"] == [
        "bind gateway secret ota 52",
        submitted,
        payload,
        payload,
        submitted,
    ]
    assert ["80000005 0"] * 2 == [line for line in lines if line[0] == "8"]
    proof, receipt = taken
    assert (proof.message_type, proof.udhi) == (MessageType.DELIVERY_ACKNOWLEDGEMENT, True)
    assert proof.user_data == bytes.fromhex("027100") + b"proof"
    assert receipted_message_id(proof) == "m1"
    assert Receipt("m1", MessageState.DELIVERED) == Receipt.decode(receipt)
